"""OpenAICompatibleEncoder: the local encoder's vectors from a real server, and one clear line where it fails."""

from __future__ import annotations

import logging
import pickle
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from checkpoints import HIDDEN, TEXTS
from engines.loopback import Reply
from engines.openai_server import OpenAIServer

from youtu_st import TextEncoder
from youtu_st.engines import OpenAICompatibleEncoder
from youtu_st.errors import EngineError, InputError, TruncationWarning, UnknownModelError
from youtu_st.spec.model import load_spec

MANY = [f"{text} {'again ' * (i * 7 % 40)}{i}" for i in range(5) for text in TEXTS]
INSTRUCTIONS = [("Classify the topic", None, "", "Find {braces}")[i % 4] for i in range(len(MANY))]
KEY = "sk-secret-0123456789"


@pytest.fixture
def server(last_token, serve):
    with OpenAIServer(serve(last_token[1])) as running:
        yield running


@pytest.fixture
def engine(server, last_token):
    return OpenAICompatibleEncoder(server.url, "served", spec=last_token[0])


def faulty(serve, last_token, **options):
    return OpenAIServer(serve(last_token[1]), **options)


def of(running, last_token, **settings):
    return OpenAICompatibleEncoder(running.url, "served", spec=last_token[0], **settings)


def test_gives_the_local_encoders_vectors(engine, last_token, server):
    local = last_token[1]
    for given in (None, "Classify the topic", "", INSTRUCTIONS):
        np.testing.assert_allclose(
            engine.encode_query(MANY, instruction=given),
            local.encode_query(MANY, instruction=given),
            atol=1e-6,
        )
    documents = engine.encode_document(MANY)
    np.testing.assert_allclose(documents, local.encode_document(MANY), atol=1e-6)
    assert documents.dtype == np.float32
    assert documents.shape == (len(MANY), HIDDEN)
    assert np.abs(documents - engine.encode_query(MANY)).max() > 0.1
    assert isinstance(engine, TextEncoder)
    assert engine.encode_query([]).shape == (0, HIDDEN)


def test_sends_the_prompt_before_the_text_and_asks_for_base64(engine, server, last_token):
    engine.encode_query(["a", "b"], instruction=["Classify", None])
    engine.encode_document(["a"])
    assert server.texts == ["Instruct: Classify\nQuery:a", "Instruct: Find it\nQuery:b", "Passage: a"]
    assert all(request.body["encoding_format"] == "base64" for request in server.requests)
    assert set(server.requests[0].body) == {"model", "input", "encoding_format"}
    told = OpenAICompatibleEncoder(server.url, "served", spec=last_token[0], extra_body={"priority": 1})
    told.encode_document(["a"])
    assert server.requests[-1].body["priority"] == 1
    assert told.fingerprint != engine.fingerprint


def test_equal_texts_are_sent_once(engine, server):
    vectors = engine.encode_document(["a", "b", "a", "a"])
    assert server.texts == ["Passage: a", "Passage: b"]
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01


def test_cuts_vectors_itself_where_the_model_was_trained_for_it(engine, last_token, server):
    full = last_token[1].encode_query(TEXTS)
    want = full[:, :8] / np.linalg.norm(full[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(engine.encode_query(TEXTS, dimensions=8), want, atol=1e-6)
    short = of(server, last_token, dimensions=8)
    np.testing.assert_allclose(short.encode_query(TEXTS), want, atol=1e-6)
    assert short.dimension == 8
    assert short.fingerprint != engine.fingerprint
    assert all("dimensions" not in request.body for request in server.requests)
    with pytest.raises(
        InputError, match=r"dimensions must be one of 8, 16, 32, which 'tiny' was trained for"
    ):
        engine.encode_query(TEXTS, dimensions=9)


def test_raw_vectors_are_as_the_server_sends_them(engine, last_token):
    raw = engine.encode_raw(TEXTS, "query", instruction="Classify")
    np.testing.assert_allclose(raw, 3 * last_token[1].encode_query(TEXTS, instruction="Classify"), atol=1e-5)
    with pytest.raises(InputError, match="role must be one of query, document, not 'passage'"):
        engine.encode_raw(TEXTS, "passage")


def shuffled(answer):
    return answer | {"data": answer["data"][::-1]}


@pytest.mark.parametrize(
    "options", [{"floats": True}, {"change": shuffled}, {"floats": True, "change": shuffled}]
)
def test_numbers_instead_of_base64_and_another_order_are_fine(serve, last_token, options):
    with faulty(serve, last_token, **options) as running:
        got = of(running, last_token, batch_size=7).encode_query(MANY)
    np.testing.assert_allclose(got, last_token[1].encode_query(MANY), atol=1e-6)


def without_index(answer):
    for row in answer["data"]:
        del row["index"]
    return answer


def test_vectors_without_an_index_are_taken_as_they_come(serve, last_token):
    with faulty(serve, last_token, change=without_index) as running:
        got = of(running, last_token).encode_query(TEXTS)
    np.testing.assert_allclose(got, last_token[1].encode_query(TEXTS), atol=1e-6)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_too_large_is_sent_in_halves(serve, last_token, status):
    with faulty(serve, last_token, max_batch=3, too_large=status) as running:
        got = of(running, last_token).encode_query(MANY)
    np.testing.assert_allclose(got, last_token[1].encode_query(MANY), atol=1e-6)
    assert min(len(request.body["input"]) for request in running.requests) >= 2


def test_one_text_that_the_server_refuses_is_named(serve, last_token):
    class Picky(OpenAIServer):
        def answer(self, request):
            if any("poison" in text for text in request.body["input"]):
                return Reply(400, {"error": {"message": "this model's maximum context length is 512 tokens"}})
            return super().answer(request)

    with Picky(serve(last_token[1])) as running, pytest.raises(EngineError) as caught:
        of(running, last_token).encode_document(["a", "b", "a", "poison", "c"])
    assert str(caught.value) == (
        f"text 3: http://{running.address} refused 'served': Error code: 400 - "
        "this model's maximum context length is 512 tokens"
    )


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.05"}),
        Reply(503, {"error": {"message": "warming up"}}, {"retry-after-ms": "20"}),
        Reply(500, b"oops", {"retry-after-ms": "20"}),
    ],
    ids=lambda reply: str(reply.status),
)
def test_throttling_and_faults_of_the_server_are_repeated(serve, last_token, reply):
    with faulty(serve, last_token, first=[reply, reply]) as running:
        start = time.perf_counter()
        got = of(running, last_token).encode_query(TEXTS)
        took = time.perf_counter() - start
    np.testing.assert_allclose(got, last_token[1].encode_query(TEXTS), atol=1e-6)
    assert len(running.requests) == 3
    assert took >= (0.1 if reply.status == 429 else 0.04)  # what Retry-After says, twice


def test_attempts_are_counted(serve, last_token):
    reply = Reply(500, {"error": {"message": "broken for good"}}, {"retry-after-ms": "1"})
    with faulty(serve, last_token, first=[reply] * 9) as running:
        with pytest.raises(EngineError, match=r"refused 'served': Error code: 500 - .*broken for good"):
            of(running, last_token, max_attempts=3).encode_query(TEXTS)
        assert len(running.requests) == 3


def test_a_server_that_does_not_answer(serve, last_token):
    with faulty(serve, last_token, delay=0.5) as running:
        with pytest.raises(EngineError) as caught:
            of(running, last_token, timeout=0.1, max_attempts=1).encode_query(TEXTS)
        assert str(caught.value) == f"http://{running.address} did not answer within 0.1 seconds, asked once"
        url = running.url
    with pytest.raises(EngineError, match=r"cannot be reached, asked once: .*[Cc]onnection refused"):
        OpenAICompatibleEncoder(url, "served", spec=last_token[0], max_attempts=1).encode_query(TEXTS)


def test_a_timeout_is_repeated(serve, last_token):
    class Slow(OpenAIServer):
        def answer(self, request):
            time.sleep(1.2 if len(self.requests) == 1 else 0)
            return super().answer(request)

    with Slow(serve(last_token[1])) as running:
        of(running, last_token, timeout=0.8, max_attempts=2).encode_query(["a"])
        assert len(running.requests) == 2


def edited(**changes):
    """Change the first row of an answer, or the whole of it."""

    def change(answer):
        answer["data"][0] |= changes
        return answer

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited(embedding=[float("nan")] * HIDDEN), "not finite or zero for text 0"),
        (edited(embedding=[None] * HIDDEN), "not finite or zero for text 0"),
        (edited(embedding=[1e300] * HIDDEN), "not finite or zero for text 0"),
        (edited(embedding=[0.0] * HIDDEN), "not finite or zero for text 0"),
        (edited(embedding=[1.0, 2.0]), "something else than vectors of one length"),
        (edited(embedding="&&&"), "something else than"),
        (edited(embedding=None), "something else than"),
        (edited(index=1), r"says that its 12 vectors are for the texts \[1, 1, 2"),
        (edited(index="0"), "says that its 12 vectors are for the texts"),
        (lambda answer: answer | {"data": answer["data"][:-1]}, "sent 11 vectors for 12 texts"),
        (lambda answer: answer | {"data": []}, "sent 0 vectors for 12 texts"),
        (lambda answer: {"object": "list"}, "something else than a list of embeddings"),
        (lambda answer: {"data": {"a": 1}}, "something else than a list of embeddings"),
        (lambda answer: {"data": ["a"] * 12}, "something else than a list of embeddings"),
        (lambda answer: [1, 2], "something else than a list of embeddings"),
        (lambda answer: b"<html>hello</html>", "something else than a list of embeddings"),
    ],
)
def test_what_no_such_model_gives_is_an_error(serve, last_token, change, message):
    with faulty(serve, last_token, change=change, floats=True) as running:
        with pytest.raises(EngineError, match=message) as caught:
            of(running, last_token, max_attempts=1).encode_query(TEXTS)
        assert "\n" not in str(caught.value)
        assert running.address in str(caught.value)


def test_pages_that_are_not_json(serve, last_token):
    page = Reply(200, b"<html>a proxy's page</html>", {"Content-Type": "text/html"})
    with (
        faulty(serve, last_token, first=[page]) as running,
        pytest.raises(EngineError, match="something else than a list of embeddings"),
    ):
        of(running, last_token).encode_query(TEXTS)


def test_another_models_dimension_is_an_error(last_token):
    with (
        OpenAIServer(lambda texts: np.ones((len(texts), 5))) as running,
        pytest.raises(
            EngineError, match=r"vectors of 5 dimensions, and tiny has 32: does it serve that model"
        ),
    ):
        of(running, last_token).encode_query(TEXTS)


def test_requests_run_at_once_up_to_the_limit_of_all_threads(serve, last_token):
    with faulty(serve, last_token, delay=0.02) as running:
        engine = of(running, last_token, batch_size=2, concurrency=3)
        want = last_token[1].encode_query(MANY)
        with ThreadPoolExecutor(4) as threads:
            for got in threads.map(lambda _: engine.encode_query(MANY), range(4)):
                np.testing.assert_allclose(got, want, atol=1e-6)
    assert running.most_in_flight == 3


def test_the_first_error_ends_a_call(serve, last_token):
    gone = Reply(404, {"error": {"message": "no such model"}})
    with (
        faulty(serve, last_token, first=[gone], delay=0.02) as running,
        pytest.raises(EngineError, match="no such model.*base_url usually ends with /v1"),
    ):
        of(running, last_token, batch_size=1, concurrency=2).encode_query(MANY)
    assert len(running.requests) < 10


def test_a_spec_that_masks_its_prompt_is_refused(server, masked):
    with pytest.raises(InputError, match="tiny leaves its prompt out of the mean.*server_masks=True"):
        OpenAICompatibleEncoder(server.url, "served", spec=masked[0])
    bare = masked[0].model_copy(update={"prompts": masked[0].prompts.model_copy(update={"query": ""})})
    with pytest.raises(InputError, match="leaves its prompt out"):
        OpenAICompatibleEncoder(server.url, "served", spec=bare)  # an instruction would still be averaged in
    assert OpenAICompatibleEncoder(server.url, "served", spec="minilm").dimension == 384
    taken = OpenAICompatibleEncoder(server.url, "served", spec=masked[0], server_masks=True)
    taken.encode_query(["a"])
    assert server.texts == [masked[0].prompts.query + "a"]


def test_the_spec_is_found_by_the_models_id(server):
    engine = OpenAICompatibleEncoder(server.url, "Qwen/Qwen3-Embedding-0.6B")
    assert engine.spec == load_spec("qwen3-embedding-0.6b")
    with pytest.raises(InputError, match=r"no shipped spec has the hub id 'served': say .* spec="):
        OpenAICompatibleEncoder(server.url, "served")
    with pytest.raises(UnknownModelError, match="Did you mean 'minilm'"):
        OpenAICompatibleEncoder(server.url, "served", spec="minilmm")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an int of at least 1, not 0"),
        ({"concurrency": 1.5}, "concurrency must be an int of at least 1, not 1.5"),
        ({"max_attempts": 0}, "max_attempts must be an int of at least 1, not 0"),
        ({"max_characters": -1}, "max_characters must be"),
        ({"timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds above 0, not inf"),
        ({"truncation": "cut"}, "truncation must be one of warn, error, ignore, not 'cut'"),
        ({"dimensions": 9}, "dimensions must be one of 8, 16, 32"),
        ({"base_url": "localhost:8000/v1"}, "base_url must be like 'http://localhost:8000/v1'"),
        ({"base_url": "http://me:pass@host/v1"}, "must not carry a password"),
    ],
)
def test_mistakes_are_found_at_once(last_token, settings, message):
    arguments = {"base_url": "http://127.0.0.1:9/v1", "model": "served", "spec": last_token[0]} | settings
    with pytest.raises(InputError, match=message) as caught:
        OpenAICompatibleEncoder(**arguments)
    assert "pass@" not in str(caught.value)


def test_texts_that_cannot_be_encoded_are_found_before_any_request(engine, server):
    for texts, message in (
        ("a", "must be a list of str, not one str"),
        (["a", " \n"], "text 1 is blank"),
        (["a", 3], "text 1 must be a str, not int"),
        (["a", "\ud800"], "text 1 holds half a surrogate pair"),
    ):
        with pytest.raises(InputError, match=message):
            engine.encode_query(texts)
    with pytest.raises(InputError, match="2 texts need 2 instructions"):
        engine.encode_query(["a", "b"], instruction=["Classify"])
    with pytest.raises(InputError, match="the instruction is a whole prompt"):
        engine.encode_query(["a"], instruction="Instruct: Classify\nQuery:")
    assert not server.requests


def test_the_truncation_policy_where_a_limit_is_known(server, last_token):
    texts = ["short", "x" * 9, "y" * 12, "x" * 9]
    with pytest.warns(TruncationWarning) as caught:
        of(server, last_token, max_characters=8).encode_document(texts)
    assert [str(warning.message) for warning in caught] == [
        "3 of 4 texts were cut to the server's 8 characters: the first is text 1 with 9, the longest has 12"
    ]
    assert caught[0].filename == __file__
    assert server.texts == ["Passage: short", "Passage: " + "x" * 8, "Passage: " + "y" * 8]
    seen = len(server.requests)
    with pytest.raises(InputError, match="text 1 has 9 characters, and the server reads 8"):
        of(server, last_token, max_characters=8, truncation="error").encode_document(texts)
    assert len(server.requests) == seen
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of(server, last_token, max_characters=8, truncation="ignore").encode_document(texts)
    with pytest.raises(InputError, match="text 0 is blank"), pytest.warns(TruncationWarning):
        of(server, last_token, max_characters=8).encode_document([" " * 8 + "a"])


def test_the_key_is_sent_and_shown_nowhere(serve, last_token, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    with faulty(serve, last_token, api_key=KEY) as running:
        engine = of(running, last_token, api_key=KEY)
        engine.encode_query(["a"])
        assert running.requests[-1].headers["authorization"] == f"Bearer {KEY}"
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        of(running, last_token).encode_query(["a"])
        monkeypatch.delenv("OPENAI_API_KEY")
        with pytest.raises(
            EngineError, match=r"401 .*Incorrect API key.*pass api_key=, or set OPENAI_API_KEY"
        ):
            of(running, last_token).encode_query(["a"])
        assert running.requests[-1].headers["authorization"] == "Bearer no-key"
        echo = Reply(403, {"error": {"message": f"{'x' * 120} the key {KEY} may not"}})
        running.first.append(echo)
        with pytest.raises(EngineError, match=r"the key \*\*\* may") as caught:
            engine.encode_query(["a"])
    assert "POST" in caplog.text
    shown = [caplog.text, repr(engine), str(vars(engine)), str(caught.value)]
    shown += [str(engine.identity), str(engine.runtime)]
    assert not [text for text in shown if KEY[:12] in text]
    with pytest.raises(InputError, match="was given a secret, which is not pickled"):
        pickle.dumps(engine)


def test_pickles_as_its_settings(engine, last_token, server):
    again = pickle.loads(pickle.dumps(engine))
    assert again.fingerprint == engine.fingerprint
    np.testing.assert_array_equal(again.encode_query(TEXTS), engine.encode_query(TEXTS))


def test_what_decides_a_vector_is_its_identity(engine, server, last_token):
    assert repr(engine) == (
        f"OpenAICompatibleEncoder('served' at http://{server.address}, spec tiny, not asked yet)"
    )
    assert (engine.dimension, server.asked) == (32, ["/info"])
    assert repr(engine) == (
        f"OpenAICompatibleEncoder('served' at http://{server.address}, spec tiny, 32 dimensions, "
        f"fingerprint {engine.fingerprint})"
    )
    assert engine.model_name == "served"
    assert engine.runtime == {"backend": "openai-compatible", "device": f"http://{server.address}"}
    assert engine.identity["prompts"] == last_token[1].identity["prompts"]
    free = {"api_key": KEY, "timeout": 3.0, "concurrency": 1, "batch_size": 5, "max_attempts": 1}
    with OpenAIServer(None) as second:
        elsewhere = OpenAICompatibleEncoder(second.url, "served", spec=last_token[0], **free)
        assert elsewhere.fingerprint == engine.fingerprint
    others = [
        OpenAICompatibleEncoder(server.url, "other", spec=last_token[0]),
        of(server, last_token, dimensions=16),
        of(server, last_token, max_characters=9),
        *(
            OpenAICompatibleEncoder(server.url, "served", spec=last_token[0].model_copy(update=change))
            for change in ({"max_length": 9}, {"template": None}, {"pooling": "mean"})
        ),
    ]
    assert len({other.fingerprint for other in others} | {engine.fingerprint}) == len(others) + 1


def test_threads_end_with_the_call(engine):
    engine.encode_query(MANY)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("youtu-st-engine")]
