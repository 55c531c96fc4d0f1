"""Which encoding a text is in that is not UTF-8: said where it is clear, never guessed where it is not."""

from __future__ import annotations

import codecs
import re

_ACCEPTED = ("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1252")
_RIVALS = ("cp1250", "cp1251", "cp1253", "koi8_r")
"""Whoever looks more like one of these is not told that it is cp1252; none of them is taken itself."""
_MARGIN = 0.1
"""How much less of a mess than the next one the best one must be, see ``CharsetMatch.chaos``."""
_MOST_CHAOS = 0.15

# "Sгo", "cafй" and "Straﬂe" are no words: letters of two scripts, or a capital in the middle.
_MIXED = re.compile(r"[A-Za-z][\u0370-\u04ff]|[\u0370-\u04ff][A-Za-z]|[a-zß-ÿ][À-Þ]|[A-Za-z][¡-¿][A-Za-z]")

_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\ue000-\uf8ff\ufffd-\uffff]")
_WESTERN = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüýßœšžÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŒŠŽ€£§©®™°·•¡¿ªº½«»‹›“”„‘’‚–—…\xa0"
    "ăąćčďęěğıľłńňőřśşťţůűźżĂĄĆČĎĘĚĞİĽŁŃŇŐŘŚŞŤŢŮŰŹŻđĐ"  # of cp1250, which is weighed against cp1252
)


def utf16_without_mark(sample: bytes) -> str | None:
    """``utf-16-le`` or ``utf-16-be`` where every other byte of a sample is so often zero that it is that."""
    sample = sample[: len(sample) & ~1]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    least = max(len(sample) // 40, 2)  # line ends and spaces of a Chinese text are as many
    if min(even, odd) > 0 or max(even, odd) < least:
        return None
    # Letters of ASCII are UTF-8 as well, and then every pair has its zero: a few are only in the way there.
    if max(even, odd) <= len(sample) // 4 and _is_utf8(sample):
        return None
    name = "utf-16-le" if odd else "utf-16-be"
    # What is no character, or only half of one where the sample ends, shows that it is something else.
    text = sample.decode(name, "replace").removesuffix("\ufffd")
    return None if _NO_TEXT.search(text) else name


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # it may end within a character
    except UnicodeDecodeError:
        return False
    return True


def is_damaged_utf8(sample: bytes) -> bool:
    """Whether most characters beyond ASCII are UTF-8, so that no other encoding can be meant."""
    text = sample.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    return wrong < sum(not character.isascii() for character in text) - wrong


def recognise(sample: bytes) -> str | None:
    """The encoding of a part of a text that is not UTF-8, by its Python name; None if it is not clear.

    ``charset-normalizer`` measures how much of a mess a text is in each of a few encodings. What no reader
    of the language would take for a text is left out, and the best must be better than the next by far.

    Args:
        sample: From the beginning of a line to the end of one, or of the file.
    """
    from charset_normalizer import from_bytes

    found: dict[str, tuple[float, float, str]] = {}
    for match in from_bytes(sample, cp_isolation=[*_ACCEPTED, *_RIVALS]):
        for one in (match, *match.submatch):
            text = str(one)
            if one.chaos <= _MOST_CHAOS and _is_plausible(text, one.encoding):
                # Equal texts are one answer, under the first of the accepted names.
                known = found.setdefault(text, (one.chaos, -one.coherence, one.encoding))
                if one.encoding in _ACCEPTED and known[2] not in _ACCEPTED:
                    found[text] = (*known[:2], one.encoding)
    # Where all else is equal, an accepted one comes first: western letters are those of cp1250 too.
    ranked = sorted(found.values(), key=lambda answer: (*answer[:2], answer[2] in _RIVALS))
    if not ranked or ranked[0][2] in _RIVALS:
        return None
    (chaos, _, best), *others = ranked
    close = [name for other, _, name in others if other <= chaos + _MARGIN]
    return None if any(best != "cp1252" or name in _ACCEPTED for name in close) else best


def _is_plausible(text: str, encoding: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    foreign = [character for character in letters if not character.isascii()]
    most = len(foreign) or 1

    def share(first: str, last: str) -> float:
        return sum(first <= character <= last for character in foreign) / most

    if encoding == "cp949":
        return share("가", "힣") > 0.9
    if encoding in ("cp932", "euc_jp"):
        return share("ぁ", "ヿ") > 0.15 and share("｡", "ﾟ") < 0.3
    if encoding in ("gb18030", "big5"):
        return sum(_is_common(character, encoding) for character in foreign) / most > 0.75
    if encoding in ("cp1251", "cp1253", "koi8_r"):
        return len(foreign) > 0.4 * len(letters) and not _MIXED.search(text)
    beyond = [character for character in text if not character.isascii()]
    western = sum(character in _WESTERN for character in beyond)
    return len(foreign) < 0.5 * len(letters) + 1 and western > 0.9 * len(beyond) and not _MIXED.search(text)


def _is_common(character: str, encoding: str) -> bool:
    """Whether a character is in the first half of the table, which is sorted by how common they are."""
    first, last = ((0xB0, 0xD7), (0xA4, 0xC6))[encoding == "big5"]
    try:
        lead = character.encode("gb2312" if encoding == "gb18030" else "big5")[0]
    except UnicodeEncodeError:
        return False
    return first <= lead <= last
