"""Hard negatives beside brute force, over the vectors of a real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import youtu_st
from youtu_st.errors import InputError
from youtu_st.training.data import mining
from youtu_st.training.data.mining import ABOVE, ITSELF, KNOWN, NEAREST, THERE, Choice, mine
from youtu_st.training.data.rows import Row, Text, dump, read_rows

WORDS = [
    "river",
    "stone",
    "bread",
    "mountain",
    "yellow",
    "quick",
    "water",
    "paper",
    "music",
    "window",
    "garden",
    "table",
    "night",
    "train",
]


def sentence(chance: np.random.Generator) -> str:
    return " ".join(chance.choice(WORDS, 5))


@pytest.fixture(scope="session")
def encoder(tiny: Path) -> youtu_st.Encoder:
    return youtu_st.Encoder(str(tiny))


def random_rows(number: int) -> list[Row]:
    """Rows of which some share a query, a document, or have the query among the documents."""
    chance = np.random.default_rng(3)
    texts = [Text(sentence(chance), preface="note: " if i % 7 == 0 else "") for i in range(60)]
    queries = [sentence(chance) for _ in range(number // 2)]
    rows = []
    for i in range(number):
        query = Text(queries[i % len(queries)], ["", "Find it", "Name it"][i % 3])
        chosen = chance.permutation(len(texts))
        positives = [texts[n] for n in chosen[: 1 + i % 2]]
        negatives = [texts[n] for n in chosen[2 : 2 + i % 3]]
        if i % 5 == 0:
            negatives.append(Text(query.text))
        rows.append(Row("ir", query, tuple(positives), tuple(negatives)))
    rows.insert(3, Row("sts", Text("a"), (Text("b"),), positive_scores=(0.5,)))
    rows.append(Row("cls", Text("a"), (Text("b"),), label="x"))
    return rows


def write(path: Path, rows: list[Row]) -> Path:
    path.write_text(dump(rows), encoding="utf-8")
    return path


def by_hand(encoder: youtu_st.Encoder, rows: list[Row], choice: Choice) -> list[list[str]]:
    """The contents of the negatives that are added to each ``ir`` row."""
    asking = [row for row in rows if row.task == "ir"]
    corpus = list(dict.fromkeys(t.content for row in asking for t in (*row.positives, *row.negatives)))
    documents = dict(zip(corpus, encoder.encode_document(corpus), strict=True))
    added = []
    for row in asking:
        (query,) = encoder.encode_query([row.query.content], instruction=row.query.instruction or None)
        positives = {
            t.content for other in asking if other.query.text == row.query.text for t in other.positives
        }
        barred = positives | {t.content for t in row.negatives} | {row.query.content}
        free = sorted(
            (text for text in corpus if text not in barred), key=lambda t: -float(documents[t] @ query)
        )
        lowest = min(float(documents[t.content] @ query) for t in row.positives)
        most = lowest - (1 - choice.max_relative) * abs(lowest)
        near = free[choice.range_min : choice.range_max]
        added.append([t for t in near if float(documents[t] @ query) <= most][: choice.negatives])
    return added


@pytest.mark.parametrize(
    "choice", [Choice(), Choice(3, 0, 10, 1.0), Choice(5, 2, 30, 0.9), Choice(100, 0, 100, 0.99)], ids=str
)
@pytest.mark.parametrize("at_once", [7, 1024])
def test_beside_brute_force(
    encoder: youtu_st.Encoder, tmp_path: Path, choice: Choice, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mining, "_AT_ONCE", at_once)
    rows = random_rows(20)
    source, out = write(tmp_path / "a.jsonl", rows), tmp_path / "out.jsonl"
    found = mine(source, out, encoder, choice=choice)
    written = [row for _, row in read_rows(out) if isinstance(row, Row)]
    want = by_hand(encoder, rows, choice)
    assert len(written) == len(rows)
    added = iter(want)
    for before, after in zip(rows, written, strict=True):
        if before.task != "ir":
            assert after == before
            continue
        kept = len(before.negatives)
        assert after.negatives[:kept] == before.negatives
        assert (after.query, after.positives) == (before.query, before.positives)
        assert [text.content for text in after.negatives[kept:]] == next(added)
    assert found.rows == {"ir": 20, "sts": 1, "cls": 1}
    assert found.negatives == sum(map(len, want)) > 0
    assert found.short == sum(len(each) < choice.negatives for each in want)
    assert sum(each.negatives for each in found.histogram) == found.negatives
    assert sum(each.positives for each in found.histogram) == 30
    assert found.instructed is True
    assert {KNOWN, ITSELF, THERE} <= set(found.rejected) <= {KNOWN, ITSELF, THERE, NEAREST, ABOVE}


def test_histogram_beside_numpys(encoder: youtu_st.Encoder, tmp_path: Path) -> None:
    rows = [row for row in random_rows(20) if row.task == "ir"]
    found = mine(write(tmp_path / "a.jsonl", rows), tmp_path / "out.jsonl", encoder, choice=Choice(3, 0, 20))
    scores = [
        float(score)
        for row in rows
        for score in encoder.encode_query([row.query.content], instruction=row.query.instruction or None)
        @ encoder.encode_document([text.content for text in row.positives]).T
        for score in score
    ]
    edges = [found.histogram[0].low, *(each.high for each in found.histogram)]
    assert np.allclose(np.diff(edges), 0.05)
    assert [each.positives for each in found.histogram] == np.histogram(scores, edges)[0].tolist()


def test_a_preface_stays_apart(encoder: youtu_st.Encoder, tmp_path: Path) -> None:
    rows = [
        Row("ir", Text("q one"), (Text("river stone", "ignored", "note: "),)),
        Row("ir", Text("q two"), (Text("yellow bread"),)),
    ]
    mine(write(tmp_path / "a.jsonl", rows), tmp_path / "out.jsonl", encoder, choice=Choice(5, 0, 9, 1.0))
    added = [text for _, row in read_rows(tmp_path / "out.jsonl") for text in row.negatives]  # type: ignore[union-attr]
    assert added in (
        [Text("river stone", "", "note: ")],
        [Text("yellow bread")],
    )  # one scores more than the other


def test_a_model_without_instructions_uses_its_own_prompt(tmp_path: Path) -> None:
    minilm = youtu_st.Encoder("minilm")
    facts = ["Paris is in France.", "Berlin is in Germany.", "Bread is baked.", "Rome is in Italy."]
    rows = [Row("ir", Text(f"Where is {fact.split()[0]}?", "Find"), (Text(fact),)) for fact in facts]
    found = mine(
        write(tmp_path / "a.jsonl", rows), tmp_path / "out.jsonl", minilm, choice=Choice(1, 0, 3, 0.95)
    )
    written = [row for _, row in read_rows(tmp_path / "out.jsonl") if isinstance(row, Row)]
    assert found.instructed is False
    assert written[0].negatives in ((Text("Berlin is in Germany."),), (Text("Rome is in Italy."),))
    # A question of the same words in the same shape is nearer than bread.
    assert all(Text("Bread is baked.") not in row.negatives for row in written)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "there are no rows of the task 'ir'"),
        ([Row("cls", Text("a"), (Text("b"),))], "there are no rows of the task 'ir'"),
        (
            [Row("ir", Text("a"), (Text("b"),), positive_scores=(1.0,))],
            "line 1: field 'positive_scores' must be absent, .*: youtu-st data score",
        ),
    ],
)
def test_what_cannot_be_looked_into(
    encoder: youtu_st.Encoder, tmp_path: Path, rows: list[Row], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        mine(write(tmp_path / "a.jsonl", rows), tmp_path / "out.jsonl", encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_a_malformed_row_names_the_command_that_lists_them(encoder: youtu_st.Encoder, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"task_type": "ir", "query": "q"}) + "\n")
    with pytest.raises(InputError, match=r"line 1: field 'positives' is missing \('youtu-st data check"):
        mine(tmp_path / "a.jsonl", tmp_path / "out.jsonl", encoder)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"negatives": 0}, "negatives must be an int of at least 1, not 0"),
        ({"range_min": -1}, "range_min must be an int of at least 0, not -1"),
        ({"range_min": 5, "range_max": 5}, "range_min must be less than range_max, 5, not 5"),
        ({"max_relative": 1.5}, "max_relative must be a number from 0 to 1, not 1.5"),
    ],
)
def test_a_choice_that_is_none(how: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Choice(**how)


@given(
    st.lists(st.floats(-1, 1), max_size=12),
    st.sets(st.integers(0, 11)),
    st.floats(-1, 1),
    st.integers(1, 4),
    st.integers(0, 3),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_the_choice_beside_brute_force(
    scores: list[float],
    barred: set[int],
    positive: float,
    negatives: int,
    first: int,
    length: int,
    relative: float,
) -> None:
    choice = Choice(negatives, first, first + length, relative)
    ranked = list(enumerate(sorted(scores, reverse=True)))
    told = list(choice.of(ranked, dict.fromkeys(barred, KNOWN), positive))
    free = [pair for pair in ranked if pair[0] not in barred][first : first + length]
    most = positive - (1 - relative) * abs(positive)
    want = [number for number, score in free if score <= most][:negatives]
    assert [number for number, _, reason in told if reason is None] == want
    assert all((reason == KNOWN) == (number in barred) for number, _, reason in told)
    assert all(score > most for _, score, reason in told if reason == ABOVE)
    assert sum(reason == NEAREST for _, _, reason in told) <= first
