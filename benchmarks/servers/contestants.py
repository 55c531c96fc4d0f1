"""The servers that are compared: each as its users start it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import texts
from servers.client import post

MODEL, PATH = "minilm", "/v1/embeddings"
OURS, PLAIN, ENCODER = "youtu-st serve", "plain app", "plain app, Encoder"
FIRST_COME, INFINITY, TEI = "first come first served", "infinity", "text-embeddings-router"
QUEUE_TOKENS = 1_048_576
"""Room for requests of 512 abstracts, of 256 tokens each, that come back to back."""
BENCHMARKS = Path(__file__).parents[1]
YOUTU_ST = [sys.executable, "-c", "import sys; from youtu_st.cli import main; sys.exit(main())"]


@dataclass(frozen=True)
class Contestant:
    """A server, and how to talk to it.

    Attributes:
        name: In the tables.
        command: Starts it on a port.
        ready: Path that answers 200 as soon as requests can be sent.
        question: Fields of a request with a question, beside the usual ones.
        abstracts: The same with abstracts.
        environment: Beside this process's own.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    ready: str = "/health"
    question: Mapping[str, Any] = field(default_factory=dict)
    abstracts: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def ask(self, question: str, **fields: Any) -> bytes:
        """A whole request with one question."""
        return post(PATH, {"input": question, **USUAL, **self.question, **fields})

    def send(self, abstracts: Sequence[str]) -> bytes:
        """A whole request with abstracts."""
        return post(PATH, {"input": list(abstracts), **USUAL, **self.abstracts})


USUAL = {"model": MODEL, "encoding_format": "base64"}


def ours(*arguments: str, name: str = OURS, model: str = MODEL) -> Contestant:
    """This project's server, with further arguments."""

    def command(port: int) -> list[str]:
        return [*YOUTU_ST, "serve", model, "--port", str(port), *arguments]

    abstracts = {"input_type": "document", "truncate": True}
    return Contestant(name, command, "/ready", {"input_type": "query"}, abstracts)


def module(name: str, *arguments: str, shown: str, ready: str = "/health") -> Contestant:
    """A server of this folder."""

    def command(port: int) -> list[str]:
        return [sys.executable, "-m", f"servers.{name}", str(port), *arguments]

    return Contestant(shown, command, ready, environment=on_path())


def on_path() -> dict[str, str]:
    """What a process needs to find this folder."""
    return {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])])}


def infinity(python: str) -> Contestant:
    """infinity-emb, in the environment of another interpreter."""

    def command(port: int) -> list[str]:
        settings = {
            "--model-id": texts.stock_directory(),
            "--served-model-name": MODEL,
            "--engine": "torch",
            "--device": "cpu",
            "--host": "127.0.0.1",
            "--port": str(port),
            "--url-prefix": "/v1",
        }
        given = [word for pair in settings.items() for word in pair]
        start = [python, "-c", "from infinity_emb.cli import cli; cli()", "v2"]
        return [*start, *given, "--no-bettertransformer", "--no-compile"]

    return Contestant(INFINITY, command, "/v1/models", environment={"PYTHONPATH": "", "DO_NOT_TRACK": "1"})


def text_embeddings_router() -> Contestant:
    def command(port: int) -> list[str]:
        directory = texts.stock_directory()
        limits = ["--auto-truncate", "--max-client-batch-size", "512", "--payload-limit", "33554432"]
        return [TEI, "--model-id", directory, "--hostname", "127.0.0.1", "--port", str(port), *limits]

    return Contestant(TEI, command)


def contestants(infinity_python: str | None) -> tuple[list[Contestant], dict[str, str]]:
    """Those that can run here; and of the others, why not."""
    there = [
        ours("--queue-tokens", str(QUEUE_TOKENS), "--timeout", "600"),
        module("plain", "sentence-transformers", shown=PLAIN),
        module("plain", "encoder", shown=ENCODER),
        module("first_come", shown=FIRST_COME),
    ]
    skipped = {}
    if infinity_python is not None:
        there.append(infinity(infinity_python))
    else:
        skipped[INFINITY] = "--infinity names no interpreter that has it"
    if shutil.which(TEI):
        there.append(text_embeddings_router())
    else:
        skipped[TEI] = "it is not on the path"
    return there, skipped
