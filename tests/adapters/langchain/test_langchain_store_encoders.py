"""Any LangChain ``Embeddings`` as an encoder, and what a YoutuEmbeddings with instructions is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from tiny import TinyEncoder

from langchain_youtu import YoutuEmbeddings, YoutuVectorStore
from langchain_youtu.encoders import EmbeddingsEncoder, embedding_for, encoder_for
from youtu_st import TextEncoder
from youtu_st.errors import IndexMismatchError, InputError
from youtu_st.index import VectorIndex, read_manifest


class Hashed(Embeddings):
    """Vectors of some length, made from a hash; queries and documents differ a little."""

    def __init__(self, model: str = "hashed-1", *, seed: int = 0, length: float = 5.0) -> None:
        self.model = model
        self.seed = seed
        self.length = length
        self.calls: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(f"{len(texts)} documents")
        return [self.vector(text, 0) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        self.calls.append("query")
        return self.vector(text, 0.1)

    def vector(self, text: str, shift: float) -> list[float]:
        digest = hashlib.sha256(f"{self.seed}{text}".encode()).digest()
        row = np.random.default_rng(list(digest)).standard_normal(12)
        row[0] += shift
        return (self.length * row / np.linalg.norm(row)).tolist()


def unit(rows: Any) -> Any:
    return np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def test_vectors_are_the_objects_scaled_to_one() -> None:
    embedding = Hashed()
    encoder = EmbeddingsEncoder(embedding)
    assert isinstance(encoder, TextEncoder)
    assert encoder.dimension == encoder.dimension == 12
    assert embedding.calls == ["query"]  # to find out, once
    documents, queries = encoder.encode_document(["a", "b"]), encoder.encode_query(("a", "b"))
    assert embedding.calls[1:] == ["2 documents", "query", "query"]
    assert (documents.dtype, queries.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(documents, unit([embedding.vector(t, 0) for t in "ab"]), atol=1e-6)
    np.testing.assert_allclose(queries, unit([embedding.vector(t, 0.1) for t in "ab"]), atol=1e-6)
    assert encoder.encode_document([]).shape == encoder.encode_query([], show_progress=True).shape == (0, 12)


def test_identity_is_class_model_and_dimension() -> None:
    encoder = encoder_for(Hashed("m"))
    assert encoder.identity == {"embeddings": "Hashed", "model": "m", "dimension": "12"}
    assert (encoder.model_name, dict(encoder.runtime)) == ("m", {"backend": "langchain"})
    assert encoder.fingerprint == encoder_for(Hashed("m")).fingerprint
    assert encoder.fingerprint != encoder_for(Hashed("n")).fingerprint
    nameless = encoder_for(DeterministicFakeEmbedding(size=3))
    assert nameless.model_name == "DeterministicFakeEmbedding"
    assert nameless.fingerprint != encoder_for(DeterministicFakeEmbedding(size=4)).fingerprint


def test_wrong_texts_and_instructions() -> None:
    encoder = encoder_for(Hashed())
    for encode in (encoder.encode_query, encoder.encode_document):
        with pytest.raises(InputError, match="text 1 is blank"):
            encode(["a", " "])
        with pytest.raises(InputError, match=r"Hashed takes no instruction.*'x'.*query_instruction"):
            encode(["a"], instruction="x")
        with pytest.raises(InputError, match="takes no instruction"):
            encode(["a"], instruction="")  # to the model's encoder that means: no prompt
    with pytest.raises(InputError, match="must be a LangChain Embeddings, not str"):
        encoder_for("minilm")  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0], [3.0]], "the vectors of Odd must be numbers in a matrix"),
        ([[1.0, 2.0, 3.0]] * 2, r"the vectors of Odd must have shape \(2, 2\), not \(2, 3\)"),
        ([[1.0, 2.0]], r"must have shape \(2, 2\), not \(1, 2\)"),
        ([[1.0, 2.0], [0.0, 0.0]], "row 1 is all zeros"),
        ([[1.0, 2.0], [float("nan"), 0.0]], "row 1 is not finite"),
    ],
)
def test_vectors_that_are_none(rows: list[list[float]], message: str) -> None:
    class Odd(DeterministicFakeEmbedding):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return rows

    encoder = encoder_for(Odd(size=2))
    with pytest.raises(InputError, match=message):
        encoder.encode_document(["a", "b"])


def test_the_encoder_of_youtu_embeddings_is_its_own() -> None:
    tiny = TinyEncoder()
    assert encoder_for(YoutuEmbeddings(encoder=tiny)) is tiny
    assert encoder_for(YoutuEmbeddings(encoder=tiny, query_instruction="x")) is tiny
    back = embedding_for(tiny)
    assert isinstance(back, YoutuEmbeddings)
    assert back.encoder is tiny
    hashed = Hashed()
    assert embedding_for(encoder_for(hashed)) is hashed


def test_with_a_text_instruction_vectors_mean_something_else(tmp_path: Path) -> None:
    tiny = TinyEncoder()
    embedding = YoutuEmbeddings(encoder=tiny, text_instruction="about", query_instruction="ask")
    encoder = encoder_for(embedding)
    assert encoder.identity == {**tiny.identity, "text_instruction": "about"}
    assert encoder.fingerprint != tiny.fingerprint
    texts = ["one", "two"]
    expected = tiny.encode_document(texts, instruction="about")
    np.testing.assert_allclose(encoder.encode_document(texts), expected, atol=1e-6)
    with YoutuVectorStore.create(tmp_path / "index", embedding=embedding) as store:
        store.add_texts(texts, ids=texts)
        np.testing.assert_allclose(store.index.vectors(texts), expected, atol=1e-6)
        assert [one.page_content for one in store.get_by_ids(texts)] == texts
        score = store.similarity_search_with_score("one", 1)[0][1]
        assert score == pytest.approx(
            expected[0] @ tiny.encode_query(["one"], instruction="ask")[0], abs=1e-6
        )
    with pytest.raises(IndexMismatchError, match="text_instruction: index has about, encoder has none"):
        YoutuVectorStore(tmp_path / "index", encoder=tiny)
    # Queries may be asked otherwise: the documents are the same.
    other = YoutuEmbeddings(encoder=tiny, text_instruction="about", query_instruction="tell")
    with YoutuVectorStore(tmp_path / "index", embedding=other) as store:
        score = store.similarity_search_with_score("one", 1)[0][1]
        assert score == pytest.approx(
            expected[0] @ tiny.encode_query(["one"], instruction="tell")[0], abs=1e-6
        )


def test_an_empty_text_instruction_is_one() -> None:
    """It means no prompt, where None means the model's own."""
    encoder = encoder_for(YoutuEmbeddings(encoder=TinyEncoder(), text_instruction=""))
    assert encoder.identity["text_instruction"] == ""


def test_any_embeddings_make_an_index(tmp_path: Path) -> None:
    embedding = Hashed()
    texts = [f"text {i}" for i in range(30)]
    with YoutuVectorStore.from_texts(texts, embedding, ids=texts, path=tmp_path / "index") as store:
        assert store.embeddings is embedding
        assert embedding.calls.count("30 documents") == 1
        assert (
            embedding.calls.count("4 documents") == 1
        )  # the manifest's probes, not compared with themselves
    assert read_manifest(tmp_path / "index").model == "hashed-1"
    with YoutuVectorStore(tmp_path / "index", embedding=Hashed(length=1)) as store:
        rows, query = (
            unit([embedding.vector(t, 0) for t in texts]),
            unit([embedding.vector("text 3", 0.1)])[0],
        )
        order = np.argsort(-rows @ query)[:5]
        found = store.similarity_search_with_score("text 3", 5)
        assert [one.id for one, _ in found] == [texts[i] for i in order]
        assert [score for _, score in found] == pytest.approx((rows @ query)[order], abs=1e-6)


def test_a_model_that_only_has_the_same_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index"
    YoutuVectorStore.create(path, embedding=Hashed()).close()
    with pytest.raises(IndexMismatchError, match="document probes: lowest cosine"):
        YoutuVectorStore(path, embedding=Hashed(seed=1))
    with pytest.raises(IndexMismatchError, match="model: index has hashed-1, encoder has hashed-2"):
        YoutuVectorStore(path, embedding=Hashed("hashed-2"))
    YoutuVectorStore(path, embedding=Hashed()).close()


def test_an_open_index_takes_any_embeddings_that_agree(tmp_path: Path) -> None:
    """Under another name too; documents are encoded by the index's encoder all the same."""
    hashed = Hashed()
    with VectorIndex.create(tmp_path / "index", EmbeddingsEncoder(hashed)) as index:
        assert YoutuVectorStore(index).embeddings is hashed
        renamed = Hashed("another name", length=1)
        store = YoutuVectorStore(index, embedding=renamed)
        hashed.calls.clear()
        renamed.calls.clear()
        store.add_texts(["one", "two"])
        store.similarity_search("one")
        assert (hashed.calls, renamed.calls) == (["2 documents"], ["query"])
