"""Rows as Arrow files on disk: training reads them from there, and holds none of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from youtu_st.disk import (
    cache_directory,
    checksum,
    file_checksum,
    open_plain,
    sealed,
    unsealed,
    whole,
    write_whole,
)
from youtu_st.errors import InputError, require
from youtu_st.training.data.rows import TASKS, Row, RowError, Task, Text, read_rows
from youtu_st.training.storing import storing

if TYPE_CHECKING:
    from datasets import Dataset

_FORMAT = 2
"""Of the files here: one of another number is made anew."""
_BLOCK = 1000
"""Rows that are written together."""
NO_CLASS = 0


@dataclass(frozen=True)
class TrainingSet:
    """The rows of one task of one file.

    Attributes:
        name: What the recipe and messages call it.
        task: Which objective is for it.
        source: The file that it was read from.
        digest: Of that file's content.
        rows: How many there are; of ``sts``, pairs.
        most_positives: The largest number of positives of a row; of ``sts``, 1.
        most_negatives: Likewise of negatives; of ``sts``, 0.
        lowest: The lowest score of a pair, of ``sts``.
        highest: The highest.
        taught: Whether all rows have a teacher's scores, of ``ir`` and ``cls``.
        instructed: Rows that have a task instruction.
        ignored: Documents of ``ir`` with a task instruction, which no document of that task gets.
        path: The Arrow file.
    """

    name: str
    task: Task
    source: str
    digest: str
    rows: int
    most_positives: int
    most_negatives: int
    lowest: float
    highest: float
    taught: bool
    instructed: int
    ignored: int
    path: str

    @property
    def key(self) -> str:
        """The name under which the host has it: a module's, with no dot, and no attribute that one has."""
        name = self.name if self.name.endswith(f":{self.task}") else f"{self.name}:{self.task}"
        return name.replace(".", "%2E")

    def dataset(self) -> Dataset:
        """The rows, read from the file as they are asked for."""
        made: Dataset = require("datasets", "train").Dataset.from_file(self.path)
        return made


def key(text: str) -> int:
    """64 bits that stand for a text: equal texts have equal ones."""
    return checksum(text.encode())


def prepare(path: str | Path, name: str | None = None) -> list[TrainingSet]:
    """Write a file's rows as Arrow, or find what was written of the same content before.

    Args:
        path: A JSONL file.
        name: What to call its data set; None: the file's name. Where it holds several tasks, ``:task`` is
            added.

    Returns:
        One for each task that the file holds, in the order ``ir``, ``sts``, ``cls``.

    Raises:
        InputError: If it cannot be read, or has no rows.
        RowError: If a row is malformed: the first of them.
        TrainingError: If the disk of the cache takes no more.
    """
    file = Path(path)
    digest = _digest(file)
    directory = cache_directory() / "training"
    directory.mkdir(parents=True, exist_ok=True)
    facts_path = directory / f"{digest}.{_FORMAT}.json"
    with FileLock(f"{facts_path}.lock"):
        facts = _facts(facts_path)
        if facts is None:
            remedy = "make room, or name another place by YOUTU_ST_CACHE"
            with storing(f"the rows of {file}", directory, remedy):
                facts = _write(file, directory / f"{digest}.{_FORMAT}")
            if _digest(file) != digest:  # or these rows would stand for that content for ever
                raise InputError(f"{file} was changed while it was read: try again when it is written")
            write_whole(facts_path, sealed({"tasks": facts, "bytes": _sizes(facts)}))
    if not facts:
        raise InputError(f"{file} holds no rows")
    chosen = name or file.stem
    return [
        TrainingSet(
            **{
                **values,
                "source": str(file),
                "name": f"{chosen}:{values['task']}" if len(facts) > 1 else chosen,
            }
        )
        for values in facts
    ]


def _digest(path: Path) -> str:
    try:
        with open_plain(path) as file:
            return f"{file_checksum(file) % (1 << 64):016x}"
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _facts(path: Path) -> list[dict[str, Any]] | None:
    """What was written before, if all of it is there still."""
    try:
        content = unsealed(path.read_bytes())
        facts: list[dict[str, Any]] = content["tasks"]
        return facts if _sizes(facts) == content["bytes"] else None
    except (OSError, ValueError, KeyError):
        return None


def _sizes(facts: Sequence[Mapping[str, Any]]) -> list[int]:
    """Bytes of the files that go with the facts."""
    return [Path(values["path"]).stat().st_size for values in facts]


def _write(file: Path, stem: Path) -> list[dict[str, Any]]:
    digest = stem.name.partition(".")[0]
    writers: dict[Task, _Writer] = {}
    paths = {task: Path(f"{stem}.{task}.arrow") for task in TASKS}
    with ExitStack() as stack:
        for line, row in read_rows(file):
            if isinstance(row, RowError):
                raise RowError(f"{row} ('youtu-st data check {file}' lists all that are malformed)")
            if row.task not in writers:
                written = stack.enter_context(whole(paths[row.task]))
                writers[row.task] = stack.enter_context(closing(_Writer(row.task, written)))
            writers[row.task].add(line, row)
        return [
            {**asdict(writers[task].facts()), "digest": digest, "path": str(paths[task])}
            for task in TASKS
            if task in writers
        ]


class _Writer:
    """One task's rows on their way to a file, some at a time."""

    def __init__(self, task: Task, path: Path) -> None:
        self._arrow: Any = require("pyarrow", "train")
        self.task = task
        self._columns = _PAIR_COLUMNS if task == "sts" else _GROUP_COLUMNS
        self._schema = self._arrow.schema([(name, kind(self._arrow)) for name, kind in self._columns.items()])
        self._block: list[dict[str, Any]] = []
        self._stream = self._arrow.ipc.new_stream(str(path), self._schema)
        self._rows = self._positives = self._negatives = self._instructed = self._ignored = 0
        self._lowest, self._highest, self._taught = float("inf"), float("-inf"), True

    def add(self, line: int, row: Row) -> None:
        """Take a row."""
        records = list(_pairs(line, row)) if self.task == "sts" else [_group(line, row)]
        self._block += records
        self._rows += len(records)
        self._instructed += bool(row.query.instruction)
        if self.task == "sts":
            self._positives = 1
            scores = [record["score"] for record in records]
            self._lowest, self._highest = min(self._lowest, *scores), max(self._highest, *scores)
        else:
            self._positives = max(self._positives, len(row.positives))
            self._negatives = max(self._negatives, len(row.negatives))
            complete = row.positive_scores is not None and (
                row.negative_scores is not None or not row.negatives
            )
            self._taught &= complete
            if self.task == "ir":
                self._ignored += sum(bool(text.instruction) for text in (*row.positives, *row.negatives))
        if len(self._block) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._block:
            columns = {name: [record[name] for record in self._block] for name in self._columns}
            self._stream.write_table(self._arrow.table(columns, schema=self._schema))
            self._block = []

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._stream.close()

    def facts(self) -> TrainingSet:
        """What was taken; names and paths are the caller's."""
        pairs = self.task == "sts"
        return TrainingSet(
            name="",
            task=self.task,
            source="",
            digest="",
            rows=self._rows,
            most_positives=self._positives,
            most_negatives=self._negatives,
            lowest=self._lowest if pairs else 0.0,
            highest=self._highest if pairs else 0.0,
            taught=not pairs and self._taught,
            instructed=self._instructed,
            ignored=self._ignored,
            path="",
        )


def _texts(arrow: Any) -> Any:
    return arrow.list_(arrow.string())


def _keys(arrow: Any) -> Any:
    return arrow.list_(arrow.int64())


def _numbers(arrow: Any) -> Any:
    return arrow.list_(arrow.float32())


Column = Callable[[Any], Any]
_GROUP_COLUMNS: Mapping[str, Column] = {
    "row": lambda arrow: arrow.int64(),
    "instruction": lambda arrow: arrow.string(),
    "query": lambda arrow: arrow.string(),
    "query_key": lambda arrow: arrow.int64(),
    "known": _keys,
    "positives": _texts,
    "positive_instructions": _texts,
    "positive_scores": _numbers,
    "negatives": _texts,
    "negative_instructions": _texts,
    "negative_scores": _numbers,
    "class": lambda arrow: arrow.int64(),
    "negative_classes": _keys,
}
_PAIR_COLUMNS: Mapping[str, Column] = {
    "row": lambda arrow: arrow.int64(),
    "instruction": lambda arrow: arrow.string(),
    "first": lambda arrow: arrow.string(),
    "second_instruction": lambda arrow: arrow.string(),
    "second": lambda arrow: arrow.string(),
    "score": lambda arrow: arrow.float64(),
    "pair_keys": _keys,
}


def _group(line: int, row: Row) -> dict[str, Any]:
    known = {key(text) for side in (row.query, *row.positives) for text in (side.text, side.content)}
    classes = [NO_CLASS] * len(row.negatives)
    if row.negative_labels is not None:
        classes = [key(label) for label in row.negative_labels]
    return {
        "row": line,
        "instruction": row.query.instruction,
        "query": row.query.content,
        "query_key": key(row.query.content),
        "known": sorted(known),
        "positives": [text.content for text in row.positives],
        "positive_instructions": _instructions(row.positives),
        "positive_scores": list(row.positive_scores or ()),
        "negatives": [text.content for text in row.negatives],
        "negative_instructions": _instructions(row.negatives),
        "negative_scores": list(row.negative_scores or ()),
        "class": NO_CLASS if row.label is None else key(row.label),
        "negative_classes": classes,
    }


def _pairs(line: int, row: Row) -> Iterator[dict[str, Any]]:
    sides = (*row.positives, *row.negatives)
    scores = (*(row.positive_scores or ()), *(row.negative_scores or ()))
    for other, score in zip(sides, scores, strict=True):
        yield {
            "row": line,
            "instruction": row.query.instruction,
            "first": row.query.content,
            "second_instruction": other.instruction or row.query.instruction,
            "second": other.content,
            "score": score,
            "pair_keys": [key(row.query.content), key(other.content)],
        }


def _instructions(texts: Sequence[Text]) -> list[str]:
    return [text.instruction for text in texts]


def scale_of(found: TrainingSet, given: tuple[float, float] | None) -> tuple[float, float]:
    """The lowest and the highest score that the pairs of a data set could have.

    Args:
        found: Of the task ``sts``.
        given: What the recipe says. None: 0 to 1, or 0 to 5, where all scores are.

    Raises:
        InputError: If there are scores beyond, or the scale is not known.
    """
    low, high = given or next(
        ((0.0, top) for top in (1.0, 5.0) if found.lowest >= 0 and found.highest <= top), (0.0, 0.0)
    )
    if low >= high:
        raise InputError(
            f"data set {found.name!r}: its scores go from {found.lowest:g} to {found.highest:g}, and which "
            "scale that is is not known: give it, as in data=[{path: FILE, scores: [-1, 1]}]"
        )
    if found.lowest < low or found.highest > high:
        raise InputError(
            f"data set {found.name!r}: its scores go from {found.lowest:g} to {found.highest:g}, beyond the "
            f"scale from {low:g} to {high:g}"
        )
    return low, high
