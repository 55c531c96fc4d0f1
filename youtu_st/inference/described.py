"""What an encoder is made from, and what it says of itself; how it encodes is :class:`youtu_st.Encoder`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from youtu_st.inference.loaded import LoadedModel
from youtu_st.inference.subject import EncoderSubject
from youtu_st.inputs import check_dimensions, one_of
from youtu_st.loading.exported import is_exported
from youtu_st.protocol import Role
from youtu_st.spec.model import ModelSpec

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class DescribedEncoder(LoadedModel):
    """A model that gives vectors, whoever runs it."""

    _subject: EncoderSubject
    _dimension: int
    _allowed: Sequence[int]

    def _load(self, name: str | Path | ModelSpec, settings: Mapping[str, Any]) -> EncoderSubject:
        if isinstance(name, str | Path) and is_exported(name):
            from youtu_st.inference.exported import ExportedEncoder

            return ExportedEncoder.opened(name, settings)
        if settings["backend"] == "onnx":
            from youtu_st.backends.graphs.opening import check_device
            from youtu_st.inference.exported import ExportedEncoder, check_settings
            from youtu_st.loading.kept import MAKING, kept_export

            check_settings({part: value for part, value in settings.items() if part not in MAKING})
            check_device("onnx", settings["device"] or "cpu")
            path, manifest = kept_export(name, settings, engine="onnx", weights=settings["weights"])
            return ExportedEncoder.opened(path, settings, kept=manifest)
        from youtu_st.inference.hosted import HostedEncoder
        from youtu_st.loading.loader import load

        return HostedEncoder(load(name, **settings))

    def _as_it_is(self, model: SentenceTransformer) -> EncoderSubject:
        from youtu_st.inference.hosted import HostedEncoder
        from youtu_st.modules.settings import check_prompts

        check_prompts(model)
        return HostedEncoder(model)

    @property
    def model(self) -> SentenceTransformer:
        """The model as sentence-transformers has it."""
        model: SentenceTransformer = self._subject.model
        return model

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._dimension

    @property
    def dimensions(self) -> Sequence[int]:
        """Lengths that a vector may be cut to, ascending."""
        return self._allowed

    @property
    def takes_instructions(self) -> bool:
        """Whether the model knows what to make of a task description."""
        return self._subject.takes_instructions

    @property
    def prompts(self) -> dict[str, str]:
        """What the model itself puts before a ``query`` and before a ``document``."""
        return {role: self._subject.prompt_for(role) for role in get_args(Role)}

    @property
    def named_prompts(self) -> dict[str, str]:
        """All prompts that were saved with the model, by whatever names."""
        return dict(self._subject.named_prompts)

    @property
    def normalizes(self) -> bool:
        """Whether the model itself scales its vectors to unit length; here they are in any case."""
        return self._subject.normalizes

    def prompt_for(self, role: Role, instruction: str | None = None) -> str:
        """What is put before a text of a role.

        Args:
            role: ``query`` or ``document``.
            instruction: A task description, put through the model's template; None: the model's own prompt.

        Raises:
            InputError: If the model takes no instructions, or this one leaves no room for text.
        """
        one_of("role", role, get_args(Role))
        return self._subject.prompts_for(role, instruction, 1)[0]

    def are_blank(self, role: Role, texts: Sequence[str]) -> list[bool]:
        """Of each text whether the model reads nothing of it, after its own prompt for a role."""
        rows = self._subject.preprocessor.tokenize(list(texts), [self.prompt_for(role)] * len(texts))
        return [row.is_blank for row in rows]

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self._subject.tokenizer

    @property
    def reader(self) -> Any:
        """What gives the tokens of texts as the model reads them: the tokenizer, or a copy that splits."""
        return self._subject.reader

    @property
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a vector means; not dtype, device or backend."""
        return dict(self._subject.identity(self.dimension))

    def __repr__(self) -> str:
        how = self.runtime
        backend = f"{how['backend']} with {how['weights']} weights" if "weights" in how else how["backend"]
        return (
            f"Encoder({self.model_name!r}, {self.dimension} dimensions, {self.max_length} tokens, "
            f"{how['dtype']} on {self._runner.pool}, {backend}, fingerprint {self.fingerprint})"
        )

    def _size(self, dimensions: int | None) -> int:
        if dimensions is None:
            return self._dimension
        return check_dimensions(dimensions, self._allowed, self.model_name)
