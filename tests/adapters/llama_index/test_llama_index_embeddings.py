"""YoutuEmbedding: the encoder's vectors with every argument of the stock class, and nothing altered."""

from __future__ import annotations

import asyncio
import copy
import gc
import hashlib
import inspect
import pickle
import sys
import time
from typing import ClassVar

import numpy as np
import pytest
from checkpoints import TEXTS
from llama_index.core import Document, Settings, StorageContext, VectorStoreIndex, load_index_from_storage
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from sentence_transformers import SentenceTransformer

from langchain_youtu import YoutuEmbeddings
from llama_index.embeddings.youtu import YoutuEmbedding
from youtu_st import Encoder
from youtu_st.errors import InputError, UnknownModelError
from youtu_st.loading import load

TOLD = "Classify the topic"


@pytest.fixture(scope="module")
def encoder(tiny):
    return Encoder.shared(tiny)


@pytest.fixture(scope="module")
def embed_model(tiny):
    return YoutuEmbedding(model_name=str(tiny))


def same(rows, expected):
    np.testing.assert_allclose(rows, expected, atol=1e-6, rtol=0)


def test_one_load_for_both_frameworks_each_built_twice(tiny, monkeypatch):
    """Counts constructions of a SentenceTransformer, by whatever path."""
    made = []
    construct = SentenceTransformer.__init__

    def counted(self, *args, **kwargs):
        made.append(self)
        construct(self, *args, **kwargs)

    monkeypatch.setattr(SentenceTransformer, "__init__", counted)
    arguments = {"device": "cpu", "max_length": 77}  # settings that no other test has loaded
    models = [
        YoutuEmbeddings(model=str(tiny), model_kwargs=arguments),
        YoutuEmbedding(model_name=str(tiny), **arguments),
        YoutuEmbeddings(model=str(tiny), model_kwargs=arguments),
        YoutuEmbedding(model_name=str(tiny), **arguments),
    ]
    assert len(made) == 1
    assert len({id(model.encoder.model) for model in models}) == 1
    assert models[0].encoder.model is made[0]
    assert (
        sys.modules[load.__module__].SentenceTransformer is SentenceTransformer
    )  # what is counted is what is used


def test_it_is_the_stock_class_in_type_and_arguments():
    assert issubclass(YoutuEmbedding, HuggingFaceEmbedding)
    stock = inspect.signature(HuggingFaceEmbedding.__init__).parameters
    mine = inspect.signature(YoutuEmbedding.__init__).parameters
    assert list(mine)[: len(stock) - 1] == list(stock)[:-1]  # the same names in the same order
    differ = {name for name in stock if name in mine and stock[name].default != mine[name].default}
    # A model's name of None is the stock default; batches are larger, since batches are planned by tokens.
    assert differ == {"model_name", "embed_batch_size"}
    assert set(HuggingFaceEmbedding.model_fields) <= set(YoutuEmbedding.model_fields)


def test_vectors_of_both_roles_are_those_of_the_sentence_transformer(embed_model, encoder):
    model = encoder.model
    same(embed_model.get_text_embedding_batch(TEXTS), encoder.encode_document(TEXTS))
    same([embed_model.get_text_embedding(text) for text in TEXTS], encoder.encode_document(TEXTS))
    same([embed_model.get_query_embedding(text) for text in TEXTS], encoder.encode_query(TEXTS))
    np.testing.assert_allclose(
        embed_model.get_query_embedding(TEXTS[0]), model.encode_query(TEXTS[0]), atol=1e-5
    )
    np.testing.assert_allclose(
        embed_model.get_text_embedding_batch(TEXTS), model.encode_document(TEXTS), atol=1e-5
    )
    mean = encoder.encode_query(["a", "b"]).astype(float).mean(axis=0)
    same(embed_model.get_agg_embedding_from_queries(["a", "b"]), mean)
    assert {type(x) for x in embed_model.get_query_embedding("floats")} == {float}
    assert embed_model.get_text_embedding_batch([]) == []


@pytest.mark.parametrize("told", [None, "", TOLD])
def test_instructions_for_either_role(tiny, encoder, told):
    model = YoutuEmbedding(str(tiny), query_instruction=told, text_instruction=told)
    same([model.get_query_embedding(text) for text in TEXTS], encoder.encode_query(TEXTS, instruction=told))
    same(model.get_text_embedding_batch(TEXTS), encoder.encode_document(TEXTS, instruction=told))


def test_the_saved_prompts_are_not_overwritten(tiny):
    """The stock class replaces them by empty ones."""
    before = dict(SentenceTransformer(str(tiny), trust_remote_code=True).prompts)
    assert before["query"]
    assert YoutuEmbedding(str(tiny)).encoder.model.prompts == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"normalize": True, "embed_batch_size": 2},
        {"normalize": False},  # the model scales its vectors itself
        {"parallel_process": True, "target_devices": ["cpu"]},
        {"device": "cpu", "target_devices": ["cpu"]},
        {"max_length": 512, "device": "cpu", "trust_remote_code": True, "show_progress_bar": True},
        {"cache_folder": "somewhere", "revision": "main", "num_workers": 3},
        {"model_kwargs": {"torch_dtype": "float32"}, "tokenizer_kwargs": {"padding_side": "left"}},
    ],
)
def test_arguments_of_the_stock_class_keep_the_vectors(tiny, encoder, arguments):
    model = YoutuEmbedding(model_name=str(tiny), **arguments)
    same(model.get_text_embedding_batch(TEXTS), encoder.encode_document(TEXTS))
    same(asyncio.run(model.aget_text_embedding_batch(TEXTS)), encoder.encode_document(TEXTS))
    same(model.get_query_embedding(TEXTS[3]), encoder.encode_query(TEXTS[3:4])[0])


def test_a_maximum_length_is_the_encoders(tiny):
    model = YoutuEmbedding(str(tiny), max_length=50, truncation="ignore")
    assert model.max_length == model.encoder.max_length == 50
    text = "one two three four five six seven eight nine ten " * 9
    same(
        model.get_text_embedding(text),
        Encoder(tiny, max_length=50, truncation="ignore").encode_document([text])[0],
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "cls"}, "pooling is gone"),
        ({"model": "x"}, r"pass encoder=Encoder\(model\)"),
        ({"max_length": 513}, "reads at most 512"),
        ({"prompts": {"text": "x"}}, "query, document, not 'text'"),
        ({"config_kwargs": {"x": 1}}, r"encoder=Encoder\(SentenceTransformer"),
    ],
)
def test_arguments_that_would_change_vectors_are_errors(tiny, arguments, message):
    with pytest.raises(InputError, match=message):
        YoutuEmbedding(model_name=str(tiny), **arguments)


def test_unscaled_vectors_are_refused(checkpoint, spec_file):
    unscaled = Encoder(spec_file(normalize=False), checkpoint=checkpoint("youtu", "bpe-bos"))
    with pytest.raises(InputError, match="unit length"):
        YoutuEmbedding(encoder=unscaled, normalize=False)


def test_images_and_mistakes_come_at_once(embed_model):
    start = time.perf_counter()  # the stock class tries three times, four seconds apart
    with pytest.raises(InputError, match="not images"):
        embed_model.get_image_embedding("a.png")
    with pytest.raises(InputError, match="text 0 is empty"):
        embed_model.get_query_embedding("")
    with pytest.raises(InputError, match="text 1 is blank"):
        embed_model.get_text_embedding_batch(["a", " "])
    with pytest.raises(InputError, match="text 0 is empty"):
        asyncio.run(embed_model.aget_query_embedding(""))
    with pytest.raises(UnknownModelError):
        YoutuEmbedding("minilmm")
    assert time.perf_counter() - start < 2


def test_an_encoder_that_is_loaded(encoder):
    model = YoutuEmbedding(encoder=encoder, query_instruction=TOLD)
    assert model.encoder is encoder
    assert (model.model_name, model.max_length) == (encoder.model_name, 512)
    with pytest.raises(InputError, match="model_name, max_length: for a model to be loaded"):
        YoutuEmbedding("minilm", encoder=encoder, max_length=9)


# -- nodes ------------------------------------------------------------------------------------------------


def nodes():
    return [
        TextNode(text=text, id_=str(i), metadata={"page": i, "title": "T"}) for i, text in enumerate(TEXTS)
    ]


async def test_metadata_does_not_change_a_vector(embed_model, encoder):
    expected = encoder.encode_document(TEXTS)
    for done in (embed_model(nodes()), await embed_model.acall(nodes())):
        same([node.embedding for node in done], expected)
        assert [node.text for node in done] == TEXTS
        assert all(node.metadata["title"] == "T" for node in done)
        # Whoever asks LlamaIndex what was embedded gets the truth.
        assert [node.get_content(MetadataMode.EMBED) for node in done] == TEXTS


def test_metadata_that_is_asked_for(tiny, encoder):
    done = YoutuEmbedding(str(tiny), embed_metadata=True)(nodes())
    expected = [f"page: {i}\ntitle: T\n\n{text}".strip() for i, text in enumerate(TEXTS)]
    same([node.embedding for node in done], encoder.encode_document(expected))


def test_the_same_chunk_in_both_frameworks(tiny, embed_model):
    other = YoutuEmbeddings(model=str(tiny))
    same([node.embedding for node in embed_model(nodes())], other.embed_documents(TEXTS))


# -- the cache --------------------------------------------------------------------------------------------


async def test_the_cache_keeps_roles_instructions_and_models_apart(tiny, encoder):
    cache = SimpleKVStore()
    models = [
        YoutuEmbedding(str(tiny), embeddings_cache=cache),
        YoutuEmbedding(str(tiny), embeddings_cache=cache, query_instruction=TOLD),
        YoutuEmbedding(str(tiny), embeddings_cache=cache, prompts={"document": "passage: "}),
    ]
    late = YoutuEmbedding(str(tiny))
    late.embeddings_cache = cache  # as the stock class's users do
    text = TEXTS[0]
    for _ in range(2):
        for model in [*models, late]:
            told = model.query_instruction
            expected = model.encoder.encode_query([text], instruction=told)[0]
            same(model.get_query_embedding(text), expected)
            same(await model.aget_query_embedding(text), expected)
            expected = model.encoder.encode_document([text])[0]
            same(model.get_text_embedding(text), expected)
            same(await model.aget_text_embedding(text), expected)
            same(model.get_text_embedding_batch([text, "b"]), model.encoder.encode_document([text, "b"]))
            same(await model.aget_text_embedding_batch([text]), [expected])


def test_the_cache_spares_work(tiny):
    class Counting:
        def __init__(self, encoder):
            self.encoder, self.seen = encoder, []
            self.model_name, self.dimension = encoder.model_name, encoder.dimension
            self.fingerprint, self.identity, self.runtime = (
                encoder.fingerprint,
                encoder.identity,
                encoder.runtime,
            )

        def encode_query(self, texts, *, instruction=None):
            self.seen += [("query", text) for text in texts]
            return self.encoder.encode_query(texts, instruction=instruction)

        def encode_document(self, texts):
            self.seen += [("document", text) for text in texts]
            return self.encoder.encode_document(texts)

    counting = Counting(Encoder.shared(tiny))
    model = YoutuEmbedding(encoder=counting, embeddings_cache=SimpleKVStore())
    for _ in range(2):
        model.get_query_embedding("a")
        model.get_text_embedding_batch(["a", "b"])
    assert counting.seen == [("query", "a"), ("document", "a"), ("document", "b")]


def test_the_fingerprint_is_looked_at_once_for_a_part_of_the_cache(tiny):
    class Watched(Encoder):
        looks = 0

        @property
        def fingerprint(self):
            Watched.looks += 1
            return super().fingerprint

    class Noting(SimpleKVStore):
        parts: ClassVar[list[str]] = []

        def get(self, key, collection):
            self.parts.append(collection)
            return super().get(key, collection)

    encoder = Watched(tiny)
    Watched.looks = 0
    model = YoutuEmbedding(encoder=encoder, embeddings_cache=Noting())
    for i in range(5):
        model.get_query_embedding(f"question {i}")
        model.get_text_embedding(f"text {i}")
    assert Watched.looks <= 2  # one for each role
    model.query_instruction = TOLD
    expected = encoder.encode_query(["question 0"], instruction=TOLD)[0]
    same(model.get_query_embedding("question 0"), expected)  # not what is cached for the other instruction
    model.query_instruction = None
    same(model.get_query_embedding("question 0"), encoder.encode_query(["question 0"])[0])
    plain, text, told = Noting.parts[0], Noting.parts[1], Noting.parts[-2]
    assert len({plain, text, told}) == 3
    assert Noting.parts == [plain, text] * 5 + [told, plain]
    meaning = f"{encoder.fingerprint}\0{TOLD!r}".encode()
    assert (
        told == f"embeddings_query_{hashlib.sha256(meaning).hexdigest()[:16]}"
    )  # as earlier releases have it


def test_fields_set_later_are_judged_when_they_are_set(tiny, encoder):
    model = YoutuEmbedding(str(tiny))
    for name in ("query_instruction", "text_instruction"):
        with pytest.raises(InputError, match="pass the task description alone, 'Find it'"):
            setattr(model, name, encoder.model[0].template.replace("{instruction}", "Find it"))
    assert (model.query_instruction, model.text_instruction) == (None, None)


# -- asynchronous, pickled, in a pipeline -----------------------------------------------------------------


async def test_64_queries_at_once_are_64_queries_in_turn(embed_model):
    queries = [f"question {i}: {TEXTS[i % len(TEXTS)]}" for i in range(64)]
    rows = await asyncio.gather(*map(embed_model.aget_query_embedding, queries))
    same(rows, [embed_model.get_query_embedding(query) for query in queries])
    texts = await asyncio.gather(*map(embed_model.aget_text_embedding, queries))
    same(texts, embed_model.get_text_embedding_batch(queries))


async def test_the_event_loop_goes_on():
    model = YoutuEmbedding("minilm")
    texts = [f"{'long text ' * 60}{i}" for i in range(16)]
    start = time.perf_counter()
    model.get_text_embedding_batch(texts)
    whole = time.perf_counter() - start
    gaps, done = [], asyncio.Event()

    async def tick():
        while not done.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    ticker = asyncio.create_task(tick())
    await model.aget_text_embedding_batch(texts)
    done.set()
    await ticker
    assert whole > 0.1
    assert max(gaps) < whole / 2
    assert len(gaps) > 10


def test_pickled_and_copied_without_weights(tiny, encoder):
    model = YoutuEmbedding(str(tiny), query_instruction=TOLD, embed_batch_size=7, dimensions=16)
    data = pickle.dumps(model)
    assert len(data) < 4000
    for other in (pickle.loads(data), copy.deepcopy(model), model.model_copy()):
        assert other.encoder is model.encoder
        assert (other.query_instruction, other.embed_batch_size) == (TOLD, 7)
        same(other.get_query_embedding("a"), encoder.encode_query(["a"], instruction=TOLD, dimensions=16)[0])


def test_what_cannot_be_pickled_says_so(tiny):
    model = YoutuEmbedding(encoder=Encoder(load(tiny)))
    with pytest.raises(InputError, match="save_pretrained"):
        pickle.dumps(model)


def test_a_pipelines_cache_tells_models_apart(tiny, encoder):
    mine, other = YoutuEmbedding(str(tiny)), YoutuEmbedding(str(tiny), prompts={"document": "passage: "})
    assert mine.to_dict()["fingerprint"] == encoder.fingerprint
    assert mine.to_dict() != other.to_dict()
    assert mine.to_dict() == YoutuEmbedding(str(tiny)).to_dict()
    assert mine.to_dict()["class_name"] == "YoutuEmbedding"
    pipeline = IngestionPipeline(transformations=[mine])
    pipeline.run(nodes=nodes())
    pipeline.transformations = [other]
    same([node.embedding for node in pipeline.run(nodes=nodes())], other.encoder.encode_document(TEXTS))


@pytest.mark.slow
def test_a_pipeline_with_two_workers(tiny, encoder):
    documents = [Document(text=text * 3, id_=str(i), metadata={"n": i}) for i, text in enumerate(TEXTS)]
    # LlamaIndex's default tokenizer is unpickled by a download.
    splitter = SentenceSplitter(tokenizer=str.split)
    pipeline = IngestionPipeline(transformations=[splitter, YoutuEmbedding(str(tiny))])
    done = pipeline.run(documents=documents, num_workers=2)
    assert len(done) == len(TEXTS)
    same([node.embedding for node in done], encoder.encode_document([node.text for node in done]))


@pytest.mark.slow
async def test_an_asynchronous_pipeline_with_two_workers(tiny, encoder):
    documents = [Document(text=text * 3, id_=str(i)) for i, text in enumerate(TEXTS)]
    # LlamaIndex's default tokenizer is unpickled by a download.
    splitter = SentenceSplitter(tokenizer=str.split)
    pipeline = IngestionPipeline(transformations=[splitter, YoutuEmbedding(str(tiny))])
    done = await asyncio.wait_for(pipeline.arun(documents=documents, num_workers=2), 120)
    same([node.embedding for node in done], encoder.encode_document([node.text for node in done]))


def test_vector_store_index_retriever_query_engine_and_reload(embed_model, encoder, tmp_path):
    documents = [Document(text=text, id_=str(i)) for i, text in enumerate(TEXTS)]
    index = VectorStoreIndex.from_documents(
        documents, transformations=[SentenceSplitter(), embed_model], embed_model=embed_model
    )
    texts = [node.text for node in index.docstore.docs.values()]
    scores = encoder.encode_document(texts) @ encoder.encode_query(["a"])[0]
    best = [texts[i] for i in np.argsort(-scores)[:4]]
    found = index.as_retriever(similarity_top_k=4).retrieve("a")
    assert [hit.node.text for hit in found] == best
    same([hit.score for hit in found], np.sort(scores)[::-1][:4])
    answer = index.as_query_engine(llm=MockLLM(), similarity_top_k=4).query("a")
    assert [hit.node.text for hit in answer.source_nodes] == best
    assert best[0] in str(answer)
    index.storage_context.persist(str(tmp_path))
    again = load_index_from_storage(
        StorageContext.from_defaults(persist_dir=str(tmp_path)), embed_model=embed_model
    )
    assert [hit.node.text for hit in again.as_retriever(similarity_top_k=4).retrieve("a")] == best
    assert Settings._embed_model is None  # nothing global was touched


def test_no_model_is_left_over(tiny):
    """Views with a cache, copies and pickles share the one model."""
    gc.collect()
    before = sum(isinstance(thing, SentenceTransformer) for thing in gc.get_objects())
    model = YoutuEmbedding(str(tiny), embeddings_cache=SimpleKVStore())
    for _ in range(3):
        model.get_query_embedding("a")
        pickle.loads(pickle.dumps(YoutuEmbedding(str(tiny))))
    assert sum(isinstance(thing, SentenceTransformer) for thing in gc.get_objects()) == before
