"""A model that no hub gives: one line, soon, and exit code 2."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command import Result, spawn
from hub_client import environment
from hub_server import Hub

ENCODE = ["encode", "t.txt", "--role", "query", "--out", "t.npy", "--model", "somebody/nope"]
BEGINNING = "youtu-st: error: cannot download 'somebody/nope': "


@pytest.mark.slow
def test_a_wrong_hub_id_and_an_unreachable_hub_are_one_line_each(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("a text")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        away = f"http://127.0.0.1:{closed.getsockname()[1]}"

    def run(endpoint: str) -> Result:
        return spawn(*ENCODE, cwd=tmp_path, **environment(endpoint, tmp_path / "home"))

    hub = Hub()
    try:
        with ThreadPoolExecutor(2) as pool:
            wrong, unreachable = pool.map(run, [hub.endpoint, away])
    finally:
        hub.stop()
    assert wrong == Result(
        2,
        "",
        f"{BEGINNING}there is no such directory, and no such repository on the hub, or it is private: then "
        "set HF_TOKEN, or pass hub={'token': ...}\n",
    )
    assert unreachable == Result(
        2,
        "",
        f"{BEGINNING}the hub at {away} cannot be reached (Connection refused), and it is not in the cache\n",
    )
    assert not (tmp_path / "t.npy").exists()
