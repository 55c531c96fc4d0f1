"""A forked child has connections, locks and a limit of its own; its parent's go on undisturbed."""

from __future__ import annotations

import os
import pickle
import threading
import time
import warnings

import numpy as np
import pytest
from engines.openai_server import OpenAIServer
from engines.tencent_server import TencentServer

from youtu_st.engines import OpenAICompatibleEncoder, TencentCloudEncoder
from youtu_st.engines.process import PerProcess

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

TEXTS = ["a", "b", "c"]


def vectors(texts):
    """Something that is another for each text."""
    return np.array([[1.0 + len(text), *np.resize([ord(letter) for letter in text], 31)] for text in texts])


@pytest.fixture(params=["openai", "tencent"])
def place(request, bare):
    if request.param == "openai":
        with OpenAIServer(vectors) as server:
            yield server, lambda **more: OpenAICompatibleEncoder(server.url, "served", spec=bare, **more)
        return
    with TencentServer(lambda kind, instruction, texts: vectors(texts)) as server:
        yield server, lambda **more: TencentCloudEncoder(spec=bare, endpoint=server.endpoint, **more)


def in_child(work):
    """What ``work()`` gives in a forked child; an AssertionError if it does not end."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python warns of forks beside threads: that is the test
        child = os.fork()
    if child == 0:
        try:
            found = work()
        except BaseException as error:
            found = repr(error)
        os.write(write, pickle.dumps(found))
        os._exit(0)
    os.close(write)
    os.set_blocking(read, False)
    until, data = time.monotonic() + 20, b""
    while time.monotonic() < until:
        try:
            piece = os.read(read, 1 << 16)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        if not piece:
            break
        data += piece
    else:
        os.kill(child, 9)
    os.close(read)
    os.waitpid(child, 0)
    assert data, "the child hangs"
    return pickle.loads(data)


def test_a_child_has_its_own_connections(place):
    server, make = place
    engine = make()
    want = engine.encode_raw(TEXTS, "document")
    given = in_child(lambda: [engine.encode_raw(TEXTS, "document") for _ in range(2)])
    np.testing.assert_array_equal(given, [want, want])
    np.testing.assert_array_equal(engine.encode_raw(TEXTS, "document"), want)
    ports = [request.port for request in server.requests]
    assert ports[0] == ports[3]  # the parent's connection is as it was
    assert ports[1] == ports[2] != ports[0]


def test_a_secret_that_was_handed_in_is_there_in_the_child(bare):
    with OpenAIServer(vectors, api_key="sk-handed-in") as server:
        engine = OpenAICompatibleEncoder(server.url, "served", spec=bare, api_key="sk-handed-in")
        np.testing.assert_array_equal(
            in_child(lambda: engine.encode_raw(TEXTS, "query")), engine.encode_raw(TEXTS, "query")
        )


def test_a_fork_amid_requests_does_not_take_the_limit_along(place):
    server, make = place
    engine = make(concurrency=1)
    server.delay = 0.5
    busy = threading.Thread(target=engine.encode_raw, args=(TEXTS, "document"))
    busy.start()
    while not server.in_flight:
        time.sleep(0.01)
    given = in_child(lambda: engine.encode_raw(TEXTS, "document"))
    busy.join()
    np.testing.assert_array_equal(given, vectors(TEXTS).astype(np.float32))
    assert server.most_in_flight == 2  # the limit is each process's


def test_a_grandchild_and_children_beside_each_other(place):
    server, make = place
    engine = make()
    engine.encode_raw(TEXTS, "document")
    given = in_child(
        lambda: [engine.encode_raw(["x"], "query"), in_child(lambda: engine.encode_raw(["y"], "query"))]
    )
    np.testing.assert_array_equal(given, [vectors(["x"]), vectors(["y"])])
    assert len({request.port for request in server.requests}) == 3


def test_one_object_for_a_process_whatever_threads_ask():
    made = PerProcess(object)
    assert made.get() is made.get()

    def many():
        found, start = [], threading.Barrier(8)

        def ask():
            start.wait()
            found.append(id(made.get()))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(found), len(set(found))

    assert many() == (8, 1)
    assert in_child(many) == (8, 1)
