"""Which script a text is written in, and which models read it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

from youtu_st.spec.model import ModelSpec, known_models, load_spec

_SAME = {"Cjk": "Han", "Ideographic": "Han", "Hiragana": "Kana", "Katakana": "Kana"}
_OF_TWO_WORDS = {"Kayah", "Linear", "Meetei", "New", "Ol", "Old", "Pahawh", "Sora", "Syloti", "Tai", "Warang"}


def script_of(text: str) -> str:
    """The script that most letters of a text are written in.

    Args:
        text: Of any length: each of its different characters is looked at once.

    Returns:
        Its name in Unicode, such as ``Latin``, ``Han``, ``Thai`` or ``Cyrillic``; ``Kana`` for both of
        Japanese; of two that are as frequent the one that begins first. ``""`` where there is no letter.
    """
    letters: Counter[str] = Counter()
    for character, times in Counter(text).items():  # in the order in which they come
        script = _script(character)
        if script:
            letters[script] += times
    return max(letters, key=lambda script: letters[script], default="")


def smallest_that_reads(script: str) -> ModelSpec | None:
    """The embedding model of the catalogue with the fewest parameters whose vocabulary reads a script.

    Args:
        script: As :func:`script_of` gives it.

    Returns:
        Its spec; None where no spec says that it reads it, or ``script`` is ``""``.
    """
    specs = [load_spec(name) for name in known_models()]
    fitting = [spec for spec in specs if script and spec.reads(script)]
    return min(fitting, key=lambda spec: (spec.million_parameters or float("inf"), spec.name), default=None)


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """The script of a letter; ``""`` for what is none, or is one of several scripts."""
    # In its plain form: a full-width or mathematical A is Latin, half a width of Katakana is Kana.
    plain = unicodedata.normalize("NFKC", character)[:1]
    if not plain or unicodedata.category(plain) not in ("Lu", "Ll", "Lt", "Lo"):
        return ""
    # Unicode names a letter by its script first: THAI CHARACTER KO KAI, CJK UNIFIED IDEOGRAPH-4E2D.
    first, *more = unicodedata.name(plain, "").title().split() or [""]
    return f"{first} {more[0]}" if first in _OF_TWO_WORDS else _SAME.get(first, first)
