"""Engines where an Encoder may stand: under an index, in both frameworks, and as one with a local encoder."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from engines.openai_server import OpenAIServer
from engines.tencent_server import TencentServer
from langchain_core.documents import Document
from llama_index.core.schema import QueryBundle, TextNode
from llama_index.core.vector_stores import VectorStoreQuery

from langchain_youtu import YoutuEmbeddings
from langchain_youtu import YoutuVectorStore as LangChainStore
from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.vector_stores.youtu import YoutuVectorStore as LlamaIndexStore
from youtu_st.engines import OpenAICompatibleEncoder, TencentCloudEncoder
from youtu_st.errors import EngineError, IndexMismatchError, InputError, TruncationWarning, install_line
from youtu_st.index import VectorIndex
from youtu_st.probes import DOCUMENTS, QUERIES

FACTS = ["Mars is red.", "Venus is hot.", "火星是红色的。", "Jupiter is large."]
QUESTION = "Which planet is red?"


@pytest.fixture(params=["openai", "tencent"])
def place(request, last_token, masked, serve):
    """How to make an engine, and the local encoder whose vectors it gives."""
    if request.param == "openai":
        spec, local = last_token
        with OpenAIServer(serve(local)) as server:
            yield (
                lambda **more: OpenAICompatibleEncoder(server.url, "served", spec=spec, **more),
                local,
                server,
            )
        return
    spec, local = masked

    def embed(kind, instruction, texts):
        return local.model.encode(texts, prompt=instruction or "")

    with TencentServer(embed) as server:
        yield (
            lambda **more: TencentCloudEncoder(spec=spec, endpoint=server.endpoint, backoff=0.01, **more),
            local,
            server,
        )


def best(local):
    """Brute force: the facts by their cosine to the question."""
    scores = (local.encode_document(FACTS) @ local.encode_query([QUESTION]).T)[:, 0]
    return [(FACTS[i], pytest.approx(float(scores[i]), abs=1e-5)) for i in np.argsort(-scores)]


def test_under_an_index(place, tmp_path):
    make, local, server = place
    path = tmp_path / "index"
    with VectorIndex.create(path, make()) as index:
        index.add(FACTS)
        assert [(hit.text, hit.score) for hit in index.search(QUESTION, k=4)] == best(local)
    asked = len(server.requests)
    with VectorIndex.open(path, make(concurrency=1, max_attempts=1)) as index:
        assert len(server.requests) == asked  # nothing that decides a vector has changed
        assert [(hit.text, hit.score) for hit in index.search(QUESTION, k=4)] == best(local)
    with pytest.raises(IndexMismatchError, match=r"(?s)engine: index has .*, encoder has none.*weights: "):
        VectorIndex.open(path, local)


def test_the_address_may_change_where_the_vectors_do_not(last_token, serve, tmp_path):
    spec, local = last_token
    path = tmp_path / "index"
    with OpenAIServer(serve(local)) as server:
        VectorIndex.create(path, OpenAICompatibleEncoder(server.url, "served", spec=spec)).close()
    with OpenAIServer(serve(local)) as server:
        VectorIndex.open(path, OpenAICompatibleEncoder(server.url, "served", spec=spec)).close()
        assert server.requests  # the vectors that the index keeps for this were compared
    with (
        OpenAIServer(lambda texts: serve(local)([text[::-1] for text in texts])) as server,
        pytest.raises(IndexMismatchError, match="query probes: lowest cosine"),
    ):
        VectorIndex.open(path, OpenAICompatibleEncoder(server.url, "served", spec=spec))


def test_as_one_with_the_local_encoder(place, tmp_path):
    make, local, _ = place
    engine = make(same_as=local)
    assert engine.fingerprint == local.fingerprint
    assert engine.identity == local.identity
    again = pickle.loads(pickle.dumps(engine))  # where the model is not at hand
    assert (again.fingerprint, again.identity) == (local.fingerprint, local.identity)
    path = tmp_path / "index"
    with VectorIndex.create(path, local) as index:
        index.add(FACTS[:2])
    with VectorIndex.open(path, engine) as index:
        index.add(FACTS[2:])
        assert [(hit.text, hit.score) for hit in index.search(QUESTION, k=4)] == best(local)
    with VectorIndex.open(path, local) as index:
        assert [(hit.text, hit.score) for hit in index.search(QUESTION, k=4)] == best(local)


def test_texts_that_the_local_model_cuts_are_no_matter_for_a_warning(place):
    make, local, _ = place

    class Cutting:
        def __getattr__(self, name):
            return getattr(local, name)

        def encode_document(self, texts):
            warnings.warn("1 of 8 texts was cut", TruncationWarning, stacklevel=2)
            return local.encode_document(texts)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert make(same_as=Cutting()).fingerprint == local.fingerprint
    assert not [one for one in caught if issubclass(one.category, TruncationWarning)]


def test_what_gives_other_vectors_is_not_the_same(place, last_token, masked):
    make, local, _ = place
    other = (masked if local is last_token[1] else last_token)[1]
    with pytest.raises(
        EngineError, match=r"does not give the vectors of .*: the lowest cosine is -?0\.\d{4}, the mean"
    ):
        make(same_as=other)
    with pytest.raises(InputError, match="same_as gives vectors of 32 dimensions, and the engine of 8"):
        make(same_as=local, dimensions=8)


def test_the_texts_that_are_compared_fit_into_every_engine():
    assert max(map(len, QUERIES + DOCUMENTS)) <= 2000


async def test_in_langchain(place, tmp_path):
    make, local, _ = place
    embeddings = YoutuEmbeddings(encoder=make())
    np.testing.assert_allclose(embeddings.embed_query(QUESTION), local.encode_query([QUESTION])[0], atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_documents(FACTS), local.encode_document(FACTS), atol=1e-6)
    told = YoutuEmbeddings(encoder=make(), query_instruction="Classify the topic")
    want = local.encode_query([QUESTION], instruction="Classify the topic")[0]
    np.testing.assert_allclose(await told.aembed_query(QUESTION), want, atol=1e-6)
    VectorIndex.create(tmp_path / "index", make()).close()
    with LangChainStore(tmp_path / "index", encoder=make()) as store:
        store.add_documents([Document(fact) for fact in FACTS])
        found = store.similarity_search_with_score(QUESTION, k=4)
    assert [(document.page_content, score) for document, score in found] == best(local)


async def test_in_llama_index(place, tmp_path):
    make, local, _ = place
    embedding = YoutuEmbedding(encoder=make())
    np.testing.assert_allclose(
        embedding.get_query_embedding(QUESTION), local.encode_query([QUESTION])[0], atol=1e-6
    )
    np.testing.assert_allclose(
        await embedding.aget_text_embedding_batch(FACTS), local.encode_document(FACTS), atol=1e-6
    )
    VectorIndex.create(tmp_path / "index", make()).close()
    store = LlamaIndexStore(tmp_path / "index", encoder=make())
    store.add([TextNode(text=fact) for fact in FACTS])
    question = QueryBundle(QUESTION)
    found = store.query(
        VectorStoreQuery(
            query_str=question.query_str,
            query_embedding=embedding.get_agg_embedding_from_queries([QUESTION]),
            similarity_top_k=4,
        )
    )
    store.close()
    texts = [node.get_content() for node in found.nodes]
    assert list(zip(texts, found.similarities, strict=True)) == best(local)


ABSENT = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
import youtu_st.engines
from youtu_st.errors import MissingDependencyError
for name in youtu_st.engines.__all__:
    try:
        getattr(youtu_st.engines, name)
    except MissingDependencyError as error:
        print(error)
print("torch" in sys.modules)
"""


@pytest.mark.parametrize("absent", [(), ("openai", "tencentcloud")])
def test_an_engine_needs_its_client_and_no_torch(absent):
    ran = subprocess.run(
        [sys.executable, "-c", ABSENT.format(absent=absent)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    lines = [f"the package {name!r} must be installed: {install_line('cloud')}" for name in absent]
    assert ran.stdout.splitlines() == [*lines, "False"]
