"""Encoder: texts in, unit vectors out. What every adapter, index and command uses."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from sentence_transformers import SentenceTransformer
from tqdm import tqdm

from youtu_st import batching, checks, fingerprint
from youtu_st.backends.torch import TorchNetwork, sound
from youtu_st.errors import InputError, ModelLoadError, NonFiniteError
from youtu_st.frontend import Row, frontend_for
from youtu_st.inputs import Truncation, TruncationReport, check_rows, check_texts, one_of
from youtu_st.loading import Dtype, load
from youtu_st.prompts import prompts_for
from youtu_st.protocol import TextEncoder as TextEncoder
from youtu_st.protocol import Vectors
from youtu_st.shared import Shared
from youtu_st.spec import canonical_name

Role = Literal["query", "document"]
Backend = Literal["torch"]

BATCH_TOKENS = 4096
BLOCK_TEXTS = 1024


class Encoder:
    """One model, one definition of the prompt and of the mask, for every framework.

    Safe to call from many threads. Vectors are float32 rows of unit length, in input order.

    Args:
        model: A name that ``youtu-st models`` lists, a directory, a hub id, a spec's YAML file, or a loaded
            ``SentenceTransformer``.
        checkpoint: Weights for a name or a YAML file, see :func:`youtu_st.load`.
        backend: How the network runs: ``torch``.
        dtype: ``auto``: the checkpoint's own, but float32 on a CPU; or a dtype's name.
        device: ``cpu``, ``cuda``, ...; None: the best there is.
        truncation: What happens to texts over the maximum length: ``warn`` (cut, with one
            :class:`~youtu_st.errors.TruncationWarning` a call), ``error`` or ``ignore``.
        dimensions: Length that vectors are cut to by default, see :meth:`encode_query`.
        batch_tokens: Padded tokens that go through the network at once.
        trust_remote_code: Run code that the checkpoint brings.
        prompts: Prompts that replace the model's own ``query`` and ``document``, see :func:`youtu_st.load`.
        max_length: Tokens to read, if fewer than the model's maximum.
        model_kwargs: For the network's ``from_pretrained``, see :func:`youtu_st.load`.
        hub: For downloads, see :func:`youtu_st.load`.

    Pickling keeps the settings: whoever unpickles them gets :meth:`shared`, not a copy of the weights.

    Raises:
        InputError: If an argument is none of what it may be.
        YoutuError: As for :func:`youtu_st.load`.
    """

    _shared: ClassVar[Shared[Encoder]] = Shared()

    def __init__(
        self,
        model: str | Path | SentenceTransformer,
        *,
        checkpoint: str | Path | None = None,
        backend: Backend = "torch",
        dtype: Dtype = "auto",
        device: str | None = None,
        truncation: Truncation = "warn",
        dimensions: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        trust_remote_code: bool = False,
        prompts: Mapping[str, str] | None = None,
        max_length: int | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        hub: Mapping[str, Any] | None = None,
    ) -> None:
        to_load = {
            "checkpoint": checkpoint,
            "device": device,
            "dtype": dtype,
            "trust_remote_code": trust_remote_code,
            "prompts": prompts,
            "max_length": max_length,
            "model_kwargs": model_kwargs,
            "hub": hub,
        }
        self._settings: dict[str, Any] | None = None
        one_of("backend", backend, get_args(Backend))
        one_of("dtype", dtype, get_args(Dtype))
        one_of("truncation", truncation, get_args(Truncation))
        if isinstance(batch_tokens, bool) or not isinstance(batch_tokens, int) or batch_tokens < 1:
            raise InputError(f"batch_tokens must be an int of at least 1, not {batch_tokens!r}")
        if isinstance(model, SentenceTransformer):
            given = [name for name, value in to_load.items() if value not in (None, "auto", False)]
            if given:
                raise InputError(
                    f"{', '.join(given)}: for a model to be loaded, and this one is; move or cast it with "
                    "its own .to(...), and set its own .prompts and .max_seq_length"
                )
            checks.check_prompts(model)
            self.model = model.eval()
            self._name = str(model.model_card_data.base_model or "loaded model")
        elif not isinstance(model, (str, Path)):
            raise InputError(
                "model must be a name, a directory, a hub id, a YAML file or a SentenceTransformer, "
                f"not {type(model).__name__}"
            )
        else:
            self.model = load(model, **to_load)  # type: ignore[arg-type]
            self._name = canonical_name(model)
            runs = {"truncation": truncation, "batch_tokens": batch_tokens, "backend": backend}
            self._settings = {"model": self._name, **to_load, **runs, "dimensions": dimensions}
        self.truncation = truncation
        self.batch_tokens = batch_tokens
        self._network = TorchNetwork(self.model)
        self._frontend = frontend_for(self.model)
        self._dimension = self.model.get_embedding_dimension() or 0
        self._allowed = sorted({*getattr(self.model[0], "matryoshka_dimensions", ()), self._dimension})
        self._dimension = self._size(dimensions)

    @classmethod
    def shared(cls, model: str | Path | SentenceTransformer, **settings: Any) -> Encoder:
        """The one encoder of this process for a model and settings: loaded once, whoever asks first.

        Args:
            model: As for :class:`Encoder`.
            **settings: As for :class:`Encoder`.
        """
        given = inspect.signature(cls).bind(model, **settings)
        given.apply_defaults()
        rest = tuple((name, str(value)) for name, value in given.arguments.items() if name != "model")
        if isinstance(model, SentenceTransformer):
            return cls._shared.get((id(model), rest), lambda: cls(model, **settings), keep=False)
        return cls._shared.get((canonical_name(model), rest), lambda: cls(model, **settings))

    def __copy__(self) -> Encoder:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Encoder:
        return self  # frameworks copy their settings freely; weights are there once

    def __reduce__(self) -> tuple[Any, ...]:
        if self._settings is None:
            raise InputError(
                "an encoder of a loaded SentenceTransformer cannot be pickled: save the model with "
                "save_pretrained, and make the encoder from its directory"
            )
        return _attach, (self._settings, self.fingerprint)

    @property
    def model_name(self) -> str:
        """What this encoder was made from: a name, a hub id, or the whole path of a directory or file."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def max_length(self) -> int | None:
        """Tokens that the network reads, prompt and special tokens included."""
        return self.model.get_max_seq_length()

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.model.tokenizer

    @property
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a vector means; not dtype, device or backend."""
        return fingerprint.identity(self.model, self.dimension)

    @property
    def fingerprint(self) -> str:
        """Short and stable over :attr:`identity`: another weight, prompt or mask rule changes it."""
        return fingerprint.fingerprint(self.identity)

    @property
    def runtime(self) -> dict[str, str]:
        """How it runs: ``backend``, ``dtype``, ``device``. Changes the last digits of a vector only."""
        dtype = str(self._network.dtype).removeprefix("torch.")
        return {"backend": self._network.name, "dtype": dtype, "device": self.model.device.type}

    def __repr__(self) -> str:
        how = self.runtime
        return (
            f"Encoder({self.model_name!r}, {self.dimension} dimensions, {self.max_length} tokens, "
            f"{how['dtype']} on {how['device']}, {how['backend']}, fingerprint {self.fingerprint})"
        )

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode queries.

        Args:
            texts: A list of str.
            instruction: A task description, put through the model's template: for all texts, or one per text.
                None is the model's own query prompt, ``""`` is no prompt.
            dimensions: Length to cut vectors to before they are scaled to unit length again; one that the
                model was trained for. None: the encoder's :attr:`dimension`.
            show_progress: Show a progress bar after two seconds.

        Returns:
            Shape ``(len(texts), dimensions)``, float32, unit rows, input order.

        Raises:
            InputError: Before any work, if ``texts`` is not a list of str, a text is blank (its position is
                named) or too long under ``truncation="error"``, the model takes no instructions, an
                instruction leaves no room for text, or ``dimensions`` is not one of the model's.
            NonFiniteError: If the network gives a vector that is not finite or zero, in float32 too.
        """
        return self._all(texts, "query", instruction, self._size(dimensions), show_progress)

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode documents, after the model's own document prompt. Otherwise as :meth:`encode_query`."""
        return self._all(texts, "document", instruction, self._size(dimensions), show_progress)

    def iter_encode_document(
        self,
        texts: Iterable[str],
        *,
        block_size: int = BLOCK_TEXTS,
        dimensions: int | None = None,
        show_progress: bool = False,
        total: int | None = None,
    ) -> Iterator[Vectors]:
        """Encode a corpus of any size: blocks of vectors in input order, in memory that does not grow.

        Args:
            texts: Any iterable of str, read a block at a time.
            block_size: Texts of a block.
            dimensions: As for :meth:`encode_query`.
            show_progress: Show a progress bar after two seconds.
            total: Number of texts, for the progress bar, where it is known.

        Returns:
            Blocks of shape ``(block_size or fewer, dimensions)``, float32, unit rows.

        Raises:
            InputError: As for :meth:`encode_query`; positions count from the first text.
        """
        return self._blocks(texts, "document", None, self._size(dimensions), block_size, show_progress, total)

    def iter_encode_query(
        self,
        texts: Iterable[str],
        *,
        instruction: str | None = None,
        block_size: int = BLOCK_TEXTS,
        dimensions: int | None = None,
        show_progress: bool = False,
        total: int | None = None,
    ) -> Iterator[Vectors]:
        """Encode queries as :meth:`iter_encode_document` does documents, with one instruction for all."""
        size = self._size(dimensions)
        return self._blocks(texts, "query", instruction, size, block_size, show_progress, total)

    def similarity(self, queries: Vectors, documents: Vectors) -> Vectors:
        """Cosine of each query with each document.

        Args:
            queries: Shape ``(n, d)``, as encoded here.
            documents: Shape ``(m, d)``, as encoded here.

        Returns:
            Shape ``(n, m)``, float32.
        """
        return np.asarray(queries, dtype=np.float32) @ np.asarray(documents, dtype=np.float32).T

    def _all(
        self, texts: Sequence[str], role: Role, instruction: Any, size: int, show_progress: bool
    ) -> Vectors:
        check_texts(texts)
        rows = self._frontend.tokenize(texts, prompts_for(self.model, role, instruction, len(texts)))
        check_rows(rows)
        report = TruncationReport(self.truncation, self.max_length)
        report.add(rows)
        with tqdm(total=len(texts), unit="text", delay=2, disable=not show_progress) as progress:
            vectors = self._run(rows, role, size, progress)
        report.warn(stacklevel=3)
        return vectors

    def _blocks(
        self,
        texts: Iterable[str],
        role: Role,
        instruction: str | None,
        size: int,
        block_size: int,
        show_progress: bool,
        total: int | None,
    ) -> Iterator[Vectors]:
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise InputError(f"texts must be an iterable of str, not {type(texts).__name__}")
        if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1:
            raise InputError(f"block_size must be an int of at least 1, not {block_size!r}")
        prompt = prompts_for(self.model, role, instruction, 1)

        # A function of its own, so that wrong arguments are an error at the call, not at the first block.
        def blocks(remaining: Iterator[str]) -> Iterator[Vectors]:
            report = TruncationReport(self.truncation, self.max_length)
            try:
                with tqdm(total=total, unit="text", delay=2, disable=not show_progress) as progress:
                    while block := list(islice(remaining, block_size)):
                        first = report.seen
                        check_texts(block, first=first)
                        rows = self._frontend.tokenize(block, prompt * len(block))
                        check_rows(rows, first=first)
                        report.add(rows)
                        yield self._run(rows, role, size, progress, first=first)
            finally:
                report.warn(stacklevel=2)

        return blocks(iter(texts))

    def _run(self, rows: Sequence[Row], role: Role, size: int, progress: Any, *, first: int = 0) -> Vectors:
        vectors = np.empty((len(rows), size), dtype=np.float32)
        for group in self._frontend.groups(rows):
            for batch in batching.plan([len(rows[i]) for i in group], self.batch_tokens):
                positions = [group[i] for i in batch]
                vectors[positions] = self._batch([rows[i] for i in positions], role, size)
                broken = [i for i in positions if not sound(vectors[i : i + 1])[0]]
                if broken:
                    raise NonFiniteError(
                        f"text {first + min(broken)} gave a vector that is not finite or zero, in float32 "
                        "too: the checkpoint's weights are damaged, or do not fit its architecture"
                    )
                progress.update(len(positions))
        return vectors

    def _batch(self, rows: Sequence[Row], role: Role, size: int) -> Vectors:
        def alone(i: int) -> dict[str, Any]:
            return self._frontend.collate([rows[i]], role)

        return self._network.vectors(self._frontend.collate(rows, role), role, size, alone)

    def _size(self, dimensions: int | None) -> int:
        if dimensions is None:
            return self._dimension
        if dimensions not in self._allowed:
            raise InputError(
                f"dimensions must be one of {', '.join(map(str, self._allowed))}, which {self.model_name!r} "
                f"was trained for, not {dimensions!r}"
            )
        return dimensions


def _attach(settings: dict[str, Any], fingerprint: str) -> Encoder:
    """What unpickling calls: this process's one encoder for these settings."""
    encoder = Encoder.shared(**settings)
    if encoder.fingerprint != fingerprint:
        raise ModelLoadError(
            f"the encoder was pickled with the fingerprint {fingerprint}, and {settings['model']!r} has "
            f"{encoder.fingerprint} here: the model there is another"
        )
    return encoder
