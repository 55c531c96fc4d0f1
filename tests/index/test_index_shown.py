"""Hits and documents in notebooks: tables of text, and lists as they always were."""

from __future__ import annotations

import json
import pickle
import re

import numpy as np
import pytest

from youtu_st.index import Document, Hit, Hits, VectorIndex
from youtu_st.index.shown import hits_table, place

ODD = "<img src=x onerror=alert(1)>\x1b[31m & 'q'"
ELEMENTS = {"table", "thead", "tbody", "tr", "th", "td"}


class Two:
    """An encoder of two dimensions for vectors that are given."""

    model_name, dimension, fingerprint, identity, runtime = "two", 2, "0" * 16, {"weights": "none"}, {}

    def encode_query(self, texts, *, instruction=None, show_progress=False):
        return np.tile(np.eye(2, dtype=np.float32)[:1], (len(texts), 1))

    encode_document = encode_query


@pytest.fixture
def hits(tmp_path) -> Hits:
    with VectorIndex.create(tmp_path / "idx", Two()) as index:
        metadata = [{"source": "a.md", "line": 3, "title": ODD}, {"source": "b.pdf", "page": 2}, {}]
        index.add([ODD, "b" * 900, "火星"], ["1", "2", ODD], metadata, vectors=[[1, 0], [0.6, 0.8], [0, 1]])
        diverse = index.search_diverse("x", 3)
        assert isinstance(diverse, Hits)
        (many,) = index.search_many(["x"], 3)
        assert isinstance(many, Hits)
        return index.search("x", 3)


def test_hits_are_a_list(hits: Hits) -> None:
    assert isinstance(hits, list)
    assert hits == list(hits)
    assert [hit.score for hit in hits] == pytest.approx([1, 0.6, 0])
    assert type(hits[:2]) is list
    assert [*hits] == hits
    assert pickle.loads(pickle.dumps(hits)) == hits
    assert json.dumps([hit.id for hit in hits]) == json.dumps(["1", "2", ODD])


def test_hits_are_a_table(hits: Hits) -> None:
    html = hits._repr_html_()
    assert set(re.findall(r"<(\w+)", html)) == ELEMENTS
    assert "\x1b" not in html
    assert (
        html.count("&lt;img src=x onerror=alert(1)&gt;\\x1b[31m &amp; &#x27;q&#x27;") == 3
    )  # title, text, id
    assert html.count("<tr>") == 4
    for shown in ("1.0000", "0.6000", "a.md:3", "b.pdf, page 2", "火星", "b" * 300 + "…"):
        assert f">{shown}</td>" in html
    assert "b" * 301 not in html
    assert Hits()._repr_html_().count("<td") == 0


def test_a_hit_and_a_document(hits: Hits) -> None:
    assert hits[0]._repr_html_() == hits_table(hits[:1])
    html = Document(ODD, ODD, {ODD: ODD, "__node__": "{}", "n": [1, ODD]})._repr_html_()
    assert set(re.findall(r"<(\w+)", html)) == ELEMENTS - {"thead", "th"}
    assert "__node__" not in html


def test_further_scores_have_columns(hits: Hits) -> None:
    assert "cosine" not in hits._repr_html_()  # it is the score
    both = [Hit("1", 0.03, "t", {}, {"rrf": 0.03, "cosine": 0.25, "dense_rank": 3}), Hit("2", 0.01, "u", {})]
    html = hits_table(both)
    assert "<th>score</th><th>cosine</th><th>dense_rank</th><th>place</th>" in html
    assert ">0.2500</td>" in html
    assert ">3</td>" in html


def test_where_a_passage_is_from() -> None:
    assert place("x", {}) == "x"
    assert place("x", {"source": "a"}) == "a"
    assert place("x", {"source": "a", "line": 3, "page": 2}) == "a:3"
    assert place("x", {"source": "a", "page": 2}) == "a, page 2"
