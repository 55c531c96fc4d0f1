"""How a loaded model takes texts, as an export keeps it: ours says so itself, a stock one is looked at."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformer
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import ModelLoadError
from youtu_st.modules.packing import position_table
from youtu_st.modules.reader import PROBES, FastReader
from youtu_st.modules.readers import reader_for
from youtu_st.modules.settings import ours, reader_of, splits_special_tokens
from youtu_st.modules.texts import Texts
from youtu_st.probes import DOCUMENTS, QUERIES
from youtu_st.spec.model import ModuleSettings

_PROMPTS = ("", "Query: ", "Instruct: find what answers it\nQuery:")
_LONG = "a text that is longer than any model reads, and is cut where the model cuts it; " * 12_000


def reading_of(model: SentenceTransformer) -> tuple[Texts, FastReader]:
    """What a model's texts go through before its network, as its first module has it, and its tokenizer.

    A stock module marks no content: all that it reads counts.

    Raises:
        ModelLoadError: If its tokenizer is none of transformers' that has a ``tokenizer.json``.
    """
    tokenizer: Any = model.tokenizer
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise ModelLoadError(
            f"{type(tokenizer).__name__} is no tokenizer of transformers: only such a one can be exported"
        )
    reader = reader_for(tokenizer)
    if not isinstance(reader, FastReader):
        raise ModelLoadError(f"{reader.name} has no tokenizer.json: only a fast tokenizer can be exported")
    mine = ours(model)
    if mine is not None:
        return mine.texts, reader
    side: Any = tokenizer.padding_side
    settings = ModuleSettings(
        boundary="offsets",
        special_tokens="include",
        padding_side=side,
        split_special_tokens=splits_special_tokens(model),
    )
    first: Any = model[0]
    texts = Texts.of(
        settings,
        reader,
        model.get_max_seq_length(),
        padding_side=side,
        counts_positions=position_table(first.model) is not None,
        marks_content=False,
    )
    return texts, reader


def check_reading(model: SentenceTransformer, texts: Texts) -> None:
    """Raise unless a model and what was written of it give the same tokens, masks and lengths.

    Probe texts of many languages, after prompts, and one that is too long for any model.

    Raises:
        ModelLoadError: Naming the tokenizer.
    """
    mine = ours(model)
    limit = 0 if texts.max_length is None else 8 * texts.max_length  # characters that are cut in any case
    for prompt in _PROMPTS:
        for text in (*PROBES, *QUERIES, *DOCUMENTS, *([_LONG[:limit]] if limit else [])):
            (there,) = texts.tokenize_texts([text], prompt)
            if mine is None:
                same = list(there.ids) == _of_stock(model, text, prompt)
            else:
                (here,) = mine.tokenize_texts([text], prompt)
                same = here.full_length == there.full_length and list(here.ids) == list(there.ids)
                same = same and list(here.content) == list(there.content)
            if not same:
                raise ModelLoadError(
                    f"{reader_for(reader_of(model)).name} gives other tokens than its tokenizer.json: "
                    "use backend='torch'"
                )


def _of_stock(model: SentenceTransformer, text: str, prompt: str) -> list[int]:
    """The tokens that a stock model's network reads of a text."""
    found: list[int] = model.preprocess([text], prompt=prompt or None)["input_ids"][0].tolist()
    return found
