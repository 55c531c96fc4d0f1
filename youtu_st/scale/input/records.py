"""Lines to records: an object of JSON, a row of CSV, or the line itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from youtu_st.corpus.reading.decoding import LONGEST
from youtu_st.corpus.reading.tables import csv_delimiter, json_values
from youtu_st.errors import InputError, brief, counted, in_one_line, printable
from youtu_st.inputs import check_unicode
from youtu_st.scale.input.columns import (
    KeptTypes,
    Record,
    kept_values,
    no_such_column,
    text_column,
    text_names,
)
from youtu_st.scale.input.lines import Lines, Opened, is_of_lines
from youtu_st.scale.input.types import InputFile
from youtu_st.scale.settings import Columns

BLANK = "blank, so there is nothing to encode"
_MOST_NAMES = 100


class Fields:
    """Which of the columns that are asked for the records of a ``.jsonl`` file have.

    Args:
        columns: What is asked for.
        kept: Takes the values of those that are kept.
    """

    def __init__(self, columns: Columns, kept: KeptTypes) -> None:
        self._columns, self._kept = columns, kept
        self._asked = {*text_names(columns), *columns.keep, *([columns.id] if columns.id else [])}
        self.names: dict[str, None] = {}
        """The columns that are there; of those that nobody asked for the first."""

    def look(self, values: Mapping[str, Any], kept: Sequence[Any]) -> str:
        """Take a record; says what is wrong with a value that is kept, or ``""``."""
        for name in values:
            if name not in self.names and (name in self._asked or len(self.names) < _MOST_NAMES):
                self.names[name] = None
        return self._kept.look(kept) if kept else ""

    def check(self, file: str) -> str | None:
        """The column of the texts; None if the file has no records at all.

        Raises:
            InputError: If it, or that of the ids, is in none of the file's records.
        """
        if not self.names:
            return None
        wanted = text_names(self._columns)
        text = next((name for name in wanted if name in self.names), None)
        if text is None:
            raise no_such_column(file, wanted, list(self.names))
        if self._columns.id is not None and self._columns.id not in self.names:
            raise no_such_column(file, (self._columns.id,), list(self.names))
        return text


@dataclass(slots=True)
class Table:
    """The header of a ``.csv`` or ``.tsv`` file: where the columns are that are asked for."""

    delimiter: str
    width: int
    text: int
    id: int | None
    keep: tuple[int, ...]
    text_name: str
    lines: int
    offset: int

    @classmethod
    def of(cls, opened: Opened, columns: Columns) -> Table | None:
        """Read it; None if the file is empty.

        Raises:
            InputError: If there is no such column, or it is no table.
        """
        name = opened.file.name
        lines = opened.lines()
        texts = _Decoded(lines, opened.file)
        first = next((line for line in texts if line.strip()), None)
        if first is None:
            return None
        tabs = opened.file.kind == "tsv"
        delimiter = "\t" if tabs else csv_delimiter([first], text_names(columns))
        try:
            lines = opened.lines()
            header = next(_Reader(lines, opened.file, delimiter).rows())
        except csv.Error as error:
            raise InputError(in_one_line(f"{printable(name)}, row 1: not valid CSV", error)) from error
        names = [cell.strip() for cell in header.cells]
        text = text_column(name, columns, names)
        return cls(
            delimiter,
            len(names),
            names.index(text),
            None if columns.id is None else names.index(columns.id),
            tuple(map(names.index, columns.keep)),
            text,
            lines.number,
            lines.offset,
        )


def text_records(lines: Lines, file: InputFile) -> Iterator[Record]:
    """The lines as texts."""
    encoding = _encoding(file)
    for raw in lines:
        number, offset = lines.number, lines.offset - len(raw)
        id, text, reason = f"{file.name}:{number}", "", ""
        try:
            text = _decode(raw, number, encoding)
        except UnicodeDecodeError as error:
            reason = _not_text(error)
        if not reason and not text.strip():
            text, reason = "", BLANK
        yield Record(number, offset, id, text, (), reason)


def json_records(
    lines: Lines, file: InputFile, columns: Columns, fields: Fields | None = None
) -> Iterator[Record]:
    """The objects that lines are.

    Args:
        lines: The lines.
        file: Their file.
        columns: What is asked for.
        fields: Takes what columns there are.
    """
    encoding, wanted, id_name, keep = _encoding(file), text_names(columns), columns.id, bool(columns.keep)
    for raw in lines:
        number, offset = lines.number, lines.offset - len(raw)
        id = None if id_name else f"{file.name}:{number}"
        text, reason = "", ""
        kept: tuple[Any, ...] = ()
        try:
            line = _decode(raw, number, encoding)
            if not line or line.isspace():
                raise InputError(BLANK)
            values = json_values(line)
            kept = kept_values(values, columns) if keep else ()
            problem = fields.look(values, kept) if fields is not None else ""
            if b"\\ud" in raw or b"\\uD" in raw:  # half a pair can only have been written so
                check_unicode("it", json.dumps(values, ensure_ascii=False))
            if id_name:
                id = _id(values, id_name)
            text = _text(values, wanted)
            if problem:
                raise InputError(problem)
        except UnicodeDecodeError as error:
            reason = _not_text(error)
        except InputError as error:
            reason = str(error)
        except RecursionError as error:  # writing JSON ends at another depth than reading it
            reason = in_one_line("not valid JSON", error)
        yield Record(number, offset, id, "" if reason else text, kept, reason)


def csv_records(
    lines: Lines,
    file: InputFile,
    table: Table,
    look: Callable[[Sequence[str]], None] | None = None,
) -> Iterator[Record]:
    """The rows of a table that lines are.

    Args:
        lines: The lines, from the beginning of a row on.
        file: Their file.
        table: Its header.
        look: Takes the cells that are kept.

    Raises:
        InputError: If a quote is open for so long that the rows after it cannot be told apart.
    """
    width, text_at, id_at, keep_at = table.width, table.text, table.id, table.keep
    for row in _Reader(lines, file, table.delimiter).rows():
        id = None if id_at is not None else f"{file.name}:{row.number}"
        reason, cells, text = row.reason, row.cells, ""
        if not reason and len(cells) != width:
            reason = f"{counted(len(cells), 'field')}, and the header has {width}"
        if not reason:
            if id_at is not None:
                id = cells[id_at]
                if not id.strip():
                    id, reason = None, "its id is blank"
            text = cells[text_at]
            if not text.strip():
                reason = reason or BLANK
        if reason:
            yield Record(row.number, row.offset, id, "", (), reason)
            continue
        kept = tuple(cells[i] for i in keep_at)
        if look is not None:
            look(kept)
        yield Record(row.number, row.offset, id, text, kept)


class _Row(NamedTuple):
    number: int
    offset: int
    cells: list[str]
    reason: str


class _Decoded:
    """Lines as texts that end in a line feed; a byte that is none becomes half a character."""

    def __init__(self, lines: Lines, file: InputFile) -> None:
        self._lines, self._encoding = lines, _encoding(file)
        self.reason = ""
        """Why the last lines are no text."""

    def __iter__(self) -> Iterator[str]:
        for raw in self._lines:
            number = self._lines.number
            try:
                yield _decode(raw, number, self._encoding) + "\n"
            except UnicodeDecodeError as error:
                self.reason = self.reason or _not_text(error)
                yield raw.rstrip(b"\r\n").decode(self._encoding, "replace") + "\n"


class _Reader:
    """Rows of CSV, each with the line and the byte where it begins, for ``csv`` takes no line too many."""

    def __init__(self, lines: Lines, file: InputFile, delimiter: str) -> None:
        csv.field_size_limit(LONGEST)  # 128 KB by default, and a text may be longer
        self._lines, self._name = lines, file.name
        self._texts = _Decoded(lines, file)
        self._rows = csv.reader(iter(self._texts), delimiter=delimiter, strict=True)

    def rows(self) -> Iterator[_Row]:
        while True:
            number, offset = self._lines.number + 1, self._lines.offset
            self._texts.reason = reason = ""
            cells: list[str] = []
            try:
                cells = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                reason = in_one_line("not valid CSV", error)
                if self._lines.number > number:  # who knows where the next row begins
                    raise InputError(f"{printable(self._name)}, row {number}: {reason}") from error
            if reason := self._texts.reason or reason:
                yield _Row(number, offset, [], reason)
            elif cells:
                yield _Row(number, offset, cells, "")


def _encoding(file: InputFile) -> str:
    return file.encoding if is_of_lines(file.encoding) else "utf-8"


def _decode(raw: bytes, number: int, encoding: str) -> str:
    text = raw.rstrip(b"\r\n").decode(encoding)
    return text.removeprefix("\ufeff") if number == 1 else text


def _not_text(error: UnicodeDecodeError) -> str:
    place = f"byte {error.start} of the line (0x{error.object[error.start]:02x})"
    return f"not {error.encoding.upper()} at {place}"


def _id(values: Mapping[str, Any], name: str) -> str:
    id = values.get(name)
    if id is None:
        raise InputError(f"its id, column {brief(name)}, is {'null' if name in values else 'missing'}")
    if isinstance(id, int) and not isinstance(id, bool):
        return str(id)
    if not isinstance(id, str):
        raise InputError(f"its id, column {brief(name)}, must be a string or an int, not {type(id).__name__}")
    if not id.strip():
        raise InputError("its id is blank")
    return id


def _text(values: Mapping[str, Any], wanted: Sequence[str]) -> str:
    for name in wanted:
        if name in values:
            break
    else:
        raise InputError(f"no column {' or '.join(map(brief, wanted))}")
    text = values[name]
    if not isinstance(text, str):
        what = "null" if text is None else f"a string, not {type(text).__name__}"
        raise InputError(f"column {brief(name)} {'is' if text is None else 'must be'} {what}")
    if not text or text.isspace():
        raise InputError(BLANK)
    return text
