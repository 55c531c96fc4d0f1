"""What a word is: nDCG@10 of words alone, and milliseconds a question, for ways to part a text."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

from finding.data import SETS
from youtu_st.evaluation.data.retrieval import RetrievalData
from youtu_st.evaluation.retrieval.measures import MAIN, per_query
from youtu_st.evaluation.retrieval.results import Results
from youtu_st.index.lexical.words import TABLE, spaced

Way = tuple[Callable[[str], str], Callable[[str], list[str]]]
"""What FTS5 is given of a document, and the words of a question."""
_SEARCH = "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT 10"
_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")


def _pairs(text: str) -> str:
    return _HAN.sub(lambda run: f" {' '.join(_neighbours(run[0]) or [run[0]])} ", text)


def _neighbours(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]


def _pairs_and_singles(text: str) -> str:
    return _HAN.sub(lambda run: f" {' '.join([*_neighbours(run[0]), *run[0]])} ", text)


def _trigrams(text: str) -> list[str]:
    text = " ".join(text.lower().split())
    return [text[i : i + 3] for i in range(len(text) - 2)]


def ways() -> dict[str, Way]:
    """By name; jieba where it is installed."""
    found: dict[str, Way] = {
        "trigrams": (str, _trigrams),
        "pairs": (spaced, lambda text: _WORD.findall(_pairs(text))),
        "pairs, singles": (_pairs_and_singles, lambda text: _WORD.findall(_pairs_and_singles(text))),
    }
    try:
        import jieba
    except ImportError:
        return found

    def cut(text: str) -> str:
        return " ".join(jieba.cut_for_search(text))

    return found | {"jieba": (cut, lambda text: _WORD.findall(cut(text)))}


def measured(data: RetrievalData, name: str, way: Way) -> tuple[float, float]:
    """nDCG@10, and milliseconds a question."""
    part, ask = way
    table = TABLE.replace(TABLE.split("tokenize=")[1], '"trigram")') if name == "trigrams" else TABLE
    ids = list(data.corpus)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(table)
        rows = ((i, part(document.content)) for i, document in enumerate(data.corpus.values()))
        connection.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", rows)
        rankings = {}
        began = time.perf_counter()
        for query, text in data.queries.items():
            quoted = [word.replace('"', '""') for word in dict.fromkeys(ask(text))]
            match = " OR ".join(f'"{word}"' for word in quoted) or '""'
            found = connection.execute(_SEARCH, [match])
            rankings[query] = [(ids[row], score) for row, score in found]
        taken = time.perf_counter() - began
    values = per_query(data, Results("", data.digest, rankings), [MAIN])[MAIN]
    return float(values.mean()), taken * 1e3 / len(rankings)


def table(sets: list[str]) -> str:
    """A line for each data set."""
    each = ways()
    lines = [f"{'nDCG@10 (ms)':<14}" + "".join(f"{name:>20}" for name in each)]
    for name in sets:
        data = SETS[name]()
        cells = ["{:.4f} ({:.1f})".format(*measured(data, *way)) for way in each.items()]
        lines.append(f"{name:<14}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)
