"""What a reranker is made from, and what it says of itself; how it ranks is :class:`Reranker`'s."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.errors import InputError
from youtu_st.inference.loaded import LoadedModel
from youtu_st.loading.manifest import is_exported
from youtu_st.rerank.subject import RerankerSubject

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder


class DescribedReranker(LoadedModel):
    """A model that gives a score for each pair, whoever runs it."""

    _subject: RerankerSubject

    def _load(self, name: str | Path, settings: Mapping[str, Any]) -> RerankerSubject:
        if is_exported(name):
            from youtu_st.rerank.exported import ExportedReranker

            return ExportedReranker.opened(name, settings)
        if settings["backend"] != "torch":
            from youtu_st.backends.graphs.opening import check_device
            from youtu_st.inference.exported_model import check_settings
            from youtu_st.loading.kept import MAKING, kept
            from youtu_st.rerank.exported import ExportedReranker
            from youtu_st.rerank.kept import RERANKERS

            check_settings({part: value for part, value in settings.items() if part not in MAKING})
            check_device(settings["backend"], settings["device"])
            how = {"engine": settings["backend"], "weights": settings["weights"]}
            path, manifest = kept(RERANKERS, name, settings, **how)
            return ExportedReranker.opened(path, settings, kept=manifest)
        if settings["weights"] is not None:
            raise InputError(f"weights={settings['weights']!r} needs backend='onnx' or 'openvino'")
        from youtu_st.rerank.hosted import HostedReranker
        from youtu_st.rerank.loading import load

        engines = ("backend", "weights")
        told = {part: value for part, value in settings.items() if part not in engines}
        return HostedReranker(load(name, **told))

    def _as_it_is(self, model: CrossEncoder) -> RerankerSubject:
        from youtu_st.rerank.hosted import HostedReranker
        from youtu_st.rerank.loading import check_kind

        check_kind(model, self._name)
        return HostedReranker(model)

    @property
    def model(self) -> CrossEncoder:
        """The model as sentence-transformers has it."""
        model: CrossEncoder = self._subject.model
        return model

    @property
    def takes_instructions(self) -> bool:
        """Whether the model's template has a place for a task description."""
        return self._subject.takes_instructions

    @property
    def identity(self) -> dict[str, str]:
        """The named parts that decide what a score means; not dtype or device."""
        return dict(self._subject.identity)

    def __repr__(self) -> str:
        how = self.runtime
        backend = f", {how['backend']}" if how["backend"] != "torch" else ""
        weights = f" with {how['weights']} weights" if "weights" in how else ""
        return (
            f"{type(self).__name__}({self.model_name!r}, {self.max_length} tokens, {how['dtype']} on "
            f"{self._runner.pool}{backend}{weights})"
        )
