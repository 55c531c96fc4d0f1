"""EmbedBatch: vectors in the pipelines of Ray Data that people have already."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast, get_args

import numpy as np
import numpy.typing as npt

from youtu_st.backends.forks import Lock
from youtu_st.errors import InputError, brief, did_you_mean
from youtu_st.inputs import one_of
from youtu_st.protocol import Role, TextEncoder
from youtu_st.scale.cluster.threads import use_assigned_cpus
from youtu_st.scale.encoders import make
from youtu_st.scale.settings import Making, StoredDtype
from youtu_st.spec.model import MODELS
from youtu_st.spec.registry import expanded, is_directory

Batch = TypeVar("Batch")
Stored = npt.NDArray[np.floating[Any]]

MOST_SHOWN = 4
"""Columns of a bad row that a message shows beside the text's."""
_TEXT = re.compile(r"^text (\d+) ")
_made: dict[Making, TextEncoder] = {}
_lock = Lock()


def shared(making: Making) -> TextEncoder:
    """The one encoder of this process for some settings: made once, whoever asks first."""
    with _lock.now:
        if making not in _made:
            _made[making] = make(making)
        return _made[making]


class EmbedBatch:
    """Adds a column of vectors to batches: for ``Dataset.map_batches``, and for any loop over batches.

        dataset.map_batches(
            EmbedBatch, fn_constructor_args=("minilm",), batch_size=4096, num_cpus=1, concurrency=2
        )

    A batch is what ``map_batches`` hands over: a dict of arrays, a pandas DataFrame or an Arrow table. What
    is given back is of the same kind, with all its columns and one more. The texts of a batch go through the
    network in batches by tokens, so that ``batch_size`` may well be some thousand rows.

    Nothing is loaded before the first batch. The encoder is made once in each process, from settings: these
    are all that is pickled. PyTorch computes with as many threads as Ray has given CPUs to the worker.

    Args:
        model: A name, a directory, a hub id or a spec's YAML file, on the machine that encodes; with
            ``server``: what that calls its model.
        role: What all texts are: ``query`` or ``document``.
        instruction: One for all texts; None: the model's own, ``""``: none.
        dimensions: Length that vectors are cut to; None: the encoder's own.
        column: The column of the texts.
        output: The new column: rows of unit length; fixed-size lists in an Arrow table.
        output_dtype: Of the vectors: ``float32``, or ``float16`` for half the size.
        **encoder: Further attributes of :class:`~youtu_st.scale.settings.Making`: ``checkpoint``, ``device``,
            ``truncation``, ``server``, and so on.

    Raises:
        InputError: If an argument is none of what it may be.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        role: Role = "document",
        instruction: str | None = None,
        dimensions: int | None = None,
        column: str = "text",
        output: str = "vector",
        output_dtype: StoredDtype = "float32",
        **encoder: Any,
    ) -> None:
        one_of("role", role, get_args(Role))
        one_of("output_dtype", output_dtype, get_args(StoredDtype))
        known = [field.name for field in fields(Making) if field.name != "model"]
        for name in encoder:
            if name not in known:
                meant = did_you_mean(name, known)
                raise InputError(f"EmbedBatch takes no {name!r}: {meant}it takes {', '.join(known)}")
        if model is None and encoder.get("server") is None:
            raise InputError("EmbedBatch needs a model, or a server that has one")
        for name, value in [("model", model), *encoder.items()]:
            if not isinstance(value, str | int | None):
                raise InputError(f"{name} must be one plain value, not {brief(value)}")
        if model is not None and encoder.get("server") is None:
            model = MODELS.canonical_name(model)  # whole, for a worker stands in another directory
        if (checkpoint := encoder.get("checkpoint")) is not None and is_directory(checkpoint):
            encoder["checkpoint"] = str(expanded(checkpoint).resolve())
        self._making = Making(model, **encoder)
        self._role = role
        self._further: dict[str, Any] = {"instruction": instruction}
        if dimensions is not None:
            self._further["dimensions"] = dimensions
        self._column, self._output = column, output
        self._dtype = np.dtype(output_dtype)

    def __call__(self, batch: Batch) -> Batch:
        """The batch with its vectors.

        Args:
            batch: Rows, by column.

        Raises:
            InputError: If there is no such column, or a column of the new one's name already; if a text is
                missing, blank, no string, or too long under ``truncation="error"``: the row is named, with
                its other columns.
        """
        return cast("Batch", self._embedded(batch))

    def _embedded(self, batch: Any) -> Any:
        if isinstance(batch, Mapping):
            texts = self._texts(batch, list(batch))
            return {**batch, self._output: self._vectors(texts, batch)}
        pa = sys.modules.get("pyarrow")  # it is loaded where there is a table
        if pa is not None and isinstance(batch, pa.Table):
            texts = self._texts(batch, batch.column_names)
            vectors = self._vectors(texts, batch)
            flat = pa.array(vectors.reshape(-1))
            lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
            return batch.append_column(self._output, lists)
        pd = sys.modules.get("pandas")
        if pd is not None and isinstance(batch, pd.DataFrame):
            texts = self._texts(batch, list(batch.columns))
            return batch.assign(**{self._output: list(self._vectors(texts, batch))})
        raise InputError(
            "a batch must be a dict of arrays, a pandas DataFrame or an Arrow table, not "
            f"{type(batch).__name__}: leave out batch_format, or choose one of these"
        )

    def __repr__(self) -> str:
        return f"EmbedBatch({self._making.model!r}, role={self._role!r}, column={self._column!r})"

    def _texts(self, batch: Any, columns: list[str]) -> list[Any]:
        if self._column not in columns:
            there = ", ".join(map(brief, columns[:50])) or "none"
            raise InputError(f"there is no column {self._column!r} of texts: the columns are {there}")
        if self._output in columns:
            raise InputError(f"there is a column {self._output!r} already: name another one with output=")
        return _values(batch[self._column])

    def _vectors(self, texts: list[Any], batch: Any) -> Stored:
        use_assigned_cpus()  # each time: a process may get tasks with other numbers of them
        encoder = shared(self._making)
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                kind = f"has a text of type {type(text).__name__}" if _is_there(text) else "has no text"
                raise InputError(f"{self._row(row, batch)} {kind}")
        if not texts:
            size = self._further.get("dimensions", encoder.dimension)
            return np.empty((0, size), dtype=self._dtype)
        encode = encoder.encode_query if self._role == "query" else encoder.encode_document
        try:
            vectors = encode(texts, **self._further)
        except InputError as error:
            found = _TEXT.match(str(error))
            if found is None:
                raise
            place = self._row(int(found[1]), batch)
            raise InputError(f"{place}: its text {str(error)[found.end() :]}") from error
        return vectors.astype(self._dtype, copy=False)

    def _row(self, row: int, batch: Any) -> str:
        """A row for a message, by its place and by what else is short in it."""
        others = [name for name in _columns(batch) if name != self._column]
        shown: list[str] = []
        for name in others:
            value = _values(batch[name][row : row + 1])[0]
            if isinstance(value, str | int) and len(shown) < MOST_SHOWN:
                shown.append(f"{brief(name)[1:-1]} {brief(value)}")
        return f"row {row} of a batch" + (f" ({', '.join(shown)})" if shown else "")


def _is_there(value: Any) -> bool:
    """Whether a value of a column is one: None, NaN and what pandas has for them are none."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is not None and not is_nan and type(value).__name__ not in ("NAType", "NaTType")


def _columns(batch: Any) -> list[str]:
    names = getattr(batch, "column_names", None)
    return list(batch) if names is None else list(names)


def _values(column: Any) -> list[Any]:
    """A column as Python's own values: of an array, a series, or an Arrow column."""
    convert = getattr(column, "to_pylist", None) or getattr(column, "tolist", None)
    return list(column) if convert is None else list(convert())
