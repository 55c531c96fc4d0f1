"""An encoder of which nothing is here but what was written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from youtu_st.errors import InputError, brief
from youtu_st.probes import EncoderRecord
from youtu_st.protocol import Vectors


class RecordedEncoder:
    """Stands for the encoder of a record, where vectors are moved, or words looked for, and none are made.

    Of the record's probe texts it has the vectors; asked for any other's it raises. So an index is made and
    opened with it as with the encoder itself, and no model is loaded.

        >>> with VectorIndex.open("rivers", RecordedEncoder(read_manifest("rivers"))) as index:
        ...     hits = index.search("Rhine", k=1, mode="lexical")

    Args:
        record: Of the encoder: the manifest of an index is one.
    """

    def __init__(self, record: EncoderRecord) -> None:
        self._record = record
        self._places = {text: place for place, text in enumerate(record.probe_texts)}

    @property
    def model_name(self) -> str:
        """As recorded, like all that follow."""
        return self._record.model

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._record.dimension

    @property
    def fingerprint(self) -> str:
        """Equal exactly where vectors mean the same."""
        return self._record.fingerprint

    @property
    def identity(self) -> Mapping[str, str]:
        """The parts of the fingerprint."""
        return self._record.identity

    @property
    def runtime(self) -> Mapping[str, str]:
        """How it ran."""
        return self._record.runtime

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """The recorded vectors of probe texts.

        Raises:
            InputError: For any other text, or an instruction.
        """
        return self._recorded(self._record.query_probes, texts, instruction)

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """As :meth:`encode_query`, of texts as documents."""
        return self._recorded(self._record.document_probes, texts, instruction)

    def _recorded(
        self, probes: Vectors, texts: Sequence[str], instruction: str | Sequence[str | None] | None
    ) -> Vectors:
        for text in texts:
            if text not in self._places or instruction is not None:
                raise InputError(
                    f"{brief(text)} must be encoded by {brief(self.model_name)}: its record has the vectors "
                    "of its probe texts alone"
                )
        return probes[np.array([self._places[text] for text in texts], dtype=np.int64)]
