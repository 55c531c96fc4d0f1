"""Files to lines of bytes, each with its number and where it begins."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, cast

from youtu_st.corpus.notes import Notes
from youtu_st.corpus.reading.decoding import (
    LONGEST,
    check_encoding,
    decode,
    encoding_at_start,
    encoding_of_stream,
)
from youtu_st.disk import open_plain
from youtu_st.errors import InputError, in_one_line, printable
from youtu_st.scale.input.types import InputFile

_PART = 1 << 18
_HEAD = 1 << 16

_BYTES_OF_LINES = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "ascii", "latin-1", "koi8-r", "koi8-u", "mac-roman", "cp437", "cp850", "cp852", "cp866"),
        *(f"cp125{i}" for i in range(9)),
        *(f"iso8859-{i}" for i in range(2, 17) if i != 12),
        *("gb2312", "gbk", "gb18030", "big5", "cp950", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"),
    )
)
"""Encodings in which the bytes of line ends are line ends, wherever they stand."""


class Lines:
    """Lines of bytes that end in a line feed, a carriage return or both, as their files have them.

    Args:
        parts: The bytes.
        name: What to call the file.
        number: Lines before these.
        offset: Bytes before these.

    Attributes:
        number: Of the line that was given last, from 1.
        offset: Bytes up to its end.
    """

    def __init__(self, parts: Iterator[bytes], name: str, number: int = 0, offset: int = 0) -> None:
        self.number, self.offset = number, offset
        self._name = name
        self._blocks = self._split(parts)
        self._block: list[bytes] = []
        self._at = 0

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are left, with their ends; one after the other, whoever asks."""
        while self._filled():
            line = self._block[self._at]
            self._at += 1
            self.number += 1
            self.offset += len(line)
            yield line

    def skip_to(self, number: int) -> None:
        """Pass over lines until the next one follows ``number``: many at once."""
        while (left := number - self.number) > 0 and self._filled():
            passed = self._block[self._at : self._at + left]
            self._at += len(passed)
            self.number += len(passed)
            self.offset += sum(map(len, passed))

    def _filled(self) -> bool:
        if self._at == len(self._block):
            self._block, self._at = next(self._blocks, []), 0
        return bool(self._block)

    def _split(self, parts: Iterator[bytes]) -> Iterator[list[bytes]]:
        begun: list[bytes] = []
        size = 0
        for part in parts:
            begun.append(part)
            size += len(part)
            if b"\n" in part or b"\r" in part:
                lines = b"".join(begun).splitlines(keepends=True)
                # A line feed may follow the carriage return that a part ends in.
                rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
                begun, size = [rest] if rest else [], len(rest)
                if lines:
                    yield lines
            if size > LONGEST:
                where = f"{printable(self._name)}, row {self.number + 1}"
                raise InputError(f"{where}: a line of more than {LONGEST >> 20} MiB: that is no text")
        if begun:
            yield b"".join(begun).splitlines(keepends=True)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Says of what the operating system and zlib report which file it is.

    Raises:
        InputError: In place of those.
    """
    try:
        yield
    except EOFError as error:
        raise InputError(f"{printable(name)}: the file is cut short: its gzip stream has no end") from error
    except gzip.BadGzipFile as error:
        raise InputError(in_one_line(f"{printable(name)}: not a readable gzip file", error)) from error
    except zlib.error as error:
        raise InputError(in_one_line(f"{printable(name)}: damaged gzip stream", error)) from error
    except OSError as error:
        raise InputError(
            in_one_line(f"{printable(name)}: cannot be read", (error.strerror or str(error)).lower())
        ) from error


class Opened:
    """An open file of lines.

    Args:
        file: The file, with the encoding that its lines are in.

    Raises:
        InputError: If it cannot be read.
    """

    def __init__(self, file: InputFile) -> None:
        self.file = file
        check_encoding(f"{printable(file.name)}: encoding", file.encoding)
        with reading(file.name):
            self._plain = open_plain(file.path)
            self.stream = cast(BinaryIO, gzip.GzipFile(fileobj=self._plain)) if file.is_gzip else self._plain
        self._lines: Lines | None = None

    @property
    def seekable(self) -> bool:
        """Whether one may begin at a byte."""
        return not self.file.is_gzip and is_of_lines(self.file.encoding)

    def head(self) -> bytes:
        """The first bytes of the text; sets it back to its beginning."""
        with reading(self.file.name):
            self.stream.seek(0)
            found = self.stream.read(_HEAD)
            self.stream.seek(0)
        self._lines = None
        return found

    def lines(self, number: int = 0, offset: int = 0) -> Lines:
        """The lines that follow a line: from its end in bytes on, or from where the file stands if it can.

        Raises:
            InputError: If it cannot be read, or there is no end of a line.
        """
        if self.seekable:
            return self._lines_at(number, offset)
        if self._lines is None or self._lines.number > number:
            with reading(self.file.name):
                self.stream.seek(0)
            self._lines = Lines(self._parts(), self.file.name)
        self._lines.skip_to(number)
        return self._lines

    def close(self) -> None:
        """Close the file."""
        self.stream.close()
        self._plain.close()

    def _lines_at(self, number: int, offset: int) -> Lines:
        with reading(self.file.name):
            self.stream.seek(max(0, offset - 1))
            if offset and self.stream.read(1) not in (b"\n", b"\r"):
                raise InputError(f"{printable(self.file.name)}: the file has changed since it was planned")
        return Lines(self._parts(), self.file.name, number, offset)

    def _parts(self) -> Iterator[bytes]:
        with reading(self.file.name):
            if is_of_lines(self.file.encoding):
                yield from iter(partial(self.stream.read, _PART), b"")
            else:
                parts = decode(self.stream, printable(self.file.name), self.file.encoding)
                yield from (part.encode() for part in parts)


def is_of_lines(encoding: str) -> bool:
    """Whether a file in an encoding may be cut at bytes that are line ends."""
    return codecs.lookup(encoding).name in _BYTES_OF_LINES


def encoding_of(opened: Opened, notes: Notes) -> str:
    """What a file is written in: UTF-8, or what it says or plainly is; it is read to its end for that.

    UTF-8 also where some of it is not and nothing else is plain: the lines that are not are bad rows.

    Args:
        opened: The file.
        notes: Takes what it is, where that is not UTF-8.

    Raises:
        InputError: If it cannot be read, or is no text at all.
    """
    name = printable(opened.file.name)
    head = opened.head()
    with reading(opened.file.name):
        try:
            if 0 not in head and encoding_at_start(head) is None:
                decoder, line = codecs.getincrementaldecoder("utf-8")("strict"), 0
                for part in iter(partial(opened.stream.read, _PART), b""):
                    decoder.decode(part)
                    line = 0 if b"\n" in part or b"\r" in part else line + len(part)
                    if line > LONGEST:  # which is an error as soon as it is read
                        return "utf-8"
                decoder.decode(b"", final=True)
                return "utf-8"
        except UnicodeDecodeError:
            pass
        try:
            opened.stream.seek(0)
            return encoding_of_stream(opened.stream, name, notes)
        except InputError as error:
            if 0 in head or not isinstance(error.__cause__, UnicodeDecodeError):
                raise
            return "utf-8"
