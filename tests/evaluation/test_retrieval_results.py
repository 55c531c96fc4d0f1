"""Rankings: found, kept, measured and compared, beside plain code."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from youtu_st.errors import InputError, NonFiniteError
from youtu_st.evaluation.data.retrieval import Document, RetrievalData
from youtu_st.evaluation.ranking import ndcg
from youtu_st.evaluation.retrieval.comparison import Judged, compare
from youtu_st.evaluation.retrieval.dense import Encoded, Passages
from youtu_st.evaluation.retrieval.measures import per_query
from youtu_st.evaluation.retrieval.results import Ranking, Results, read_results
from youtu_st.evaluation.retrieval.searching import check_known, identical, rerank, search
from youtu_st.evaluation.retrieval.settings import Setting, is_setting, read_setting


def made(queries: int = 3, documents: int = 30, seed: int = 1) -> RetrievalData:
    rng = np.random.default_rng(seed)
    corpus = {f"d{i}": Document("", f"text {i}") for i in range(documents)}
    qrels = {f"q{i}": {f"d{j}": 1 for j in rng.permutation(documents)[: 1 + i % 3]} for i in range(queries)}
    return RetrievalData.of("made", corpus, {f"q{i}": f"question {i}" for i in range(queries)}, qrels)


def found(data: RetrievalData, rankings: dict[str, list[str]], system: str = "one") -> Results:
    ranked = {query: [(key, 1.0) for key in keys] for query, keys in rankings.items()}
    return Results(system, data.digest, ranked)


def shuffled(data: RetrievalData, seed: int, system: str = "one") -> Results:
    rng = np.random.default_rng(seed)
    return found(data, {query: list(rng.permutation(list(data.corpus))) for query in data.queries}, system)


# -- measures ------------------------------------------------------------------------------------------------


def test_measures_are_those_of_plain_code() -> None:
    data = made(queries=40)
    results = shuffled(data, 2)
    values = per_query(data, results)
    for place, (query, judged) in enumerate(data.qrels.items()):
        ranked = [key for key, _ in results.rankings[query]]
        places = sorted(ranked.index(key) + 1 for key in judged)
        assert values["nDCG@10"][place] == pytest.approx(ndcg(ranked, judged))
        precisions = [(i + 1) / at for i, at in enumerate(places)]
        assert values["AP@100"][place] == pytest.approx(sum(precisions) / len(judged))
        assert values["RR@10"][place] == pytest.approx(1 / places[0] if places[0] <= 10 else 0)
        for k in (5, 10, 20):
            assert values[f"R@{k}"][place] == pytest.approx(sum(at <= k for at in places) / len(places))


def test_the_order_counts_whatever_the_scores_and_the_ids() -> None:
    data = made(queries=1)
    (wanted,) = data.qrels["q0"]
    others = sorted({*data.corpus} - {wanted})
    for place in (0, 1, 5):
        keys = [*others[:place], wanted, *others[place:]]
        assert per_query(data, found(data, {"q0": keys}))["nDCG@10"][0] == pytest.approx(
            1 / math.log2(place + 2)
        )


def test_grades_count_and_below_zero_is_not_relevant() -> None:
    qrels = {"q": {"d0": 3, "d1": 1, "d2": -1}}
    data = RetrievalData.of("made", made().corpus, {"q": "?"}, qrels)
    value = per_query(data, found(data, {"q": ["d2", "d1", "d0"]}))
    assert value["nDCG@10"][0] == pytest.approx((1 / math.log2(3) + 3 / 2) / (3 + 1 / math.log2(3)))
    assert value["RR@10"][0] == 0.5


def test_an_id_does_not_end_where_a_text_of_c_does() -> None:
    qrels = {"q": {"d0": 2, "d0\0x": 1, "d1": 0}}
    data = RetrievalData.of("made", made().corpus, {"q": "?"}, qrels)
    value = per_query(data, found(data, {"q": ["d0\0y", "d0\0x", "d0"]}))
    assert value["nDCG@10"][0] == pytest.approx((1 / math.log2(3) + 2 / 2) / (2 + 1 / math.log2(3)))
    assert value["RR@10"][0] == 0.5


def test_a_query_without_results_counts_nothing_and_is_listed() -> None:
    data = made()
    best = {query: list(judged) for query, judged in data.qrels.items()}
    judged = Judged.of(data, found(data, {**best, "q1": []}))
    assert list(judged.values["nDCG@10"]) == [1, 0, 1]
    assert judged.without_results == ["q1"]
    assert judged.summary()["nDCG@10"][0] == pytest.approx(2 / 3)


# -- comparison ----------------------------------------------------------------------------------------------


def test_every_relevant_document_moved_down_a_rank() -> None:
    data = made(queries=60, documents=40)
    order = {
        query: sorted(data.corpus, key=lambda key: key not in judged) for query, judged in data.qrels.items()
    }
    lower = {query: [keys[-1], *keys[:-1]] for query, keys in order.items()}
    one, other = (Judged.of(data, found(data, each, name)) for each, name in ((order, "one"), (lower, "low")))
    (worse,) = compare(data, one, [other])
    assert (worse.verdict, worse.won, worse.lost) == ("worse", 0, 60)
    assert worse.p < 0.001
    assert worse.interval is not None
    assert worse.interval[0] <= worse.difference <= worse.interval[1] < 0
    (better,) = compare(data, other, [one])
    assert (better.verdict, better.difference) == ("better", pytest.approx(-worse.difference))
    assert better.p < 0.001


def test_a_system_against_itself() -> None:
    data = made(queries=30)
    judged = Judged.of(data, shuffled(data, 3))
    (same,) = compare(data, judged, [judged])
    assert (same.p, same.verdict, same.difference, same.interval) == (1, "no difference seen", 0, (0, 0))
    assert (same.won, same.lost, list(same.moved)) == (0, 0, [])


def test_what_moved_most_comes_first_with_its_text() -> None:
    data = made(queries=30)
    before, after = (Judged.of(data, shuffled(data, seed)) for seed in (3, 4))
    (one,) = compare(data, before, [after])
    differences = after.values["nDCG@10"] - before.values["nDCG@10"]
    assert (one.won, one.lost) == ((differences > 0).sum(), (differences < 0).sum())
    assert [abs(each.after - each.before) for each in one.moved] == sorted(np.abs(differences), reverse=True)[
        :10
    ]
    assert all(data.queries[each.query] == each.text for each in one.moved)


def test_several_comparisons_are_adjusted() -> None:
    data = made(queries=30)
    judged = [Judged.of(data, shuffled(data, seed)) for seed in range(4)]
    three = compare(data, judged[0], judged[1:])
    (alone,) = compare(data, judged[0], judged[1:2])
    assert alone.p == alone.adjusted == three[0].p
    assert three[0].adjusted >= three[0].p
    assert min(three, key=lambda each: each.p).adjusted == pytest.approx(
        min(1, 3 * min(each.p for each in three))
    )


def test_runs_over_different_queries_are_refused() -> None:
    data = made()
    whole = shuffled(data, 1)
    part = Results("part", None, {query: whole.rankings[query] for query in ("q0", "q2")})
    one, other = Judged.of(data, whole), Judged.of(data, part)
    with pytest.raises(InputError, match="one and part are over different queries: 1 are .* such as 'q1'"):
        compare(data, one, [other])
    foreign = Results("foreign", None, {**whole.rankings, "q9": [("d1", 1.0)]})
    with pytest.raises(InputError, match="foreign: its queries are not those of made: 1 of them .*'q9'"):
        Judged.of(data, foreign)


def test_nothing_found_and_results_of_other_data_are_refused() -> None:
    data = made()
    with pytest.raises(InputError, match="one: nothing was found for any query"):
        Judged.of(data, found(data, {query: [] for query in data.queries}))
    with pytest.raises(InputError, match="one: these are results of other data"):
        Judged.of(made(seed=2), shuffled(data, 1))
    with pytest.raises(
        InputError, match="none of the documents that were found is in made: .*'x'.*--document-key"
    ):
        check_known(data, {"q0": [("x", 1.0)]})


# -- files ---------------------------------------------------------------------------------------------------


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    rankings: dict[str, Ranking] = {"q\t0": [("d 1", 0.5), ("d0", 0.5), ("d\n2", 0.1)], "q1": []}
    results = Results("one", "abc", rankings, {"fingerprint": "f"})
    results.save(tmp_path / "r.jsonl")
    again = read_results(tmp_path / "r.jsonl")
    assert (again.system, again.data, again.facts) == ("one", "abc", {"fingerprint": "f"})
    assert {query: list(ranking) for query, ranking in again.rankings.items()} == rankings


def test_a_run_as_trec_has_it(tmp_path: Path) -> None:
    (tmp_path / "r.run").write_text("q0 Q0 d1 2 0.5 bm25\nq0 Q0 d0 1 0.5 bm25\nq0 Q0 d2 3 0.9 bm25\n")
    results = read_results(tmp_path / "r.run")
    assert (results.system, results.data) == ("bm25", None)
    assert results.rankings == {"q0": [("d2", 0.9), ("d0", 0.5), ("d1", 0.5)]}


HEAD = json.dumps({"format": "youtu-st retrieval results 1", "system": "s", "data": None, "facts": {}})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "there are no results in it"),
        ('{"format": "other"}', "line 1: field 'format' must be"),
        (
            HEAD + '\n{"query": "q", "documents": [["d", NaN]]}',
            "line 2: a score must be a finite number, not nan",
        ),
        (
            HEAD + '\n{"query": "q", "documents": [["d"]]}',
            "line 2: field 'documents' must be a list of ids and",
        ),
        (
            HEAD + '\n{"query": "q", "documents": [["d", 1], ["d", 2]]}',
            "line 2: the document 'd' is there twice",
        ),
        (
            HEAD + '\n{"query": "q", "documents": []}\n{"query": "q", "documents": []}',
            "line 3: field 'query'",
        ),
        (HEAD + '\n{"query": "q", "docum', "line 2: must be a JSON object"),
        ("q Q0 d 1 0.5 s\nq Q0 d 1 high s", "line 2: field 'score' must be a finite number"),
        ("q Q0 d 1 0.5", "line 1: must have the fields query, Q0, document, rank, score, name, not 5"),
        ("q Q0 d 1 0.5 s\nq Q0 d 2 0.4 s", "line 2: the document 'd' is there twice"),
    ],
)
def test_a_damaged_file_is_told_by_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "r").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=told):
        read_results(tmp_path / "r")


# -- searching -----------------------------------------------------------------------------------------------


@dataclass
class Hit:
    id: str
    score: float
    metadata: dict[str, Any] = field(default_factory=dict)


def test_a_document_counts_by_its_best_passage_and_more_are_asked_for() -> None:
    data = made(queries=2)
    # Ten passages of each document, all of d0 first, then all of d1, ...
    passages = [Hit(f"p{i}", 1 - i / 1000, {"doc": f"d{i // 10}"}) for i in range(300)]
    asked: list[int] = []

    def find(positions: Any, k: int) -> list[list[Hit]]:
        asked.append(k)
        return [passages[:k] for _ in positions]

    rankings = search(data, find, depth=5, document_key="doc")
    expected = [(f"d{i}", 1 - i / 100) for i in range(5)]
    assert rankings == {"q0": expected, "q1": expected}
    assert asked == [5, 10, 20, 40, 80]
    assert len(search(data, find, depth=100, document_key="doc")["q0"]) == 30  # all that there are
    with pytest.raises(
        InputError, match="--document-key source: the passage 'p0' has no such text .* holds doc"
    ):
        search(data, find, document_key="source")


def test_a_query_does_not_find_itself_where_that_is_wanted() -> None:
    corpus = {key: Document("", text) for key, text in (("a", "One."), ("b", "Two."), ("c", "Three."))}
    data = RetrievalData.of("same", corpus, {"a": "One.", "b": "other"}, {"a": {"b": 1}, "b": {"c": 1}})
    hits = [Hit("a", 0.9), Hit("b", 0.8), Hit("c", 0.7)]

    def find(positions: Any, k: int) -> list[list[Hit]]:
        return [hits[:k] for _ in positions]

    assert identical(data) == ["a"]
    assert search(data, find, depth=2)["a"] == [("a", 0.9), ("b", 0.8)]
    assert search(data, find, depth=2, ignore_identical=True) == {
        "a": [("b", 0.8), ("c", 0.7)],
        "b": [("a", 0.9), ("c", 0.7)],
    }


def test_a_score_that_is_not_finite_fails() -> None:
    data = made(queries=1)
    with pytest.raises(NonFiniteError, match="the score of the document 'd1' for 'q0' is nan"):
        search(data, lambda positions, k: [[Hit("d1", float("nan"))]])
    with pytest.raises(NonFiniteError, match="the score of the document 'd1' for 'q0' is inf"):
        rerank(data, {"q0": [("d1", 0.5)]}, lambda queries, texts: [[(0, float("inf"))]])


def test_reranking_is_over_the_documents_that_were_found() -> None:
    data = made(queries=2)
    first: dict[str, Ranking] = {"q0": [("d3", 0.9), ("d1", 0.8)], "q1": [("d2", 0.7)]}

    def rank(queries: Any, texts: Any) -> list[list[tuple[int, float]]]:
        assert queries == ["question 0", "question 1"]
        assert texts == [["text 3", "text 1"], ["text 2"]]
        return [[(1, 5.0), (0, 4.0)], [(0, 3.0)]]

    assert rerank(data, first, rank) == {"q0": [("d1", 5.0), ("d3", 4.0)], "q1": [("d2", 3.0)]}


def unit(rng: np.random.Generator, n: int, d: int) -> Any:
    vectors = rng.normal(size=(n, d))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("dimensions", [None, 8])
def test_exact_search_is_brute_force(dimensions: int | None) -> None:
    rng, data = np.random.default_rng(4), made(queries=5, documents=200)
    ids = [f"d{i // 2}" for i in range(300)]  # two passages of each of 150 documents
    encoded = Encoded(ids, unit(rng, 300, 32), unit(rng, 5, 32))
    documents, queries = encoded.documents, encoded.queries
    if dimensions is not None:
        encoded = encoded.cut(dimensions)
        cut = [each[:, :dimensions] for each in (documents, queries)]
        documents, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in cut)
    rankings = search(data, encoded.find(), depth=20)
    best = (queries @ documents.T).reshape(5, 150, 2).max(axis=2)
    for row, ranking in zip(best, rankings.values(), strict=True):
        order = np.argsort(-row)[:20]
        assert [key for key, _ in ranking] == [f"d{i}" for i in order]
        assert [score for _, score in ranking] == pytest.approx(row[order], abs=1e-6)
    with pytest.raises(InputError, match="dimensions must be from 1 to"):
        encoded.cut(33)


@pytest.mark.parametrize("factory", ["HNSW16", "IVF4,Flat", "IVF4,PQ4x4"])
def test_a_factory_finds_most_of_what_is_near(factory: str) -> None:
    rng, data = np.random.default_rng(4), made(queries=20, documents=400)
    encoded = Encoded(list(data.corpus), unit(rng, 400, 16), unit(rng, 20, 16))
    exact, near = (search(data, encoded.find(each), depth=50) for each in ("Flat", factory))
    shared = [len({key for key, _ in near[q]} & {key for key, _ in exact[q]}) / 50 for q in exact]
    assert 0.3 < np.mean(shared) <= 1
    assert all(len(ranking) == 50 for ranking in near.values())


def test_blank_documents_are_left_out() -> None:
    corpus = {"a": Document("", "One."), "b": Document(" ", "\n"), "c": Document("Title", "")}
    data = RetrievalData.of("blank", corpus, {"q": "?"}, {"q": {"a": 1}})
    assert Passages.whole(data) == Passages(["a", "c"], ["One.", "Title"])


# -- settings ------------------------------------------------------------------------------------------------


def test_settings() -> None:
    assert read_setting("factory=IVF64,PQ48") == Setting(factory="IVF64,PQ48")
    assert read_setting("dimensions=128,factory=IVF64,PQ48,rerank=x") == Setting("x", "IVF64,PQ48", None, 128)
    assert read_setting("chunk-tokens=64") == Setting(chunk_tokens=64)
    assert is_setting("dimension=3")
    assert not is_setting("minilm")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dimension=128", "there is no setting 'dimension'; did you mean 'dimensions'"),
        ("dimensions=many", "dimensions must be an int of at least 1, not 'many'"),
        ("dimensions=0", "dimensions must be an int of at least 1, not '0'"),
        ("weights=int4", "weights must be int8, not 'int4'"),
        ("factory=", "factory must have a value"),
        ("dimensions=8,dimensions=9", "dimensions must have one value"),
    ],
)
def test_a_setting_that_is_none(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_setting(text)
