"""The beginning of a job: its encoder, its input and its plan, or whether those of one that is there are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from youtu_st.corpus.notes import Notes
from youtu_st.errors import InputError, counted
from youtu_st.probes import PROBE_TEXTS, EncoderRecord
from youtu_st.protocol import TextEncoder
from youtu_st.scale.encoders import make, splitter_for
from youtu_st.scale.input.files import find_inputs
from youtu_st.scale.input.planning import plan_input
from youtu_st.scale.job.folder import JobFolder, has_job
from youtu_st.scale.job.record import Job
from youtu_st.scale.settings import BadRows, Columns, Cutting, Making, Task
from youtu_st.scale.work.encoding import Asked


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
    """x."""
    if task.role == "document" and task.instruction is not None:
        raise InputError("an instruction goes with role='query': documents are encoded without one")
    has_job(folder)
    files = find_inputs(paths, notes, without=folder)
    made = make(making) if encoder is None else encoder()
    Asked(made, task).encode([PROBE_TEXTS[0]])
    plan = plan_input(files, columns, cutting, splitter=splitter_for(made, files), report=report, notes=notes)
    if plan.rejected and bad_rows == "error":
        raise InputError(f"{plan.first_rejected}; {counted(plan.rejected, 'bad row')}")
    job = Job(making, EncoderRecord.of(made), task, columns, cutting, tuple(paths), plan.files, plan.shards, plan.schema)
    return JobFolder.create(folder, job).job
