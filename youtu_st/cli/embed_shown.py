"""What ``youtu-st embed`` shows: progress, the end of a job, how far one is, if its vectors are right."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from youtu_st.cli.console import Spinner, count, echo, print_json, say, status
from youtu_st.cli.progress import duration
from youtu_st.errors import InputError, JobError
from youtu_st.probes import PROBE_COSINE
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.job.names import REJECTED
from youtu_st.scale.pools.events import FAULT
from youtu_st.scale.running.watching import Bar

if TYPE_CHECKING:
    from youtu_st.scale.job.status import Status
    from youtu_st.scale.running.telling import Progress, Summary
    from youtu_st.scale.running.watching import Watch

OK, FAULTY, MISTAKE, INTERRUPTED = 0, 1, 2, 130


class Shown(Bar):
    """Lines on standard error; where that is a terminal, also a spinner and then a bar."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._spinner: Spinner | None = None
        self._is_terminal = sys.stderr.isatty()

    def say(self, kind: str, line: str) -> None:
        """Write one line, above what moves."""
        self.aside()
        say(kind, line)

    def waiting(self, message: str) -> None:
        """Turn a spinner."""
        if self._spinner is None:
            self._spinner = self._stack.enter_context(status(message))
        self._spinner.update(message)

    def planning(self, rows: int, file: str) -> None:
        """Turn a spinner, with the rows that were read."""
        self.waiting(f"reading: {count(rows, 'row')}, {file}")

    def progress(self, progress: Progress) -> None:
        """Move the bar on, or the spinner until it begins."""
        if self._is_terminal:
            super().progress(progress)

    def begins(self) -> None:
        """The spinner ends where the bar begins."""
        self._stack.close()
        self._spinner = None

    def close(self) -> None:
        """Leave the bar as it is."""
        self.begins()
        super().close()


def shown(run: Callable[[Watch], Summary]) -> int:
    """Run a job, and say what came of it; the exit code.

    Raises:
        SystemExit: If it was interrupted, and told so.
        YoutuError: As the job has it, but for what takes more than a line, and for a fault.
    """
    watch = Shown()
    try:
        watch.waiting("looking at what there is ...")
        done = run(watch)
    except JobError as error:
        if error.kind != FAULT:
            raise
        watch.close()
        say("error", error)
        return FAULTY
    except InputError as error:
        watch.close()
        message = str(error).replace("bad_rows='skip'", "--bad-rows skip")
        if "\n" not in message:
            raise InputError(message) from error
        first, *table, last = message.splitlines()
        say("error", f"{first.rstrip(':')}: {last}")
        for line in table:
            echo(line, err=True)
        return MISTAKE
    finally:
        watch.close()
    return _told(done)


def _told(done: Summary) -> int:
    for line in done.skipped:
        say("skipped", line)
    if done.rejected:
        lines = Path(done.folder) / REJECTED
        verb = "has" if done.rejected == 1 else "have"
        say("rejected", f"{count(done.rejected, 'row')} {verb} no vector: see {lines}")
    echo(summary_line(done))
    if done.stopped:
        say("stopped", f"{count(done.left, 'shard')} left; go on with: youtu-st embed {done.folder}")
        raise SystemExit(INTERRUPTED)  # everything is said
    return FAULTY if done.skipped or done.rejected else OK


def summary_line(done: Summary) -> str:
    """What came of a job, in one line."""
    parts = [count(done.rows, "document")]
    if done.tokens or not done.rows:  # not every server counts them
        parts.append(count(done.tokens, "token"))
    if done.encoded:
        parts.append(f"{done.speed:,.0f} documents/s")
    parts += [f"{done.cut:,} cut", f"{done.rejected:,} rejected"]
    shards = f"{count(done.encoded, 'shard')} encoded, {done.found:,} found done"
    if done.left:
        shards += f", {done.left:,} not done"
    return f"{', '.join(parts)}; {shards} -> {done.folder}"


def show_status(folder: Path, *, as_json: bool) -> int:
    """Show how far a job is: 0, or 1 where a shard is damaged."""
    from youtu_st.scale.job.status import status as status_of

    with status(f"reading {folder} ..."):
        opened = JobFolder.open(folder)
        found = status_of(opened)
    code = FAULTY if found.damaged else OK
    if as_json:
        print_json({**asdict(found), "shards": len(opened.job.shards), **_about(opened)})
        return code
    lines = {
        **{name: str(value) for name, value in _about(opened).items()},
        "done": f"{found.done:,} of {count(len(opened.job.shards), 'shard')}",
        "documents": f"{found.rows:,}, {found.rejected:,} rejected, {found.cut:,} cut",
        "tokens": f"{found.tokens:,}" if found.tokens or not found.rows else "not counted by the server",
        "under way": _under_way(found),
        "left": _left(found),
    }
    for name, line in lines.items():
        echo(f"{name:<12} {line}")
    for name, wrong in found.damaged.items():
        echo(f"{'damaged':<12} {name}: {wrong}")
    return code


def _about(folder: JobFolder) -> dict[str, Any]:
    job, task = folder.job, folder.job.task
    instruction = "" if task.instruction is None else f", instruction {task.instruction!r}"
    return {
        "model": job.encoder.model,
        "fingerprint": job.encoder.fingerprint,
        "vectors": f"{task.role}s of {job.dimension} dimensions, {task.dtype}{instruction}",
        "created": job.created,
    }


def _under_way(found: Status) -> str:
    if not found.under_way:
        return "nothing"
    return f"{count(len(found.under_way), 'shard')}: {', '.join(map(str, found.under_way[:8]))}"


def _left(found: Status) -> str:
    if not found.open:
        return "nothing"
    left = f"{count(found.open, 'shard')}, {count(found.rows_left, 'row')}"
    if found.seconds_left is None:
        return left
    return f"{left}: {duration(found.seconds_left)} at {found.speed:,.0f} documents/s"


def show_verified(folder: Path, rows: int, elsewhere: dict[str, Any], devices: tuple[str, ...] | None) -> int:
    """Read all shards, encode some rows again, and say how near the stored vectors are.

    Returns:
        0, or 1 where a vector is another, or a shard is not what was written: such a one is set aside.
    """
    from youtu_st.scale.running.doing import set_aside
    from youtu_st.scale.running.embed import verify

    with status(f"reading {folder} ..."):
        damaged = set_aside(JobFolder.open(folder), Shown(), deep=True)
    if damaged:
        say("wrong", f"{count(damaged, 'shard')} set aside: youtu-st embed {folder} encodes them again")
    with status(f"encoding {count(rows, 'row')} of {folder} again ..."):
        found = verify(folder, rows, devices=devices, **elsewhere)
    echo(
        f"{count(found.rows, 'row')} of {count(found.shards, 'shard')} encoded again: lowest cosine "
        f"{found.lowest_cosine:.6f}, largest difference {found.largest_difference:.1e}"
    )
    good = found.lowest_cosine >= PROBE_COSINE
    if not good:
        say(
            "wrong", f"the vectors in {folder} are not those of its input: the least cosine is {PROBE_COSINE}"
        )
    return OK if good and not damaged else FAULTY
