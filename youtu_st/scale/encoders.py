"""An encoder from its settings, in whichever process needs one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from youtu_st.errors import InputError, brief, printable
from youtu_st.protocol import TextEncoder
from youtu_st.scale.settings import Making

if TYPE_CHECKING:
    from youtu_st.corpus import Splitter
    from youtu_st.scale.input.types import InputFile


def make(making: Making) -> TextEncoder:
    """The encoder of some settings: a model that runs here, or an engine that stands in for one.

    Raises:
        YoutuError: As for :class:`~youtu_st.Encoder`, or the engine.
    """
    if making.server is not None:
        from youtu_st.engines import OpenAICompatibleEncoder
        from youtu_st.engines.prefixed import why_not

        try:
            return OpenAICompatibleEncoder(making.server, making.model, truncation=making.truncation)
        except InputError as error:
            if str(error) != why_not(None, making.model, masks=False):
                raise
            raise InputError(_not_told(making.server, making.model)) from error
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


def _not_told(server: str, model: str | None) -> str:
    """What to say of a server that does not know what it is, and a name that says nothing either."""
    from youtu_st.spec.model import MODELS

    known = model in MODELS.names()
    example = MODELS.load(model if known and model else "minilm").hub_id
    given = "none is given" if model is None else f"{brief(model)} is none"
    return (
        f"{printable(server)} is not youtu-st serve and does not say which model it has: name it by the "
        f"hub id of a model that youtu-st knows (--model {example}); {given}"
    )


@contextmanager
def not_minding_length(encoder: TextEncoder) -> Iterator[None]:
    """Let texts of this package's own be cut, where a user's are not to be: the probes, on a short model."""
    model: Any = encoder
    before = getattr(encoder, "truncation", None)
    try:
        if before is not None:
            model.truncation = "ignore"
        yield
    finally:
        if before is not None:
            model.truncation = before


def splitter_for(
    encoder: TextEncoder | Callable[[], TextEncoder], files: Iterable[InputFile]
) -> Splitter | None:
    """What splits files into passages, as for an index; None where none of them are split.

    Args:
        encoder: The encoder, or what gives it where it is needed.
        files: The files.

    Raises:
        InputError: If some are, and the encoder has no tokenizer: an engine has none.
    """
    names = [file.name for file in files if file.kind == "passages"]
    if not names:
        return None
    from youtu_st.corpus import Splitter, passage_tokens

    if not isinstance(encoder, TextEncoder):
        encoder = encoder()
    if not hasattr(encoder, "reader"):
        raise InputError(
            f"{printable(names[0])}: a document is split into passages by the model's own tokenizer, which a "
            "server does not hand out; name the model instead, or files of rows"
        )
    model: Any = encoder
    return Splitter(model.reader, passage_tokens(model))
