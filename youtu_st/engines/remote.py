"""What every engine does: check, prompt, cut, send, check what comes back, scale."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, get_args

import numpy as np

from youtu_st.engines.answers import Row, check_answer
from youtu_st.engines.cutting import cut, warn_cut
from youtu_st.engines.facts import Facts
from youtu_st.engines.process import PerProcess
from youtu_st.engines.same import check_same
from youtu_st.engines.sending import Call, Plan
from youtu_st.errors import InputError
from youtu_st.inference.progress import progress_bar
from youtu_st.inference.repeated import RepeatedReport
from youtu_st.inference.truncation import Truncation
from youtu_st.inference.unique import Unique
from youtu_st.inputs import check_count, check_dimensions, check_texts, one_of
from youtu_st.protocol import Role, TextEncoder, Vectors, fingerprint
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.prompts import prompts_for

Instruction = str | Sequence[str | None] | None


class _Cut:
    """How many texts were cut, of the calls of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.texts = 0

    def add(self, texts: int) -> None:
        with self._lock:
            self.texts += texts


class _Here(NamedTuple):
    """What a process has of its own: what :meth:`RemoteEncoder._open` gave, and the limit on requests."""

    client: Any
    slots: threading.BoundedSemaphore
    cut: _Cut


class RemoteEncoder(ABC):
    """A :class:`~youtu_st.TextEncoder` whose network runs elsewhere. Safe to call from many threads.

    Pickling keeps the settings and the identity; a secret that was handed in is never pickled. A forked child
    opens connections of its own.

    Args:
        model: What the server calls the model.
        spec: What is known about it; None: the server is asked.
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
        spec: ModelSpec | None,
        *,
        server: str,
        secret: Any,
        dimensions: int | None,
        truncation: Truncation,
        max_characters: int | None,
        batch_size: int,
        concurrency: int,
        same_as: TextEncoder | None = None,
    ) -> None:
        one_of("truncation", truncation, get_args(Truncation))
        self.truncation = truncation
        self.max_characters = (
            None if max_characters is None else check_count("max_characters", max_characters)
        )
        self.batch_size = check_count("batch_size", batch_size)
        self.concurrency = check_count("concurrency", concurrency)
        self._model = model
        self._spec = spec
        self._server = server
        self._dimensions = dimensions
        if spec is not None and dimensions is not None:
            check_dimensions(dimensions, spec.lengths, spec.name)
        self._same: dict[str, str] | None = None
        self._same_fingerprint = ""
        self._has_secret = secret is not None
        self._connect(secret)
        if same_as is not None:
            self._take_over(same_as)

    @abstractmethod
    def _open(self, secret: Any) -> Any:
        """A client of the server, safe to use from many threads."""

    @abstractmethod
    def _facts(self) -> Facts:
        """What is known of the model. May ask the server, and then raises EngineError."""

    @abstractmethod
    def _ask(self, role: Role, texts: list[str], prompts: list[str]) -> list[Row]:
        """The vectors of one request, as the server sends them.

        Raises:
            Refused: If it may take fewer texts.
            EngineError: If it cannot be reached, refuses, or answers something else.
        """

    @property
    def spec(self) -> ModelSpec | None:
        """What is known about the model as data; None where a server tells less of it."""
        return self._spec or self._facts().spec

    @property
    def model_name(self) -> str:
        """What the server calls the model."""
        return self._model

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._size(self._facts(), None)

    @property
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a vector means, as far as a client can know them.

        A server that is none of this package's does not tell its weights, so that an index built with an
        :class:`~youtu_st.Encoder` takes an engine in front of it only with ``same_as``. Addresses, keys and
        time limits are no part of it.
        """
        if self._same is not None:
            return dict(self._same)
        return {**self._facts().identity, "dimension": str(self.dimension)}

    @property
    def fingerprint(self) -> str:
        """Short and stable over :attr:`identity`."""
        if self._same is not None:
            return self._same_fingerprint
        facts = self._facts()
        told = facts.fingerprint if self.dimension == facts.dimension else None
        return told or fingerprint(self.identity)

    @property
    def tells_identity(self) -> bool:
        """Whether :attr:`identity` is what the server says of itself."""
        return self._same is None and self._facts().fingerprint is not None

    @property
    def runtime(self) -> dict[str, str]:
        """How it runs: the kind of server, and where. Where that differs, an index compares a few vectors."""
        return {"backend": self.backend, "device": self._server}

    @property
    def cut_texts(self) -> int:
        """Texts that were cut so far, in this process: here, or there as far as the server tells."""
        return self._here.get().cut.texts

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.model_name!r} at {self._server}, spec {self._facts().name}, "
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
        return self._all(texts, "query", instruction, dimensions, show_progress)

    def encode_document(
        self,
        texts: Sequence[str],
        *,
        instruction: Instruction = None,
        dimensions: int | None = None,
        show_progress: bool = False,
    ) -> Vectors:
        """Encode documents, after the spec's document prompt. Otherwise as :meth:`encode_query`."""
        return self._all(texts, "document", instruction, dimensions, show_progress)

    def encode_raw(self, texts: Sequence[str], role: Role, *, instruction: Instruction = None) -> Vectors:
        """Vectors as the server sends them, neither cut nor scaled: a verification looks at their lengths.

        Returns:
            Shape ``(len(texts), n)`` with the length that the server sends, float32, input order.

        Raises:
            InputError: As for :meth:`encode_query`.
            EngineError: As for :meth:`encode_query`.
        """
        one_of("role", role, get_args(Role))
        return self._all(texts, role, instruction, None, False, raw=True)

    def _all(
        self,
        texts: Sequence[str],
        role: Role,
        instruction: Instruction,
        dimensions: int | None,
        progress: bool,
        *,
        raw: bool = False,
    ) -> Vectors:
        if self._spec is not None and dimensions is not None:
            check_dimensions(dimensions, self._spec.lengths, self._spec.name)
        given = check_texts(texts)
        plan = self._plan(role, instruction, len(given), dimensions, raw=raw)
        unique = Unique.of(cut(given, self.max_characters, self.truncation, stacklevel=4), plan.beside)
        repeated = RepeatedReport()
        repeated.add(replace(unique, prompts=[plan.prompts[at] for at in unique.positions]))
        repeated.warn(len(given), stacklevel=3)  # whoever called encode_query
        vectors = np.empty((len(unique), plan.size or plan.dimension), dtype=np.float32)
        check = partial(
            check_answer, model=plan.model, dimension=plan.dimension, server=self._server, size=plan.size
        )
        call = Call(unique, plan.ask, check, vectors, self._here.get().slots)
        batches = call.batches(plan.texts, one_prompt=self.one_prompt)
        with progress_bar(len(given), progress) as bar:
            for done in call.run(batches, self.concurrency):
                bar.update(done)
        self._here.get().cut.add(sum(plan.cut) + _over(given, self.max_characters))
        if plan.cut and self.truncation == "warn":
            warn_cut(sum(plan.cut), len(unique), self._server, stacklevel=4)
        return unique.repeat(vectors)

    @abstractmethod
    def _plan(
        self, role: Role, instruction: Instruction, n: int, dimensions: int | None, *, raw: bool
    ) -> Plan:
        """How ``n`` texts are sent. May ask the server what it is."""

    def _prefixed(
        self,
        facts: Facts,
        spec: ModelSpec,
        role: Role,
        instruction: Instruction,
        n: int,
        dimensions: int | None,
        *,
        raw: bool,
    ) -> Plan:
        """After the spec's prompts; vectors come whole, and are cut here."""
        prompts = self._prompts(spec, role, instruction, n)
        size = None if raw else self._size(facts, dimensions)
        ask = partial(self._ask, role)
        return Plan(prompts, prompts, ask, spec.name, spec.dimension, size, self.batch_size)

    def _prompts(self, spec: ModelSpec, role: Role, instruction: Instruction, n: int) -> list[str]:
        prompts = prompts_for(spec.prompts.of(role), spec.template, instruction, n)
        self._check_prompts(role, prompts)
        return prompts

    @abstractmethod
    def _check_prompts(self, role: Role, prompts: Sequence[str]) -> None:
        """Raise InputError for prompts that the server has no way to be told."""

    def _size(self, facts: Facts, dimensions: int | None) -> int:
        wanted = self._dimensions if dimensions is None else dimensions
        return facts.dimension if wanted is None else check_dimensions(wanted, facts.lengths, facts.name)

    def _take_over(self, same_as: TextEncoder) -> None:
        """Become the encoder ``same_as`` for every index, if the vectors are the same."""
        check_same(self, same_as, self._server)
        self._same, self._same_fingerprint = dict(same_as.identity), same_as.fingerprint

    @property
    def _client(self) -> Any:
        return self._here.get().client

    def _connect(self, secret: Any) -> None:
        self._here = PerProcess(
            lambda: _Here(self._open(secret), threading.BoundedSemaphore(self.concurrency), _Cut())
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


def _over(texts: list[str], limit: int | None) -> int:
    return 0 if limit is None else sum(len(text) > limit for text in texts)
