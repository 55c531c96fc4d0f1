"""What was answered, kept as it comes: a run that was stopped asks for nothing a second time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from youtu_st.disk import open_plain
from youtu_st.errors import InputError
from youtu_st.protocol import canonical, digest
from youtu_st.training.data.rows import Row
from youtu_st.training.synthesis.answers import AnswerError, check_texts
from youtu_st.training.synthesis.prompts import Synthesis


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a row.

    Attributes:
        texts: Of the right shape. Empty: there was no such answer.
        refused: Why the answers before it were refused.
        failed: Why the model gave none, in one line. Empty: it gave one.
        calls: How often it was asked.
        tokens: Read and written, where the model says so.
    """

    texts: tuple[str, ...]
    refused: tuple[str, ...] = ()
    failed: str = ""
    calls: int = 1
    tokens: tuple[int, int] | None = None


def known_texts(row: Row) -> list[str]:
    """The texts of a row, of which none is a new one."""
    return [
        text for each in (row.query, *row.positives, *row.negatives) for text in (each.text, each.content)
    ]


class Journal:
    """Answers by the row, what was asked, and whom; on disk, of which memory knows the places.

    Args:
        path: The file, which may be there or not.
        synthesis: What is asked.
        model: The chat model's name.

    Raises:
        OSError: If it cannot be read.
    """

    def __init__(self, path: Path, synthesis: Synthesis, model: str) -> None:
        self._path, self._synthesis = path, synthesis
        self._asked = canonical([synthesis.digest, model])
        self._places: dict[str, tuple[int, int]] = {}
        self._file: BinaryIO | None = None
        if os.path.lexists(path):
            with open_plain(path) as file:
                self._read(file)

    def _read(self, file: BinaryIO) -> None:
        place = 0
        for line in file:
            record = _record(line)
            if record is not None:
                self._places[record["key"]] = (place, len(line))
            place += len(line)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Take answers; nobody else does meanwhile.

        Raises:
            InputError: If somebody does.
            OSError: If it cannot be written.
        """
        lock = FileLock(f"{self._path}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(f"{self._path}: another run is writing to it") from error
        try:
            with self._path.open("ab") as self._file:
                yield
        finally:
            self._file = None
            lock.release()

    def key(self, row: Row) -> str:
        """What a row's answer goes by: it changes with the row, the prompts and the model."""
        return digest(f"{self._asked}{canonical(row.as_json())}".encode())

    def __contains__(self, row: Row) -> bool:
        return self.answer(row) is not None

    def add(self, row: Row, answer: Answer) -> None:
        """Keep an answer: it is on the disk when this returns."""
        assert self._file is not None  # inside `writing`
        key = self.key(row)
        record = {
            "key": key,
            "texts": answer.texts,
            "refused": answer.refused,
            "calls": answer.calls,
            "tokens": answer.tokens,
        }
        line = (
            f"\n{json.dumps(record, ensure_ascii=False)}\n".encode()
        )  # after half a line, a line of its own
        place = self._file.seek(0, os.SEEK_END) + 1
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._places[key] = (place, len(line) - 1)

    def answer(self, row: Row) -> Answer | None:
        """A row's answer, checked as when it came. None: there is none.

        Raises:
            OSError: If it cannot be read.
        """
        found = self._places.get(self.key(row))
        if found is None:
            return None
        with open_plain(self._path) as file:
            file.seek(found[0])
            record = _record(file.read(found[1]))
        if record is None or record["key"] != self.key(row):
            return None
        try:
            texts = check_texts(
                record["texts"],
                number=self._synthesis.number,
                longest=longest_answer(self._synthesis),
                known=known_texts(row),
            )
        except AnswerError:
            return None
        return Answer(texts, tuple(record["refused"]), "", record["calls"], record["tokens"])


def longest_answer(synthesis: Synthesis) -> int:
    """Characters that a text of an answer may have."""
    return 2 * synthesis.longest


def _record(line: bytes) -> dict[str, Any] | None:
    """A line's values, each of its type. None: it is half a line, or something else."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("key"), str):
        return None
    texts, refused, calls = values.get("texts"), values.get("refused"), values.get("calls")
    if not (_all(str, texts) and _all(str, refused) and isinstance(calls, int)):
        return None
    tokens: Any = values.get("tokens")
    told = tuple(tokens) if _all(int, tokens) and len(tokens) == 2 else None
    return {**values, "tokens": told}


def _all(kind: type, values: Any) -> bool:
    return (
        isinstance(values, Iterable)
        and not isinstance(values, str)
        and all(isinstance(v, kind) for v in values)
    )
