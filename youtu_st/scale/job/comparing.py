"""What a job was begun with, and what is asked for now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from youtu_st.errors import InputError, brief, printable
from youtu_st.probes import PROBE_COSINE, EncoderRecord, lowest_cosine
from youtu_st.scale.job.record import Job
from youtu_st.scale.settings import Columns, Cutting, Making, Task

WHERE = ("model", "checkpoint", "server", "backend", "dtype")
"""They say where an encoder comes from and how it runs: its fingerprint says whether it is another."""

_OF_THE_MODEL = (*WHERE, "weights", "max_length", "split_special_tokens")
_LONGEST = 60


class Difference(NamedTuple):
    """Something that is asked for otherwise than the job was begun.

    Attributes:
        name: What.
        stored: As the job has it.
        asked: As it is asked for.
    """

    name: str
    stored: str
    asked: str


def compare(
    job: Job,
    *,
    making: Making | None = None,
    encoder: EncoderRecord | None = None,
    task: Task | None = None,
    columns: Columns | None = None,
    cutting: Cutting | None = None,
) -> list[Difference]:
    """What of a job is asked for otherwise; what is None is not asked about.

    How an encoder is made does not matter where its record is given: another path to the same weights, or a
    server in front of them, is no difference where the fingerprint is the same; another dtype or backend is
    none where the vectors of the probe texts are the same. Without a record, every setting that differs is a
    difference: :func:`may_be_the_same` says whether the encoder has to be made to know.

    Args:
        job: The job.
        making: How the encoder is to be made.
        encoder: What it is.
        task: What is asked of it.
        columns: What is to be read and kept.
        cutting: How large shards are to be.
    """
    found: list[Difference] = []
    if encoder is not None:
        found += _encoders(job.encoder, encoder)
    if making is not None:
        there, wanted = job.making.kept(), making.kept()
        skipped = () if encoder is None else _OF_THE_MODEL
        found += _values({name: (there[name], wanted[name]) for name in there if name not in skipped})
    for stored, asked in ((job.task, task), (job.columns, columns), (job.cutting, cutting)):
        if asked is not None:
            found += _values(_pairs(stored, asked))
    return found


def may_be_the_same(found: Iterable[Difference]) -> bool:
    """Whether all that differs is how an encoder is made, so that the encoder itself has to be looked at."""
    return all(difference.name in WHERE for difference in found)


def refuse(folder: Path, found: Sequence[Difference]) -> None:
    """Raise where something differs.

    Raises:
        InputError: With a table of it.
    """
    if found:
        raise InputError(
            f"{printable(str(folder))} holds another job:\n{table(found)}\n"
            "name a new folder, or ask for what this one was begun with"
        )


def table(found: Sequence[Difference]) -> str:
    """Differences, a line each, in columns."""
    rows = [Difference("", "the job has", "asked for"), *found]
    width, stored = (max(len(row[i]) for row in rows) for i in range(2))
    return "\n".join(f"  {row.name:{width}}  {row.stored:{stored}}  {row.asked}" for row in rows)


def _encoders(stored: EncoderRecord, asked: EncoderRecord) -> list[Difference]:
    found = []
    if stored.fingerprint != asked.fingerprint:
        parts = sorted(stored.identity.keys() | asked.identity.keys())
        found = _values({part: (stored.identity.get(part), asked.identity.get(part)) for part in parts})
        model = _values({"model": (stored.model, asked.model)})
        found = [*model, *found] or _values({"fingerprint": (stored.fingerprint, asked.fingerprint)})
    found += _values({"dimension": (stored.dimension, asked.dimension)})
    comparable = stored.probe_texts == asked.probe_texts and dict(stored.runtime) != dict(asked.runtime)
    return found if found or not comparable else _probes(stored, asked)


def _probes(stored: EncoderRecord, asked: EncoderRecord) -> list[Difference]:
    """Where only the runtime differs, the vectors decide."""
    lowest = min(
        lowest_cosine(stored.query_probes, asked.query_probes),
        lowest_cosine(stored.document_probes, asked.document_probes),
    )
    if lowest >= PROBE_COSINE:
        return []
    runtimes = _values({name: (stored.runtime.get(name), asked.runtime.get(name)) for name in asked.runtime})
    return [*runtimes, Difference("probes", f"cosine of at least {PROBE_COSINE}", f"{lowest:.4f}")]


def _pairs(stored: Any, asked: Any) -> dict[str, tuple[Any, Any]]:
    names = {"Columns": "{} column", "Cutting": "shard {}"}
    shown = names.get(type(stored).__name__, "{}")
    special = {"keep": "kept columns", "keep_text": "keep text", "encoding": "encoding"}
    return {
        special.get(field.name, shown.format(field.name)): (
            getattr(stored, field.name),
            getattr(asked, field.name),
        )
        for field in fields(stored)
    }


def _values(pairs: dict[str, tuple[Any, Any]]) -> list[Difference]:
    return [
        Difference(name, _shown(stored), _shown(asked))
        for name, (stored, asked) in pairs.items()
        if stored != asked
    ]


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value)) or "none"
    text = printable(value) if isinstance(value, str) and value else brief(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 15]}...{text[-12:]}"
