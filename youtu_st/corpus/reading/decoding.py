"""Bytes to text: UTF-8, what a file says that it is, what it plainly is, or what the caller says."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from youtu_st.corpus.notes import Notes
from youtu_st.corpus.reading.recognition import is_damaged_utf8, recognise, utf16_without_mark
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, brief

LONGEST = 64 << 20
"""Characters of a line, where a line is a text, and of a field of a table: more would fill the memory."""

_PART = 1 << 18
_SAMPLE = 1 << 16
_CHANCE = 3
"""Bytes beyond ASCII that may be UTF-8 by chance before the first that is not."""
_MARKS = (  # UTF-32's before UTF-16's, which it begins with
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SHOWN = {
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp949": "EUC-KR",
    "cp1252": "Windows-1252",
}


def check_encoding(what: str, name: str) -> str:
    """The name of an encoding that Python knows, and that is one of texts.

    Raises:
        InputError: If it is none.
    """
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise InputError(
            f"{what} must be the name of an encoding, such as gb18030, utf-16 or cp1252, not {brief(name)}"
        ) from error


def encoding_at_start(head: bytes) -> str | None:
    """What the beginning of a file says: a byte order mark, or the zeros of UTF-16; None: nothing."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    return utf16_without_mark(head[:_SAMPLE]) if 0 in head else None


def encoding_of(path: Path, source: str, notes: Notes) -> str:
    """UTF-8 if all of a file is, else what its mark says or what is recognised; a note says which.

    Args:
        path: The file.
        source: What to call it.
        notes: Takes that note.

    Raises:
        InputError: If it is unclear, or the file is no text at all.
        OSError: If it cannot be read.
    """
    with open_plain(path) as stream:
        return encoding_of_stream(stream, source, notes)


def encoding_of_stream(stream: BinaryIO, source: str, notes: Notes) -> str:
    """As :func:`encoding_of`, for an open file that stands at its beginning and can be set back to it."""
    encoding = _encoding(stream, source)
    if encoding != "utf-8":
        notes.note(f"{source}: read as {_name(encoding)}")
    return encoding


def decoded(path: Path, source: str, encoding: str) -> Iterator[str]:
    """The text of a file in parts; lines end in a line feed, and a byte order mark is no text.

    Raises:
        InputError: If the bytes are no text in that encoding: the message names the first that is none.
        OSError: If it cannot be read.
    """
    with open_plain(path) as stream:
        yield from decode(stream, source, encoding)


def decode(stream: BinaryIO, source: str, encoding: str) -> Iterator[str]:
    """As :func:`decoded`, for an open file whose encoding is known."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    ends = io.IncrementalNewlineDecoder(None, translate=True)
    done, first = 0, True
    while True:
        part = stream.read(_PART)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(part, final=not part)
            if encoding != "utf-8":  # some of Python's write half characters
                text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{source}: not {_name(encoding)}: it holds half a character") from error
        except UnicodeDecodeError as error:
            place = done - pending + error.start
            raise InputError(
                f"{source}: not {_name(encoding)} at byte {place} (0x{error.object[error.start]:02x}): say "
                "what it is with --encoding, or save it as UTF-8"
            ) from error
        except UnicodeError as error:
            raise InputError(f"{source}: not {_name(encoding)}: {error}") from error
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        done += len(part)
        if text := ends.decode(text, final=not part):
            yield text
        if not part:
            return


def lines(parts: Iterable[str], source: str) -> Iterator[str]:
    """The lines of a text that comes in parts, with their line feeds.

    Raises:
        InputError: If one is longer than any text.
    """
    begun: list[str] = []
    size, number = 0, 1
    for part in parts:
        first, *others = part.split("\n")
        begun.append(first)
        size += len(first)
        if size > LONGEST:
            raise InputError(
                f"{source}, line {number}: a line of more than {LONGEST >> 20} Mi characters: that is no text"
            )
        if others:
            yield "".join(begun) + "\n"
            for line in others[:-1]:
                yield line + "\n"
            number += len(others)
            begun, size = [others[-1]], len(others[-1])
    if size:
        yield "".join(begun)


def _encoding(stream: BinaryIO, source: str) -> str:
    """UTF-8 if all of it is, or what is recognised where it is not.

    Raises:
        InputError: If nothing is, or it is no text at all.
    """
    if (said := encoding_at_start(stream.read(_SAMPLE))) is not None:
        return said
    stream.seek(0)
    beyond = 0
    try:
        for part in decode(stream, source, "utf-8"):
            if part.count("\0") > len(part) // 2:  # a file of no size on the disk may have no end
                raise InputError(f"{source}: more zeros than characters: that is no text")
            beyond += 0 if part.isascii() else len(part.encode()) - len(part)
    except InputError as error:
        cause = error.__cause__
        if not isinstance(cause, UnicodeDecodeError):
            raise
        around, sample = _sample(stream, stream.tell() - len(cause.object) + cause.start)
        damaged = beyond > _CHANCE or is_damaged_utf8(around)
        if damaged or (found := recognise(sample)) is None:
            raise
        return found
    return "utf-8"


def _sample(stream: BinaryIO, place: int) -> tuple[bytes, bytes]:
    """What stands around a byte; and from its line on the lines that are not ASCII alone."""
    start = max(place - _SAMPLE // 8, 0)
    stream.seek(start)
    content = around = stream.read(_SAMPLE)
    before = content.rfind(b"\n", 0, place - start) + 1
    content = content[before if before or not start else place - start :]
    whole = content.rfind(b"\n") + 1
    content = content[:whole] if len(content) > _SAMPLE // 2 and whole else content
    return around, b"\n".join(line for line in content.split(b"\n") if not line.isascii())


def _name(encoding: str) -> str:
    return _SHOWN.get(encoding, encoding.upper())
