"""Loading from a hub that runs here: the vectors of the local directory, the cache afterwards, one clear line."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from checkpoints import TEXTS, remote_checkpoint, reranker_checkpoint, save_spec
from hub_client import Client
from hub_server import TOKEN, Hub

from youtu_st import Encoder
from youtu_st.rerank import Reranker
from youtu_st.spec.model import MODELS, known_models, load_spec

TOKEN_LINE = "set HF_TOKEN, or pass hub={'token': ...}"
NOT_FOUND = (
    f"there is no such directory, and no such repository on the hub, or it is private: then {TOKEN_LINE}"
)
PAIRS = [("Which planet is red?", text) for text in TEXTS]
WEIGHTS = bytes(range(256)) * 400


@pytest.fixture
def hub() -> Iterator[Hub]:
    """An empty hub, on until its test ends or stops it."""
    server = Hub()
    yield server
    server.stop()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What a repository may hold; these weights are to be downloaded, not to be loaded."""
    directory = tmp_path / "files"
    for name in ("config.json", "merges.txt", "modeling.py", "1_Pooling/config.json", "README.md"):
        _write(directory / name, name.encode())
    for name in ("pytorch_model.bin", "onnx/config.json", "onnx/model.onnx", "model.gguf"):
        _write(directory / name, name.encode())
    _write(directory / "model.safetensors", WEIGHTS)
    return directory


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Iterator[Client]:
    """A process whose hub this is, with an empty cache."""
    with Client(hub.endpoint, tmp_path / "home") as process:
        yield process


def refusal(client: Client, hub_id: str, **options: object) -> str:
    """The line of a download that fails, after its beginning."""
    error = client.find(hub_id, **options)
    assert isinstance(error, str)
    beginning = f"ModelLoadError: cannot download {hub_id!r}: "
    assert error.startswith(beginning)
    assert "\n" not in error
    assert str(options.get("token", "hf_")) not in error
    return error.removeprefix(beginning)


@dataclass
class Published:
    """What a hub has, and the vectors of the same directories here."""

    specs: dict[str, Path]
    first: str
    vectors: dict[str, np.ndarray]

    def check(self, client: Client) -> None:
        """Load each in that process, in every way."""
        tiny, v2 = self.specs["tiny"], self.specs["v2"]
        self._same("raw", client.encode(TEXTS, tiny))
        self._same("other", client.encode(TEXTS, tiny, hub={"revision": "v2"}))
        self._same("other", client.encode(TEXTS, v2))
        self._same("raw", client.encode(TEXTS, v2, hub={"revision": self.first}))
        self._same("raw", client.encode(TEXTS, tiny, checkpoint="somebody/tiny"))
        self._same("raw", client.encode(TEXTS, "somebody/saved"))
        for name in ("remote", "apart"):
            error = client.encode(TEXTS, self.specs[name])
            assert "brings its own code, which runs only with trust_remote_code=True" in error
            self._same("other", client.encode(TEXTS, self.specs[name], trust_remote_code=True))
        # A shipped spec's repository, however its id is written: these are not its weights.
        error = client.encode(TEXTS, "TENCENT/youtu-embedding")
        assert "gives vectors of 32 dimensions, and youtu-embedding has 2048" in error

        for name in ("qwen3-reranker-0.6b", "qwen/qwen3-reranker-0.6B"):
            self._same("reranker", client.score(PAIRS, name))

    def _same(self, name: str, vectors: np.ndarray | str) -> None:
        assert not isinstance(vectors, str), vectors
        np.testing.assert_allclose(vectors, self.vectors[name], atol=1e-6)


@pytest.fixture
def published(hub: Hub, checkpoint: Callable[[str, str], Path], tiny: Path, tmp_path: Path) -> Published:
    """Checkpoints without and with code of their own, and one whose code is in another repository."""
    directories = {"raw": checkpoint("youtu", "bpe-bos"), "other": checkpoint("qwen2", "bpe-bos")}
    remote = remote_checkpoint(tmp_path / "remote")
    first = hub.publish("somebody/tiny", directories["raw"])
    hub.publish("somebody/tiny", directories["other"], branch="v2")
    hub.publish("somebody/saved", tiny)
    hub.publish("somebody/remote", remote)
    hub.publish("somebody/apart", _with_its_code_elsewhere(remote, tmp_path / "apart", "somebody/code"))
    hub.publish("somebody/code", _only_code(remote, tmp_path / "code"))
    hub.publish("tencent/Youtu-Embedding", directories["raw"])
    specs = {
        name: save_spec(tmp_path / f"{name}.yaml", **changes)
        for name, changes in {
            "tiny": {},
            "v2": {"revision": "v2"},
            "remote": {"hub_id": "somebody/remote"},
            "apart": {"hub_id": "somebody/apart"},
        }.items()
    }
    vectors = {
        name: Encoder(specs["tiny"], checkpoint=path).encode_query(TEXTS)
        for name, path in directories.items()
    }
    assert np.abs(vectors["raw"] - vectors["other"]).max() > 0.1
    reranker = reranker_checkpoint(tmp_path / "reranker")
    hub.publish("Qwen/Qwen3-Reranker-0.6B", reranker)
    vectors["reranker"] = Reranker("qwen3-reranker-0.6b", checkpoint=reranker).score(PAIRS)
    return Published(specs, first, vectors)


def _with_its_code_elsewhere(remote: Path, directory: Path, hub_id: str) -> Path:
    shutil.copytree(remote, directory, ignore=shutil.ignore_patterns("*.py"))
    config = json.loads((directory / "config.json").read_text())
    config["auto_map"] = {name: f"{hub_id}--{code}" for name, code in config["auto_map"].items()}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def _only_code(remote: Path, directory: Path) -> Path:
    return shutil.copytree(remote, directory, ignore=lambda _, names: [n for n in names if n[-3:] != ".py"])


@pytest.mark.slow  # three processes that import all there is
def test_a_hub_gives_the_vectors_of_the_local_directory_and_so_does_the_cache(hub, published, tmp_path):
    home = tmp_path / "home"
    with (
        Client(hub.endpoint, home, encodes=True) as client,
        Client(hub.endpoint, home, encodes=True, HF_HUB_OFFLINE="1") as offline,
    ):
        published.check(client)
        downloads = [line for line in hub.requests if line.startswith("GET") and "/resolve/" in line]
        assert len(downloads) == len(set(downloads))
        assert sum("tencent/Youtu-Embedding/resolve" in line for line in downloads) > 1
        hub.stop()
        published.check(client)
        published.check(offline)


def test_what_a_checkpoint_needs_is_fetched_and_nothing_else(hub, client, files):
    commit = hub.publish("somebody/model", files)
    hub.cuts = 1  # the rest comes with a second request
    directory = client.find("somebody/model")
    assert directory.name == commit
    wanted = {"config.json", "merges.txt", "modeling.py", "1_Pooling/config.json", "model.safetensors"}
    assert hub.fetched() == {f"somebody/model/{name}" for name in wanted}
    assert {path: (directory / path).read_bytes() for path in wanted} == {
        path: (files / path).read_bytes() for path in wanted
    }


@pytest.mark.slow
def test_a_download_that_breaks_off_leaves_nothing_that_loads(hub, client, files):
    hub.publish("somebody/model", files)
    hub.cuts = 100
    line = refusal(client, "somebody/model")
    assert re.fullmatch(r"it broke off \(peer closed .*\)\. Try again: files that are whole are kept", line)
    part = "the cache has only a part of it, and local_files_only is set"
    assert refusal(client, "somebody/model", local_files_only=True) == part
    hub.cuts = 0
    assert (client.find("somebody/model") / "model.safetensors").read_bytes() == WEIGHTS


def test_what_a_hub_refuses_is_one_line_that_says_what_to_do(hub, client, files, tmp_path):
    hub.publish("somebody/model", files)
    hub.publish("somebody/gated", files, gated=True)
    hub.publish("somebody/private", files, private=True)
    for token in ({}, {"token": TOKEN}):
        assert refusal(client, "somebody/nope", **token) == NOT_FOUND
        assert refusal(client, "somebody/gated", **token) == (
            f"it is gated: accept its conditions on its page, and send a token of that account: {TOKEN_LINE}"
        )
    assert refusal(client, "somebody/private") == NOT_FOUND
    not_accepted = f"the hub does not accept the token for it: {TOKEN_LINE}"
    assert refusal(client, "somebody/private", token="hf_wrong") == not_accepted
    assert isinstance(client.find("somebody/private", token=TOKEN), Path)
    assert refusal(client, "somebody/model", revision="v9") == "it has no branch, tag or commit 'v9'"
    assert refusal(client, "some body/x") == "a hub id is owner/name, of letters, digits, '-', '_' and '.'"
    uncached = "it is not in the cache, and local_files_only is set"
    assert refusal(client, "somebody/model", local_files_only=True) == uncached
    (tmp_path / "taken").touch()
    line = refusal(client, "somebody/model", cache_dir=str(tmp_path / "taken"))
    assert line.startswith("it cannot be stored: not a directory: ")
    assert refusal(client, "somebody/model", token=True) == f"there is no token on this machine: {TOKEN_LINE}"
    for status, advice in [(503, ". Try again later"), (418, ": is HF_ENDPOINT a hub?")]:
        hub.failing = status
        line = f"the hub at {hub.endpoint} answers {status} (the database is down){advice}"
        assert refusal(client, "somebody/model") == line


def test_a_branch_that_is_gone_is_not_taken_from_the_cache(hub, client, files):
    commit = hub.publish("somebody/model", files, branch="trial")
    assert client.find("somebody/model", revision="trial").name == commit
    del hub.repositories["somebody/model"].branches["trial"]
    line = "it has no branch, tag or commit 'trial'"
    assert refusal(client, "somebody/model", revision="trial") == line


def test_weights_that_are_pickled_are_not_downloaded(hub, client, files):
    (files / "model.safetensors").unlink()
    hub.publish("somebody/old", files)
    assert "'somebody/old' has no weights as .safetensors" in client.find("somebody/old")
    assert not any(name.endswith(".bin") for name in hub.fetched())
    part = "the cache has only a part of it, and local_files_only is set"
    assert refusal(client, "somebody/old", local_files_only=True) == part


@pytest.mark.parametrize("answers", ["refuses", "is silent"])
def test_a_hub_that_cannot_be_reached_is_given_up_soon(hub, client, files, tmp_path, answers):
    hub.publish("somebody/model", files)
    directory = client.find("somebody/model")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        if answers == "refuses":
            silent.close()
        with Client(endpoint, tmp_path / "home", HF_HUB_ETAG_TIMEOUT="1") as other:
            start = time.monotonic()
            assert other.find("somebody/model") == directory
            reason = {"refuses": "Connection refused", "is silent": "timed out"}[answers]
            line = f"the hub at {endpoint} cannot be reached ({reason}), and it is not in the cache"
            assert refusal(other, "somebody/else") == line
            assert time.monotonic() - start < 20


def test_a_hub_id_in_another_case_is_the_shipped_specs():
    for name in known_models():
        shipped = load_spec(name)
        assert getattr(MODELS.by_hub_id(shipped.hub_id.upper()), "hub_id", None) == shipped.hub_id
