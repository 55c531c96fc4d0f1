"""A text, token by token, for people: whose each token is, and whether it enters the vector."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import InputError, SpecError
from youtu_st.inference.stock import preprocessor_for
from youtu_st.inputs import check_texts
from youtu_st.modules import tokenization
from youtu_st.modules.checks import check_added_tokens
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.mask import Mask
from youtu_st.modules.readers import reader_for
from youtu_st.modules.settings import prompt_for, reader_of
from youtu_st.spec.model import ModelSpec
from youtu_st.verification.tokens import entering, read_tokens, shows_tokens

Part = Literal["prompt", "border", "text", "added"]
"""Whose a token is; one on the border begins in the prompt and ends in the text."""
Span = tuple[int, int]

UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")
"""Categories of characters that nobody sees, the space aside."""
CUT = "…"


@dataclass(frozen=True, slots=True)
class Token:
    """A token for the reader.

    Attributes:
        token: The characters that it stands for, those that nobody sees written out, ``…`` where it has
            only a part of one; or its name in the vocabulary, where the tokenizer does not tell.
        start: Where it begins, in characters of prompt and text.
        end: Where it ends; equal to ``start`` for a token that the tokenizer added.
        content: Whether it enters the vector.
        unknown: Whether it stands for characters that the vocabulary does not have.
        part: Whose it is.
    """

    token: str
    start: int
    end: int
    content: bool
    unknown: bool
    part: Part


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, token by token.

    Attributes:
        role: ``query`` or ``document``.
        prompt: What was put before it.
        text: The text.
        tokens: Its tokens, the prompt's included, as many as are read.
        full_length: Tokens before the text was cut; as many as there are in ``tokens`` where it was not. Of a
            text that is very much longer than what is read, those of the part that was looked at.
    """

    role: str
    prompt: str
    text: str
    tokens: tuple[Token, ...]
    full_length: int


def sample_of(model: SentenceTransformer, role: str, text: str, prompt: str | None = None) -> Sample:
    """A text as a model reads it; which tokens enter the vector is observed.

    Args:
        model: A model of a transformer, then a pooling module.
        role: ``query`` or ``document``.
        text: The text.
        prompt: What to put before it. None: the model's own.

    Raises:
        InputError: If the text is blank or no Unicode, or the model does not show its tokens.
    """
    check_texts([text])
    if not shows_tokens(model) or not isinstance(model.tokenizer, PreTrainedTokenizerBase):
        raise InputError("this model does not show its tokens: it is no transformer with a module that pools")
    prompt = prompt_for(model, role) if prompt is None else prompt
    read = read_tokens(model, text, prompt, role)
    (row,) = preprocessor_for(model).tokenize([text], [prompt])
    shown = show_tokens(model.tokenizer, reader_of(model), read.ids, read.entered, text, prompt)
    return Sample(role, prompt, text, tuple(shown), max(row.full_length, len(shown)))


def sample_by_spec(tokenizer: Any, spec: ModelSpec, role: str, text: str, prompt: str) -> Sample:
    """A text as a spec's model reads it; needs no weights.

    Args:
        tokenizer: The model's.
        spec: Its rules.
        role: ``query`` or ``document``.
        text: The text.
        prompt: What stands before it.

    Raises:
        InputError: If the text is blank or no Unicode, or the prompt leaves no room for it.
        ModelLoadError: If the tokenizer adds other tokens than the spec says.
        SpecError: If it does not tell which characters its tokens stand for, and the spec needs that.
    """
    check_texts([text])
    if spec.boundary == "offsets" and not tokenizer.is_fast:
        raise SpecError(f"boundary 'offsets' needs a fast tokenizer, and {type(tokenizer).__name__} is none")
    check_added_tokens(tokenizer, spec)
    length = tokenization.count(tokenizer, prompt)
    if length >= spec.max_length:
        raise InputError(
            f"the prompt has {length} tokens and the model reads {spec.max_length}: no room for text"
        )
    reader = LiteralTokenizer(tokenizer) if spec.split_special_tokens else reader_for(tokenizer)
    (row,) = tokenization.tokenize(
        reader,
        [text],
        [reader.marked(prompt)],
        boundary=spec.boundary,
        special_tokens=spec.special_tokens,
        max_length=spec.max_length,
    )
    shown = show_tokens(tokenizer, reader, row.ids.tolist(), entering(row, spec.pooling), text, prompt)
    return Sample(role, prompt, text, tuple(shown), row.full_length)


def show_tokens(
    tokenizer: Any, reader: Any, ids: Sequence[int], entered: Mask, text: str, prompt: str
) -> list[Token]:
    """The tokens of a text after a prompt.

    Args:
        tokenizer: The model's.
        reader: What reads texts for it: the tokenizer itself, or its literal copy.
        ids: Token ids.
        entered: Which of them enter the vector, shape ``(tokens,)``.
        text: The text.
        prompt: What stands before it.
    """
    spans, full = _spans(tokenizer, reader, list(ids), text, prompt), prompt + text
    unknown, added = tokenization.unknown_id(tokenizer), set(tokenizer.all_special_ids)
    shown, placed = [], [start if end > start else len(full) for start, end in spans]
    for i, (token, span) in enumerate(zip(ids, spans, strict=True)):
        is_cut = i > 0 and spans[i - 1][1] > span[0], i + 1 < len(spans) and placed[i + 1] < span[1]
        part: Part = _part(span, len(prompt))
        if part == "added" and not any(end for _, end in spans) and token not in added:
            part = "text"  # the tokenizer tells nothing of any
        name = _readable(tokenizer, token, full[slice(*span)], is_cut)
        shown.append(Token(name, *span, bool(entered[i]), token == unknown, part))
    return shown


def _part(span: Span, border: int) -> Part:
    start, end = span
    if start == end:
        return "added"
    if end <= border:
        return "prompt"
    return "text" if start >= border else "border"


def _spans(tokenizer: Any, reader: Any, ids: list[int], text: str, prompt: str) -> list[Span]:
    """Which characters of prompt and text tokens stand for; ``(0, 0)`` for all where nothing tells."""
    nothing = [(0, 0)] * len(ids)
    if not tokenizer.is_fast:
        return nothing
    whole, spans = _encoded(tokenizer, prompt + text)
    if isinstance(reader, LiteralTokenizer):  # up to the text its tokens are the tokenizer's own
        marked = reader.marked(prompt)
        literal, own = _encoded(reader, marked + text)
        alike, moved = _alike(literal, whole), len(marked) - len(prompt)
        rest = [(max(start - moved, 0), end - moved) if end else (0, 0) for start, end in own[alike:]]
        whole, spans = literal, spans[:alike] + rest
    kept = _alike(ids, whole)
    tail = len(ids) - kept  # of a text that was cut, added tokens stay
    if ids != [*whole[:kept], *whole[len(whole) - tail :]]:
        return nothing
    return [*spans[:kept], *spans[len(spans) - tail :]]


def _encoded(reader: Any, full: str) -> tuple[list[int], list[Span]]:
    (row,) = reader_for(reader).read([full])
    return row.ids, row.offsets or []


def _alike(left: Sequence[int], right: Sequence[int]) -> int:
    """How many ids two texts begin with alike."""
    least = min(len(left), len(right))
    return next((n for n in range(least) if left[n] != right[n]), least)


def _readable(tokenizer: Any, token: int, characters: str, is_cut: tuple[bool, bool]) -> str:
    """What a token stands for.

    Some bytes of a character are the character, and whether its neighbours have the bytes before, and after.
    """
    decoded = str(tokenizer.decode([token]))
    if decoded and "\ufffd" not in decoded:
        return _visible(decoded)
    if not characters:
        return _visible(str(tokenizer.convert_ids_to_tokens(token)))
    before, after = (CUT if is_part else "" for is_part in is_cut)
    return before + _visible(characters) + after


def _visible(text: str) -> str:
    """A text of which every character is seen."""
    signs = {" ": "·", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(
        signs.get(c) or (c.encode("unicode_escape").decode() if unicodedata.category(c) in UNSEEN else c)
        for c in text
    )
