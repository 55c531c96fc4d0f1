"""This project's server over a model that computes nothing: what a request costs without the network.

python -m servers.stub PORT
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from youtu_st.inference.batches import Group, Totals
from youtu_st.inference.outputs import VectorOutput
from youtu_st.inference.requests import Found, Piece, Request, Steps
from youtu_st.inference.unique import Unique
from youtu_st.protocol import Role
from youtu_st.serving.app import app
from youtu_st.serving.run import open_socket, run
from youtu_st.serving.server import Server
from youtu_st.serving.settings import ServerSettings

DIMENSION, TOKENS = 384, 24


@dataclass(frozen=True)
class Read:
    """A text in tokens, of which only the number is known."""

    full_length: int = TOKENS

    def __len__(self) -> int:
        return self.full_length


class Lane:
    """Gives the same row to every text."""

    name, batch_tokens = "stub", 2048

    def __init__(self) -> None:
        self.row = np.full(DIMENSION, DIMENSION**-0.5, dtype=np.float32)

    def plan(self, pieces: Sequence[Piece]) -> list[Group]:
        most = self.batch_tokens // TOKENS
        starts = range(0, len(pieces), most)
        return [Group(list(range(start, min(start + most, len(pieces)))), 0, True) for start in starts]

    def run(self, pieces: Sequence[Piece], group: Group) -> list[Found]:
        return [self.row] * len(pieces)


class StubModel:
    """An embedding model as the server sees it."""

    model_name, max_length, batch_tokens, takes_instructions = "minilm", 256, 2048, False
    dimension, dimensions, fingerprint = DIMENSION, (DIMENSION,), "stub"
    batches_at_once = 1
    identity: Mapping[str, str] = {"weights": "none"}
    runtime: Mapping[str, str] = {"backend": "none", "dtype": "float32", "device": "none"}
    prompts: Mapping[str, str] = {"query": "", "document": ""}
    totals = Totals()

    def __init__(self) -> None:
        self.lane = Lane()

    def request(
        self,
        role: Role,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
    ) -> Steps:
        unique = Unique.of(texts, [""] * len(texts))
        rows = [Read()] * len(unique)
        yield Request(self.lane, unique, rows, VectorOutput(role, (dimensions or DIMENSION,)))


def main(port: int) -> Any:
    """Serve until SIGTERM."""
    settings = ServerSettings(model="minilm", port=port)
    server = Server(settings, StubModel)
    return run(server, app(server), open_socket(settings, server.keys))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
