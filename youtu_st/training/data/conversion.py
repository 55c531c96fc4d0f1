"""Other people's training data to CoDiEmb's format: what a source is, and the file that is made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from youtu_st.errors import InputError, did_you_mean
from youtu_st.evaluation.data.beir import CORPUS, QUERIES
from youtu_st.evaluation.data.record import listed
from youtu_st.inputs import one_of
from youtu_st.training.data.formats import (
    beir,
    classes,
    codiemb,
    columns,
    flagembedding,
    nli,
    stsbenchmark,
    swift,
)
from youtu_st.training.data.rows import TASKS, Row, Task
from youtu_st.training.data.sources import Sample, sample
from youtu_st.training.data.tally import Tally
from youtu_st.training.data.wanted import Wanted
from youtu_st.training.data.writing import writer

Rows = Callable[[Path, Wanted, Tally], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of training data.

    Attributes:
        about: What it looks like, for a message.
        rows: Reads it.
        suits: Tells it by a file's first rows. None: told otherwise.
    """

    about: str
    rows: Rows
    suits: Callable[[Sample], bool] | None = None


FORMATS: Mapping[str, Format] = {
    "sentence-transformers": Format(
        "anchor/positive/negative, or sentence1/sentence2/score", columns.rows, columns.suits
    ),
    "beir": Format("a folder of corpus.jsonl, queries.jsonl, qrels/", beir.rows),
    "flagembedding": Format("query/pos/neg", flagembedding.rows, flagembedding.suits),
    "ms-swift": Format("messages/positive_messages, or query/response", swift.rows, swift.suits),
    "nli": Format("premise/hypothesis/label", nli.rows, nli.suits),
    "classes": Format("text/label", classes.rows, classes.suits),
    "stsbenchmark": Format("tabs: genre, file, year, id, score, two sentences", stsbenchmark.rows),
    "codiemb": Format("task_type/query/positives", codiemb.rows, codiemb.suits),
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written.

    Attributes:
        format: The source's.
        rows: Rows by their task.
        errors: Malformed rows that were left out, by reason.
        left_out: Rows, or parts of them, that give no row of training, by reason.
        notes: The first of these, and what else a reader should know.
    """

    format: str
    rows: Mapping[Task, int]
    errors: Mapping[str, int]
    left_out: Mapping[str, int]
    notes: tuple[str, ...]


def detect(source: Path) -> str:
    """The name of the format that a source plainly is.

    Raises:
        InputError: If it cannot be read, or is plainly none: the message lists the formats.
    """
    if source.is_dir():
        if beir.suits(source):
            return "beir"
        raise InputError(f"{source}: a folder must have {CORPUS} and {QUERIES}, as BEIR's")
    if source.suffix.lower() in (".csv", ".tsv") and stsbenchmark.suits(source):
        return "stsbenchmark"
    found = sample(source)
    fitting = [name for name, each in FORMATS.items() if each.suits and each.suits(found)]
    if len(fitting) == 1:
        return fitting[0]
    what = f"may be {' or '.join(fitting)}" if fitting else "is plainly none"
    known = "; ".join(f"{name} ({each.about})" for name, each in FORMATS.items())
    columns_of = listed(found.names) or "none"
    raise InputError(
        f"{source}: its format {what}, by its columns {columns_of}: name it with --from, or rename columns. "
        f"Formats: {known}"
    )


def read(source: Path, format: str, wanted: Wanted, tally: Tally) -> Iterator[Row]:
    """The rows of a source, one after the other.

    Args:
        source: A file or a folder.
        format: One of :data:`FORMATS`.
        wanted: What rows are to be.
        tally: Takes what is left out.

    Raises:
        InputError: If there is no such format, or the source cannot be read as one.
    """
    if format not in FORMATS:
        raise InputError(
            f"the format must be one of {', '.join(FORMATS)}, not {format!r}"
            + (f": {hint.rstrip()}" if (hint := did_you_mean(format, FORMATS)) else "")
        )
    if wanted.task is not None:
        one_of("the task", wanted.task, TASKS)
    yield from FORMATS[format].rows(source, wanted, tally)


def convert(
    source: Path,
    out: Path,
    *,
    format: str | None = None,
    wanted: Wanted | None = None,
    skip_errors: bool = False,
    force: bool = False,
    tally: Tally | None = None,
) -> Conversion:
    """Write the rows of a source to a JSONL file, whole or not at all; memory does not grow with the texts.

    Args:
        source: A file or a folder.
        out: The file to write.
        format: One of :data:`FORMATS`. None: what the source plainly is.
        wanted: What rows are to be. None: what the source says.
        skip_errors: Leave malformed rows out.
        force: Write over a file that is there.
        tally: Takes what is left out, also where this raises. None: one of its own.

    Raises:
        InputError: If the source cannot be read, has no rows or, without ``skip_errors``, malformed ones, or
            ``out`` is there.
        OSError: If ``out`` cannot be written.
    """
    tally = tally or Tally()
    counts: Counter[Task] = Counter()
    with writer(out, force=force) as write:
        name = format or detect(source)
        for row in read(source, name, wanted or Wanted(), tally):
            write(row)
            counts[row.task] += 1
        if (wrong := tally.errors.total()) and not skip_errors:
            more = f"; {wrong - 1:,} more are malformed" if wrong > 1 else ""
            way = "nothing was written: mend this, or go on without it: --skip-errors"
            raise InputError(f"{tally.lines[0]}{more}; {way}")
        if not counts:
            raise InputError(f"{source}: it has no row that can be trained on, and nothing was written")
    rows: dict[Task, int] = {task: counts[task] for task in TASKS if counts[task]}
    return Conversion(name, rows, dict(tally.errors), dict(tally.left_out), tuple(tally.notes))
