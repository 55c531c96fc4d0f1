"""TencentCloudEncoder: the local encoder's vectors through the API's limits, its signature and its errors."""

from __future__ import annotations

import logging
import pickle
import re

import numpy as np
import pytest
from checkpoints import HIDDEN, TEXTS
from engines.loopback import Reply
from engines.tencent_server import SECRET_ID, SECRET_KEY, TencentServer, error
from tencentcloud.common.credential import Credential

from youtu_st import TextEncoder
from youtu_st.engines import TencentCloudEncoder
from youtu_st.errors import EngineError, InputError, TruncationWarning

MANY = [f"{TEXTS[i % len(TEXTS)]} {'again ' * (i * 11 % 60)}{i}" for i in range(50)]
INSTRUCTIONS = [("Classify the topic", None, "", "Find {braces}", None)[i % 5] for i in range(50)]


@pytest.fixture(scope="module")
def served(masked):
    """What the API computes: the instruction is left out of the mean."""
    encoder = masked[1]

    def embed(kind, instruction, texts):
        # A query without an instruction would get one of the server's own, and a document gets none.
        prompt = (instruction or "The server's own \nQuery:") if kind == "query" else ""
        return 0.5 * encoder.model.encode(texts, prompt=prompt)

    return embed


@pytest.fixture
def serving(served, masked):
    """``serving(**options)``: a server, and an engine's settings for it."""
    running = []

    def start(**options):
        server = TencentServer(served, **options).__enter__()
        running.append(server)
        return server, {"spec": masked[0], "endpoint": server.endpoint, "backoff": 0.01}

    yield start
    for server in running:
        server.__exit__()


def test_gives_the_local_encoders_vectors(serving, masked):
    server, settings = serving()
    engine, local = TencentCloudEncoder(**settings), masked[1]
    np.testing.assert_allclose(
        engine.encode_query(MANY, instruction=INSTRUCTIONS),
        local.encode_query(MANY, instruction=INSTRUCTIONS),
        atol=1e-6,
    )
    assert len(server.requests) == 2 + 3 + 2 + 2  # 10, 20, 10 and 10 texts after one prompt each
    np.testing.assert_allclose(engine.encode_query(MANY), local.encode_query(MANY), atol=1e-6)
    documents = engine.encode_document(MANY)
    np.testing.assert_allclose(documents, local.encode_document(MANY), atol=1e-6)
    assert documents.dtype == np.float32
    assert documents.shape == (50, HIDDEN)
    assert isinstance(engine, TextEncoder)
    full = local.encode_query(TEXTS)[:, :8]
    np.testing.assert_allclose(
        engine.encode_query(TEXTS, dimensions=8),
        full / np.linalg.norm(full, axis=1, keepdims=True),
        atol=1e-6,
    )
    np.testing.assert_allclose(engine.encode_raw(TEXTS, "query"), 0.5 * local.encode_query(TEXTS), atol=1e-6)


def test_the_instruction_stands_beside_the_texts(serving):
    server, settings = serving()
    engine = TencentCloudEncoder(**settings)
    engine.encode_query(["a"], instruction="Classify")
    engine.encode_query(["a"], instruction="")
    engine.encode_document(["a"], instruction="")
    sent = [
        {name: request.body.get(name) for name in ("TextType", "Instruction")} for request in server.requests
    ]
    assert sent == [
        {"TextType": "query", "Instruction": "Instruction: Classify \nQuery:"},
        {"TextType": "document", "Instruction": None},
        {"TextType": "document", "Instruction": None},
    ]
    assert all(request.body["Inputs"] == ["a"] for request in server.requests)
    with pytest.raises(InputError, match="takes an instruction for queries alone, and these are documents"):
        engine.encode_document(["a"], instruction="Classify")
    assert len(server.requests) == 3


def test_a_spec_without_prompts_leaves_queries_to_the_server(serving, masked):
    server, settings = serving()
    prompts = masked[0].prompts.model_copy(update={"query": ""})
    bare = masked[0].model_copy(update={"prompts": prompts, "template": None})
    TencentCloudEncoder(**settings | {"spec": bare}).encode_query(["a"])
    assert server.requests[-1].body["TextType"] == "query"
    assert "Instruction" not in server.requests[-1].body
    prompted = masked[0].model_copy(update={"prompts": prompts.model_copy(update={"document": "Passage: "})})
    with pytest.raises(InputError, match="tiny has a document prompt"):
        TencentCloudEncoder(**settings | {"spec": prompted})


def test_longer_texts_follow_the_policy(serving, masked):
    server, settings = serving()
    long = ["short", "好" * 2001, "x" * 2500, "y" * 2000]
    cut = [text[:2000] for text in long]
    with pytest.warns(TruncationWarning) as caught:
        got = TencentCloudEncoder(**settings).encode_document(long)
    assert [str(warning.message) for warning in caught if warning.category is TruncationWarning] == [
        "2 of 4 texts were cut to the server's 2000 characters: the first is text 1 with 2001, the longest has 2500"
    ]
    assert server.requests[-1].body["Inputs"] == cut
    np.testing.assert_allclose(got, TencentCloudEncoder(**settings).encode_document(cut), atol=1e-6)
    seen = len(server.requests)
    with pytest.raises(InputError, match="text 1 has 2001 characters, and the server reads 2000"):
        TencentCloudEncoder(**settings, truncation="error").encode_document(long)
    assert len(server.requests) == seen
    np.testing.assert_allclose(
        TencentCloudEncoder(**settings, truncation="ignore").encode_document(long), got, atol=1e-6
    )


def test_requests_run_at_once_up_to_the_limit(serving, masked):
    server, settings = serving(delay=0.03)
    got = TencentCloudEncoder(**settings, concurrency=3).encode_query(MANY)
    np.testing.assert_allclose(got, masked[1].encode_query(MANY), atol=1e-6)
    assert server.most_in_flight == 3
    server.most_in_flight = 0
    TencentCloudEncoder(**settings, concurrency=1).encode_query(MANY)
    assert server.most_in_flight == 1


@pytest.mark.parametrize(
    "failure",
    [
        error("RequestLimitExceeded", "Your current request rate exceeds the limit of 20."),
        error("RequestLimitExceeded.UinLimitExceeded"),
        error("InternalError"),
        error("FailedOperation.EngineServerError", **{"Content-Type": "application/json; charset=utf-8"}),
        Reply(500, b"Internal Server Error"),
        Reply(502, b"<html>", {"Content-Type": "text/html"}),
    ],
    ids=["throttled", "account", "internal", "charset", "500", "502"],
)
def test_throttling_and_faults_of_the_server_are_repeated(serving, masked, failure):
    server, settings = serving(first=[failure, failure])
    got = TencentCloudEncoder(**settings).encode_query(TEXTS)
    np.testing.assert_allclose(got, masked[1].encode_query(TEXTS), atol=1e-6)
    assert len(server.requests) == 4  # 12 texts are two requests


def test_attempts_are_counted_and_each_waits_longer(serving):
    server, settings = serving(first=[error("RequestLimitExceeded", "Too fast.")] * 9)
    with pytest.raises(EngineError) as caught:
        TencentCloudEncoder(**settings | {"backoff": 0.15}, max_attempts=4).encode_query(["a"])
    assert len(server.requests) == 4
    pauses = np.diff([request.at for request in server.requests])
    assert (pauses >= [0.075, 0.15, 0.3]).all()  # at least half of a pause that doubles
    assert re.fullmatch(
        rf"{server.endpoint} answered RequestLimitExceeded, asked 4 times: Too fast\. \(request [0-9a-f-]{{36}}\); "
        "pass a smaller concurrency, or more max_attempts",
        str(caught.value),
    )


def test_what_no_repeating_helps_is_asked_once(serving):
    refusal = error("ResourceUnavailable.InArrears", "The account\nis in arrears.")
    server, settings = serving(first=[refusal, error("LimitExceeded.TooLargeFileError")])
    engine = TencentCloudEncoder(**settings)
    with pytest.raises(
        EngineError, match=r"answered ResourceUnavailable.InArrears: The account is in arrears\. "
    ):
        engine.encode_query(["a"])
    with pytest.raises(EngineError, match=r"answered LimitExceeded.TooLargeFileError: "):
        engine.encode_query(["a"])
    assert len(server.requests) == 2


def test_a_wrong_key_is_refused_by_the_signature(serving):
    server, settings = serving(secret_key="another")
    with pytest.raises(EngineError, match="AuthFailure.SignatureFailure.*look at TENCENTCLOUD_SECRET_ID and"):
        TencentCloudEncoder(**settings).encode_query(["a"])
    assert len(server.requests) == 1
    _, settings = serving()
    stranger = Credential("AKIDstranger", SECRET_KEY)
    with pytest.raises(EngineError, match=r"AuthFailure.SecretIdNotFound: The SecretId is not found\."):
        TencentCloudEncoder(**settings, credential=stranger).encode_query(["a"])


def test_a_server_that_does_not_answer(serving):
    server, settings = serving(delay=0.5)
    with pytest.raises(EngineError, match=r"cannot be reached, asked 2 times: .*[Tt]imed out"):
        TencentCloudEncoder(**settings, timeout=0.1, max_attempts=2).encode_query(["a"])
    assert len(server.requests) == 2
    gone = {**settings, "endpoint": "http://127.0.0.1:9"}
    with pytest.raises(EngineError, match=r"http://127.0.0.1:9 cannot be reached: .*Connection refused"):
        TencentCloudEncoder(**gone, max_attempts=1).encode_query(["a"])


def test_an_answer_that_breaks_off_is_repeated(serving, masked):
    server, settings = serving(
        first=[Reply(200, b'{"Resp', {"Content-Length": "400", "Connection": "close"})]
    )
    got = TencentCloudEncoder(**settings, timeout=5).encode_query(["a"])
    np.testing.assert_allclose(got, masked[1].encode_query(["a"]), atol=1e-6)
    assert len(server.requests) == 2


def numbered(data):
    return [row | {"Index": i} for i, row in enumerate(data)][::-1]


def test_another_order_is_put_right(serving, masked):
    _, settings = serving(change=numbered)
    got = TencentCloudEncoder(**settings).encode_query(MANY)
    np.testing.assert_allclose(got, masked[1].encode_query(MANY), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "sent 2 vectors for 3 texts"),
        (
            lambda data: [{"Embedding": row["Embedding"][:5]} for row in data],
            "vectors of 5 dimensions, and tiny has 32",
        ),
        (lambda data: [*data[:2], {"Embedding": [float("nan")] * HIDDEN}], "not finite or zero for text 2"),
        (lambda data: [{"Vector": []}] * 3, "sent no list of embeddings"),
        (lambda data: None, "sent no list of embeddings"),
        (lambda data: ["a"] * 3, "sent no list of embeddings"),
        (lambda data: [row | {"Index": 0} for row in data], r"vectors are for the texts \[0, 0, 0\]"),
    ],
)
def test_what_no_such_model_gives_is_an_error(serving, change, message):
    server, settings = serving(change=change)
    with pytest.raises(EngineError, match=message):
        TencentCloudEncoder(**settings).encode_document(["a", "b", "c"])
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"{", b"[1]", b"{}", b'{"Response": 3}', b'{"Response": {"Error": "no"}}'])
def test_answers_that_are_not_of_this_api(serving, body):
    _, settings = serving(first=[Reply(200, body)] * 9)
    with pytest.raises(EngineError, match="answered something else than JSON of this API"):
        TencentCloudEncoder(**settings).encode_query(["a"])


def test_credentials(serving, monkeypatch, tmp_path):
    server, settings = serving()
    monkeypatch.delenv("TENCENTCLOUD_SECRET_ID")
    with pytest.raises(InputError, match="set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or pass"):
        TencentCloudEncoder(**settings)
    TencentCloudEncoder(**settings, credential=Credential(SECRET_ID, SECRET_KEY)).encode_query(["a"])
    file = tmp_path / ".tencentcloud" / "credentials"
    file.parent.mkdir()
    file.write_text(f"[default]\nsecret_id = {SECRET_ID}\nsecret_key = {SECRET_KEY}\n")
    TencentCloudEncoder(**settings).encode_query(["a"])
    for wrong in ("secret_id = a\n", "[other]\nsecret_id = a\n"):
        file.write_text(wrong)
        with pytest.raises(InputError, match=r"wants a section \[default\] with secret_id and secret_key"):
            TencentCloudEncoder(**settings)
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", f" {SECRET_ID}")
    with pytest.raises(InputError, match="cannot be right: secret id should not contain spaces"):
        TencentCloudEncoder(**settings)
    assert len(server.requests) == 2


def test_secrets_are_shown_nowhere(serving, caplog):
    caplog.set_level(logging.DEBUG)
    server, settings = serving()
    temporary = Credential(SECRET_ID, SECRET_KEY, "token-of-the-session")
    engine = TencentCloudEncoder(**settings, credential=temporary)
    engine.encode_query(["a text"])
    assert server.requests[-1].headers["x-tc-token"] == "token-of-the-session"
    server.secret_key = "another"
    with pytest.raises(EngineError) as caught:
        engine.encode_query(["a text"])
    assert "GetResponse: HTTP/1.1 200 OK" in caplog.text  # what the SDK logs is shown to it without secrets
    assert "SendRequest: " not in caplog.text
    shown = [caplog.text, repr(engine), str(vars(engine)), str(caught.value)]
    shown += [str(engine.identity), str(engine.runtime)]
    secrets = (SECRET_ID, SECRET_KEY, "token-of-the-session", "Signature=")
    assert not [secret for secret in secrets for text in shown if secret in text]
    with pytest.raises(InputError, match="was given a secret, which is not pickled"):
        pickle.dumps(engine)
    from_environment = pickle.dumps(TencentCloudEncoder(**settings))
    assert not [secret for secret in secrets if secret.encode() in from_environment]
    server.secret_key = SECRET_KEY
    np.testing.assert_array_equal(
        pickle.loads(from_environment).encode_query(["b"]), engine.encode_query(["b"])
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"endpoint": "http://lkeap.tencentcloudapi.com"}, "is not encrypted: http:// is for the loopback"),
        ({"endpoint": "http://127.0.0.1.example.com"}, "is not encrypted"),
        ({"endpoint": "ftp://127.0.0.1"}, "endpoint must be a host, such as 'lkeap.tencentcloudapi.com'"),
        ({"endpoint": "lkeap.tencentcloudapi.com/v1"}, "endpoint must be a host"),
        ({"backoff": -1}, "backoff must be a number of seconds above 0, not -1"),
        ({"timeout": "3"}, "timeout must be a number of seconds above 0, not '3'"),
        ({"max_attempts": 0}, "max_attempts must be an int of at least 1"),
        ({"dimensions": 1024}, "dimensions must be one of 2048, which 'youtu-embedding' was trained for"),
    ],
)
def test_mistakes_are_found_at_once(settings, message):
    with pytest.raises(InputError, match=message):
        TencentCloudEncoder(**settings)


def test_defaults_are_those_of_the_published_model():
    engine = TencentCloudEncoder()
    assert engine.dimension == 2048
    assert engine.runtime == {"backend": "tencent-cloud", "device": "https://lkeap.tencentcloudapi.com"}
    assert repr(engine).startswith(
        "TencentCloudEncoder('youtu-embedding-llm-v1' at https://lkeap.tencentcloudapi.com, spec youtu-embedding, "
    )
    near = TencentCloudEncoder(endpoint="lkeap.intl.tencentcloudapi.com", region="ap-jakarta", concurrency=1)
    assert near.fingerprint == engine.fingerprint
