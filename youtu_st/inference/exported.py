"""An exported model as a pipeline takes it: the same prompts, masks and fingerprint, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from youtu_st.backends import Dtype
from youtu_st.backends.graphs import check_rounding
from youtu_st.backends.graphs.opening import check_device, open_graph
from youtu_st.backends.graphs.openvino import PRECISIONS, dtype_for
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.inference.exported_model import ExportedModel, check_settings
from youtu_st.inference.preprocess import InstructionPreprocessor
from youtu_st.inputs import check_max_length
from youtu_st.loading.exported import ExportManifest, read_export, texts_of
from youtu_st.loading.kept import MAKING, directory_of, kept_export
from youtu_st.loading.stored import stored_dtype
from youtu_st.modules import tokenization
from youtu_st.protocol import SPLIT, canonical
from youtu_st.spec import prompts
from youtu_st.spec.model import ModelSpec, lengths
from youtu_st.spec.registry import expanded


def precision(model: str | Path | ModelSpec, settings: Mapping[str, Any]) -> str:
    """What the graph of a model is to compute in; known before there is a graph.

    Args:
        model: As for :class:`~youtu_st.Encoder`.
        settings: As it has them; ``backend`` is an engine.

    Raises:
        InputError: If a setting is none that a graph can follow.
        ModelLoadError: If the engine does not run on the device, or does not compute the dtype natively here.
        YoutuError: If there is no such model, or the engine is not installed.
    """
    check_rounding(settings["backend"], settings["weights"])
    any_dtype = {"dtype": get_args(Dtype)} if settings["backend"] == "openvino" else {}
    check_settings({name: value for name, value in settings.items() if name not in MAKING}, **any_dtype)
    check_device(settings["backend"], settings["device"])
    asked = settings["dtype"]
    if settings["backend"] != "openvino":
        return "float32"
    if asked not in ("auto", "checkpoint"):
        return dtype_for(asked)
    directory = directory_of(model, settings["checkpoint"], settings["hub"])
    return dtype_for(asked, stored_dtype(directory))


class ExportedEncoder(ExportedModel):
    """What :func:`youtu_st.export` wrote, opened.

    Args:
        path: The directory.
        own: Prompts that replace the model's own ``query`` and ``document``.
        max_length: Tokens to read, if fewer than the model's maximum.
        split_special_tokens: Read special tokens that stand in a text as characters; False: as exported.
        manifest: As :func:`~youtu_st.loading.exported.read_export` has just read it; None: it is read here.
        device: ``cpu``; with ONNX Runtime ``cuda``, ``cuda:1``, ... too. None: ``cpu``.
        dtype: What the network computes in; another than float32 with OpenVINO alone.
        source: What :func:`youtu_st.load` is called with for the model itself; None: what the manifest says.

    Raises:
        ModelLoadError: If the directory is not as it was written, or its engine cannot read the graph, or
            does not run on the device.
        MissingDependencyError: If the engine is not installed.
        InputError: If a setting is not what it may be.
    """

    manifest: ExportManifest

    def __init__(
        self,
        path: str | Path,
        *,
        own: Mapping[str, str] | None = None,
        max_length: int | None = None,
        split_special_tokens: bool = False,
        manifest: ExportManifest | None = None,
        device: str | None = None,
        dtype: str = "float32",
        source: Mapping[str, Any] | None = None,
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
        self._dtype = dtype
        self._source = source or {"model": self.manifest.model, "checkpoint": self.manifest.checkpoint}
        self._graph = open_graph(self.manifest.engine, self._path, device=device, dtype=dtype)

    @classmethod
    def opened(cls, path: str | Path, settings: Mapping[str, Any]) -> ExportedEncoder:
        """A directory, with the settings that :class:`~youtu_st.Encoder` was given.

        Args:
            path: The directory.
            settings: As :class:`~youtu_st.Encoder` has them.

        Raises:
            InputError: If one of them is for a model that is loaded, and not for what was exported of one.
            YoutuError: As for the class itself.
        """
        manifest = read_export(path)
        dtypes = tuple(PRECISIONS) if manifest.engine == "openvino" else ("float32",)
        check_settings(
            settings,
            backend=("torch", manifest.engine),  # torch is what is not given
            weights=(None, manifest.weights),
            dtype=("auto", *dtypes),
        )
        dtype = "float32" if settings["dtype"] == "auto" else settings["dtype"]
        return cls(path, **_given(settings), manifest=manifest, dtype=dtype)

    @classmethod
    def of_model(cls, model: str | Path | ModelSpec, settings: Mapping[str, Any]) -> ExportedEncoder:
        """A model's export in the cache, with the settings that :class:`~youtu_st.Encoder` was given.

        Args:
            model: As for :class:`~youtu_st.Encoder`.
            settings: As it has them; ``backend`` is an engine.

        Raises:
            InputError: If one of them cannot be followed by a graph.
            YoutuError: As for :func:`youtu_st.export`.
        """
        engine, weights = settings["backend"], settings["weights"]
        dtype = precision(model, settings)
        path, manifest = kept_export(model, settings, engine=engine, weights=weights)
        loads = {name: settings[name] for name in MAKING if name not in ("backend", "weights")}
        return cls(path, **_given(settings), manifest=manifest, dtype=dtype, source={"model": model, **loads})

    @cached_property
    def _loaded(self) -> Any:
        from youtu_st.loading.loader import load
        from youtu_st.modules.fingerprint import identity

        loaded = load(
            **self._source,
            device="cpu",
            prompts=self._prompts,
            max_length=self.max_length,
            split_special_tokens=self._texts.settings.split_special_tokens,
        )
        if identity(loaded, self.dimension) != self.identity(self.dimension):
            raise ModelLoadError(
                f"{self.manifest.model!r} is another model now than the one that was exported into "
                f"{self._path}"
            )
        return loaded

    @cached_property
    def preprocessor(self) -> InstructionPreprocessor:
        """Mixes prompts in a batch: each row carries its own mask."""
        return InstructionPreprocessor(self._texts)

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


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of an encoder, as the class has them."""
    return {
        "own": settings["prompts"],
        "max_length": settings["max_length"],
        "split_special_tokens": settings["split_special_tokens"],
        "device": settings["device"],
    }
