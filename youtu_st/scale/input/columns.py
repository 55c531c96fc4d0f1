"""Which columns are read and kept, and of what types those are that are kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from youtu_st.corpus.reading.tables import MOST_LEVELS, TEXT_FIELDS, levels, listed, number_in
from youtu_st.errors import InputError, brief, printable
from youtu_st.scale.settings import Columns

TAKEN = ("id", "vector", "text")
"""Columns that a shard has anyway."""
JSON_MARK = {b"youtu-st": b"json"}
"""Metadata of a kept column that holds values as JSON."""

_EXACT = 1 << 53  # integers up to here are floats too
_LONGEST = 1 << 63
_JSON = "json"


class Record(NamedTuple):
    """A row as it was read.

    Attributes:
        number: See :class:`~youtu_st.scale.input.types.Rejected`.
        offset: The byte where it begins, where that is known.
        id: Its id; None: it has none that could be read.
        text: Its text; ``""`` if it is a bad row.
        kept: The values of the kept columns.
        reason: What is wrong with it; ``""``: nothing.
    """

    number: int
    offset: int
    id: str | None
    text: str
    kept: tuple[Any, ...]
    reason: str = ""


def check_columns(columns: Columns) -> None:
    """Raise for kept columns that a shard could not hold beside its own.

    Raises:
        InputError: Naming the column.
    """
    for name in columns.keep:
        if name in TAKEN:
            raise InputError(
                f"a column {name!r} cannot be kept, for a shard has one of its own: "
                + ("keep_text (--keep-text) writes the texts" if name == "text" else "give it another name")
            )
        if columns.keep.count(name) > 1:
            raise InputError(f"the column {brief(name)} is to be kept twice")


def text_names(columns: Columns) -> tuple[str, ...]:
    """Names that the column of the texts may have; the first that is there counts."""
    return TEXT_FIELDS if columns.text is None else (columns.text,)


def text_column(file: str, columns: Columns, names: Sequence[str]) -> str:
    """Which column of a table is that of the texts, where all others that are asked for are there too.

    Args:
        file: What to call it.
        columns: What is asked for.
        names: The columns it has.

    Raises:
        InputError: If one is not there, or there twice: with those that are.
    """
    wanted = text_names(columns)
    text = next((name for name in wanted if name in names), None)
    if text is None:
        raise no_such_column(file, wanted, names)
    for name in (text, columns.id, *columns.keep):
        if name is not None and name not in names:
            raise no_such_column(file, (name,), names)
        if name is not None and names.count(name) > 1:
            raise InputError(f"{printable(file)}: two columns of one name: {brief(name)}")
    return text


def no_such_column(file: str, wanted: Iterable[str], names: Sequence[str]) -> InputError:
    """The error for a column that is not there."""
    asked = " or ".join(brief(name) for name in wanted)
    return InputError(f"{printable(file)}: no column {asked}; its columns: {listed(names) or 'none'}")


class KeptTypes:
    """Gathers of what types kept columns are, over all files.

    Args:
        columns: What is asked for.
    """

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._own: dict[str, tuple[pa.DataType, str]] = {}
        self._kinds: dict[str, set[str]] = {name: set() for name in columns.keep}
        self._cells: dict[str, set[str]] = {name: set() for name in columns.keep}

    def has(self, name: str, type_: pa.DataType, file: str) -> None:
        """A file whose columns have types has one of this type.

        Raises:
            InputError: If another file has it of another.
        """
        known, other = self._own.setdefault(name, (type_, file))
        if pa.types.is_null(known):
            self._own[name] = (type_, file)
        elif known != type_ and not pa.types.is_null(type_):
            raise _differ(name, (known, other), (type_, file))

    def look(self, values: Sequence[Any]) -> str:
        """Take the values of a record, one for each kept column; says what is wrong with one, or ``""``."""
        for name, value in zip(self._columns.keep, values, strict=True):
            if value is not None:
                kind = _kind(value)
                if kind == _JSON and levels(value, MOST_LEVELS) > MOST_LEVELS:
                    return f"column {brief(name)} must nest at most {MOST_LEVELS} levels"
                self._kinds[name].add(kind)
        return ""

    def look_at_cells(self, cells: Sequence[str]) -> None:
        """Take the cells of a row of CSV, one for each kept column."""
        for name, cell in zip(self._columns.keep, cells, strict=True):
            kinds = self._cells[name]
            if "str" not in kinds and cell and not cell.isspace():
                number = number_in(cell)
                kinds.add("str" if number is None else _kind(number))

    def schema(self, before: pa.Schema | None = None) -> pa.Schema:
        """The types of all kept columns, and of the texts where they are kept.

        Args:
            before: Those of a job to which these files are added: theirs must be the same, or fit in.

        Raises:
            InputError: If Parquet has a column of one type, and another file of another.
        """
        fields = [self._field(name, before) for name in self._columns.keep]
        if self._columns.keep_text:
            fields.append(pa.field("text", pa.string()))
        return pa.schema(fields)

    def _field(self, name: str, before: pa.Schema | None) -> pa.Field:
        kinds, cells = self._kinds[name], self._cells[name]
        # A cell is a text, whatever else it may be: where other files have texts, it stays one.
        found = kinds | cells if kinds - {"str"} or "str" not in kinds | cells else {"str"}
        own, file = self._own.get(name, (pa.null(), ""))
        if before is not None:
            fixed, other = before.field(name), "the job's other files"
        elif pa.types.is_null(own):
            return _inferred(name, found)
        else:
            fixed, other = pa.field(name, own), file
        if not pa.types.is_null(own) and (fixed.type != own or is_json(fixed)):
            raise _differ(name, (_shown(fixed), other), (own, file))
        inferred = _inferred(name, found)
        if not _holds(fixed, found, cells_alone=not kinds):
            raise _differ(name, (_shown(fixed), other), (_shown(inferred), "files without types"))
        return fixed


def stored_type(type_: pa.DataType) -> pa.DataType:
    """The type under which a column is written: without what is only a way to hold it in memory."""
    if pa.types.is_dictionary(type_):
        return stored_type(type_.value_type)
    if is_text(type_):
        return pa.string()
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return pa.binary()
    return type_


def is_text(type_: pa.DataType) -> bool:
    """Whether values of a type are texts, however they are held."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return bool(
        pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    )


def is_json(field: pa.Field) -> bool:
    """Whether a kept column holds values as JSON."""
    return bool(field.metadata) and JSON_MARK.items() <= field.metadata.items()


def kept_table(
    schema: pa.Schema, rows: Sequence[Sequence[Any]], texts: Sequence[str], *, cells: bool
) -> pa.Table:
    """The table of what is kept.

    Args:
        schema: Of the plan.
        rows: Of each row the values of the kept columns.
        texts: Its text.
        cells: Whether the values are cells of CSV.
    """
    arrays = []
    for i, field in enumerate(schema):
        if field.name == "text":
            arrays.append(pa.array(texts, field.type))
            continue
        convert = _cell if cells else _value
        arrays.append(pa.array([convert(row[i], field) for row in rows], field.type))
    if not arrays:  # a table without columns has a length all the same
        return pa.table({"": pa.nulls(len(texts))}).select([])
    return pa.Table.from_arrays(arrays, schema=schema)


def kept_values(values: Mapping[str, Any], columns: Columns) -> tuple[Any, ...]:
    """The values of the kept columns in a record that may lack some."""
    return tuple(map(values.get, columns.keep))


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "str"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -_EXACT <= value <= _EXACT else "long" if -_LONGEST <= value < _LONGEST else _JSON
    return "float" if isinstance(value, float) else _JSON


def _inferred(name: str, kinds: set[str]) -> pa.Field:
    if kinds <= {"str"}:
        return pa.field(name, pa.string())
    if kinds <= {"int", "long"}:
        return pa.field(name, pa.int64())
    if kinds <= {"int", "float"}:
        return pa.field(name, pa.float64())
    if kinds == {"bool"}:
        return pa.field(name, pa.bool_())
    return pa.field(name, pa.string(), metadata=JSON_MARK)


def _holds(field: pa.Field, kinds: set[str], *, cells_alone: bool) -> bool:
    """Whether a column may hold values of some kinds as they are."""
    if is_json(field) or not kinds or (cells_alone and pa.types.is_string(field.type)):
        return True
    inferred = _inferred(field.name, kinds)
    if pa.types.is_float64(field.type) and kinds <= {"int", "float"}:
        return True
    return bool(inferred.type == field.type) and not inferred.metadata


def _shown(field: pa.Field) -> str:
    return "of several types" if is_json(field) else str(field.type)


def _value(value: Any, field: pa.Field) -> Any:
    if value is None:
        return None
    if is_json(field):
        return json.dumps(value, ensure_ascii=False)
    return float(value) if pa.types.is_float64(field.type) else value


def _cell(cell: str, field: pa.Field) -> Any:
    if is_json(field):
        return json.dumps(cell, ensure_ascii=False)
    if pa.types.is_string(field.type):
        return cell
    number = number_in(cell)
    return float(number) if number is not None and pa.types.is_float64(field.type) else number


def _differ(name: str, one: tuple[Any, str], two: tuple[Any, str]) -> InputError:
    return InputError(
        f"the column {brief(name)} cannot be kept: it is {one[0]} in {printable(one[1])}, "
        f"and {two[0]} in {printable(two[1])}"
    )
