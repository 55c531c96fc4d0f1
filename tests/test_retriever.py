"""Retriever: what the index finds, in the order of the reranker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import TEXTS, cross_encoder_checkpoint, reranker_checkpoint
from sentence_transformers import CrossEncoder

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import FilterError, InputError
from youtu_st.index import Hit, VectorIndex
from youtu_st.rerank import Reranker
from youtu_st.retriever import Retriever

QUERY = "What is the weather like?"
TOLD = "Find the text with the most digits"
DAYS = [f"Day {n}: {TEXTS[n % len(TEXTS)]}" for n in range(30)]


@pytest.fixture(scope="module")
def index(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorIndex]:
    """Thirty documents; every second one is even."""
    made = VectorIndex.create(tmp_path_factory.mktemp("retriever") / "index", Encoder.shared(tiny))
    made.add(DAYS, [f"d{n}" for n in range(30)], [{"n": n, "even": n % 2 == 0} for n in range(30)])
    yield made
    made.close()


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Reranker:
    weights = reranker_checkpoint(tmp_path_factory.mktemp("reranker"))
    return Reranker("qwen3-reranker-0.6b", checkpoint=weights)


def by_hand(
    index: VectorIndex, reranker: Reranker, candidates: int, instruction: str | None = None, **how: Any
) -> list[tuple[str, float, str, dict[str, Any]]]:
    """Ids, scores, texts and metadata, from the nearest documents and the scores of single pairs."""
    nearest = index.search(QUERY, candidates, instruction=instruction, **how)
    scores = [reranker.score([(QUERY, hit.text)], instruction=instruction)[0] for hit in nearest]
    order = np.argsort(-np.array(scores), kind="stable")
    return [(nearest[i].id, scores[i], nearest[i].text, nearest[i].metadata) for i in order]


def same(hits: list[Hit], expected: list[tuple[str, float, str, dict[str, Any]]]) -> None:
    """The same hits in the same order, but for those whose scores are a rounding apart."""
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score, _, _ in expected], atol=1e-5)
    wanted = {id: (score, text, metadata) for id, score, text, metadata in expected}
    assert sorted(hit.id for hit in hits) == sorted(wanted)
    for hit in hits:
        score, text, metadata = wanted[hit.id]
        assert (hit.text, hit.metadata) == (text, metadata)
        assert hit.score == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize(("candidates", "k"), [(10, 3), (10, 10), (5, 12), (50, 4), (1, 1)])
def test_the_reranker_chooses_among_the_nearest(
    index: VectorIndex, reranker: Reranker, candidates: int, k: int
) -> None:
    hits = Retriever(index, reranker, candidates=candidates).search(QUERY, k)
    same(hits, by_hand(index, reranker, max(candidates, k))[:k])
    assert len(hits) == k


def test_fifty_candidates_and_five_hits_by_default(index: VectorIndex, reranker: Reranker) -> None:
    retriever = Retriever(index, reranker)
    assert retriever.candidates == 50
    same(retriever.search(QUERY), by_hand(index, reranker, 50)[:5])


def test_the_order_is_another_than_the_indexs(index: VectorIndex, reranker: Reranker) -> None:
    ids = [hit.id for hit in Retriever(index, reranker, candidates=10).search(QUERY, 10)]
    nearest = [hit.id for hit in index.search(QUERY, 10)]
    assert ids != nearest
    assert sorted(ids) == sorted(nearest)


def test_without_a_reranker_it_is_the_index(index: VectorIndex) -> None:
    retriever = Retriever(index, candidates=2)
    how: dict[str, Any] = {"filter": {"even": True}, "ids": ["d2", "d3", "d4"], "instruction": TOLD}
    assert retriever.search(QUERY, 7) == index.search(QUERY, 7)
    assert retriever.search(QUERY, **how) == index.search(QUERY, **how)
    assert {hit.id for hit in retriever.search(QUERY, **how)} == {"d2", "d4"}
    assert retriever.search_many([QUERY, "b"], 3, **how) == index.search_many([QUERY, "b"], 3, **how)
    vector = index.encoder.encode_query([QUERY])[0]
    assert retriever.search(vector, 7) == index.search(vector, 7)  # type: ignore[arg-type]


def test_a_filter_and_ids_restrict_the_candidates(index: VectorIndex, reranker: Reranker) -> None:
    retriever = Retriever(index, reranker, candidates=6)
    even = {"even": True}
    same(retriever.search(QUERY, 4, even), by_hand(index, reranker, 6, filter=even)[:4])
    ids = ["d1", "d8", "d9", "d28"]
    same(retriever.search(QUERY, 4, ids=ids), by_hand(index, reranker, 6, ids=ids))
    assert [hit.id for hit in retriever.search(QUERY, 4, even, ids=ids[:2])] == ["d8"]


def test_an_instruction_is_for_both_stages(index: VectorIndex, reranker: Reranker) -> None:
    hits = Retriever(index, reranker, candidates=8).search(QUERY, 8, instruction=TOLD)
    same(hits, by_hand(index, reranker, 8, instruction=TOLD))
    plain = {hit.id: hit.score for hit in Retriever(index, reranker).search(QUERY, 30)}
    assert max(abs(plain[hit.id] - hit.score) for hit in hits) > 1e-3


def test_what_may_stand_in_a_row_stands_in_this_order(index: VectorIndex, reranker: Reranker) -> None:
    even = {"even": True}
    retriever = Retriever(index, reranker, 6)
    assert retriever.candidates == 6
    same(retriever.search(QUERY, 4, even, TOLD), by_hand(index, reranker, 6, TOLD, filter=even)[:4])
    assert Retriever(index).search(QUERY, 4, even, TOLD) == index.search(QUERY, 4, even, instruction=TOLD)
    with pytest.raises(TypeError, match="positional"):
        retriever.search(QUERY, 4, even, TOLD, ["d2"])  # type: ignore[misc]


def test_equal_scores_stay_in_the_indexs_order(tiny: Path, tmp_path: Path, reranker: Reranker) -> None:
    with VectorIndex.create(tmp_path / "index", Encoder.shared(tiny)) as index:
        index.add(["a", "ok", "a", "ok", "a"], ["e", "d", "c", "b", "a"])
        found = [hit.id for hit in Retriever(index, reranker).search(QUERY)]
        assert found in (["e", "c", "a", "d", "b"], ["d", "b", "e", "c", "a"])


def test_nothing_from_nothing(tiny: Path, tmp_path: Path, index: VectorIndex, reranker: Reranker) -> None:
    assert Retriever(index, reranker).search(QUERY, filter={"n": 99}) == []
    assert Retriever(index, reranker).search_many([]) == []
    with VectorIndex.create(tmp_path / "index", Encoder.shared(tiny)) as empty:
        for second in (None, reranker):
            assert Retriever(empty, second).search(QUERY) == []
            assert Retriever(empty, second).search_many([QUERY, "b"]) == [[], []]


def test_many_questions_in_one_call(index: VectorIndex, reranker: Reranker) -> None:
    retriever, queries = Retriever(index, reranker, candidates=7), [QUERY, "Which day?", "3"]
    for instruction in (None, TOLD):
        found = retriever.search_many(queries, 4, {"even": False}, instruction=instruction)
        assert [len(hits) for hits in found] == [4, 4, 4]
        for query, hits in zip(queries, found, strict=True):
            alone = retriever.search(query, 4, {"even": False}, instruction=instruction)
            assert [hit.id for hit in hits] == [hit.id for hit in alone]
            np.testing.assert_allclose([h.score for h in hits], [h.score for h in alone], atol=1e-5)


def test_wrong_arguments_are_errors_at_once(index: VectorIndex, reranker: Reranker) -> None:
    class NeverAsked:
        search = search_many = None

    for wrong, message in (
        ((index.path,), "index must be a VectorIndex, not .*Path; a directory is opened with VectorIndex"),
        ((NeverAsked(),), "index must be a VectorIndex, not NeverAsked"),
        ((index, "qwen3-reranker-0.6b"), r"reranker must be a Reranker, not str; .* pass Reranker\(model\)"),
        ((index, reranker.model), "reranker must be a Reranker, not CrossEncoder"),
    ):
        with pytest.raises(InputError, match=message):
            Retriever(*wrong)
    for count in (0, -1, True, 2.0, "3", None):
        with pytest.raises(InputError, match=f"candidates must be an int of at least 1, not {count!r}"):
            Retriever(index, reranker, candidates=count)  # type: ignore[arg-type]
        for second in (None, reranker):
            with pytest.raises(InputError, match=f"k must be an int of at least 1, not {count!r}"):
                Retriever(index, second).search(QUERY, count)  # type: ignore[arg-type]
            with pytest.raises(InputError, match=f"k must be an int of at least 1, not {count!r}"):
                Retriever(index, second).search_many([QUERY], count)  # type: ignore[arg-type]
    retriever = Retriever(index, reranker)
    with pytest.raises(InputError, match="query must be a str, which a reranker reads, not list"):
        retriever.search([QUERY])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="query 0 is blank"):
        retriever.search(" ")
    with pytest.raises(FilterError):
        retriever.search(QUERY, filter={"$no": 1})


def test_a_model_without_instructions_says_so(index: VectorIndex, tmp_path: Path) -> None:
    plain = Reranker(CrossEncoder(str(cross_encoder_checkpoint(tmp_path)), device="cpu"))
    with pytest.raises(InputError, match="takes no instructions"):
        Retriever(index, plain).search(QUERY, instruction=TOLD)
    same(Retriever(index, plain, candidates=5).search(QUERY, 5), by_hand(index, plain, 5))


def test_it_is_a_public_name_and_loads_no_torch() -> None:
    assert youtu_st.Retriever is Retriever
    code = "import sys, youtu_st; youtu_st.Retriever; print('torch' in sys.modules, 'faiss' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
