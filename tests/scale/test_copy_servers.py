"""Copies into and out of servers: Milvus Lite behind its port, and a Qdrant that ``QDRANT_URL`` names."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from copy_ends import assert_same, content, make_index, read
from qdrant_client import QdrantClient

from youtu_st.scale.copying import copy_rows

PROGRAM = "import sys; from milvus_lite.cmdline import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def milvus(tmp_path: Path) -> Iterator[str]:
    """The address of a server of Milvus Lite, a process of its own."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ["--data-dir", str(tmp_path / "served"), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "server", *where],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.slow
def test_into_a_milvus_server_and_back(tmp_path: Path, milvus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_TOKEN", "root:Milvus")  # to this machine a key may be sent
    rows = content(60)
    source = make_index(tmp_path / "source", rows)
    there = f"milvus:{milvus}#collection"
    assert copy_rows(source, there).holds
    assert copy_rows(source, there, resume=True).written == 0
    assert copy_rows(there, tmp_path / "back").holds
    assert_same(read(str(tmp_path / "back")), rows)


@pytest.mark.slow
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no server of Qdrant")
def test_into_a_qdrant_server_and_back(tmp_path: Path) -> None:
    rows = content(300)
    source = make_index(tmp_path / "source", rows)
    name = f"youtu-st-{uuid.uuid4().hex}"
    there = f"qdrant:{os.environ['QDRANT_URL']}#{name}"
    client = QdrantClient(url=os.environ["QDRANT_URL"], api_key=os.environ.get("QDRANT_API_KEY"))
    try:
        assert copy_rows(source, there).holds
        about = client.get_collection(name)
        assert (about.config.hnsw_config.m, about.config.optimizer_config.indexing_threshold) == (16, 20_000)
        assert copy_rows(source, there, resume=True).written == 0
        assert copy_rows(there, tmp_path / "back").holds
        assert_same(read(str(tmp_path / "back")), rows)
    finally:
        client.delete_collection(name)
        client.close()
