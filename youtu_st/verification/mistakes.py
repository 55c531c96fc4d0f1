"""The mistakes that servers make inside a model: the tokens around a text, and the pooling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from operator import methodcaller

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from youtu_st.modules import checks
from youtu_st.modules.settings import ours, prompt_for
from youtu_st.modules.tokenization import TokenizedText
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.protocol import Vectors
from youtu_st.verification.finding import Variant
from youtu_st.verification.subject import settings_of
from youtu_st.verification.tokens import BY_ROLE, Doubles, expected_content, pooled, read_tokens

Change = Callable[[TokenizedText], TokenizedText]

_WORDS = {
    "masked_mean": "the mean over the text alone",
    "mean": "the mean over all tokens, the prompt's too",
    "last_token": "the last token",
    "cls": "the first token (CLS)",
    "max": "the maximum over the tokens",
}


def mistakes_of(model: SentenceTransformer, dimension: int) -> Iterator[Variant]:
    """What a server may do to the tokens; nothing for a model that is not this package's own.

    Args:
        model: As it should be.
        dimension: Length to cut vectors to.
    """
    mine = ours(model)
    if mine is None:
        return
    before, after = checks.added_tokens(mine.tokenizer)
    eos = getattr(mine.tokenizer, "eos_token_id", None)
    changed = partial(_with_tokens, model, mine, dimension)
    if after:
        drop_last = methodcaller("keep", slice(0, -1))
        yield "a missing EOS: no token is added after the text", partial(changed, drop_last, 1)
    elif isinstance(eos, int):
        append = partial(_append, token=eos, content=mine.settings.special_tokens == "include")
        yield "an EOS after the text, where this model has none", partial(changed, append, -1)
    if before:
        drop_first = methodcaller("keep", slice(1, None))
        yield "a missing BOS: no token is added before the text", partial(changed, drop_first, 1)
    candidates = _pooled(model)  # after the others: it reads every text anew
    for rule, words in _WORDS.items():
        vectors = [each[rule] for each in candidates]
        yield f"another pooling: {words}", partial(_unit, vectors, dimension)


def _append(row: TokenizedText, *, token: int, content: bool) -> TokenizedText:
    types = None if row.type_ids is None else np.append(row.type_ids, row.type_ids[-1:])
    ids = np.append(row.ids, np.array([token], dtype=row.ids.dtype))
    return replace(row, ids=ids, content=np.append(row.content, content), type_ids=types)


def _texts(model: SentenceTransformer) -> Iterator[tuple[str, str, str]]:
    """Text, prompt and role of all fixed texts."""
    for role, texts in BY_ROLE:
        for text in texts:
            yield text, prompt_for(model, role), role


def _with_tokens(
    model: SentenceTransformer, mine: InstructionTransformer, dimension: int, change: Change, spare: int
) -> Vectors:
    """The vectors of texts whose tokens were changed, one text at a time.

    ``spare`` is by how many tokens that makes a text shorter: a long one fills the room that this leaves.
    """
    limit = mine.max_seq_length or sys.maxsize - 1
    vectors = []
    for text, prompt, role in _texts(model):
        row = change(mine.tokenize_texts([text], prompt, max_length=limit + spare)[0])
        with torch.inference_mode():
            output = model(batch_to_device(mine.collate([row]), model.device), task=role)
        vectors.append(output["sentence_embedding"][0].double().cpu().numpy())
    return _unit(vectors, dimension)


def _pooled(model: SentenceTransformer) -> list[dict[str, Doubles]]:
    """The vectors of each text under each rule."""
    settings = settings_of(model)
    return [
        pooled(
            read_tokens(model, text, prompt, role),
            expected_content(model, settings, text, prompt, pooling="masked_mean"),
        )
        for text, prompt, role in _texts(model)
    ]


def _unit(rows: list[Doubles], dimension: int) -> Vectors:
    cut = np.array(rows)[:, :dimension]
    unit: Vectors = (cut / np.linalg.norm(cut, axis=1, keepdims=True)).astype(np.float32)
    return unit
