"""The beginning of a job: encoder, input and plan; or whether those of one that is there are the same."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from youtu_st.corpus.notes import Notes
from youtu_st.errors import InputError, counted, printable, require
from youtu_st.probes import PROBE_TEXTS, EncoderRecord
from youtu_st.protocol import TextEncoder
from youtu_st.scale.encoders import make, not_minding_length, splitter_for
from youtu_st.scale.input.files import compare_inputs, find_inputs
from youtu_st.scale.input.planning import plan_input
from youtu_st.scale.input.reading import Reader
from youtu_st.scale.input.types import InputFile, Plan, Shard
from youtu_st.scale.job.comparing import compare, refuse
from youtu_st.scale.job.folder import JobFolder, has_job
from youtu_st.scale.job.record import Job
from youtu_st.scale.job.room import check_room
from youtu_st.scale.job.shards import ID
from youtu_st.scale.settings import BadRows, Columns, Cutting, Making, Task
from youtu_st.scale.work.encoding import Asked


class Telling(Notes):
    """Tells what is to be known of the input, a line each; the first problem is raised.

    Args:
        tell: Takes a line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def note(self, message: str) -> None:
        """Tell it."""
        self._tell(printable(message))


def prepare(
    folder: Path,
    paths: Sequence[str],
    making: Making,
    task: Task,
    columns: Columns,
    cutting: Cutting,
    *,
    bad_rows: BadRows = "error",
    extend: bool = False,
    report: Callable[[int, str], object] | None = None,
    notes: Notes | None = None,
    encoder: Callable[[], TextEncoder] | None = None,
) -> Job:
    """Plan a job and write it down; or compare the one that is there with what is asked for.

    Args:
        folder: The job's: new, empty, or one that holds a job.
        paths: Files and folders.
        making: What the encoder is made from.
        task: What is asked of it.
        columns: What is read and kept.
        cutting: How large shards are.
        bad_rows: ``error``: a row that reading finds to be bad is the end of it, before anything is encoded.
        extend: Plan files that came anew, behind those that are planned.
        report: Told how far the planning is: rows so far, and the file.
        notes: Takes what is met while files are found and read.
        encoder: Gives the encoder, where whoever asks has one. None: it is made.

    Returns:
        The job that is in the folder now.

    Raises:
        InputError: If the encoder does not take what is asked, the input cannot be planned or has a bad row,
            or the folder holds another job: a table of what differs, or which files do.
        YoutuError: If the encoder cannot be made.
    """
    if task.role == "document" and task.instruction is not None:
        raise InputError("an instruction goes with role='query': documents are encoded without one")
    there = JobFolder.open(folder) if has_job(folder) else None
    files = find_inputs(paths, notes, without=folder)
    given = cache(encoder or partial(make, making))
    planning = _Planning(given, columns, cutting, bad_rows, report, notes)
    # Before the encoder, which few inputs need: what is wrong with them is told at once.
    plan = planning.plan(files) if there is None else None
    made = given()
    with not_minding_length(made):
        Asked(made, task).encode([PROBE_TEXTS[0]])  # what it does not take is said now
        record = EncoderRecord.of(made)
    if plan is not None:
        whole = (plan.files, plan.shards, plan.schema)
        job = Job(making, record, task, columns, cutting, tuple(paths), *whole)
        check_room(JobFolder(folder, job))
        there = JobFolder.create(folder, job)
        if there.job.text() == job.text():
            return there.job
        # Another process was first: its job is compared as if it had been there all the time.
    assert there is not None
    refuse(
        folder,
        compare(there.job, making=making, encoder=record, task=task, columns=columns, cutting=cutting),
    )
    new = _new_files(there, files, extend=extend)
    if not new:
        return there.job
    plan = planning.plan(new, behind=there)
    extended = there.job.extended(plan.files, plan.shards)
    there.job.replace(folder, extended)
    return extended


@dataclass(frozen=True, slots=True)
class _Planning:
    encoder: Callable[[], TextEncoder]
    columns: Columns
    cutting: Cutting
    bad_rows: BadRows
    report: Callable[[int, str], object] | None
    notes: Notes | None

    def plan(self, files: Sequence[InputFile], behind: JobFolder | None = None) -> Plan:
        """Plan files, behind those of a job that is there."""
        known = None if behind is None else _Known(behind, self.encoder())
        found = plan_input(
            files,
            self.columns,
            self.cutting,
            splitter=splitter_for(self.encoder, files),
            report=self.report,
            first_number=0 if behind is None else len(behind.job.shards),
            known_ids=() if known is None else known,
            known_place=None if known is None else known.place,
            schema=None if behind is None else behind.job.schema,
            notes=self.notes,
        )
        if found.first_rejected is not None and self.bad_rows == "error":
            more = found.rejected - 1
            and_more = f", and {counted(more, 'bad row')} more" if more else ""
            raise InputError(
                f"{printable(str(found.first_rejected))}{and_more}; bad_rows='skip' leaves such rows out"
            )
        return found


def _new_files(there: JobFolder, files: Sequence[InputFile], *, extend: bool) -> tuple[InputFile, ...]:
    """Files that the job has not planned.

    Raises:
        InputError: If one that it has planned is another now, or there are new ones, and not ``extend``.
    """
    found = compare_inputs(there.job.files, files)
    changed = [*found.changed, *(() if extend else (*found.vanished, *found.new))]
    if changed:
        names = ", ".join(printable(file.name) for file in changed[:3])
        more = f" and {counted(len(changed) - 3, 'file')} more" if len(changed) > 3 else ""
        raise InputError(
            f"{printable(str(there.path))} was begun with another input: {names}{more} changed, vanished or "
            "came anew"
        )
    return found.new


class _Known:
    """The ids of all rows that a job has planned, in blocks; none where they come of the files' names."""

    def __init__(self, there: JobFolder, encoder: TextEncoder) -> None:
        self._there, self._encoder = there, encoder
        self._blocks: list[tuple[int, Shard]] = []  # how many ids there are up to its end, and of which shard

    def __iter__(self) -> Iterator[list[str]]:
        taken = 0
        for shard, ids in self._of_shards():
            taken += len(ids)
            self._blocks.append((taken, shard))
            yield ids

    def _of_shards(self) -> Iterator[tuple[Shard, list[str]]]:
        job = self._there.job
        if job.columns.id is None:
            return
        done = self._there.done()
        with Reader(job.files, job.columns, job.schema, splitter_for(self._encoder, job.files)) as reader:
            for shard in job.shards:
                if shard.number in done:
                    pq = require("pyarrow.parquet", "scale")
                    table = pq.read_table(self._there.shard_path(shard.number), columns=[ID])
                    yield shard, table[ID].to_pylist()
                else:
                    for rows in reader.rows(shard):
                        yield shard, rows.ids

    def place(self, number: int) -> str:
        """Where the n-th id is, counted from 1: a file, and the rows of a shard."""
        _, shard = self._blocks[bisect_left(self._blocks, number, key=lambda block: block[0])]
        file = self._there.job.files[shard.file].name
        return f"{file}, one of rows {shard.first + 1:,} to {shard.first + shard.rows:,}"
