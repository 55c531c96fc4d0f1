"""What a server says, fit for a message: one line, printable, without the caller's secrets."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
MOST = 300
"""Characters of what a server says that are shown at most."""

READ = 1 << 16
"""Characters of it that are looked at."""

FEWEST = 8
"""Characters that a part of an encoded secret must have, so that it is not found everywhere."""


class Redactor:
    """Takes secrets out of text: as they are, and as text of all kinds writes them.

    That is JSON, URLs, HTML, ``repr``, hexadecimal and base64 (also of something longer that holds the
    secret); letters of either case; spaces in between. A server that knows a secret and wants to smuggle it
    into a message can still find a way.
    """

    def __init__(self, secrets: Iterable[str | None]) -> None:
        self._secrets = [secret for secret in secrets if secret]

    def __call__(self, text: object) -> str:
        """The beginning of ``text``: at most a few hundred characters, on one line, all of them printable."""
        return self._secret.sub(MASK, self._told(text))[:MOST]

    def finds(self, text: str) -> bool:
        """Whether there is a secret in it."""
        return bool(self._secret.search(self._told(text)))

    def _told(self, text: object) -> str:
        shown = _printable(_decoded(text)[:READ])
        for undo in UNDO:
            # Only where it tells more secrets: what is none is shown as it is written.
            plain = undo(shown)
            if plain != shown and len(self._secret.findall(plain)) > len(self._secret.findall(shown)):
                shown = _printable(plain)
        return shown

    @cached_property
    def _secret(self) -> re.Pattern[str]:
        """Made when first needed, which in most processes is never."""
        forms = {form for secret in self._secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        spaced = [r"\s*".join(map(re.escape, form)) for form in longest_first]
        return re.compile("|".join(spaced) or r"(?!)", re.IGNORECASE)  # (?!) is nowhere


def _forms(secret: str) -> Iterator[str]:
    yield from (
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret).replace("/", r"\/")[1:-1],
    )
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret))
    data = secret.encode(errors="replace")
    yield data.hex()
    for before in range(3):  # where it starts inside a group of three bytes decides its letters
        letters = base64.b64encode(bytes(before) + data)
        core = letters[-(-before * 8 // 6) : (before + len(data)) * 8 // 6].decode()
        if len(core) >= FEWEST:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _unescaped(text: str) -> str:
    r"""``\uXXXX`` and ``\xXX`` undone."""
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))", lambda m: chr(int(m[1] or m[2], 16)), text)


UNDO: tuple[Callable[[str], str], ...] = (unquote, _unescaped, html.unescape)


def _decoded(text: object) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes | bytearray) else str(text)


def _printable(text: str) -> str:
    """Words with one space between them. What a terminal would obey is left out: it could split a secret."""
    kept = (letter if letter.isprintable() else " " if letter.isspace() else "" for letter in text)
    return " ".join("".join(kept).split())
