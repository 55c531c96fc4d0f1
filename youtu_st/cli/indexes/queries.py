"""``youtu-st index search --queries``: many questions at once, one JSON record for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from youtu_st.cli.console import UsageError, echo
from youtu_st.errors import InputError, brief, in_one_line, printable
from youtu_st.inputs import once_each

if TYPE_CHECKING:
    from youtu_st.index import Hit
    from youtu_st.index.filtering.filters import Filter
    from youtu_st.retriever import Retriever

AT_ONCE = 256
"""Questions that are encoded and searched for together."""
_MOST_BYTES = 1 << 30


class Asked(NamedTuple):
    """A question, its id where it has one, and its file and line where it is from one."""

    question: str
    id: str | int | None = None
    where: str = ""


def asked_for(question: str | None, queries: Path | None) -> list[Asked]:
    """What is asked, by a question or a file of them.

    Raises:
        UsageError: If it is neither or both; or as for :func:`read_queries`.
    """
    if (question is None) == (queries is None):
        raise UsageError("say what to look for: a QUESTION, or a file of them with --queries")
    return [Asked(question or "")] if queries is None else read_queries(queries)


def read_queries(file: Path) -> list[Asked]:
    """The questions of a file, a line each; of ``.jsonl``, its field ``query``, or ``text``.

    ``-`` is standard input: lines, or JSON where its first one begins with a brace. Blank lines are left out.

    Raises:
        UsageError: If it cannot be read, or holds no question: the message names the line.
    """
    from youtu_st.disk import read_bounded

    try:
        data = sys.stdin.buffer.read(_MOST_BYTES + 1) if str(file) == "-" else read_bounded(file, _MOST_BYTES)
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: it is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise UsageError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    as_json = file.suffix.lower() in (".jsonl", ".ndjson") or (
        str(file) == "-" and text.lstrip().startswith("{")
    )
    asked = [
        _record(line, where) if as_json else Asked(line.strip(), where=where)
        for number, line in enumerate(text.split("\n"), start=1)
        if line.strip() and (where := f"{file}, line {number}")
    ]
    if not asked:
        raise UsageError(f"{file}: there are no questions in it")
    return asked


def _record(line: str, where: str) -> Asked:
    try:
        found = json.loads(line, object_pairs_hook=once_each)
    except (ValueError, RecursionError) as error:
        what = "is no JSON" if isinstance(error, json.JSONDecodeError) else "cannot be read"
        raise UsageError(in_one_line(f"{where}: it {what}", error)) from error
    if isinstance(found, str):
        found = {"query": found}
    if not isinstance(found, dict):
        raise UsageError(f"{where}: it must be an object, not {brief(found)}")
    question = found.get("query", found.get("text"))
    id = found.get("id", found.get("_id"))
    if not isinstance(question, str) or not question.strip():
        raise UsageError(f"{where}: its query must be a question, not {brief(question)}")
    if id is not None and (isinstance(id, bool) or not isinstance(id, str | int)):
        raise UsageError(f"{where}: its id must be a str or an int, not {brief(id)}")
    return Asked(question, id, where)


def print_answers(
    retriever: Retriever,
    asked: list[Asked],
    k: int,
    condition: Filter | None,
    *,
    full: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Search for all questions, and show what each finds as soon as it is found.

    Args:
        retriever: What searches.
        asked: The questions.
        k: Number of passages of each.
        condition: A filter; or None.
        full: Show passages whole.
        as_json: A line of JSON for each question, and nothing else.
        **how: As :meth:`Retriever.search_many` takes it.
    """
    for number, (one, hits) in enumerate(answers(retriever, asked, k, condition, **how)):
        if as_json:
            line = json.dumps(_values(one, hits), ensure_ascii=False)
            typer.echo(printable(line, escape=lambda character: json.dumps(character)[1:-1]))
            continue
        from youtu_st.cli.hits import print_hits

        if number:
            echo()
        echo(f"{'' if one.id is None else f'{one.id}: '}{one.question}")
        print_hits(hits, record=lambda hit: {}, full=full, as_json=False)


def answers(
    retriever: Retriever, asked: Iterable[Asked], k: int, condition: Filter | None, **how: Any
) -> Iterator[tuple[Asked, list[Hit]]]:
    """Each question with what it finds, some of them searched for together.

    Raises:
        UsageError: If one cannot be searched for: the message names its line.
    """
    rest = iter(asked)
    while batch := list(islice(rest, AT_ONCE)):
        try:
            found = retriever.search_many([one.question for one in batch], k, condition, **how)
        except InputError:
            for one in batch:  # the message counts from the first of the batch
                try:
                    retriever.search_many([one.question], k, condition, **how)
                except InputError as error:
                    if not str(error).startswith(("query 0 ", "text 0 ")):
                        raise  # of how it is asked
                    reason = str(error).split(" ", 2)[2]
                    raise UsageError(f"{one.where}: its question {reason}") from error
            raise
        yield from zip(batch, found, strict=True)


def _values(one: Asked, hits: list[Hit]) -> dict[str, Any]:
    from youtu_st.index import without_records

    records = [
        {"rank": rank, **asdict(hit), "metadata": without_records(hit.metadata)}
        for rank, hit in enumerate(hits, start=1)
    ]
    return {**({} if one.id is None else {"id": one.id}), "query": one.question, "hits": records}
