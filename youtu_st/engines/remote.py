"""What every engine does: check, prompt, cut, send, check what comes back, scale."""

from __future__ import annotations

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, get_args

import numpy as np

from youtu_st.engines.answers import Row, check_answer
from youtu_st.engines.process import PerProcess
from youtu_st.engines.sending import Call
from youtu_st.errors import EngineError, InputError, TruncationWarning
from youtu_st.inference.progress import progress_bar
from youtu_st.inference.repeated import RepeatedReport
from youtu_st.inference.truncation import Truncation
from youtu_st.inference.unique import Unique
from youtu_st.inputs import check_count, check_dimensions, check_texts, one_of
from youtu_st.probes import DOCUMENTS, PROBE_COSINE, QUERIES, cosines
from youtu_st.protocol import Role, TextEncoder, Vectors, canonical, fingerprint
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.prompts import prompts_for

Instruction = str | Sequence[str | None] | None


class _Here(NamedTuple):
    """What a process has of its own: what :meth:`RemoteEncoder._open` gave, and the limit on requests."""

    client: Any
    slots: threading.BoundedSemaphore


class RemoteEncoder(ABC):
    """A :class:`~youtu_st.TextEncoder` whose network runs elsewhere. Safe to call from many threads.

    Pickling keeps the settings and the identity; a secret that was handed in is never pickled. A forked child
    opens connections of its own.

    Args:
        model: What the server calls the model.
        spec: What is known about it.
        server: Where it is, for messages; holds no secret.
        secret: What :meth:`_open` needs that no copy of the engine may carry; None: it finds it itself.
        dimensions: Length that vectors are cut to by default.
        truncation: What happens to texts over ``max_characters``.
        max_characters: Characters (Unicode code points) of a text that the server reads.
        batch_size: Texts of a request.
        concurrency: Requests under way at once, of all threads together.
        same_as: An encoder whose vectors these are, and whose identity is taken over.
    """

    backend: ClassVar[str]
    """The kind of server, in :attr:`runtime` and in :attr:`identity`."""

    one_prompt: ClassVar[bool]
    """Whether all texts of a request stand after one prompt."""

    def __init__(
        self,
        model: str,
        spec: ModelSpec,
        *,
        server: str,
        secret: Any,
        dimensions: int | None,
        truncation: Truncation,
        max_characters: int | None,
        batch_size: int,
        concurrency: int,
        same_as: TextEncoder | None,
    ) -> None:
        one_of("truncation", truncation, get_args(Truncation))
        self.spec = spec
        self.truncation = truncation
        self.max_characters = (
            None if max_characters is None else check_count("max_characters", max_characters)
        )
        self.batch_size = check_count("batch_size", batch_size)
        self.concurrency = check_count("concurrency", concurrency)
        self._model = model
        self._server = server
        self._dimension = spec.dimension
        self._dimension = self._size(dimensions)
        self._identity = self._known()
        self._fingerprint = fingerprint(self._identity)
        self._has_secret = secret is not None
        self._connect(secret)
        if same_as is not None:
            self._take_over(same_as)

    @abstractmethod
    def _open(self, secret: Any) -> Any:
        """A client of the server, safe to use from many threads."""

    @abstractmethod
    def _ask(self, role: Role, texts: list[str], prompts: list[str]) -> list[Row]:
        """The vectors of one request, as the server sends them.

        Raises:
            Refused: If it may take fewer texts.
            EngineError: If it cannot be reached, refuses, or answers something else.
        """

    @property
    def model_name(self) -> str:
        """What the server calls the model."""
        return self._model

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a vector means, as far as a client can know them.

        A server does not tell its weights, so that an index built with an :class:`~youtu_st.Encoder` takes an
        engine only with ``same_as``. Addresses, keys and time limits are no part of it.
        """
        return dict(self._identity)

    @property
    def fingerprint(self) -> str:
        """Short and stable over :attr:`identity`."""
        return self._fingerprint

    @property
    def runtime(self) -> dict[str, str]:
        """How it runs: the kind of server, and where. Where that differs, an index compares a few vectors."""
        return {"backend": self.backend, "device": self._server}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self._model!r} at {self._server}, spec {self.spec.name}, "
            f"{self.dimension} dimensions, fingerprint {self.fingerprint})"
        )

    def encode_query(
        self,
        texts: Sequence[str],
        *,
        instruction: Instruction = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode queries.

        Args:
            texts: A list of str.
            instruction: A task description, put through the spec's template: for all texts, or one per text.
                None is the spec's own query prompt, ``""`` is no prompt.
            dimensions: Length to cut vectors to before they are scaled to unit length; one that the model was
                trained for. None: the engine's :attr:`dimension`.
            show_progress: Show a progress bar after two seconds.

        Returns:
            Shape ``(len(texts), dimensions)``, float32, unit rows, input order.

        Raises:
            InputError: Before any request, if an argument or a text cannot be encoded, as for
                :meth:`youtu_st.Encoder.encode_query`.
            EngineError: If the server cannot be reached, refuses, or answers what no such model gives.
        """
        return self._all(texts, "query", instruction, self._size(dimensions), show_progress)

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: Instruction = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode documents, after the spec's document prompt. Otherwise as :meth:`encode_query`."""
        return self._all(texts, "document", instruction, self._size(dimensions), show_progress)

    def encode_raw(self, texts: Sequence[str], role: Role, *, instruction: Instruction = None) -> Vectors:
        """Vectors as the server sends them, neither cut nor scaled: a verification looks at their lengths.

        Returns:
            Shape ``(len(texts), spec.dimension)``, float32, input order.

        Raises:
            InputError: As for :meth:`encode_query`.
            EngineError: As for :meth:`encode_query`.
        """
        one_of("role", role, get_args(Role))
        return self._all(texts, role, instruction, None, False)

    def _all(
        self, texts: Sequence[str], role: Role, instruction: Instruction, size: int | None, progress: bool
    ) -> Vectors:
        given = check_texts(texts)
        prompts = prompts_for(self.spec.prompts.of(role), self.spec.template, instruction, len(given))
        self._check_prompts(role, prompts)
        unique = Unique.of(self._cut(given), prompts)
        repeated = RepeatedReport()
        repeated.add(unique)
        repeated.warn(len(given), stacklevel=3)  # whoever called encode_query
        vectors = np.empty((len(unique), size or self.spec.dimension), dtype=np.float32)
        check = partial(check_answer, spec=self.spec, server=self._server, size=size)
        call = Call(unique, partial(self._ask, role), check, vectors, self._here.get().slots)
        batches = call.batches(self.batch_size, one_prompt=self.one_prompt)
        with progress_bar(len(given), progress) as bar:
            for done in call.run(batches, self.concurrency):
                bar.update(done)
        return unique.repeat(vectors)

    @abstractmethod
    def _check_prompts(self, role: Role, prompts: Sequence[str]) -> None:
        """Raise InputError for prompts that the server has no way to be told."""

    def _cut(self, texts: list[str]) -> list[str]:
        """The texts as the server reads them, by the truncation policy."""
        limit = self.max_characters
        over = [] if limit is None else [i for i, text in enumerate(texts) if len(text) > limit]
        if not over:
            return texts
        first, longest = over[0], max(len(texts[i]) for i in over)
        if self.truncation == "error":
            raise InputError(
                f"text {first} has {len(texts[first])} characters, and the server reads {limit}; split it, "
                "or pass truncation='warn' or 'ignore'"
            )
        if self.truncation == "warn":
            warnings.warn(
                f"{len(over)} of {len(texts)} texts were cut to the server's {limit} characters: the first "
                f"is text {first} with {len(texts[first])}, the longest has {longest}",
                TruncationWarning,
                stacklevel=4,  # whoever called encode_query
            )
        return check_texts([text[:limit] for text in texts])

    def _size(self, dimensions: int | None) -> int:
        if dimensions is None:
            return self._dimension
        return check_dimensions(dimensions, self.spec.lengths, self.spec.name)

    def _known(self) -> dict[str, str]:
        spec = self.spec
        return {
            "engine": self.backend,
            "model": self._model,
            "prompts": canonical(spec.prompts.model_dump()),
            "template": canonical(spec.template),
            "pooling": canonical([spec.pooling, spec.attention, spec.boundary, spec.special_tokens]),
            "max_length": str(spec.max_length),
            "max_characters": str(self.max_characters),
            "dimension": str(self._dimension),
            "normalize": "true",
        }

    def _take_over(self, same_as: TextEncoder) -> None:
        """Become the encoder ``same_as`` for every index, if the vectors are the same.

        Raises:
            InputError: If its vectors have another length.
            EngineError: With the figures, if they are others.
        """
        if same_as.dimension != self.dimension:
            raise InputError(
                f"same_as gives vectors of {same_as.dimension} dimensions, and the engine of {self.dimension}"
            )
        with warnings.catch_warnings():  # one of the texts is longer than some models read
            warnings.simplefilter("ignore", TruncationWarning)
            expected, given = (
                np.concatenate([encoder.encode_query(QUERIES), encoder.encode_document(DOCUMENTS)])
                for encoder in (same_as, self)
            )
        found = cosines(expected, given)
        if not found.min() >= PROBE_COSINE:
            raise EngineError(
                f"{self._server} does not give the vectors of {same_as.model_name!r}: the lowest cosine is "
                f"{found.min():.4f}, the mean {found.mean():.4f}, and {PROBE_COSINE} is needed; "
                "youtu-st verify MODEL --engine URL shows where they differ"
            )
        self._identity = dict(same_as.identity)
        self._fingerprint = same_as.fingerprint

    @property
    def _client(self) -> Any:
        return self._here.get().client

    def _connect(self, secret: Any) -> None:
        self._here = PerProcess(
            lambda: _Here(self._open(secret), threading.BoundedSemaphore(self.concurrency))
        )

    def __copy__(self) -> RemoteEncoder:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> RemoteEncoder:
        return self  # frameworks copy their settings freely; the limit on requests is one

    def __getstate__(self) -> dict[str, Any]:
        if self._has_secret:
            raise InputError(
                f"{type(self).__name__} was given a secret, which is not pickled: leave the secret in the "
                "environment, where the process that unpickles the encoder finds its own"
            )
        return {name: value for name, value in vars(self).items() if name != "_here"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._connect(None)
