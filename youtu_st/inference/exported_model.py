"""What exported encoders and rerankers have in common; no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from youtu_st.backends.graphs.running import Graph
from youtu_st.backends.threads import batch_tokens, threads
from youtu_st.errors import InputError
from youtu_st.inference.graph_network import GraphNetwork
from youtu_st.loading.manifest import Manifest

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
            "export it otherwise, or give the model that it is made from, with backend='torch'"
        )


class ExportedModel(ABC):
    """A directory that was opened: its manifest, and its graph.

    Attributes:
        manifest: What the graph is.
    """

    manifest: Manifest
    _path: Path
    _graph: Graph
    _dtype = "float32"

    @property
    def model(self) -> Any:
        """The model that was exported, as sentence-transformers has it: loaded now, from where it was then.

        Raises:
            ModelLoadError: If it is not there any more, or another is.
        """
        return self._loaded

    @property
    @abstractmethod
    def _loaded(self) -> Any:
        """The model itself, loaded once."""

    @property
    def batch_tokens(self) -> int:
        """See :func:`youtu_st.backends.threads.batch_tokens`; a card takes more."""
        return batch_tokens(threads()) if self._graph.device == "cpu" else CARD_TOKENS

    def networks(self, others: Sequence[str]) -> Sequence[GraphNetwork]:
        """The one network: it uses all of the processor, or one card."""
        manifest = self.manifest
        runtime = {"backend": manifest.engine, "dtype": self._dtype, "device": self._graph.device}
        weights = {"weights": manifest.weights} if manifest.weights else {}
        return [GraphNetwork(self._graph, {**runtime, **weights})]
