"""What a system found for the queries of a data set: kept in a file, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from youtu_st.disk import whole
from youtu_st.errors import InputError, brief
from youtu_st.evaluation.data.files import json_record, lines, opened
from youtu_st.evaluation.data.record import Record, RecordError, as_number, place
from youtu_st.evaluation.data.retrieval import RetrievalData

Ranking = Sequence[tuple[str, float]]
"""Ids of documents and their scores, best first, none of them twice."""
FORMAT = "youtu-st retrieval results 1"
_RUN = ("query", "Q0", "document", "rank", "score", "name")


@dataclass(frozen=True, slots=True)
class Results:
    """What one system found.

    Attributes:
        system: What to call it.
        data: The digest of the data set. None: the file does not say.
        rankings: What was found, by the queries' ids.
        facts: What made it, such as a model's fingerprint.
    """

    system: str
    data: str | None
    rankings: Mapping[str, Ranking]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def check(self, data: RetrievalData) -> None:
        """Refuse results that say nothing of a data set.

        Raises:
            InputError: If nothing was found at all, or they are of other queries or another data set.
        """
        if self.data is not None and self.data != data.digest:
            raise InputError(
                f"{self.system}: these are results of other data ({self.data}, and {data.name} is "
                f"{data.digest}): search again"
            )
        if other := [query for query in self.rankings if query not in data.qrels]:
            raise InputError(
                f"{self.system}: its queries are not those of {data.name}: {len(other):,} of them are not "
                f"judged there: {', '.join(map(brief, other[:3]))}; runs are compared over the same queries"
            )
        if not any(self.rankings.values()):
            raise InputError(f"{self.system}: nothing was found for any query: there is nothing to judge")

    def without_results(self, data: RetrievalData) -> list[str]:
        """Judged queries for which nothing was found; every measure of them is 0."""
        return [query for query in data.qrels if not self.rankings.get(query)]

    def save(self, path: Path) -> None:
        """Write them as JSON lines, whole or not at all: first what they are of, then a line a query.

        Raises:
            OSError: If they cannot be written.
        """
        head = {"format": FORMAT, "system": self.system, "data": self.data, "facts": dict(self.facts)}
        with whole(path) as written, open(written, "w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(head, ensure_ascii=False) + "\n")
            for query, ranking in self.rankings.items():
                row = {"query": query, "documents": [[key, score] for key, score in ranking]}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_results(path: Path) -> Results:
    """Results as :meth:`Results.save` wrote them, or a run as TREC has it.

    A run has six fields a line: query, ``Q0``, document, rank, score, name. Its documents are ordered by
    their scores, and those of equal score by their ranks.

    Raises:
        InputError: If the file cannot be read, or a line is malformed: file and line.
    """
    with opened(path) as file:
        _, first = next(lines(file, path), (0, b""))
    if not first.strip():
        raise InputError(f"{path}: there are no results in it")
    return _saved(path) if first.lstrip().startswith(b"{") else _run(path)


def _saved(path: Path) -> Results:
    head: Mapping[str, Any] | None = None
    rankings: dict[str, Ranking] = {}
    with opened(path) as file:
        for number, line in lines(file, path):
            record = json_record(path, number, line)
            if head is None:
                head = record.values
                if head.get("format") != FORMAT:
                    record.fail("format", f"must be {FORMAT!r}", head.get("format"))
                continue
            query = record.text("query")
            if query in rankings:
                record.fail("query", "must be another one on every line, and is that of a line above", query)
            rankings[query] = _ranking(record)
    facts = (head or {}).get("facts")
    name, data = (head or {}).get("system"), (head or {}).get("data")
    return Results(
        name if isinstance(name, str) else path.stem,
        data if isinstance(data, str) else None,
        rankings,
        facts if isinstance(facts, dict) else {},
    )


def _ranking(record: Record) -> Ranking:
    found = record.values.get("documents")
    if not isinstance(found, list):
        record.fail("documents", "must be a list of ids and scores", found)
    seen: dict[str, float] = {}
    for each in found:
        pair = each if isinstance(each, list) and len(each) == 2 else (None, None)
        if not isinstance(pair[0], str) or isinstance(pair[1], bool) or not isinstance(pair[1], int | float):
            record.fail("documents", "must be a list of ids and scores", each)
        _keep(record.where, seen, pair[0], pair[1])
    return _best_first(seen)


def _run(path: Path) -> Results:
    found: dict[str, dict[str, float]] = {}
    ranks: dict[tuple[str, str], float] = {}
    name = path.stem
    with opened(path) as file:
        for number, line in lines(file, path):
            if not line.strip():
                continue
            where = place(path, number)
            try:
                cells = line.decode().split()
            except UnicodeDecodeError as error:
                raise RecordError(where, "must be UTF-8", f", and byte {error.start + 1} is not") from error
            if len(cells) != len(_RUN):
                raise RecordError(where, f"must have the fields {', '.join(_RUN)}", f", not {len(cells)}")
            record = Record(number, where, dict(zip(_RUN, cells, strict=True)))
            query, document, _, name = cells[0], cells[2], cells[3], cells[5]
            _keep(where, found.setdefault(query, {}), document, record.number("score"))
            ranks[query, document] = record.number("rank")
    rankings = {
        query: sorted(scores.items(), key=lambda pair: (-pair[1], ranks[query, pair[0]]))
        for query, scores in found.items()
    }
    return Results(name, None, rankings)


def _keep(where: str, seen: dict[str, float], document: str, score: float) -> None:
    number = as_number(score)
    if number is None:
        raise RecordError(where, "a score must be a finite number", f", not {brief(score)}")
    if document in seen:
        raise RecordError(where, f"the document {brief(document)} is there twice")
    seen[document] = number


def _best_first(scores: Mapping[str, float]) -> Ranking:
    return sorted(scores.items(), key=lambda pair: -pair[1])
