"""What stands around Ray and needs none: addresses, nodes, a terminal left alone, an actor's wire."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import youtu_st
from youtu_st.errors import InputError, MissingDependencyError
from youtu_st.scale.cluster.actor import Wire, sees
from youtu_st.scale.cluster.connection import check_cluster
from youtu_st.scale.cluster.nodes import Sight, capacity, check_sight
from youtu_st.scale.cluster.quiet import muted, quiet

PYTHON = ".".join(map(str, sys.version_info[:3]))
MINE = Sight(True, PYTHON, youtu_st.__version__)


@pytest.fixture
def has_ray() -> None:
    pytest.importorskip("ray")


def test_without_ray_there_is_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match="the package 'ray' must be installed: pip install"):
        check_cluster("127.0.0.1:6379")


@pytest.mark.usefixtures("has_ray")
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("ray://10.0.0.1:10001", "Ray's client connections are not used here"),
        ("10.0.0.1", "--address must be HOST:PORT of a cluster's head node, or auto, not '10.0.0.1'"),
        (":6379", "--address must be HOST:PORT"),
        ("10.0.0.1:port", "--address must be HOST:PORT"),
        ("127.0.0.1:9", "there is no Ray cluster at 127.0.0.1:9: "),
        ("127.0.0.1:99999", "there is no Ray cluster at 127.0.0.1:99999: "),
    ],
)
def test_an_address_that_is_none(address: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        check_cluster(address)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("has_ray")
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"SSH"])
def test_something_else_that_answers_there(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            opened, _ = listening.accept()
            with opened:
                opened.recv(100)
                opened.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(InputError, match=f"there is no Ray cluster at {address}: what answers there is"):
            check_cluster(address)


@pytest.mark.usefixtures("has_ray")
def test_the_environment_names_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(InputError, match="no Ray cluster at 127.0.0.1:9"):
        check_cluster(None)
    check_cluster("local")


def test_a_node_is_what_this_machine_is_or_is_named() -> None:
    check_sight("10.0.0.2", MINE, "/shared/out/.mark")
    with pytest.raises(InputError, match=rf"the node 10.0.0.2 has Python 3.9.1, and this machine {PYTHON}"):
        check_sight("10.0.0.2", MINE._replace(python="3.9.1"), "/shared/out/.mark")
    here = youtu_st.__version__
    with pytest.raises(InputError, match=rf"the node 10.0.0.2 has youtu-st 9.9, and this machine {here}"):
        check_sight("10.0.0.2", MINE._replace(version="9.9"), "/shared/out/.mark")
    with pytest.raises(InputError, match=r"the node 10.0.0.2 does not see /shared/out: "):
        check_sight("10.0.0.2", MINE._replace(sees=False), "/shared/out/.mark")


def node(**resources: float) -> dict[str, Any]:
    return {"Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "fit"),
    [
        ([node(CPU=4.0), node(CPU=3.0)], 2, 0, 3),
        ([node(CPU=4.0), node(CPU=8.0, GPU=2.0)], 1, 1, 2),
        ([node(CPU=4.0, GPU=1.0)], 1, 0.25, 4),
        ([node(CPU=0.3)], 0.1, 0, 3),
        ([node()], 1, 0, 0),
        ([], 1, 0, 0),
    ],
)
def test_how_many_workers_fit(nodes: list[dict[str, Any]], cpus: float, gpus: float, fit: int) -> None:
    assert capacity(nodes, cpus, gpus) == fit


def test_ray_s_own_threads_are_not_heard(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with quiet():
        for name in ("ray_listen_error_messages", "mine"):
            for stream in (sys.stdout, sys.stderr):
                speaking = threading.Thread(target=print, args=(name,), kwargs={"file": stream}, name=name)
                speaking.start()
                speaking.join()
        with muted():
            print("kept until the end")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("mine\n", "mine\n")


def test_a_file_that_comes_late_is_seen(tmp_path: Path) -> None:
    threading.Timer(0.3, (tmp_path / "mark").touch).start()
    assert sees(tmp_path / "mark", 10.0)
    assert not sees(tmp_path / "other", 0.1)


async def test_an_actor_s_wire_gives_all_that_was_said_in_its_order() -> None:
    wire = Wire(asyncio.get_running_loop())
    assert await wire.said(0.01) == []
    assert wire.take(0.01) is None

    def speak() -> None:
        for i in range(500):
            wire.send("began", i)

    speaking = threading.Thread(target=speak)
    speaking.start()
    heard: list[dict[str, Any]] = []
    while len(heard) < 500:
        heard += await wire.said(5.0)
    speaking.join()
    assert heard == [{"began": i} for i in range(500)]
    wire.incoming.put({"end": True})
    assert wire.take(0.01) == {"end": True}
