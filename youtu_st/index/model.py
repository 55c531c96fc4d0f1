"""The model of an index, loaded where no encoder is handed in."""

from __future__ import annotations

from pathlib import Path

from youtu_st.errors import ModelLoadError, YoutuError, brief, in_one_line
from youtu_st.index.storage.manifest import Manifest
from youtu_st.protocol import TextEncoder, settings_of


def encoder_of(manifest: Manifest, path: str | Path) -> TextEncoder:
    """This process's one encoder for the model and the settings that a manifest names.

    Raises:
        ModelLoadError: If there is no such model here, or it cannot be loaded: the message says what to pass.
    """
    from youtu_st.encoder import Encoder  # not at the top: an index without a model needs no torch

    try:
        return Encoder.shared(manifest.model, **settings_of(manifest.identity))
    except YoutuError as error:
        what = (
            f"the index in {path} was built with {brief(manifest.model)}, which cannot be loaded here: pass "
            "the encoder that it was built with, encoder=Encoder(..., checkpoint=...)"
        )
        raise ModelLoadError(in_one_line(what, error)) from error
