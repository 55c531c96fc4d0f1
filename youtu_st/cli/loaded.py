"""Models that commands load: quietly, with a sign of life."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from youtu_st.cli.console import UsageError, loading, say, say_debug
from youtu_st.errors import YoutuError

if TYPE_CHECKING:
    from youtu_st.backends.fastest import FastChoice
    from youtu_st.encoder import Encoder
    from youtu_st.rerank import Reranker

SplitSpecialTokens = Annotated[
    bool,
    typer.Option(
        "--split-special-tokens", help="Read special tokens in texts, such as [SEP], as characters."
    ),
]


Exported = Literal["never", "questions", "documents"]
"""What a command does with a model, if that can be done as the model was exported."""

ENGINE = "YOUTU_ST_ENGINE"
"""The variable that says what runs models: ``torch``; or ``onnx``, where a model was exported."""


def load_encoder(
    name: str,
    *,
    checkpoint: str | None = None,
    trust_remote_code: bool,
    split_special_tokens: bool = False,
    fast: bool = False,
    rounded: bool = False,
    weights: str | None = None,
    exported: Exported = "never",
) -> Encoder:
    """Load an encoder, quietly, by what ``absolute_model`` gives; say which way is the fastest.

    With ``weights`` rounded, it is OpenVINO that runs it. An exported network that is in the cache opens
    without torch: it is taken for questions, and for documents where torch would be no faster. ``rounded``
    goes with ``fast``: what rounded weights would gain and cost is said, too.

    Raises:
        UsageError: If ``rounded`` is given without it.
        YoutuError: As for :class:`youtu_st.Encoder`.
    """
    if rounded and not fast:
        raise UsageError("--rounded goes with --fast")
    from youtu_st.loading.exported import is_exported

    settings: dict[str, Any] = {
        "checkpoint": checkpoint,
        "trust_remote_code": trust_remote_code,
        "split_special_tokens": split_special_tokens,
    }
    if weights is not None:
        settings |= {"backend": "openvino", "weights": weights}
    elif not fast and not is_exported(name) and _takes_export(name, settings, exported):
        settings["backend"] = "onnx"
        _say_engine(name)
    # What an engine runs, or may run, imports them where it has to be exported, or measured.
    if fast:
        from youtu_st.loading.manifest import check_measurable

        check_measurable(name)
    needs_hosts = "backend" not in settings and not fast and not is_exported(name)
    with loading(f"loading {name} ...", hosts=needs_hosts) as spinner:
        from youtu_st.encoder import Encoder

        if not fast:
            return Encoder(name, **settings)
        from youtu_st.backends.fastest import fastest

        encoder, choice = fastest(Encoder, name, settings, spinner.update, rounded=rounded)
    say("fast", choice)
    if rounded:
        _say_offers(choice)
    return encoder


def _say_offers(choice: FastChoice) -> None:
    for trial in choice.offers:
        how = f"--engine {trial.backend} --weights {trial.weights}"
        say("rounded", f"{choice.compared(trial)}; to have it: youtu-st export MODEL {how} --out DIR")
    if not choice.offers:
        say("rounded", "no rounded weights are faster here and keep the cosine that they must")


def _say_engine(name: str) -> None:
    say_debug("engine", f"{name} runs in ONNX Runtime, as it was exported; {ENGINE}=torch turns that off")


def _takes_export(name: str, settings: Mapping[str, Any], exported: Exported) -> bool:
    """Whether a command runs a model as it was exported."""
    if exported == "never" or not is_exported_here(name, settings):
        return False
    if exported == "questions":
        return True
    from youtu_st.backends.machine import computes_halves, has_card
    from youtu_st.loading.kept import stored_in_half

    return not has_card() and not (computes_halves() and stored_in_half(name, settings))


def is_exported_here(name: str, settings: Mapping[str, Any], *, reranker: bool = False) -> bool:
    """Whether a model's exported network is in the cache, and may be used.

    Args:
        name: The model.
        settings: Of the encoder or the reranker.
        reranker: Whether it is one.

    Raises:
        UsageError: If the variable for it says something else.
    """
    wanted = os.environ.get(ENGINE, "onnx")
    if wanted not in ("onnx", "torch"):
        raise UsageError(f"{ENGINE} must be onnx or torch, not {wanted!r}")
    if wanted == "torch" or find_spec("onnxruntime") is None:
        return False
    from youtu_st.loading.kept import ENCODERS, is_kept
    from youtu_st.rerank.kept import RERANKERS

    try:
        return is_kept(name, settings, engine="onnx", kind=RERANKERS if reranker else ENCODERS)
    except YoutuError:
        return False  # loading it says what is wrong


def export_for_searches(name: str, settings: Mapping[str, Any]) -> None:
    """Export a model into the cache, so that searches begin at once; nothing where that cannot be done."""
    from youtu_st.loading.exported import is_exported

    wanted = os.environ.get(ENGINE, "onnx") == "onnx"
    if not wanted or is_exported(name) or is_exported_here(name, settings):
        return
    if any(find_spec(package) is None for package in ("onnxruntime", "onnx", "onnxscript")):
        return
    with loading(f"exporting {name}, once, for searches that begin at once ..."):
        from youtu_st.loading.kept import kept_export

        try:
            kept_export(name, settings, engine="onnx")
        except YoutuError as error:
            say_debug("engine", f"{name} is not exported: {error}")


def load_reranker(
    model: str,
    *,
    checkpoint: str | None = None,
    trust_remote_code: bool,
    split_special_tokens: bool = False,
    for_a_question: bool = False,
) -> Reranker:
    """Load a reranker, quietly; for a question, as :func:`load_encoder` loads an encoder."""
    from youtu_st.loading.manifest import is_exported

    settings: dict[str, Any] = {
        "checkpoint": checkpoint,
        "trust_remote_code": trust_remote_code,
        "split_special_tokens": split_special_tokens,
    }
    exported = is_exported(model)
    if for_a_question and not exported and is_exported_here(model, settings, reranker=True):
        settings["backend"] = "onnx"
        _say_engine(model)
    with loading(f"loading {model} ...", hosts=not exported and "backend" not in settings):
        from youtu_st.rerank import Reranker

        return Reranker(model, **settings)
