"""A hub on the loopback address: as much of its HTTP API as ``huggingface_hub`` speaks to download a model."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "t" * 34


@dataclass
class Repository:
    """Commits and what points to them."""

    commits: dict[str, Path] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit(self, revision: str) -> str | None:
        commit = self.branches.get(revision, revision)
        return commit if commit in self.commits else None


class Hub(ThreadingHTTPServer):
    """Serves directories as repositories, and writes down what it was asked for.

    Attributes:
        repositories: By hub id.
        requests: ``METHOD /path`` of every request, in order.
        cuts: How many more downloads of weights are to break off in the middle.
        failing: Status that every request gets, as from a hub that is down.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.cuts = 0
        self.failing: int | None = None
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def publish(self, hub_id: str, directory: Path, branch: str = "main", **access: bool) -> str:
        """Make a directory the head of a branch; gives its commit."""
        repository = self.repositories.setdefault(hub_id, Repository(**access))
        digest = hashlib.sha1(f"{hub_id} {branch} {directory}".encode())
        for path in _files(directory):
            digest.update((directory / path).read_bytes())
        commit = digest.hexdigest()
        repository.commits[commit] = directory
        repository.branches[branch] = commit
        return commit

    def fetched(self) -> set[str]:
        """The files that were downloaded, as ``owner/name/path``."""
        asked = [line.split()[1] for line in self.requests if line.startswith("GET ") and "/resolve/" in line]
        return {
            f"{hub_id}/{rest.split('/', 1)[1]}" for hub_id, rest in (a[1:].split("/resolve/") for a in asked)
        }

    def stop(self) -> None:
        """Go away: connections are refused from now on."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        """The hub keeps a log of its own."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        if self.server.failing is not None:
            return self._refuse(self.server.failing, "", "the database is down")
        hub_id, kind, rest = _parse(path)
        repository = self.server.repositories.get(hub_id)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            return self._refuse(401, "", "Invalid credentials in Authorization header")
        if repository is None or (repository.private and not token):
            return self._refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        # The hub tells everyone what a gated repository holds, and gives the files to those on its list.
        if repository.gated and kind == "resolve":
            return self._refuse(403 if token else 401, "GatedRepo", f"Access to model {hub_id} is restricted")
        revision, _, file = rest.partition("/")
        commit = repository.commit(revision)
        if commit is None:
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        directory = repository.commits[commit]
        if kind == "revision":
            siblings = [{"rfilename": name} for name in _files(directory)]
            return self._send_json({"id": hub_id, "sha": commit, "siblings": siblings})
        if kind == "tree":
            return self._send_json([_entry(directory, name) for name in _files(directory)])
        if file not in _files(directory):
            return self._refuse(404, "EntryNotFound", "Entry not found", commit)
        self._send_file(directory / file, commit)

    def _send_file(self, path: Path, commit: str) -> None:
        content = path.read_bytes()
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if start else 200, content[start:], headers, is_weights=path.suffix == ".safetensors")

    def _send_json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, message: str, commit: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
        self._send(status, b"", {name: value for name, value in headers.items() if value})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, is_weights: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if is_weights and self.server.cuts > 0:
            self.server.cuts -= 1
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)


def _parse(path: str) -> tuple[str, str, str]:
    """A request's repository, what it is about, and the rest: a revision and perhaps a file."""
    parts = path.strip("/").split("/")
    if parts[0] == "api":
        parts = [*parts[2:4], *(parts[4:] or ["revision", "main"])]
    hub_id, kind, rest = "/".join(parts[:2]), parts[2] if len(parts) > 2 else "", "/".join(parts[3:])
    return hub_id, kind, rest


def _files(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def _entry(directory: Path, name: str) -> dict[str, Any]:
    """A file of a tree's listing; weights are in large file storage."""
    content = (directory / name).read_bytes()
    entry = {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
    if name.endswith(".safetensors"):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
    return entry
