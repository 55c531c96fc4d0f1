"""Search by words, and by words and meaning: against BM25 by hand, FTS5's own bm25(), and fusion in ten lines."""

from __future__ import annotations

import json
import math
import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tiny import TinyEncoder

from youtu_st.errors import IndexDamagedError, InputError, VectorIndexError
from youtu_st.index import VectorIndex, check_index, fusion, repair_index, upgrade_index
from youtu_st.index.lexical import search as lexical
from youtu_st.index.lexical import words
from youtu_st.index.lexical.bm25 import Postings, best, bm25

ENCODER = TinyEncoder()
# Words without a stem of their own but themselves, and characters of scripts that do not part theirs.
LATIN = ["rhine", "bern", "x1", "fox", "zug", "42", "b2b", "moor"]
HAN = "莱茵河北海流入京"
TEXTS = st.lists(st.sampled_from(LATIN) | st.text(HAN, min_size=1, max_size=5), min_size=1, max_size=8).map(
    " ".join
)


def by_hand(text: str, *, question: bool = False) -> list[str]:
    """The words of a text of those above, in the order they stand in."""
    found = []
    for part in re.findall(f"[{HAN}]+|[a-z0-9]+", text):
        if part[0] not in HAN:
            found.append(part)
        elif question:
            found += [part[i : i + 2] for i in range(len(part) - 1)] or [part]
        else:
            found += [part[i : i + 2] for i in range(len(part) - 1)] + [part[-1]]
    return found


def oracle(documents: dict[str, str], question: str, k: int) -> list[tuple[str, float]]:
    """BM25 as the paper has it, document by document; a word that most documents hold counts 0.000001."""
    bags = {id: Counter(by_hand(text)) for id, text in documents.items()}
    mean = sum(sum(bag.values()) for bag in bags.values()) / max(len(bags), 1)
    scores = dict.fromkeys(documents, 0.0)
    for word in dict.fromkeys(by_hand(question, question=True)):
        single = len(word) == 1 and word in HAN
        counts = {
            id: sum(n for term, n in bag.items() if (term.startswith(word) if single else term == word))
            for id, bag in bags.items()
        }
        holding = sum(count > 0 for count in counts.values())
        idf = max(math.log((len(bags) - holding + 0.5) / (holding + 0.5)), 1e-6)
        for id, count in counts.items():
            length = sum(bags[id].values())
            scores[id] += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean))
    order = [(id, score) for id, score in scores.items() if score > 0]
    return sorted(order, key=lambda one: -one[1])[:k]


def found(index: VectorIndex, question: str, k: int = 50, **options: Any) -> list[tuple[str, float]]:
    return [(hit.id, hit.score) for hit in index.search(question, k, **options)]


def assert_same(actual: Sequence[tuple[str, float]], expected: Sequence[tuple[str, float]]) -> None:
    assert sorted(id for id, _ in actual) == sorted(id for id, _ in expected)
    np.testing.assert_allclose([s for _, s in actual], [s for _, s in expected], rtol=1e-9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=12), question=TEXTS)
def test_bm25_is_that_of_the_paper(texts: list[str], question: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        VectorIndex.create(Path(folder) / "index", ENCODER) as index,
    ):
        ids = index.add(texts, [str(i) for i in range(len(texts))])
        documents = dict(zip(ids, texts, strict=True))
        assert_same(found(index, question, mode="lexical"), oracle(documents, question, 50))


def test_bm25_is_that_of_fts5(index: VectorIndex) -> None:
    rng = np.random.default_rng(0)
    some = [
        "river",
        "rivers",
        "running",
        "café",
        "CAFE",
        "city",
        "of",
        "the",
        "1950",
        "state-of-the-art",
        "don't",
    ]
    texts = [" ".join(rng.choice(some, rng.integers(1, 20))) for _ in range(300)]
    ids = index.add(texts, [str(i) for i in range(300)])
    with closing(sqlite3.connect(":memory:")) as beside:
        beside.execute("CREATE VIRTUAL TABLE w USING fts5(t, tokenize='porter unicode61')")
        beside.executemany(
            "INSERT INTO w(rowid, t) VALUES (?, ?)", [(int(i), t) for i, t in zip(ids, texts, strict=True)]
        )
        for question in ("rivers", "a running river in 1950", "café of the state", "don't"):
            match = " OR ".join(dict.fromkeys(f'"{word}"' for word in re.findall(r"\w+", question)))
            rows = beside.execute("SELECT rowid, -bm25(w) FROM w WHERE w MATCH ? ORDER BY 2 DESC", [match])
            assert_same(found(index, question, 300, mode="lexical"), [(str(id), score) for id, score in rows])


def test_words_of_two_characters_and_single_ones_are_found(index: VectorIndex) -> None:
    index.add(
        [
            "莱茵河向北流入北海。",
            "东京是日本的首都",
            "กรุงเทพมหานคร",
            "서울은 대한민국의 수도",
            "ﾄｳｷｮｳ トウキョウ",
        ],
        list("abcde"),
    )
    for question, expected in (
        ("北海", "a"), ("海", "a"), ("莱", "a"), ("日本", "b"), ("都", "b"), ("เทพ", "c"), ("수도", "d"), ("キョウ", "e"),
        ("京都", ""), ("海北", ""),
    ):  # fmt: skip
        assert "".join(id for id, _ in found(index, question, mode="lexical")) == expected, question


def test_words_are_without_case_accents_width_and_ending(index: VectorIndex) -> None:
    index.add(["Die Flüsse of EUROPE are flowing, Ｒｈｉｎｅ first, tiếng ﾄﾞｱ."], ["a"])
    for question in (
        "fluesse",
        "flüsse",
        "FLUSSE",
        "tieng",
        "tiếng",
        "tie\u0302\u0301ng",
        "ドア",
        "flow",
        "flows",
        "europe",
        "rhine",
        "ＲＨＩＮＥ",
    ):
        assert [id for id, _ in found(index, question, mode="lexical")] == (
            ["a"] if question != "fluesse" else []
        )


@pytest.mark.parametrize(
    "question",
    ['"', "*", "fox*", "fox AND", "NOT fox", "NEAR(fox, 2)", "text:fox", "^fox", "(fox", "-fox", "fox + bern", "{fox}",
     "fox\0bern", "'; DROP TABLE words; --", "fox\\", "%_", "fox\u202ebern", "𝓯ox fox"],
)  # fmt: skip
def test_there_is_no_syntax(index: VectorIndex, question: str) -> None:
    index.add(["the quick fox", "bern"], ["fox", "bern"])
    expected = {id for id in ("fox", "bern") if re.search(rf"(?<![a-z]){id}(?![a-z])", question)}
    assert {id for id, _ in found(index, question, mode="lexical")} == expected
    index.search(question, mode="hybrid")


def test_a_question_may_have_ten_thousand_words(index: VectorIndex) -> None:
    index.add([f"w{i}x w{i + 1}x" for i in range(50)], [str(i) for i in range(50)])
    question = " ".join(f"w{i}x" for i in range(10_000)) + "河" * 10_000
    assert {id for id, _ in found(index, question, mode="lexical")} == {str(i) for i in range(50)}


def test_what_most_of_many_documents_hold_is_not_looked_for(
    index: VectorIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "_FEW", 20)
    index.add([f"the {'fox' if i % 10 == 0 else 'bern'}" for i in range(40)], [str(i) for i in range(40)])
    assert [id for id, _ in found(index, "the fox", mode="lexical")] == ["0", "10", "20", "30"]
    assert len(found(index, "the", mode="lexical")) == 40  # where there is no other word


def test_a_word_that_nothing_holds_hides_nothing(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"the {'fox' if i % 10 == 0 else 'bern'}" for i in range(40)]
    index.add(texts, [str(i) for i in range(40)], [{"even": i % 2 == 0} for i in range(40)])
    expected = {
        (question, even): found(index, question, mode="lexical", filter={"even": even})
        for question in ("the zebra", "zebra the 河", "the fox", "zebra")
        for even in (True, False)
    }
    assert len(expected["the fox", False]) == 20  # no fox is odd
    monkeypatch.setattr(lexical, "_FEW", 20)
    for (question, even), hits in expected.items():
        if (question, even) != ("the fox", True):  # where the fox is found
            assert found(index, question, mode="lexical", filter={"even": even}) == hits


def test_what_is_found_does_not_turn_on_what_was_asked_before(
    index: VectorIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexical, "_FEW", 20)
    index.add([f"the {'fox' if i % 10 == 0 else 'bern'}" for i in range(40)], [str(i) for i in range(40)])
    expected = found(index, "the fox", mode="lexical")
    assert len(found(index, "the", mode="lexical")) == 40
    assert found(index, "the fox", mode="lexical") == expected


def test_a_stem_is_not_taken_for_its_own_stem(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """lenses: lens; lens: len, which most hold."""
    monkeypatch.setattr(lexical, "_FEW", 20)
    index.add([f"len w{i}x" for i in range(40)] + ["lenses of glass"], [str(i) for i in range(41)])
    assert [id for id, _ in found(index, "lenses w7x", mode="lexical")] == ["7", "40"]


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_mark_that_stands_alone_is_no_word(index: VectorIndex, mode: str) -> None:
    index.add(["\u0301", "fox", "cafe\u0301 \u0301"], ["1", "2", "3"])
    assert {"2"} <= {id for id, _ in found(index, "\u0301 fox", mode=mode)}
    assert index.search("\u0301", mode="lexical") == []
    assert [id for id, _ in found(index, "cafe", mode="lexical")] == ["3"]
    index.delete(["1", "3"])
    assert check_index(index.path).damage == ()


def test_lexical_encodes_nothing_and_hybrid_each_question_once(index: VectorIndex) -> None:
    index.add(["the fox", "bern"], ["a", "b"])
    encoder = index.encoder
    assert isinstance(encoder, TinyEncoder)
    encoder.encoded.clear()
    index.search("fox", mode="lexical")
    assert encoder.encoded == []
    index.search("fox", mode="hybrid")
    assert encoder.encoded == ["fox"]


def test_a_vector_with_its_words(index: VectorIndex) -> None:
    index.add(["the fox", "bern", "a moor"], ["a", "b", "c"])
    vector = index.encoder.encode_query(["fox"])[0]
    assert index.search(vector, mode="hybrid", words="fox") == index.search("fox", mode="hybrid")
    assert found(index, "bern", mode="lexical") == found(index, vector, mode="lexical", words="bern")  # type: ignore[arg-type]
    with pytest.raises(InputError, match='mode="hybrid" looks for words'):
        index.search(vector, mode="hybrid")
    with pytest.raises(InputError, match="words must be a str or a list of str, not 5"):
        index.search_many(np.stack([vector, vector]), mode="lexical", words=5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="an entry for each of 2 queries, not 1"):
        index.search_many(np.stack([vector, vector]), mode="lexical", words="fox")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "hybird"}, "mode must be one of dense, lexical, hybrid, not 'hybird'; did you mean 'hybrid'?"),
        ({"mode": None}, "mode must be one of dense, lexical, hybrid, not None"),
        ({"mode": "hybrid", "weight": 1.5}, "weight must be a number from 0 to 1, not 1.5"),
        ({"mode": "hybrid", "fusion": "sum"}, "fusion must be one of rrf, weighted_sum, not 'sum'"),
        ({"mode": "lexical", "k": 0}, "k must be"),
    ],
)  # fmt: skip
def test_wrong_arguments(index: VectorIndex, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        index.search("fox", **options)


@pytest.mark.parametrize("name", ["rrf", "weighted_sum"])
def test_scores_are_numbers_of_python_whatever_the_weight_is(index: VectorIndex, name: Any) -> None:
    index.add(["the fox", "bern"], ["fox", "bern"])
    weight: Any = np.float32(0.25)
    hit = index.search("fox", 1, mode="hybrid", weight=weight, fusion=name)[0]
    assert type(hit.score) is float
    assert json.loads(json.dumps(dict(hit.scores))) == hit.scores
    assert hit == index.search("fox", 1, mode="hybrid", weight=0.25, fusion=name)[0]


def fuse(rankings: Sequence[tuple[Sequence[str], float]]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for ids, share in rankings:
        for id in {*ids}:
            scores[id] = scores.get(id, 0) + share / (60 + 1 + list(ids).index(id))
    return scores


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=12),
    question=TEXTS,
    weight=st.floats(0, 1),
    k=st.integers(1, 15),
)
def test_hybrid_is_both_fused(texts: list[str], question: str, weight: float, k: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        VectorIndex.create(Path(folder) / "index", ENCODER) as index,
    ):
        index.add(texts)
        dense, words_only = index.search(question, 100), index.search(question, 100, mode="lexical")
        expected = fuse([([h.id for h in dense], weight), ([h.id for h in words_only], 1 - weight)])
        hits = index.search(question, k, mode="hybrid", weight=weight)
        best = sorted(expected.values(), reverse=True)[:k]
        np.testing.assert_allclose([h.score for h in hits], [s for s in best if s > 0], rtol=1e-12)
        cosines = {h.id: (h.score, rank) for rank, h in enumerate(dense, 1)}
        for hit in hits:
            assert hit.score == hit.scores["rrf"] == pytest.approx(expected[hit.id])
            assert (hit.scores["cosine"], hit.scores["dense_rank"]) == cosines[hit.id]
        # All of one side is that side.
        assert [h.id for h in index.search(question, k, mode="hybrid", weight=1)] == [h.id for h in dense[:k]]
        assert [h.id for h in index.search(question, k, mode="hybrid", weight=0)] == [
            h.id for h in words_only[:k]
        ]


def test_the_weighted_sum_brings_scores_to_one_scale() -> None:
    dense, words_only = [(0.8, 1), (0.5, 2)], [(12.0, 2), (3.0, 3)]
    assert fusion.weighted_sum(dense, words_only, 0.25) == pytest.approx(
        {1: 0.25, 2: 0.25 * 1.5 / 1.8 + 0.75, 3: 0.75 * 0.25}
    )
    assert fusion.weighted_sum([], [], 0.5) == {} == fusion.reciprocal_rank([], [], 0.5)
    assert fusion.weighted_sum([(-1.0, 1)], [], 0.5) == {1: 0.0}


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=30), st.integers(1, 40))
def test_best_is_a_sort(scores: list[float], k: int) -> None:
    expected = sorted((i for i, s in enumerate(scores) if s > 0), key=lambda i: (-scores[i], i))[:k]
    assert best(np.array(scores), k).tolist() == expected


def test_bm25_of_no_documents_is_none() -> None:
    nothing = Postings(np.empty(0, dtype=np.int64), np.empty(0))
    assert bm25([nothing], np.empty(0), np.empty(0, dtype=bool)).tolist() == []


# -- over time ----------------------------------------------------------------------------------------------


class Machine(RuleBasedStateMachine):
    """Add, replace, delete, reopen; each mode against a dictionary, with a filter and without."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.truth: dict[str, tuple[str, int]] = {}
        self.index = VectorIndex.create(self.folder / "index", ENCODER)
        self.reader = VectorIndex.open(self.folder / "index", ENCODER)

    @rule(texts=st.lists(TEXTS, min_size=1, max_size=6), data=st.data())
    def add(self, texts: list[str], data: Any) -> None:
        ids = data.draw(st.lists(st.integers(0, 9).map(str), min_size=len(texts), max_size=len(texts)))
        metadata = [{"n": data.draw(st.integers(0, 1))} for _ in ids]
        self.index.add(texts, ids, metadata)
        for id, text, record in zip(ids, texts, metadata, strict=True):
            self.truth.pop(id, None)
            self.truth[id] = (text, record["n"])

    @rule(ids=st.lists(st.integers(0, 9).map(str), max_size=5))
    def delete(self, ids: list[str]) -> None:
        self.index.delete(ids)
        for id in ids:
            self.truth.pop(id, None)

    @rule()
    def reopen(self) -> None:
        self.index.close()
        self.index = VectorIndex.open(self.folder / "index", ENCODER)

    @rule(question=TEXTS, n=st.none() | st.integers(0, 1))
    def look(self, question: str, n: int | None) -> None:
        documents = {id: text for id, (text, _) in self.truth.items()}
        expected = oracle(documents, question, 50)
        if n is not None:
            expected = [(id, score) for id, score in expected if self.truth[id][1] == n]
        for index in (self.index, self.reader):
            filter = None if n is None else {"n": n}
            assert_same(found(index, question, mode="lexical", filter=filter), expected)
            hybrid = index.search(question, 50, mode="hybrid", filter=filter)
            assert {hit.id for hit in hybrid} == {
                id for id, (_, own) in self.truth.items() if n is None or own == n
            }

    @invariant()
    def whole(self) -> None:
        assert check_index(self.folder / "index").damage == ()

    def teardown(self) -> None:
        self.index.close()
        self.reader.close()
        shutil.rmtree(self.folder)


Machine.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
TestWordsOverTime = Machine.TestCase


# -- with and without ---------------------------------------------------------------------------------------


def test_an_index_may_do_without(tmp_path: Path, encoder: TinyEncoder) -> None:
    with VectorIndex.create(tmp_path / "index", encoder, lexical=False) as index:
        index.add(["the fox"], ["a"])
        assert index.search("fox", 1)[0].id == "a"
        for mode in ("lexical", "hybrid"):
            with pytest.raises(VectorIndexError, match="it has no words, which youtu-st index upgrade"):
                index.search("fox", mode=mode)  # type: ignore[arg-type]
    with VectorIndex.open(tmp_path / "index", encoder) as index:
        index.add(["bern"])
        assert index.manifest.lexical is False
    assert check_index(tmp_path / "index").damage == ()
    assert upgrade_index(tmp_path / "index")
    assert not upgrade_index(tmp_path / "index")
    with VectorIndex.open(tmp_path / "index", encoder) as index:
        assert {id for id, _ in found(index, "fox bern", mode="lexical")} == {"a", *index.ids()}
    assert check_index(tmp_path / "index").damage == ()


@pytest.fixture
def second(tmp_path: Path, encoder: TinyEncoder) -> Path:
    """An index as the release before wrote it: format 2, without words."""
    path = tmp_path / "second"
    with VectorIndex.create(path, encoder, lexical=False) as index:
        index.add(["the fox", "bern", "莱茵河"], ["a", "b", "c"])
        index.delete(["b"])
    replace(index.manifest, version=2).write(path)
    return path


def test_an_index_of_the_release_before_gets_words_at_its_first_write(
    second: Path, encoder: TinyEncoder
) -> None:
    with VectorIndex.open(second, encoder) as index:
        assert index.manifest.version == 2
        assert index.search("fox", 1)[0].text == "the fox"
        with pytest.raises(VectorIndexError, match="it has no words"):
            index.search("fox", mode="lexical")
        with VectorIndex.open(second, encoder) as reader:
            index.add(["a moor"], ["d"])
            for one in (index, reader):
                hits = found(one, "fox moor 莱茵 bern", mode="lexical")
                assert {id for id, _ in hits} == {"c", "a", "d"}
    assert index.manifest.version == 3
    assert check_index(second).damage == ()


def test_upgrade_does_no_more(second: Path, encoder: TinyEncoder) -> None:
    told: list[int] = []
    assert upgrade_index(second, told.append)
    assert not upgrade_index(second, told.append)
    with VectorIndex.open(second, encoder) as index:
        assert found(index, "莱茵河", mode="lexical")[0][0] == "c"
    assert told == [2]


def test_damaged_words_are_seen_and_made_anew(make: Callable[..., VectorIndex], encoder: TinyEncoder) -> None:
    with make() as index:
        index.add(["the fox runs", "bern", "莱茵河"], ["a", "b", "c"])
    path = index.path
    with closing(sqlite3.connect(path / "documents.sqlite")) as connection:
        words.delete_words(connection, [1], ["the fox"])
        connection.commit()
    (damage,) = check_index(path).damage
    assert damage == "documents.sqlite: the word 'fox' does not stand where it is said to"
    repaired = repair_index(path, lambda _: encoder)
    assert (repaired.found.documents, repaired.encoded) == (3, 0)
    assert check_index(path).damage == ()
    with VectorIndex.open(path, encoder) as index:
        assert found(index, "fox", mode="lexical")[0][0] == "a"


def test_lost_words_of_a_document_are_told(make: Callable[..., VectorIndex], encoder: TinyEncoder) -> None:
    with make() as index:
        index.add(["the fox runs", "bern"], ["a", "b"])
    with closing(sqlite3.connect(index.path / "documents.sqlite")) as connection:
        connection.execute("DELETE FROM words_docsize WHERE id = 1")
        connection.commit()
    with VectorIndex.open(index.path, encoder) as index:
        with pytest.raises(IndexDamagedError, match="the words of 1 documents are lost"):
            index.search("fox", mode="lexical")
        assert len(index.search("fox", 5)) == 2  # meaning needs no words


def test_damage_that_fts5_tells_at_the_end_is_ours(
    make: Callable[..., VectorIndex], encoder: TinyEncoder
) -> None:
    with make() as index:
        index.add(["the fox", "bern"], ["1", "2"])
    with closing(sqlite3.connect(index.path / "documents.sqlite")) as connection, connection:
        structure = b"\xff" * 9 + b"\x07" * 20
        connection.execute("UPDATE words_data SET block = ? WHERE id = 10", [structure])
    with VectorIndex.open(index.path, encoder) as opened:
        for _ in range(2):
            with pytest.raises(IndexDamagedError, match=r"documents\.sqlite is damaged"):
                opened.search("fox", mode="lexical")
            assert len(opened.search("fox")) == 2


def test_a_length_that_is_none_is_damage(make: Callable[..., VectorIndex], encoder: TinyEncoder) -> None:
    with make() as index:
        index.add(["the fox"], ["1"])
    with closing(sqlite3.connect(index.path / "documents.sqlite")) as connection, connection:
        connection.execute("UPDATE words_docsize SET sz = 'text'")
    with VectorIndex.open(index.path, encoder) as opened, pytest.raises(IndexDamagedError, match="is none"):
        opened.search("fox", mode="lexical")
    assert "is none" in check_index(index.path).damage[0]
