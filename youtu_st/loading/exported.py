"""What was exported of an encoder: a directory that says what it is, and is checked before it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from youtu_st.loading.manifest import FORMAT as FORMAT
from youtu_st.loading.manifest import TOKENIZER as TOKENIZER
from youtu_st.loading.manifest import Manifest, read_manifest, reader_of
from youtu_st.loading.manifest import is_exported as is_exported
from youtu_st.modules.texts import Texts
from youtu_st.spec.model import ModuleSettings
from youtu_st.spec.registry import Count


class ExportManifest(Manifest):
    """What a graph is: all that stands between a text and a vector, but for the network itself.

    Attributes:
        dimension: Length of a vector.
        counts_positions: Whether the network has a learned table of absolute positions.
        settings: Mask, template and shorter lengths.
        prompts: Before a ``query`` and a ``document``.
        named_prompts: All prompts that were saved with the model.
        normalizes: Whether the model's own modules scale vectors to unit length.
        marks_content: Whether a text may be nothing to the model, as all that it reads of it is no content.
        cosine: Lowest cosine to the model's own vectors of the probe texts.
    """

    what: ClassVar[str] = "encoder"

    dimension: Count
    counts_positions: bool
    settings: ModuleSettings
    prompts: dict[str, str]
    named_prompts: dict[str, str]
    normalizes: bool
    marks_content: bool = True
    cosine: float


def read_export(path: str | Path) -> ExportManifest:
    """The manifest of an encoder's directory, see :func:`~youtu_st.loading.manifest.read_manifest`.

    Raises:
        ModelLoadError: As there.
    """
    return read_manifest(path, ExportManifest)


def texts_of(folder: Path, manifest: ExportManifest, **changed: Any) -> Texts:
    """How the model takes texts.

    Args:
        folder: The directory.
        manifest: Its manifest.
        **changed: ``max_length`` or ``split_special_tokens`` where they are others than the manifest's.

    Raises:
        ModelLoadError: If the tokenizer cannot be read.
        InputError: If special tokens are to be split, and cannot be.
    """
    splits = changed.get("split_special_tokens", manifest.settings.split_special_tokens)
    return Texts.of(
        manifest.settings.model_copy(update={"split_special_tokens": splits}),
        reader_of(folder, manifest.tokenizer),
        changed.get("max_length", manifest.max_length),
        padding_side=manifest.padding_side,
        counts_positions=manifest.counts_positions,
        marks_content=manifest.marks_content,
    )
