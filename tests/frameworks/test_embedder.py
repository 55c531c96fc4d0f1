"""Embedder: rows as floats, concurrent calls in shared batches, and one call's mistake its own."""

from __future__ import annotations

import asyncio
import pickle
import threading

import numpy as np
import pytest
from checkpoints import TEXTS, save_spec

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.frameworks.embedder import Embedder


@pytest.fixture(scope="module")
def encoder(tiny):
    return Encoder(tiny)


class Numbers:
    """An encoder of the user's own, whose rows say which text they are of."""

    dimension = 1
    model_name = fingerprint = "numbers"

    def __init__(self):
        self.calls, self.runs, self.go_on = [], threading.Event(), threading.Event()
        self.go_on.set()

    def _encode(self, role, texts, instruction):
        self.calls.append((role, instruction, list(texts)))
        self.runs.set()
        assert self.go_on.wait(10)
        if "bad" in texts:
            raise InputError(f"text {texts.index('bad')} is bad")
        return np.array([[float(text)] for text in texts], dtype=np.float32)

    def encode_query(self, texts, *, instruction=None):
        return self._encode("query", texts, instruction)

    def encode_document(self, texts, *, instruction=None):
        return self._encode("document", texts, instruction)


async def test_calls_of_an_encoder_of_ones_own_that_wait_together_share_a_call():
    encoder = Numbers()
    encoder.go_on.clear()
    embedder = Embedder(encoder)
    calls = [asyncio.create_task(embedder.aembed("query", ["0"]))]
    await asyncio.to_thread(encoder.runs.wait, 10)
    calls += [asyncio.create_task(embedder.aembed("query", [str(i)])) for i in range(1, 4)]
    calls.append(asyncio.create_task(embedder.aembed("query", ["4"], instruction="told")))
    calls.append(asyncio.create_task(embedder.aembed("document", ["5"])))
    await asyncio.sleep(0)  # let every task hand its texts over
    encoder.go_on.set()
    assert await asyncio.gather(*calls) == [[[float(i)]] for i in range(6)]
    assert encoder.calls == [
        ("query", None, ["0"]),
        ("query", None, ["1", "2", "3"]),
        ("query", "told", ["4"]),
        ("document", None, ["5"]),
    ]


async def test_a_question_waits_for_a_part_of_a_corpus_only():
    encoder = Numbers()
    encoder.go_on.clear()
    embedder = Embedder(encoder)
    corpus = asyncio.create_task(embedder.aembed("document", [str(i) for i in range(1000)]))
    await asyncio.to_thread(encoder.runs.wait, 10)
    question = asyncio.create_task(embedder.aembed("query", ["7"]))
    await asyncio.sleep(0)
    encoder.go_on.set()
    assert await question == [[7.0]]
    assert await corpus == [[float(i)] for i in range(1000)]
    assert [(role, len(texts)) for role, _, texts in encoder.calls] == [
        ("document", 256),
        ("query", 1),
        ("document", 256),
        ("document", 256),
        ("document", 232),
    ]


async def test_a_mistake_reaches_its_own_caller_only():
    encoder = Numbers()
    encoder.go_on.clear()
    embedder = Embedder(encoder)
    texts = ["1", "bad", "2", "3"]
    calls = [asyncio.create_task(embedder.aembed("query", [text])) for text in ["0", *texts]]
    await asyncio.to_thread(encoder.runs.wait, 10)
    await asyncio.sleep(0)
    encoder.go_on.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(found[2], InputError)
    assert str(found[2]) == "text 0 is bad"  # counted within the caller's own texts
    assert [found[i] for i in (0, 1, 3, 4)] == [[[0.0]], [[1.0]], [[2.0]], [[3.0]]]


async def test_a_cancelled_call_is_not_encoded_and_others_are():
    encoder = Numbers()
    encoder.go_on.clear()
    embedder = Embedder(encoder)
    first = asyncio.create_task(embedder.aembed("query", ["1"]))
    await asyncio.to_thread(encoder.runs.wait, 10)
    second, third = (asyncio.create_task(embedder.aembed("query", [text])) for text in "23")
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    encoder.go_on.set()
    assert [await first, await third] == [[[1.0]], [[3.0]]]
    assert second.cancelled()
    assert [text for _, _, texts in encoder.calls for text in texts] == ["1", "3"]


async def test_rows_are_the_encoders_as_floats(encoder):
    embedder = Embedder(encoder)
    instruction = "Classify the topic"
    for role, encode in (("query", encoder.encode_query), ("document", encoder.encode_document)):
        for told in (None, "", instruction):
            expected = encode(TEXTS, instruction=told)
            rows = embedder.embed(role, TEXTS, instruction=told)
            assert type(rows[0][0]) is float
            np.testing.assert_allclose(rows, expected, atol=1e-6)
            np.testing.assert_allclose(
                await embedder.aembed(role, TEXTS, instruction=told), expected, atol=1e-6
            )
    assert embedder.embed("document", []) == []
    assert await embedder.aembed("document", []) == []


def test_an_encoder_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"for a SentenceTransformer pass Encoder\(model\)"):
        Embedder(youtu_st.load("minilm"))


# -- what the encoder had to learn for it ---------------------------------------------------------------


def test_documents_take_an_instruction_too(encoder):
    told = "Classify the topic"
    template = encoder.model[0].template
    expected = encoder.model.encode(
        TEXTS, prompt=template.replace("{instruction}", told), normalize_embeddings=True
    )
    np.testing.assert_allclose(encoder.encode_document(TEXTS, instruction=told), expected, atol=1e-5)
    own = encoder.encode_document(TEXTS)
    np.testing.assert_array_equal(encoder.encode_document(TEXTS, instruction=None), own)
    assert np.abs(encoder.encode_document(TEXTS, instruction=told) - own).max() > 0.01


def test_a_whole_prompt_is_not_put_into_the_template_again(encoder):
    template = encoder.model[0].template
    whole = template.replace("{instruction}", "Classify the topic")
    with pytest.raises(InputError, match="pass the task description alone, 'Classify the topic'"):
        encoder.encode_query(["text"], instruction=whole)
    with pytest.raises(InputError, match="'Classify the topic'"):
        encoder.encode_query(["text"], instruction=whole.rstrip())


def test_prompts_replace_the_models_own(tiny, encoder):
    other = Encoder(tiny, prompts={"query": "query: ", "document": "passage: "})
    for role, prompt in (("query", "query: "), ("document", "passage: ")):
        expected = encoder.model.encode(TEXTS, prompt=prompt, normalize_embeddings=True)
        encode = other.encode_query if role == "query" else other.encode_document
        np.testing.assert_allclose(encode(TEXTS), expected, atol=1e-5)
    assert other.fingerprint != encoder.fingerprint
    assert Encoder(tiny, prompts={"document": ""}).fingerprint == encoder.fingerprint
    with pytest.raises(InputError, match="a role in prompts must be one of query, document, not 'passage'"):
        Encoder(tiny, prompts={"passage": "x"})
    with pytest.raises(ModelLoadError, match="no room for text"):
        Encoder(tiny, prompts={"query": "word " * 600})


def test_a_shorter_maximum_length(tiny, encoder):
    short = Encoder(tiny, max_length=40, truncation="ignore")
    text = "one two three four five six seven eight nine ten " * 5
    kept = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert short.max_length == 40
    assert short.fingerprint != encoder.fingerprint
    # The same text cut by hand: 40 tokens with what the tokenizer adds.
    room = 40 - len(encoder.tokenizer("")["input_ids"])
    cut = encoder.tokenizer.decode(kept[:room])
    np.testing.assert_allclose(short.encode_document([text]), encoder.encode_document([cut]), atol=1e-5)
    for wrong in (0, 513, "many"):
        with pytest.raises(InputError, match="max_length"):
            Encoder(tiny, max_length=wrong)


def test_hub_options_are_named(tiny):
    with pytest.raises(InputError, match="an option of hub must be one of revision, cache_dir"):
        Encoder(tiny, hub={"revison": "main"})
    assert Encoder(tiny, hub={"revision": "main"}).dimension == 32  # nothing to download


def test_pickled_as_settings_not_weights(tiny, tmp_path):
    encoder = Encoder.shared(tiny, max_length=100, prompts={"query": "q: "})
    data = pickle.dumps(encoder)
    assert len(data) < 2000
    assert pickle.loads(data) is encoder
    loaded = Encoder(youtu_st.load(tiny))
    with pytest.raises(InputError, match="save the model with save_pretrained"):
        pickle.dumps(loaded)


def test_another_model_in_the_same_place_is_noticed(checkpoint, tmp_path):
    place = tmp_path / "model"
    youtu_st.load(save_spec(tmp_path / "a.yaml"), checkpoint("youtu", "bpe-bos")).save_pretrained(str(place))
    data = pickle.dumps(Encoder(place))
    changed = youtu_st.load(place)
    changed.prompts["query"] = "another: "
    changed.save_pretrained(str(place))
    with pytest.raises(ModelLoadError, match="the model there is another"):
        pickle.loads(data)
