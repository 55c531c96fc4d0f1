"""The keys that a server knows: as digests, and compared so that the time taken tells nothing of them."""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Iterable, Mapping
from hashlib import sha256
from logging import getLogger
from pathlib import Path

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, counted

VARIABLE = "YOUTU_ST_KEYS"
SHORT = 16
"""Characters below which a key may be guessed."""
_MOST_BYTES = 1 << 20
_KEY = re.compile(r"[\x21-\x7e]+")
"""What a header can hold: printable ASCII, no space in it."""
_SCHEME = "bearer "

_log = getLogger(__name__)


class Keys:
    """Who may ask. Holds no key, only what one can be recognised by.

    Args:
        keys: All that are allowed; none: everybody may ask.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple({_digest(key) for key in keys})

    @property
    def required(self) -> bool:
        """Whether a request must bring a key."""
        return bool(self._digests)

    def allows(self, authorization: str | None) -> bool:
        """Whether a request may be answered.

        Args:
            authorization: Its header ``Authorization``, ``Bearer KEY``; None: it has none.
        """
        if not self._digests:
            return True
        given = authorization or ""
        is_bearer = given[: len(_SCHEME)].lower() == _SCHEME
        digest = _digest(given[len(_SCHEME) :].strip())
        found = False
        for known in self._digests:  # every one of them, whichever it is
            found |= hmac.compare_digest(digest, known)
        return found and is_bearer

    def __repr__(self) -> str:
        return f"Keys({len(self._digests)})"


def load_keys(file: str | Path | None, environment: Mapping[str, str] = os.environ) -> Keys:
    """The keys of a file and of the variable ``YOUTU_ST_KEYS``, together.

    Args:
        file: One key a line; empty lines and those that begin with ``#`` are left out. None: there is none.
        environment: Where the variable is: keys with commas or line breaks between them.

    Raises:
        InputError: If the file cannot be read, there is no key in one of them, or one is no key; the message
            names a line, and never shows it.
    """
    keys: list[str] = []
    if file is not None:
        keys += _read(Path(file))
    if (given := environment.get(VARIABLE)) is not None and given.strip():
        keys += _keys_of(VARIABLE, "key", re.split(r"[,\n]", given))
    return Keys(keys)


def _read(path: Path) -> list[str]:
    try:
        content = read_bounded(path, _MOST_BYTES).decode()
        others = os.name == "posix" and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    except OSError as error:
        raise InputError(f"{path}: cannot read the keys: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise InputError(f"{path}: cannot read the keys: it is no text") from None  # it would show a part
    keys = _keys_of(str(path), "line", content.splitlines())
    if others:
        _log.warning("%s: other users can read the keys in it: chmod 600 it", path)
    return keys


def _keys_of(where: str, noun: str, parts: Iterable[str]) -> list[str]:
    keys, short = [], []
    for number, part in enumerate(parts, 1):
        key = part.strip()
        if not key or key.startswith("#"):
            continue
        if not _KEY.fullmatch(key):
            raise InputError(
                f"{where}, {noun} {number}: a key is printable ASCII without spaces: it stands in a header"
            )
        keys.append(key)
        if len(key) < SHORT:
            short.append(str(number))
    if not keys:
        raise InputError(f"{where}: there is no key in it: write one a line, or leave it out")
    if short:
        _log.warning(
            "%s, %s %s: %s of fewer than %d characters, which can be guessed",
            *(where, noun, ", ".join(short[:5]), counted(len(short), "key"), SHORT),
        )
    return keys


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
