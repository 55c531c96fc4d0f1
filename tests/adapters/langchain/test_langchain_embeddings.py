"""YoutuEmbeddings: the encoder's vectors with every argument of the stock class, and nothing altered."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from checkpoints import TEXTS
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.documents import Document
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
from pydantic import ValidationError

from langchain_youtu import YoutuEmbeddings
from youtu_st import Encoder
from youtu_st.errors import InputError, UnknownModelError

TOLD = "Classify the topic"


@pytest.fixture(scope="module")
def encoder(tiny):
    return Encoder.shared(tiny)


@pytest.fixture(scope="module")
def embeddings(tiny):
    return YoutuEmbeddings(model=str(tiny))


def same(rows, expected):
    np.testing.assert_allclose(rows, expected, atol=1e-6, rtol=0)


def test_it_is_the_stock_class_in_type_and_arguments():
    assert issubclass(YoutuEmbeddings, HuggingFaceEmbeddings)
    stock = set(HuggingFaceEmbeddings.model_fields)
    assert stock <= set(YoutuEmbeddings.model_fields)
    for name in stock:
        mine, theirs = YoutuEmbeddings.model_fields[name], HuggingFaceEmbeddings.model_fields[name]
        assert (mine.alias, mine.annotation, mine.get_default(call_default_factory=True)) == (
            theirs.alias,
            theirs.annotation,
            theirs.get_default(call_default_factory=True),
        )


def test_vectors_of_both_roles_are_those_of_the_sentence_transformer(embeddings, encoder):
    model = encoder.model
    same(embeddings.embed_documents(TEXTS), encoder.encode_document(TEXTS))
    same([embeddings.embed_query(text) for text in TEXTS], encoder.encode_query(TEXTS))
    np.testing.assert_allclose(embeddings.embed_query(TEXTS[0]), model.encode_query(TEXTS[0]), atol=1e-5)
    np.testing.assert_allclose(embeddings.embed_documents(TEXTS), model.encode_document(TEXTS), atol=1e-5)
    assert embeddings.embed_documents([]) == []
    assert {type(x) for x in embeddings.embed_query("floats")} == {float}


def test_line_breaks_and_spaces_are_kept(embeddings, encoder):
    """The stock class turns every line break into a space."""
    text = "def f():\n\treturn  1\n\n😀 "
    same(embeddings.embed_query(text), encoder.model.encode_query(text))
    flat = text.replace("\n", " ")
    assert np.abs(np.array(embeddings.embed_query(text)) - embeddings.embed_query(flat)).max() > 0.01
    assert np.abs(np.subtract(*embeddings.embed_documents([text, flat]))).max() > 0.01


@pytest.mark.parametrize("told", [None, "", TOLD])
def test_instructions_for_either_role(tiny, encoder, told):
    embeddings = YoutuEmbeddings(model=str(tiny), query_instruction=told, text_instruction=told)
    same([embeddings.embed_query(text) for text in TEXTS], encoder.encode_query(TEXTS, instruction=told))
    same(embeddings.embed_documents(TEXTS), encoder.encode_document(TEXTS, instruction=told))


def test_an_instruction_can_be_changed_later(tiny, encoder):
    embeddings = YoutuEmbeddings(model=str(tiny))
    changed = embeddings.model_copy(update={"query_instruction": TOLD})
    same(changed.embed_query("text"), encoder.encode_query(["text"], instruction=TOLD)[0])
    embeddings.query_instruction = ""
    same(embeddings.embed_query("text"), encoder.encode_query(["text"], instruction="")[0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"encode_kwargs": {"batch_size": 3, "normalize_embeddings": True, "convert_to_tensor": True}},
        {"encode_kwargs": {"prompt_name": "document"}, "query_encode_kwargs": {"prompt_name": "query"}},
        {"encode_kwargs": {"normalize_embeddings": False, "precision": "float32"}},
        {"query_encode_kwargs": {"batch_size": 1}},
        {"multi_process": True, "show_progress": True},
        {"model_kwargs": {"device": "cpu", "trust_remote_code": True, "revision": "main"}},
        {"model_kwargs": {"model_kwargs": {"torch_dtype": "auto", "attn_implementation": "sdpa"}}},
        {"cache_folder": "somewhere", "device": "cpu"},
    ],
)
def test_arguments_of_the_stock_class_keep_the_vectors(tiny, encoder, arguments):
    embeddings = YoutuEmbeddings(model_name=str(tiny), **arguments)
    same(embeddings.embed_documents(TEXTS), encoder.encode_document(TEXTS))
    same(embeddings.embed_query(TEXTS[3]), encoder.encode_query(TEXTS[3:4])[0])


def test_shorter_vectors_for_both_roles(tiny, encoder):
    embeddings = YoutuEmbeddings(model=str(tiny), model_kwargs={"truncate_dim": 16})
    same(embeddings.embed_documents(TEXTS), encoder.encode_document(TEXTS, dimensions=16))
    same(embeddings.embed_query("a"), encoder.encode_query(["a"], dimensions=16)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encode_kwargs": {"prompt": "passage: "}}, "text_instruction"),
        ({"query_encode_kwargs": {"prompt": "query: "}}, r"prompts=\{\"query\""),
        ({"encode_kwargs": {"precision": "ubinary"}}, "SQ8"),
        ({"model_kwargs": {"config_kwargs": {"x": 1}}}, r"encoder=Encoder\(SentenceTransformer"),
        ({"devise": "cpu"}, "did you mean 'device'"),
        ({"query_instruction": 5}, None),
    ],
)
def test_arguments_that_would_change_vectors_are_errors(tiny, arguments, message):
    with pytest.raises(InputError if message else ValidationError, match=message):
        YoutuEmbeddings(model=str(tiny), **arguments)


def test_arguments_set_later_are_judged_when_they_are_set(tiny, encoder):
    embeddings = YoutuEmbeddings(model=str(tiny))
    with pytest.raises(InputError, match="'prompt' is not taken here as 'query: ': use query_instruction="):
        embeddings.query_encode_kwargs = {"prompt": "query: "}
    with pytest.raises(InputError, match="use text_instruction="):
        embeddings.encode_kwargs = {"prompt": "passage: "}
    for name in ("query_instruction", "text_instruction"):
        with pytest.raises(InputError, match="pass the task description alone, 'Find it'"):
            setattr(embeddings, name, encoder.model[0].template.replace("{instruction}", "Find it"))
    assert (embeddings.query_encode_kwargs, embeddings.encode_kwargs) == ({}, {})
    assert (embeddings.query_instruction, embeddings.text_instruction) == (None, None)
    embeddings.query_encode_kwargs = {"prompt_name": "query"}
    same(embeddings.embed_query("text"), encoder.encode_query(["text"])[0])


def test_arguments_are_not_judged_again_with_every_query(tiny, monkeypatch):
    embeddings = YoutuEmbeddings(model=str(tiny), query_encode_kwargs={"batch_size": 1})
    seen = []
    monkeypatch.setattr("youtu_st.frameworks.embedder.check_encode_arguments", lambda *_: seen.append(1))
    for _ in range(3):
        embeddings.embed_query("text")
    assert seen == []
    embeddings.query_encode_kwargs = {"batch_size": 2}
    assert seen == [1]


def test_an_encoder_that_is_loaded(encoder):
    embeddings = YoutuEmbeddings(encoder=encoder)
    assert embeddings.encoder is encoder
    assert embeddings.model_name == encoder.model_name
    same(embeddings.embed_query("a"), encoder.encode_query(["a"])[0])
    with pytest.raises(InputError, match="device: for a model to be loaded"):
        YoutuEmbeddings(encoder=encoder, model_kwargs={"device": "cpu"})
    with pytest.raises(InputError, match="model: for a model"):
        YoutuEmbeddings(encoder=encoder, model="minilm")
    with pytest.raises(InputError, match=r"pass Encoder\(model\)"):
        YoutuEmbeddings(encoder=encoder.model)


def test_mistakes_come_at_once(embeddings):
    start = time.perf_counter()
    with pytest.raises(InputError, match="text 1 is empty"):
        embeddings.embed_documents(["a", ""])
    with pytest.raises(InputError, match="text 0 must be a str, not int"):
        embeddings.embed_query(5)
    with pytest.raises(InputError, match="text 0 is blank"):
        asyncio.run(embeddings.aembed_query("  "))
    with pytest.raises(UnknownModelError, match="minilm"):
        YoutuEmbeddings(model="minilmm")
    assert time.perf_counter() - start < 2


def test_a_token_is_not_shown(tiny):
    shown = YoutuEmbeddings(model=str(tiny), model_kwargs={"token": "hf_secret"})
    assert "hf_secret" not in f"{shown} {shown!r}"


def test_pickled_and_copied_without_weights(tiny, encoder):
    embeddings = YoutuEmbeddings(model=str(tiny), query_instruction=TOLD)
    data = pickle.dumps(embeddings)
    assert len(data) < 3000
    for other in (pickle.loads(data), copy.deepcopy(embeddings), embeddings.model_copy(deep=True)):
        assert other.encoder is encoder
        same(other.embed_query("a"), encoder.encode_query(["a"], instruction=TOLD)[0])
        same(asyncio.run(other.aembed_query("a")), encoder.encode_query(["a"], instruction=TOLD)[0])


# -- asynchronous -----------------------------------------------------------------------------------------


async def ticks_during(work):
    """The work's result, and the longest time in which the event loop did nothing else, in seconds."""
    gaps, done = [], asyncio.Event()

    async def tick():
        while not done.is_set():
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - start)

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    result = await work
    done.set()
    await ticker
    return result, gaps


async def test_the_event_loop_goes_on():
    embeddings = YoutuEmbeddings(model="minilm")
    texts = [f"{'long text ' * 60}{i}" for i in range(16)]
    start = time.perf_counter()
    expected = embeddings.embed_documents(texts)
    whole = time.perf_counter() - start
    rows, gaps = await ticks_during(embeddings.aembed_documents(texts))
    same(rows, expected)
    assert whole > 0.1  # long enough for the comparison to mean something
    assert max(gaps) < whole / 2
    assert len(gaps) > 10


async def test_64_queries_at_once_are_64_queries_in_turn(encoder, embeddings):
    queries = [f"question {i}: {TEXTS[i % len(TEXTS)]}" for i in range(64)]
    rows = await asyncio.gather(*(embeddings.aembed_query(query) for query in queries))
    same(rows, [embeddings.embed_query(query) for query in queries])
    batches, documents = await asyncio.gather(
        asyncio.gather(*(embeddings.aembed_documents(queries[i : i + 2]) for i in range(0, 64, 2))),
        embeddings.aembed_documents(queries),
    )
    same([row for batch in batches for row in batch], documents)
    same(documents, encoder.encode_document(queries))


async def test_one_blank_query_among_many_fails_alone(embeddings, encoder):
    queries = ["a", "", "b"]
    found = await asyncio.gather(*map(embeddings.aembed_query, queries), return_exceptions=True)
    assert isinstance(found[1], InputError)
    same([found[0], found[2]], encoder.encode_query(["a", "b"]))


# -- in LangChain -----------------------------------------------------------------------------------------


def test_in_memory_store_and_retrievers(embeddings, encoder):
    store = InMemoryVectorStore(embeddings)
    store.add_documents([Document(text, id=str(i)) for i, text in enumerate(TEXTS)])
    order = [str(i) for i in np.argsort(-(encoder.encode_document(TEXTS) @ encoder.encode_query(["a"])[0]))]
    assert [found.id for found in store.similarity_search("a", k=5)] == order[:5]
    assert [found.id for found in store.as_retriever(search_kwargs={"k": 3}).invoke("a")] == order[:3]
    mmr = store.as_retriever(search_type="mmr", search_kwargs={"k": 3, "fetch_k": 5, "lambda_mult": 1.0})
    assert [found.id for found in mmr.invoke("a")] == order[:3]
    assert asyncio.run(store.asimilarity_search("a", k=1))[0].id == order[0]


def test_cache_backed_embeddings_keep_roles_apart(embeddings, encoder):
    store = InMemoryByteStore()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own, about its hash function
        cached = CacheBackedEmbeddings.from_bytes_store(embeddings, store, namespace=encoder.fingerprint)
    for _ in range(2):
        same(cached.embed_documents(TEXTS), encoder.encode_document(TEXTS))
        same(cached.embed_query(TEXTS[0]), encoder.encode_query(TEXTS[:1])[0])
    assert len(list(store.yield_keys())) == len(TEXTS)


@pytest.mark.slow
def test_nothing_imports_langchain_community():
    code = (
        "import sys; from langchain_youtu import YoutuEmbeddings, YoutuReranker, YoutuVectorStore; "
        "from llama_index.embeddings.youtu import YoutuEmbedding; "
        "from llama_index.postprocessor.youtu import YoutuRerank; "
        "from llama_index.vector_stores.youtu import YoutuVectorStore; "
        "print(any(m.startswith('langchain_community') for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_public_methods_are_all_there():
    for name in ("embed_query", "embed_documents", "aembed_query", "aembed_documents"):
        mine, theirs = getattr(YoutuEmbeddings, name), getattr(HuggingFaceEmbeddings, name)
        assert inspect.signature(mine).parameters.keys() == inspect.signature(theirs).parameters.keys()
