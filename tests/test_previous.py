"""What an earlier commit wrote (40e58b4, before the package had rooms) opens here and means the same.

``data/previous`` holds a model, a reranker and two indexes as that commit saved them, and in ``facts.json`` what it
said of them: fingerprints, vectors, scores, hits.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest

import youtu_st
from youtu_st.index import VectorIndex
from youtu_st.rerank import Reranker

PREVIOUS = Path(__file__).parent / "data" / "previous"
FACTS: dict[str, Any] = json.loads((PREVIOUS / "facts.json").read_text(encoding="utf-8"))
TEXTS = ["The weather is lovely today.", "法国首都是哪里？", "12345 and 67", "The Rhine flows north."]


@pytest.fixture(scope="module")
def encoder() -> youtu_st.Encoder:
    return youtu_st.Encoder(PREVIOUS / "model", device="cpu")


def test_a_saved_model_opens_and_gives_its_vectors(encoder: youtu_st.Encoder) -> None:
    assert encoder.identity == FACTS["identity"]
    assert encoder.fingerprint == FACTS["fingerprint"]
    np.testing.assert_allclose(encoder.encode_query(TEXTS, dimensions=16), FACTS["query"], atol=1e-5)
    with pytest.raises(youtu_st.YoutuError, match="one of 8, 16, 32"):
        encoder.encode_query(TEXTS, dimensions=9)


def test_what_is_saved_now_names_its_modules_as_then(encoder: youtu_st.Encoder, tmp_path: Path) -> None:
    encoder.model.save_pretrained(str(tmp_path / "model"))
    types = [
        [entry["type"] for entry in json.loads((saved / "modules.json").read_text())]
        for saved in (tmp_path / "model", PREVIOUS / "model")
    ]
    assert types[0] == types[1]
    assert youtu_st.Encoder(tmp_path / "model", device="cpu").fingerprint == FACTS["fingerprint"]


def test_a_saved_reranker_opens_and_gives_its_scores() -> None:
    reranker = Reranker(PREVIOUS / "reranker", device="cpu")
    assert reranker.fingerprint == FACTS["reranker"]
    scores = reranker.score([("What is it?", text) for text in TEXTS])
    np.testing.assert_allclose(scores, FACTS["scores"], atol=1e-5)


def test_an_index_opens_and_finds_what_it_found(encoder: youtu_st.Encoder, tmp_path: Path) -> None:
    path = shutil.copytree(PREVIOUS / "index", tmp_path / "index")
    with VectorIndex.open(path, encoder) as index:
        hits = index.search("Which way does the Rhine flow?", k=4)
        assert [hit.id for hit in hits] == [id for id, _ in FACTS["search"]]
        np.testing.assert_allclose(
            [hit.score for hit in hits], [score for _, score in FACTS["search"]], atol=1e-5
        )
        assert [hit.id for hit in index.search("weather", filter={"lang": "zh"})] == ["b"]
        index.add(["The Danube flows east."], ["e"])
    with VectorIndex.open(path, encoder) as index:
        assert sorted(index.ids()) == ["a", "b", "c", "d", "e"]


def test_a_trained_index_with_a_deleted_document_opens(encoder: youtu_st.Encoder, tmp_path: Path) -> None:
    path = shutil.copytree(PREVIOUS / "ivf", tmp_path / "ivf")
    with VectorIndex.open(path, encoder) as index:
        assert index.ids() == ["a", "b", "d"]
        assert {hit.id for hit in index.search("weather", k=9)} == {"a", "b", "d"}


def test_fingerprints_are_those_of_then(tmp_path: Path) -> None:
    found = {}
    for name in FACTS["fingerprints"]:
        raw, _, boundary = name.partition(" ")
        if boundary:
            spec = checkpoints.save_spec(tmp_path / "tiny.yaml", boundary=boundary, dimension=8)
            made = youtu_st.Encoder(spec, checkpoint=PREVIOUS / "checkpoints" / raw, device="cpu")
        else:
            made = youtu_st.Encoder(name)
        found[name] = made.fingerprint
    assert found == FACTS["fingerprints"]


def test_a_range_of_lengths_in_its_old_spelling(tmp_path: Path) -> None:
    ranged = checkpoints.save_spec(tmp_path / "ranged.yaml", matryoshka_from=8)
    encoder = youtu_st.Encoder(ranged, checkpoint=PREVIOUS / "model", device="cpu")
    assert encoder.fingerprint == FACTS["range_fingerprint"]
    assert encoder.encode_query(TEXTS, dimensions=9).shape == (4, 9)
