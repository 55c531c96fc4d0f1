"""Fine-tuning: data, objectives, one task a step, sentence-transformers' own trainer, fusion."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from youtu_st.training.fusion import fuse
    from youtu_st.training.lora import merge_adapter
    from youtu_st.training.recipe import Recipe, load_recipe
    from youtu_st.training.running import train

__all__ = ["Recipe", "fuse", "load_recipe", "merge_adapter", "train"]

_MODULES = {
    "Recipe": "recipe",
    "load_recipe": "recipe",
    "train": "running",
    "fuse": "fusion",
    "merge_adapter": "lora",
}
# A recipe is data, and read without torch: the rest is imported when it is asked for.


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
