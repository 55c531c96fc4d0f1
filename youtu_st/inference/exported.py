"""An exported model as a pipeline takes it: the same prompts, masks and fingerprint, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.threads import batch_tokens, threads
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.inference.graph_network import GraphNetwork
from youtu_st.inference.preprocess import InstructionPreprocessor
from youtu_st.inputs import check_max_length
from youtu_st.loading.exported import ExportManifest, read_export, texts_of
from youtu_st.modules import tokenization
from youtu_st.protocol import SPLIT, canonical
from youtu_st.spec import prompts
from youtu_st.spec.model import lengths
from youtu_st.spec.registry import expanded

CARD_TOKENS = 16384
"""Padded tokens that go through a card at once; halved where it has too little memory."""


def check_settings(settings: Mapping[str, Any], **allowed: tuple[Any, ...]) -> None:
    """Raise for a setting of :class:`~youtu_st.Encoder` that a graph cannot follow, or not any more.

    Args:
        settings: As :class:`~youtu_st.Encoder` has them.
        **allowed: Values of those that may be given, beside what a graph follows in any case.

    Raises:
        InputError: Naming it.
    """
    followed: dict[str, tuple[Any, ...]] = {"dtype": ("auto", "float32"), **allowed}
    given = [
        name
        for name, value in settings.items()
        if name not in ("device", "prompts", "max_length", "split_special_tokens")
        and value not in followed.get(name, (None, False))
    ]
    if given:
        raise InputError(
            f"{', '.join(given)}: an exported model runs as it was exported, in float32: "
            "export it otherwise, or use backend='torch'"
        )


class ExportedEncoder:
    """What :func:`youtu_st.export` wrote, opened.

    Args:
        path: The directory.
        own: Prompts that replace the model's own ``query`` and ``document``.
        max_length: Tokens to read, if fewer than the model's maximum.
        split_special_tokens: Read special tokens that stand in a text as characters; False: as exported.
        manifest: As :func:`~youtu_st.loading.exported.read_export` has just read it; None: it is read here.
        device: ``cpu``; with ONNX Runtime ``cuda``, ``cuda:1``, ... too. None: ``cpu``.

    Raises:
        ModelLoadError: If the directory is not as it was written, or its engine cannot read the graph, or
            does not run on the device.
        MissingDependencyError: If the engine is not installed.
        InputError: If a setting is not what it may be.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        own: Mapping[str, str] | None = None,
        max_length: int | None = None,
        split_special_tokens: bool = False,
        manifest: ExportManifest | None = None,
        device: str | None = None,
    ) -> None:
        self._path = expanded(path)
        self.manifest = manifest or read_export(path)
        prompts.check_own(own or {})
        self._prompts = {**self.manifest.prompts, **(own or {})}
        limit = self.manifest.max_length
        self.max_length = limit if max_length is None else check_max_length(max_length, limit)
        split = split_special_tokens or self.manifest.settings.split_special_tokens
        self._texts = texts_of(
            self._path, self.manifest, max_length=self.max_length, split_special_tokens=split
        )
        for role in prompts.ROLES:
            self._check_room(f"the {role} prompt", self._prompts[role], ModelLoadError)
        self._graph = open_graph(self.manifest.engine, self._path, device=device or "cpu")

    @classmethod
    def opened(
        cls, path: str | Path, settings: Mapping[str, Any], *, kept: ExportManifest | None = None
    ) -> ExportedEncoder:
        """A directory, with the settings that :class:`~youtu_st.Encoder` was given.

        Args:
            path: The directory.
            settings: As :class:`~youtu_st.Encoder` has them.
            kept: The manifest, where it was exported for these settings.

        Raises:
            InputError: If one of them is for a model that is loaded, and not for what was exported of one.
            YoutuError: As for the class itself.
        """
        found = cls(
            path,
            own=settings["prompts"],
            max_length=settings["max_length"],
            split_special_tokens=settings["split_special_tokens"],
            manifest=kept,
            device=settings["device"],
        )
        if kept is None:
            manifest = found.manifest
            # Torch is what is not given.
            check_settings(settings, backend=("torch", manifest.engine), weights=(None, manifest.weights))
        return found

    @property
    def model(self) -> Any:
        """The model that was exported, as sentence-transformers has it: loaded now, from where it was then.

        Raises:
            ModelLoadError: If it is not there any more, or another is.
        """
        return self._loaded

    @cached_property
    def _loaded(self) -> Any:
        from youtu_st.loading.loader import load
        from youtu_st.modules import fingerprint

        loaded = load(self.manifest.model, self.manifest.checkpoint, device="cpu")
        theirs = fingerprint.identity(loaded, self.manifest.dimension)
        if fingerprint.fingerprint(theirs) != self.manifest.fingerprint:
            raise ModelLoadError(
                f"{self.manifest.model!r} is another model now than the one that was exported into "
                f"{self._path}"
            )
        return loaded

    @property
    def batch_tokens(self) -> int:
        """See :func:`youtu_st.backends.threads.batch_tokens`; a card takes more."""
        return batch_tokens(threads()) if self._graph.device == "cpu" else CARD_TOKENS

    @cached_property
    def preprocessor(self) -> InstructionPreprocessor:
        """Mixes prompts in a batch: each row carries its own mask."""
        return InstructionPreprocessor(self._texts)

    def networks(self, others: Sequence[str]) -> Sequence[GraphNetwork]:
        """The one network: it uses all of the processor, or one card."""
        manifest = self.manifest
        runtime = {"backend": manifest.engine, "dtype": "float32", "device": self._graph.device}
        weights = {"weights": manifest.weights} if manifest.weights else {}
        return [GraphNetwork(self._graph, {**runtime, **weights})]

    @property
    def dimension(self) -> int:
        """Length of a whole vector."""
        return self.manifest.dimension

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths that a vector may be cut to, ascending."""
        return lengths(self.dimension, self.manifest.settings.matryoshka_dimensions)

    @property
    def takes_instructions(self) -> bool:
        """Whether the model knows what to make of a task description."""
        return self.manifest.settings.template is not None

    @property
    def tokenizer(self) -> Any:
        """What reads texts."""
        return self._texts.reader

    @property
    def reader(self) -> Any:
        """The same."""
        return self._texts.reader

    @property
    def named_prompts(self) -> Mapping[str, str]:
        """All prompts that were saved with the model, by whatever names."""
        return self.manifest.named_prompts

    @property
    def normalizes(self) -> bool:
        """Whether the model's own modules scale vectors to unit length."""
        return self.manifest.normalizes

    def prompt_for(self, role: str) -> str:
        """What the model itself puts before a ``query`` or a ``document``."""
        return self._prompts[role]

    def prompts_for(self, role: str, instruction: str | Sequence[str | None] | None, n: int) -> list[str]:
        """One prompt for each of ``n`` texts.

        Raises:
            InputError: If the model takes no instructions, or one leaves no room for text.
        """
        own = self._prompts[role]
        each = prompts.prompts_for(own, self.manifest.settings.template, instruction, n)
        for prompt in set(each) - {own, ""}:
            self._check_room("the prompt of the instruction", prompt, InputError)
        return each

    def identity(self, dimension: int) -> dict[str, str]:
        """The exported model's, with the settings that are others here."""
        split = {SPLIT: "true"} if self._texts.settings.split_special_tokens else {}
        return {
            **{part: value for part, value in self.manifest.identity.items() if part != SPLIT},
            "prompts": canonical({role: self._prompts[role] for role in prompts.ROLES}),
            "max_length": str(self.max_length),
            "dimension": str(dimension),
            **split,
        }

    def _check_room(self, what: str, prompt: str, error: type[InputError] | type[ModelLoadError]) -> None:
        if self.max_length is not None:
            tokenization.check_room(self._texts.reader, prompt, self.max_length, what, error)
