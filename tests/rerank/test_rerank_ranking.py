"""What comes out of a reranker: order, ties, the number asked for; and what goes in that is refused."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from checkpoints import TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError, NonFiniteError, OutOfMemoryError
from youtu_st.rerank import Ranked, Reranker

NAME = "qwen3-reranker-0.6b"
QUERY = "How is the weather?"


def oracle_order(scores):
    return sorted(range(len(scores)), key=lambda i: (-scores[i], i))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(TEXTS), max_size=30), st.none() | st.integers(1, 40))
def test_rank_is_a_stable_permutation(reranker, documents, k):
    ranked = reranker.rank(QUERY, documents, k=k)
    scores = reranker.score([(QUERY, document) for document in documents]).tolist()
    assert [one.index for one in ranked] == oracle_order(scores)[:k]
    assert ranked == [Ranked(one.index, scores[one.index], documents[one.index]) for one in ranked]
    assert all(0 <= one.score <= 1 for one in ranked)


def test_many_queries_are_one_call_of_rank_each(reranker, card):
    queries = ["The weather", "法国", "ok"]
    documents = [TEXTS, [], TEXTS[3:6] * 2]
    many = reranker.rank_many(queries, documents, k=4)
    for query, texts, ranked in zip(queries, documents, many, strict=True):
        want = card.scores([(query, text) for text in texts])
        assert [one.index for one in ranked] == oracle_order([round(score, 5) for score in want])[:4]
        np.testing.assert_allclose([one.score for one in ranked], sorted(want)[::-1][:4], atol=1e-5)
    assert reranker.rank_many([], []) == []
    assert reranker.rank(QUERY, []) == []
    assert reranker.score([]).shape == (0,)


def test_equal_documents_of_a_query_are_read_once(reranker):
    rows = []
    hook = reranker.model[0].register_forward_pre_hook(
        lambda _, given: rows.append(len(given[0]["input_ids"]))
    )
    ranked = reranker.rank_many(["a", "b"], [["x", "y", "x"] * 5, ["x"] * 3])
    hook.remove()
    assert sum(rows) == 3
    of_x = [one for one in ranked[0] if one.document == "x"]
    assert [one.index for one in of_x] == [i for i in range(15) if i % 3 != 1]
    assert len({one.score for one in of_x}) == 1


def test_documents_of_a_query_share_their_batch(reranker):
    """Eight or more of one query are a batch with its whole head in common; the rest is mixed."""
    queries = ["The weather is lovely today", "a short one", "12345 and 67"]
    documents = [[f"{i} is it" for i in range(n)] for n in (9, 2, 12)]
    seen = []
    hook = reranker.model[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    reranker.rank_many(queries, documents)
    hook.remove()
    assert sorted(len(features["input_ids"]) for features in seen) == [2, 9, 12]
    tokenizer = reranker.model[0].tokenizer
    for features in seen:
        start = tokenizer.decode(features["input_ids"][0, : features["shared_prefix"]])
        rows = len(features["input_ids"])
        assert start.endswith("<Document>:") or start.endswith("<Document>: ") or rows == 2
        assert {9: queries[0], 12: queries[2]}.get(rows, "") in start


def test_threads_get_the_same(reranker):
    alone = [reranker.rank(text, TEXTS) for text in TEXTS]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: reranker.rank(text, TEXTS), TEXTS)) == alone


def test_one_for_each_process(raw):
    first = Reranker.shared(NAME, checkpoint=raw)
    assert Reranker.shared(NAME, checkpoint=str(raw)) is first
    assert Reranker.shared(NAME, checkpoint=raw, max_length=400) is not first
    assert copy.deepcopy(first) is first
    assert pickle.loads(pickle.dumps(first)).fingerprint == first.fingerprint
    given = Reranker.shared(first.model)
    assert Reranker.shared(first.model) is given
    with pytest.raises(InputError, match="Reranker of a loaded model cannot be pickled"):
        pickle.dumps(given)


@pytest.mark.parametrize(
    ("documents", "arguments", "message"),
    [
        ("one", {}, "documents must be a list of str, not one str"),
        (["a", 3], {}, "document 1 must be a str, not int"),
        (["a", " \n"], {}, "document 1 is blank"),
        (["a", ""], {}, "document 1 is empty"),
        (["a"], {"k": 0}, "k must be an int of at least 1, not 0"),
        (["a"], {"k": 2.0}, "k must be an int of at least 1, not 2.0"),
        (["a"], {"k": True}, "k must be an int of at least 1, not True"),
        (["a"], {"instruction": ""}, "the instruction is empty: None stands for the model's own"),
        (["a"], {"instruction": ["b"]}, "instruction must be a str, not list"),
    ],
)
def test_wrong_arguments(reranker, documents, arguments, message):
    with pytest.raises(InputError, match=message):
        reranker.rank(QUERY, documents, **arguments)


def test_wrong_queries_and_pairs(reranker):
    for query, message in [("", "query 0 is empty"), (" ", "query 0 is blank"), (["a"], "rank_many takes")]:
        with pytest.raises(InputError, match=message):
            reranker.rank(query, ["a"])
    with pytest.raises(InputError, match="query 1: document 0 is empty"):
        reranker.rank_many(["a", "b"], [["c"], [""]])
    with pytest.raises(InputError, match="query 1: documents must be a list of str, not one str"):
        reranker.rank_many(["a", "b"], [["c"], "d"])
    with pytest.raises(InputError, match="2 queries need 2 lists of documents, not 1"):
        reranker.rank_many(["a", "b"], [["c"]])
    with pytest.raises(InputError, match="2 queries need 2 instructions .*not 1"):
        reranker.rank_many(["a", "b"], [["c"], ["d"]], instruction=["e"])
    with pytest.raises(InputError, match="an instruction must be a str, not int"):
        reranker.rank_many(["a", "b"], [["c"], ["d"]], instruction=["e", 4])
    with pytest.raises(InputError, match="pair 1 must be \\(query, document\\), not 'ab'"):
        reranker.score([("a", "b"), "ab"])
    with pytest.raises(InputError, match="query of pair 1 is empty"):
        reranker.score([("a", "b"), ("", "b")])
    with pytest.raises(InputError, match="document of pair 0 must be a str, not int"):
        reranker.score([("a", 1)])
    with pytest.raises(
        InputError, match="input 1 must be a \\(query, document\\) pair of str, not \\('a', 1\\)"
    ):
        reranker.model.predict([("a", "b"), ("a", 1)])
    with pytest.raises(InputError, match="processing_kwargs are not taken here: \\['text'\\]"):
        reranker.model.predict([("a", "b")], processing_kwargs={"text": {"max_length": 3}})


def test_memory_that_is_too_little_halves_the_batches(raw, card, caplog, monkeypatch):
    documents = [f"{i} short text" for i in range(40)]
    reranker = Reranker(NAME, checkpoint=raw, batch_tokens=10_000)
    forward = reranker.model[0].forward

    def small(features, **kwargs):
        if len(features["input_ids"]) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(features, **kwargs)

    monkeypatch.setattr(reranker.model[0], "forward", small)
    want = card.scores([(QUERY, document) for document in documents])
    got = reranker.score([(QUERY, document) for document in documents])
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert ["out of memory in a batch of" in record.message for record in caplog.records] == [True] * 2
    assert reranker.batch_tokens < 12 * 40
    monkeypatch.setattr(reranker.model[0], "forward", lambda features, **_: torch.empty(1 << 60))
    with pytest.raises(
        OutOfMemoryError, match=r"^document 0 with its \d+ tokens is more than the memory of cpu"
    ):
        reranker.rank(QUERY, ["a"])


def test_scores_that_are_not_finite(raw):
    reranker = Reranker(NAME, checkpoint=raw)
    with torch.no_grad():
        ids = reranker.model[0].tokenizer("😀")["input_ids"]
        reranker.model[0].model.get_input_embeddings().weight[ids[-1]] = float("nan")
    assert len(reranker.rank(QUERY, ["ok", "The"])) == 2
    with pytest.raises(NonFiniteError, match="^document 1 gave a score that is not finite"):
        reranker.rank(QUERY, ["ok", "😀"])


def test_repr_says_what_it_is(reranker):
    assert repr(reranker) == "Reranker('qwen3-reranker-0.6b', 8192 tokens, float32 on cpu)"
    assert reranker.runtime == {"backend": "torch", "dtype": "float32", "device": "cpu"}
    assert (reranker.model_name, reranker.max_length) == (NAME, 8192)
