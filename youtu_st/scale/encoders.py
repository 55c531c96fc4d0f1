"""An encoder from its settings, in whichever process needs one."""

from __future__ import annotations

from youtu_st.protocol import TextEncoder
from youtu_st.scale.settings import Making


def make(making: Making) -> TextEncoder:
    """The encoder of some settings: a model that runs here, or an engine that stands in for one.

    Raises:
        YoutuError: As for :class:`~youtu_st.Encoder`, or the engine.
    """
    if making.server is not None:
        from youtu_st.engines import OpenAICompatibleEncoder

        return OpenAICompatibleEncoder(making.server, making.model, truncation=making.truncation)
    from youtu_st.encoder import Encoder  # brings torch

    return Encoder(
        making.model or "",
        checkpoint=making.checkpoint,
        backend=making.backend,  # type: ignore[arg-type]  # checked there
        weights=making.weights,  # type: ignore[arg-type]
        dtype=making.dtype,  # type: ignore[arg-type]
        device=making.device,
        batch_tokens=making.batch_tokens,
        max_length=making.max_length,
        truncation=making.truncation,
        split_special_tokens=making.split_special_tokens,
        trust_remote_code=making.trust_remote_code,
    )
