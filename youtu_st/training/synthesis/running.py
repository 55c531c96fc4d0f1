"""Rows in, rows out: a chat model is asked, an encoder looks at its texts, and a stopped run goes on."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from youtu_st.disk import write_whole
from youtu_st.errors import InputError, TrainingError
from youtu_st.inputs import check_count
from youtu_st.protocol import TextEncoder
from youtu_st.training.data.mining import takes_instructions
from youtu_st.training.data.rows import TASKS, Row, Task, Text
from youtu_st.training.data.writing import writer
from youtu_st.training.synthesis.asking import Asking, ChatModel
from youtu_st.training.synthesis.filtering import Filter
from youtu_st.training.synthesis.journal import Answer, Journal
from youtu_st.training.synthesis.selection import Known, Selected, Selection

MOST_FAILURES = 5
"""Rows in a row that the model gives nothing for, until nothing more is asked."""
_AT_ONCE = 256
_T = TypeVar("_T")


class SynthesisStopped(TrainingError):
    """The chat model gives nothing more: what was answered is kept, and the same call goes on from there."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made.

    Attributes:
        rows: Rows that were read, by task.
        asked: Rows that the model was asked about, in this run or in one before it.
        answered: Those of them that it gave texts for.
        texts: New texts that were kept: a row each of ``paraphrase``, else positives or negatives.
        calls: Calls of this run.
        refused: Answers that were refused, by reason.
        rejected: Texts that were not kept, by reason.
        alone: Rows that were not asked about, by reason.
        failed: Rows that are left as they were, since the model gave nothing for them, by reason.
        read: Tokens that the model says it has read, for all rows. None: it says nothing.
        written: Likewise of those that it has written.
    """

    rows: Mapping[Task, int]
    asked: int
    answered: int
    texts: int
    calls: int
    refused: Mapping[str, int]
    rejected: Mapping[str, int]
    alone: Mapping[str, int]
    failed: Mapping[str, int]
    read: int | None
    written: int | None


def journal_of(out: Path) -> Path:
    """Where a run that writes ``out`` keeps the answers."""
    return out.with_name(f"{out.name}.synth.journal")


def record_of(out: Path) -> Path:
    """Where a run that writes ``out`` says how that was made."""
    return out.with_name(f"{out.name}.synth.json")


def check_places(source: Path, out: Path, *, force: bool) -> None:
    """Raise for a file that may not be written, before anything is asked.

    Raises:
        InputError: If it is there and is to stay, or is the one that is read.
    """
    if out.exists() and source.exists() and os.path.samefile(source, out):
        raise InputError(f"{out} is the file that is read: a run that goes on would read what it has made")
    if out.exists() and not force:
        raise InputError(f"{out} is there already: --force writes over it, and asks nothing twice")


def synthesize(
    selection: Selection,
    out: Path,
    chat: ChatModel,
    encoder: TextEncoder,
    *,
    model: str,
    at_once: int = 1,
    force: bool = False,
    report: Callable[[str], None] | None = None,
    notify: Callable[[str], None] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Made:
    """Write the rows of a file, and what a chat model makes of them.

    Every answer is on the disk before the next is asked for, in a journal beside ``out``: a run that was
    killed has lost ``at_once`` calls at most, and another encoder or other borders cost none.

    Args:
        selection: The rows, and what is asked.
        out: The file to write; its name with ``.synth.json`` after it says how it was made.
        chat: The chat model.
        encoder: Tells which texts are kept.
        model: The chat model's name: with another one, answers are asked for anew.
        at_once: Rows that it is asked about at a time.
        force: Write over a file that is there.
        report: Is told now and then what is done.
        notify: Is told of the first failure of each kind.
        wait: Waits so many seconds, after the model has failed.

    Raises:
        InputError: If the file cannot be read, or has no row to ask about, or ``out`` may not be written, or
            another run is at it.
        RowError: If a row is malformed.
        SynthesisStopped: If the model gives nothing for several rows one after the other.
        OSError: If something cannot be written.
    """
    check_count("at_once", at_once)
    check_places(selection.source, out, force=force)
    journal = Journal(journal_of(out), selection.synthesis, model)
    told = report or (lambda message: None)
    run = _Run(selection, journal, told, notify or told)
    with journal.writing():
        run.ask(Asking(chat, selection.synthesis, at_once=at_once, wait=wait), at_once)
        run.write(out, encoder, force=force)
        made = run.made()
        _write_record(out, selection, encoder, model, made)
    return made


class _Run:
    """One run, and what is counted on the way."""

    def __init__(
        self,
        selection: Selection,
        journal: Journal,
        report: Callable[[str], None],
        notify: Callable[[str], None],
    ) -> None:
        self._selection, self._journal, self._report, self._notify = selection, journal, report, notify
        self._known = Known()
        self._rows: Counter[Task] = Counter()
        self._alone: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._asked = self._answered = self._texts = self._calls = self._failing = 0

    def ask(self, asking: Asking, at_once: int) -> None:
        """Ask about all rows that have no answer yet, after a look at all rows."""
        for one in self._selection:
            self._rows[one.row.task] += 1
            self._known.add(one.row)
            self._alone.update([one.alone] if one.alone else [])
        self._asked = self._rows.total() - self._alone.total()
        if not self._asked:
            reasons = "; ".join(f"{number:,}: {reason}" for reason, number in self._alone.items())
            raise InputError(
                f"{self._selection.source}: there is no row to ask about ({reasons or 'no rows'})"
            )
        done = 0
        for block in _blocks(self._selection.asked(), at_once):
            pending = [one for one in block if one.row not in self._journal]
            answers = asking.about([one.row for one in pending])
            for one, answer in zip(pending, answers, strict=True):
                self._take(one, answer)
            done += len(block)
            self._report(f"{done:,} of {self._asked:,} rows, {self._failed.total():,} without an answer")
            if self._failing >= MOST_FAILURES:
                raise SynthesisStopped(
                    f"{self._failing} rows one after the other got no answer: nothing more is asked, and "
                    f"{done - self._failed.total():,} answers are kept for a run that goes on"
                )

    def _take(self, one: Selected, answer: Answer) -> None:
        self._calls += answer.calls
        if answer.texts:
            self._failing = 0
            self._journal.add(one.row, answer)
            return
        self._failing += 1
        self._count(answer)
        kind = answer.failed.partition(":")[0]
        self._failed[kind] += 1
        if self._failed[kind] == 1:
            why = ", ".join(dict.fromkeys(answer.refused))
            told = f"{answer.failed}{f' ({why})' if why else ''}"
            self._notify(f"{self._selection.source}, line {one.line}: left as it is: {told}")

    def _count(self, answer: Answer) -> None:
        self._refused.update(answer.refused)
        if answer.tokens:
            self._tokens.update(read=answer.tokens[0], written=answer.tokens[1])

    def write(self, out: Path, encoder: TextEncoder, *, force: bool) -> None:
        """Write every row, with what is kept of its answer."""
        instructed = any(one.row.query.instruction for one in self._selection) and takes_instructions(encoder)
        judge = Filter(encoder, self._selection.synthesis, instructed=instructed)
        done = 0
        with writer(out, force=force) as write:
            for block in _blocks(self._selection, _AT_ONCE):
                for row in self._grown(block, judge):
                    write(row)
                done += len(block)
                self._report(f"{done:,} of {self._rows.total():,} rows looked at")

    def _grown(self, block: Sequence[Selected], judge: Filter) -> Iterator[Row]:
        answers = [None if one.alone else self._journal.answer(one.row) for one in block]
        found = [(one.row, answer) for one, answer in zip(block, answers, strict=True) if answer is not None]
        for _, answer in found:
            self._answered += 1
            self._count(answer)
        grown = self._with_what_stays([row for row, _ in found], [answer.texts for _, answer in found], judge)
        for one, given in zip(block, answers, strict=True):
            yield from [one.row] if given is None else next(grown)

    def _with_what_stays(
        self, rows: Sequence[Row], made: Sequence[Sequence[str]], judge: Filter
    ) -> Iterator[list[Row]]:
        """Each row with those of its new texts that stay."""
        if not rows:
            return
        paraphrase = self._selection.synthesis.mode == "paraphrase"
        there = self._known.is_query if paraphrase else self._known.goes_with
        for row, judged in zip(rows, judge.judged(rows, made, there), strict=True):
            self._rejected.update(each.reason for each in judged if each.reason)
            texts = tuple(each.text for each in judged if not each.reason)
            self._texts += len(texts)
            grown = self._with(row, texts)
            for each in grown:
                self._known.add(each)
            yield grown

    def _with(self, row: Row, texts: tuple[Text, ...]) -> list[Row]:
        """A row, and what is made of it."""
        mode = self._selection.synthesis.mode
        if mode == "paraphrase":
            return [row, *(replace(row, query=text) for text in texts)]
        if mode == "augment":
            return [replace(row, positives=(*row.positives, *texts))]
        return [replace(row, negatives=(*row.negatives, *texts))]

    def made(self) -> Made:
        """What was made."""
        return Made(
            rows={task: self._rows[task] for task in TASKS if self._rows[task]},
            asked=self._asked,
            answered=self._answered,
            texts=self._texts,
            calls=self._calls,
            refused=dict(self._refused.most_common()),
            rejected=dict(self._rejected.most_common()),
            alone=dict(self._alone.most_common()),
            failed=dict(self._failed.most_common()),
            read=self._tokens["read"] if self._tokens else None,
            written=self._tokens["written"] if self._tokens else None,
        )


def _write_record(out: Path, selection: Selection, encoder: TextEncoder, model: str, made: Made) -> None:
    synthesis = selection.synthesis
    borders = {name: getattr(synthesis, name) for name in ("near", "lowest", "max_relative")}
    content: dict[str, Any] = {
        "source": selection.source.name,
        "mode": synthesis.mode,
        "model": model,
        "prompts": synthesis.digest,
        "number": synthesis.number,
        "encoder": encoder.model_name,
        "fingerprint": encoder.fingerprint,
        **borders,
        **asdict(made),
    }
    write_whole(record_of(out), (json.dumps(content, ensure_ascii=False, indent=2) + "\n").encode())


def _blocks(values: Iterable[_T], length: int) -> Iterator[list[_T]]:
    stream = iter(values)
    while block := list(islice(stream, length)):
        yield block
