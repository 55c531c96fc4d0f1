"""Models that commands load: quietly, with a sign of life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import loading, say

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.rerank import Reranker

SplitSpecialTokens = Annotated[
    bool,
    typer.Option(
        "--split-special-tokens", help="Read special tokens in texts, such as [SEP], as characters."
    ),
]


def load_encoder(
    name: str,
    *,
    checkpoint: str | None = None,
    trust_remote_code: bool,
    split_special_tokens: bool = False,
    fast: bool = False,
    weights: str | None = None,
) -> Encoder:
    """Load an encoder, quietly, by what ``absolute_model`` gives; say which way is the fastest.

    With ``weights`` rounded, it is OpenVINO that runs it.
    """
    settings: dict[str, Any] = {
        "checkpoint": checkpoint,
        "trust_remote_code": trust_remote_code,
        "split_special_tokens": split_special_tokens,
    }
    if weights is not None:
        settings |= {"backend": "openvino", "weights": weights}
    with loading(f"loading {name} ...") as spinner:
        from youtu_st.backends.fastest import fastest
        from youtu_st.encoder import Encoder

        if not fast:
            return Encoder(name, **settings)
        encoder, choice = fastest(Encoder, name, settings, spinner.update)
    say("fast", choice)
    return encoder


def load_reranker(
    model: str,
    *,
    checkpoint: str | None = None,
    trust_remote_code: bool,
    split_special_tokens: bool = False,
) -> Reranker:
    """Load a reranker."""
    with loading(f"loading {model} ..."):
        from youtu_st.rerank import Reranker

        return Reranker(
            model,
            checkpoint=checkpoint,
            trust_remote_code=trust_remote_code,
            split_special_tokens=split_special_tokens,
        )
