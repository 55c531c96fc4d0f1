"""A server that is sent one string a text: which models it can be asked for, and by which spec."""

from __future__ import annotations

from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.spec.model import MODELS, ModelSpec, load_spec


def spec_for(spec: str | Path | ModelSpec | None, model: str | None) -> ModelSpec | None:
    """What the caller says of the model; None: nothing, and no shipped spec has the hub id ``model``."""
    if isinstance(spec, ModelSpec):
        return spec
    if spec is not None:
        return load_spec(spec)
    return None if model is None else MODELS.by_hub_id(model)


def why_not(spec: ModelSpec | None, model: str | None, *, masks: bool) -> str | None:
    """Why such a server cannot give the model's vectors; None: it can.

    Args:
        spec: What is known about the model.
        model: What the server calls it.
        masks: Whether the server leaves the prompt out of the mean itself.
    """
    if spec is None:
        return (
            f"no shipped spec has the hub id {model!r}: say which model it is with spec=, a name that "
            "youtu-st models lists, or a .yaml file of your own"
        )
    if spec.pooling == "masked_mean" and not masks and _may_be_prompted(spec):
        return (
            f"{spec.name} leaves its prompt out of the mean, and an OpenAI-compatible server does not know "
            "where the prompt ends: it would average the prompt in, and give other vectors; use youtu-st "
            "serve, Encoder or TencentCloudEncoder, or pass server_masks=True for a server that leaves the "
            "prompt out itself"
        )
    return None


def check_can(spec: ModelSpec | None, model: str | None, *, masks: bool) -> ModelSpec:
    """The spec, if such a server can give the model's vectors.

    Raises:
        InputError: With what :func:`why_not` says.
    """
    reason = why_not(spec, model, masks=masks)
    if spec is None or reason is not None:
        raise InputError(reason)
    return spec


def _may_be_prompted(spec: ModelSpec) -> bool:
    return bool(spec.prompts.query or spec.prompts.document or spec.template)
