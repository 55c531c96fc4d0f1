"""The engine behind a youtu-st server: role and instruction as fields, and the model's own identity."""

from __future__ import annotations

import json
import pickle
import re
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import checkpoints
import numpy as np
import pytest
from checkpoints import TEXTS
from engines.hostile_server import KEY, HostileServer, http
from engines.loopback import Reply
from engines.openai_server import OpenAIServer
from engines.test_engine_forks import in_child
from engines.youtu_server import YoutuServer

from youtu_st import Encoder
from youtu_st.engines import OpenAICompatibleEncoder
from youtu_st.errors import EngineError, InputError, RepeatedPromptWarning, TruncationWarning
from youtu_st.index import VectorIndex

MANY = [f"{text} {'again ' * (i * 7 % 40)}{i}" for i in range(5) for text in TEXTS]
INSTRUCTIONS = [("Classify the topic", None, "", "Find {braces}")[i % 4] for i in range(len(MANY))]
LATER = Reply(503, {"error": {"message": "the server is loading its model"}}, {"Retry-After": "0.05"})


@pytest.fixture(scope="module")
def local(masked):
    """The encoder, quiet about long texts."""
    return masked[1]


@pytest.fixture
def server(masked):
    with YoutuServer(masked[1], spec=masked[0]) as running:
        yield running


@pytest.fixture
def engine(server):
    return OpenAICompatibleEncoder(server.url, "tiny")


def bodies(server):
    return [request.body for request in server.requests]


@pytest.mark.slow
def test_it_has_the_models_vectors_and_identity(engine, server, local):
    for given in (None, "Classify the topic", "", INSTRUCTIONS):
        np.testing.assert_allclose(
            engine.encode_query(MANY, instruction=given),
            local.encode_query(MANY, instruction=given),
            atol=1e-6,
        )
        np.testing.assert_allclose(
            engine.encode_document(MANY, instruction=given),
            local.encode_document(MANY, instruction=given),
            atol=1e-6,
        )
    assert (engine.identity, engine.fingerprint) == (local.identity, local.fingerprint)
    assert (engine.dimension, engine.spec, engine.model_name) == (32, server.spec, "tiny")
    assert engine.tells_identity
    assert server.asked == ["/info"]
    assert engine.encode_query([]).shape == (0, 32)


def test_role_and_instruction_are_fields_beside_the_bare_text(engine, server):
    engine.encode_query(["a"])
    engine.encode_document(["a"], instruction="")
    engine.encode_query(["a", "b"], instruction="Classify")
    engine.encode_query(["a", "b"], instruction=["Classify", None])
    common = {"model": "tiny", "encoding_format": "base64", "truncate": True}
    assert bodies(server) == [
        {**common, "input": ["a"], "input_type": "query"},
        {**common, "input": ["a"], "input_type": "document", "instruction": ""},
        {**common, "input": ["a", "b"], "input_type": "query", "instruction": "Classify"},
        {**common, "input": ["a", "b"], "input_type": "query", "instruction": ["Classify", None]},
    ]


def test_equal_texts_are_sent_once_for_each_instruction(engine, server, local):
    got = engine.encode_query(["a", "b", "a", "a"], instruction=[None, None, "", None])
    assert [body["input"] for body in bodies(server)] == [["a", "b", "a"]]
    np.testing.assert_allclose(
        got, local.encode_query(["a", "b", "a", "a"], instruction=[None, None, "", None]), atol=1e-6
    )
    with pytest.warns(RepeatedPromptWarning, match="beginning with text 1"):
        engine.encode_query(["a", "Instruction: Given a search query \nQuery:b"])


def test_shorter_vectors_are_cut_by_the_server(engine, server, local):
    np.testing.assert_allclose(
        engine.encode_query(TEXTS, dimensions=8), local.encode_query(TEXTS, dimensions=8), atol=1e-6
    )
    assert bodies(server)[0]["dimensions"] == 8
    short = OpenAICompatibleEncoder(server.url, "tiny", dimensions=16)
    short_here = Encoder(server.encoder.model, dimensions=16)
    assert short.dimension == 16
    assert (short.identity, short.fingerprint) == (short_here.identity, short_here.fingerprint)
    with pytest.raises(
        InputError, match=r"dimensions must be one of 8, 16, 32, which 'tiny' was trained for"
    ):
        engine.encode_query(TEXTS, dimensions=9)
    with pytest.raises(InputError, match=r"dimensions must be one of 8, 16, 32"):
        OpenAICompatibleEncoder(server.url, "tiny", dimensions=9)
    raw = engine.encode_raw(TEXTS, "query")
    np.testing.assert_allclose(raw, local.encode_query(TEXTS), atol=1e-6)


@pytest.mark.parametrize("name", ["tiny:query", "tiny:document", None])
def test_any_of_its_names_will_do(server, local, name):
    engine = OpenAICompatibleEncoder(server.url, name)
    for role in ("query", "document"):
        encode = f"encode_{role}"
        np.testing.assert_allclose(getattr(engine, encode)(TEXTS), getattr(local, encode)(TEXTS), atol=1e-6)
    assert {body["model"] for body in bodies(server)} == {"tiny"}
    assert engine.model_name == "tiny"


def test_another_model_than_the_one_that_is_there(server, last_token):
    with pytest.raises(EngineError, match=r"^http://127.0.0.1:\d+ serves 'tiny', and no 'huge'$"):
        OpenAICompatibleEncoder(server.url, "huge")
    engine = OpenAICompatibleEncoder(server.url, "tiny", spec="minilm")
    with pytest.raises(EngineError, match="with vectors of 32 dimensions, and minilm has 384: it is another"):
        engine.encode_query(["a"])


def test_settings_for_other_servers_do_no_harm(server, masked, local):
    engine = OpenAICompatibleEncoder(
        server.url, "tiny", spec=masked[0], server_masks=True, extra_body={"user": "me"}, same_as=local
    )
    np.testing.assert_allclose(engine.encode_query(TEXTS), local.encode_query(TEXTS), atol=1e-6)
    assert engine.fingerprint == local.fingerprint
    assert {body["user"] for body in bodies(server)} == {"me"}


def test_an_index_opens_with_both(engine, local, tmp_path):
    facts = ["Mars is red.", "Venus is hot.", "火星是红色的。", "Jupiter is large."]
    scores = (local.encode_document(facts) @ local.encode_query(["red?"]).T)[:, 0]
    best = [(facts[i], pytest.approx(float(scores[i]), abs=1e-5)) for i in np.argsort(-scores)]
    for first, second in ((local, engine), (engine, local)):
        path = tmp_path / type(first).__name__
        with VectorIndex.create(path, first) as index:
            index.add(facts[:2])
        with VectorIndex.open(path, second) as index:
            index.add(facts[2:])
            assert [(hit.text, hit.score) for hit in index.search("red?", k=4)] == best


def test_mistakes_are_found_before_any_request(server, masked):
    engine = OpenAICompatibleEncoder(server.url, "tiny", spec=masked[0])
    asked = len(server.asked)
    with pytest.raises(InputError, match="the instruction is a whole prompt"):
        engine.encode_query(["a"], instruction="Instruction: Classify \nQuery:")
    with pytest.raises(InputError, match="text 1 is blank"):
        engine.encode_query(["a", " "])
    with pytest.raises(InputError, match="2 texts need 2 instructions"):
        engine.encode_query(["a", "b"], instruction=["Classify"])
    assert (len(server.asked), server.requests) == (asked, [])


def test_without_a_spec_the_servers_is_looked_at(engine, server):
    with pytest.raises(InputError, match="the instruction is a whole prompt"):
        engine.encode_query(["a"], instruction="Instruction: Classify \nQuery:")
    with YoutuServer(server.encoder, told={"takes_instructions": False}) as other:
        with pytest.raises(InputError, match="this model takes no instructions"):
            OpenAICompatibleEncoder(other.url).encode_query(["a"], instruction="Classify")
        assert other.requests == []
    with YoutuServer(server.encoder) as other:  # a directory: nothing is known of its template
        engine = OpenAICompatibleEncoder(other.url, "tiny")
        assert engine.spec is None
        np.testing.assert_allclose(
            engine.encode_query(["a"], instruction="Classify"),
            server.encoder.encode_query(["a"], instruction="Classify"),
            atol=1e-6,
        )


@pytest.fixture(scope="module")
def short(masked, checkpoint, folder):
    """A model that reads 24 tokens."""
    file = checkpoints.save_spec(folder / "short.yaml", max_length=24, matryoshka_dimensions=[8, 16])
    return Encoder(file, checkpoint=checkpoint("youtu", "bpe-bos"), truncation="ignore")


def test_texts_over_its_length(short):
    texts = ["a", "b", "a", "long " * 40, "longer " * 40]
    with YoutuServer(short) as server:
        strict = OpenAICompatibleEncoder(server.url, "tiny", truncation="error")
        with pytest.raises(
            InputError, match=r"^text 3 has \d+ tokens with what stands before it, and the model"
        ):
            strict.encode_document(texts)
        assert len(server.requests) == 1
        with pytest.warns(
            TruncationWarning, match=r"^2 of 4 texts were cut by http://.* split them"
        ) as caught:
            got = OpenAICompatibleEncoder(server.url, "tiny", batch_size=3).encode_document(texts)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        np.testing.assert_allclose(got, short.encode_document(texts), atol=1e-6)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            OpenAICompatibleEncoder(server.url, "tiny", truncation="ignore").encode_document(texts)


def test_what_it_takes_in_one_request_is_kept_to(masked, local):
    with YoutuServer(local, max_texts=5) as server:
        got = OpenAICompatibleEncoder(server.url, "tiny").encode_document(MANY)
        assert max(len(body["input"]) for body in bodies(server)) == 5
        assert len(server.requests) == len(MANY) // 5
        np.testing.assert_allclose(got, local.encode_document(MANY), atol=1e-6)
        server.max_texts = 3  # started anew with another limit
        engine = OpenAICompatibleEncoder(server.url, "tiny")
        assert engine.dimension == 32
        server.max_texts = 2
        np.testing.assert_allclose(engine.encode_document(TEXTS), local.encode_document(TEXTS), atol=1e-6)


def test_a_model_that_changes_under_it_is_an_error(engine, server, last_token):
    engine.encode_query(["a"])
    before, server.encoder = server.encoder, last_token[1]
    with pytest.raises(EngineError) as caught:
        engine.encode_query(["a"])
    assert str(caught.value) == (
        f"http://{server.address} serves another model now: its fingerprint was {before.fingerprint}, and is "
        f"{server.encoder.fingerprint}. Vectors of both do not go together; make a new engine"
    )
    server.encoder, server.headers = before, {}
    with pytest.raises(EngineError, match="names no model in X-Model-Fingerprint"):
        engine.encode_query(["a"])
    server.headers = None
    engine.encode_query(["a"])


def test_a_server_that_turns_out_to_be_one_of_ours_is_not_sent_prompts(last_token):
    hidden = [Reply(404)]
    with YoutuServer(last_token[1], info=hidden) as server:
        engine = OpenAICompatibleEncoder(
            server.url, "tiny", spec=last_token[0], extra_body={"input_type": "query"}
        )
        with (
            pytest.warns(RepeatedPromptWarning),
            pytest.raises(EngineError, match="is a youtu-st server, and was none when it was asked"),
        ):
            engine.encode_query(["a"])


def test_it_is_waited_for_while_it_loads(local, masked):
    with YoutuServer(local, spec=masked[0], info=[LATER] * 8, first=[LATER] * 8) as server:
        engine = OpenAICompatibleEncoder(server.url, "tiny", max_attempts=2)
        start = time.perf_counter()
        np.testing.assert_allclose(engine.encode_query(TEXTS), local.encode_query(TEXTS), atol=1e-6)
        assert time.perf_counter() - start >= 0.7  # what Retry-After says, fifteen times
        assert (len(server.asked), len(server.requests)) == (9, 9)
    with YoutuServer(local, first=[LATER] * 99, told={"fingerprint": "f"}) as server:
        engine = OpenAICompatibleEncoder(server.url, "tiny", timeout=0.4)
        with pytest.raises(EngineError, match="Error code: 503 - the server is loading its model"):
            engine.encode_query(TEXTS)
        assert 3 <= len(server.requests) <= 12
        asked = len(server.requests)
        with pytest.raises(EngineError, match="503"):
            OpenAICompatibleEncoder(server.url, "tiny", max_attempts=1).encode_query(TEXTS)
        assert len(server.requests) == asked + 1


def test_other_faults_are_repeated_as_often_as_is_wanted(engine, server, local):
    for status in (429, 500, 504):
        server.first = [Reply(status, {"error": {"message": "not now"}}, {"Retry-After": "0.01"})] * 4
        np.testing.assert_allclose(engine.encode_query(TEXTS), local.encode_query(TEXTS), atol=1e-6)
    server.first = [Reply(500, {"error": {"message": "never"}}, {"Retry-After": "0.01"})] * 9
    with pytest.raises(EngineError, match="Error code: 500 - never"):
        engine.encode_query(TEXTS)
    assert len(server.first) == 4
    server.first = [Reply(401, {"error": {"message": "no key"}})]
    with pytest.raises(EngineError, match="401 - no key; pass api_key=, or set OPENAI_API_KEY"):
        engine.encode_query(TEXTS)


def test_nobody_there_is_not_remembered(local, masked):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    engine = OpenAICompatibleEncoder(url, "tiny", max_attempts=1)
    for ask in (lambda: engine.fingerprint, lambda: engine.encode_query(["a"]), lambda: engine.spec):
        with pytest.raises(EngineError, match=r"cannot be reached, asked once: .*[Cc]onnection refused"):
            ask()
    assert repr(engine) == f"OpenAICompatibleEncoder('tiny' at http://127.0.0.1:{port}, not asked yet)"
    with YoutuServer(local, spec=masked[0], port=port):
        assert engine.fingerprint == local.fingerprint


def test_it_comes_back_after_a_while(local, masked):
    with YoutuServer(local, spec=masked[0]) as server:
        engine = OpenAICompatibleEncoder(server.url, "tiny", max_attempts=2)
        engine.encode_query(["a"])
        port = server.server.server_port
    engine = pickle.loads(pickle.dumps(engine))  # which has no connection to what is gone
    with ThreadPoolExecutor(1) as threads:
        got = threads.submit(engine.encode_query, TEXTS)
        time.sleep(3)  # more than two attempts take
        assert not got.done()
        with YoutuServer(local, spec=masked[0], port=port):
            np.testing.assert_allclose(got.result(), local.encode_query(TEXTS), atol=1e-6)


def test_it_is_asked_once_by_all_threads(local, masked):
    with YoutuServer(local, spec=masked[0], info=[LATER] * 3) as server:
        engine = OpenAICompatibleEncoder(server.url, "tiny:query", spec=masked[0], server_masks=True)
        with ThreadPoolExecutor(8) as threads:
            found = set(threads.map(lambda _: engine.fingerprint, range(32)))
        assert found == {local.fingerprint}
        assert len(server.asked) == 4


def test_threads_that_wait_for_one_answer_fail_with_it(local):
    with YoutuServer(local, info=[LATER] * 999) as server:
        engine = OpenAICompatibleEncoder(server.url, "tiny", timeout=0.5)
        start = threading.Barrier(8)

        def ask():
            start.wait()
            with pytest.raises(EngineError, match="answered GET /info with 503"):
                engine.fingerprint  # noqa: B018
            return time.perf_counter()

        began = time.perf_counter()
        with ThreadPoolExecutor(8) as threads:
            ended = max(threads.map(lambda _: ask(), range(8)))
        assert ended - began < 2.5  # and not 8 times half a second


def test_copies_and_children_know_what_it_is(engine, server, local):
    assert engine.fingerprint == local.fingerprint
    again = pickle.loads(pickle.dumps(engine))
    assert (again.fingerprint, again.identity) == (local.fingerprint, local.identity)
    np.testing.assert_array_equal(again.encode_query(TEXTS), engine.encode_query(TEXTS))
    fresh = OpenAICompatibleEncoder(server.url, "tiny", spec=server.spec, server_masks=True)
    given = in_child(lambda: (fresh.fingerprint, fresh.encode_query(TEXTS), engine.encode_query(TEXTS)))
    assert given[0] == local.fingerprint
    np.testing.assert_array_equal(given[1], given[2])
    assert server.asked == ["/info"] * 2  # here, and for the fresh one in the child
    assert fresh.fingerprint == local.fingerprint
    assert len(server.asked) == 3


TOLD = {
    "no object": ({"identity": ["weights"]}, "identity is no object"),
    "no parts": ({"identity": {}}, "identity has no parts, or too many"),
    "a number": ({"identity": {"weights": 1}}, "weights is 1, and no line of text"),
    "two lines": ({"fingerprint": "a\nb"}, "fingerprint is 'a\\\\nb', and no line of text"),
    "what a terminal obeys": ({"name": "\x1b[2J"}, "name is '.*', and no line of text"),
    "no fingerprint": ({"fingerprint": None}, "fingerprint is None, and no line of text"),
    "true for a length": ({"dimension": True}, "dimension is True, and no int from 1"),
    "a huge length": ({"dimension": 10**12}, "dimension is 1000000000000, and no int from 1"),
    "no lengths": ({"dimensions": []}, "dimensions has none"),
    "lengths that fall": ({"dimensions": [32, 8]}, "dimensions do not ascend"),
    "a str of names": ({"names": "tiny"}, "names is no list"),
    "the key": ({"identity": {"weights": KEY}}, "it repeats the key"),
    "too much": ({"identity": {"weights": "x" * 70_000}}, "it tells more than 65,536 characters"),
}


@pytest.mark.parametrize(("told", "message"), TOLD.values(), ids=TOLD)
def test_what_it_says_of_itself_is_checked(local, told, message):
    with YoutuServer(local, told=told) as server, pytest.raises(EngineError) as caught:
        OpenAICompatibleEncoder(server.url, "tiny", api_key=KEY)
    found = str(caught.value)
    start = f"http://{server.address} says that it is a youtu-st server, and of itself what cannot be: "
    assert found.startswith(start)
    assert re.search(message, found), found
    assert found.isprintable()
    assert KEY not in found


def test_parts_that_are_missing(local):
    with YoutuServer(local) as server:
        whole = server.about()
        for part in ("model", "limits"):
            server.info = [Reply(body={name: told for name, told in whole.items() if name != part})]
            with pytest.raises(EngineError, match=f"what cannot be: '{part}' is missing"):
                OpenAICompatibleEncoder(server.url, "tiny")
        server.info = [Reply(body={**whole, "model": {**whole["model"], "spec": {"of": "another release"}}})]
        assert OpenAICompatibleEncoder(server.url, "tiny").spec is None


OTHERS = {
    "404": http(b"{}", "404 Not Found"),
    "401": http(b"{}", "401 No"),
    "500": http(b"oops", "500 Oops"),
    "501": http(b"", "501 No"),
    "a page": http(b"<html>"),
    "another's": http(b'{"model_id": "Qwen/Qwen3-Embedding-0.6B", "version": "1.8"}'),
    "a list": http(b"[]"),
    "nothing": http(b""),
    "bytes": http(bytes(range(256))),
    "too many lists": http(b"[" * 99_999),
    "too much": http(b" " * (3 << 20)),
    "what is packed otherwise": http(b"x", Content_Encoding="br"),
    "elsewhere": http(b"", "302 Found", Location="/login"),
}
ODD = {
    "502": http(b"", "502 Bad Gateway"),
    "503 without a time": http(b"", "503 No"),
    "no HTTP": b"\x16\x03\x01",
    "a closed connection": b"",
}


@pytest.mark.parametrize("answer", [*OTHERS.values(), *ODD.values()], ids=[*OTHERS, *ODD])
def test_another_server_is_asked_once(bare, answer):
    asked = []

    def info(connection, request):
        asked.append(request)
        connection.sendall(answer)

    rows = {"data": [{"index": 0, "embedding": [1.0] * 32}]}
    with HostileServer(lambda c, _: c.sendall(http(json.dumps(rows).encode())), info=info) as server:
        engine = OpenAICompatibleEncoder(f"http://{server.address}/v1", "served", spec=bare)
        for _ in range(3):
            assert engine.encode_query(["a"]).shape == (1, 32)
        assert not engine.tells_identity
        assert engine.identity["engine"] == "openai-compatible"
        redirects = sum(request.startswith(b"GET /login") for request in asked)
        assert len(asked) - redirects == 1
        assert len(server.requests) == 3
        assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2])["input"] == ["a"]


def test_a_server_that_does_not_answer_costs_its_time_once(bare):
    rows = {"data": [{"index": 0, "embedding": [1.0] * 32}]}
    with HostileServer(
        lambda c, _: c.sendall(http(json.dumps(rows).encode())), info=lambda c, _: server.stopped.wait(9)
    ) as server:
        engine = OpenAICompatibleEncoder(f"http://{server.address}/v1", "served", spec=bare, timeout=0.5)
        start = time.perf_counter()
        engine.encode_query(["a"])
        first = time.perf_counter()
        engine.encode_query(["b"])
        assert 0.5 <= first - start < 1.5
        assert time.perf_counter() - first < 0.4


def test_a_masked_model_elsewhere_is_refused_at_once_where_that_is_known(masked):
    with OpenAIServer(None) as server:
        for spec, message in (
            (masked[0], "leaves its prompt out of the mean"),
            (None, "no shipped spec has"),
        ):
            with pytest.raises(InputError, match=message):
                OpenAICompatibleEncoder(server.url, "served", spec=spec)
    with HostileServer(
        lambda c, _: c.sendall(http(b"{}")), info=lambda c, _: c.sendall(ODD["502"])
    ) as server:
        engine = OpenAICompatibleEncoder(f"http://{server.address}/v1", "served", spec=masked[0])
        with pytest.raises(
            EngineError, match=r"no telling what to send: http://\S+ answered GET /info with 502"
        ):
            engine.encode_query(["a"])
        assert server.requests == []


def test_without_its_key_there_is_no_telling(local):
    refused = Reply(401, {"error": {"message": "a key is needed"}})
    with YoutuServer(local, info=[refused] * 2) as server:
        engine = OpenAICompatibleEncoder(server.url, "tiny")
        with pytest.raises(EngineError, match=r"GET /info with 401; pass api_key=, or set OPENAI_API_KEY"):
            engine.encode_query(["a"])
        assert engine.fingerprint == local.fingerprint


def test_what_the_server_alone_can_tell_is_an_error_of_input_too(server):
    engine = OpenAICompatibleEncoder(server.url, "tiny", extra_body={"priority": 1})
    with pytest.raises(InputError, match="refused 'tiny': Error code: 400 - 'priority' is no field of this"):
        engine.encode_query(["a"])
    assert len(server.requests) == 1


def test_lists_inside_each_other_are_no_information(local):
    deep = {"identity": json.loads("[" * 900 + "]" * 900)}
    with YoutuServer(local, told=deep) as server, pytest.raises((EngineError, InputError)):
        OpenAICompatibleEncoder(server.url, "tiny")


def test_the_path_before_v1_is_kept(bare):
    paths = []
    with HostileServer(
        lambda c, _: c.sendall(http(b"{}")),
        info=lambda c, request: (paths.append(request.split()[1]), c.sendall(OTHERS["404"])),
    ) as server:
        for path in ("/v1", "/v1/", "", "/models/tiny/v1"):
            engine = OpenAICompatibleEncoder(f"http://{server.address}{path}", "served", spec=bare)
            assert not engine.tells_identity
    assert paths == [b"/info", b"/info", b"/info", b"/models/tiny/info"]
