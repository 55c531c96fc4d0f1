"""A process that loads from a hub: where that is, ``huggingface_hub`` reads once, from the environment."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np


def environment(endpoint: str, home: Path, **variables: str) -> dict[str, str]:
    """The variables of a process whose hub is at ``endpoint``, and whose cache is in ``home``."""
    own = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN": "",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
    }
    return own | variables


class Client:
    """The process: told what to load on standard input, a line of JSON at a time.

    Args:
        endpoint: The hub.
        home: Where its cache is.
        encodes: Import what encoding takes at once: several processes can, while nobody waits for them.
        **variables: More of its environment.
    """

    def __init__(self, endpoint: str, home: Path, *, encodes: bool = False, **variables: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *(["encodes"] if encodes else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment(endpoint, home, **variables)},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)

    def find(self, hub_id: str, **hub: Any) -> Path | str:
        """The directory that a hub id is downloaded to, or the error."""
        answer = self._ask({"find": hub_id, "hub": hub})
        return answer["error"] if "error" in answer else Path(answer["directory"])

    def encode(self, texts: Sequence[str], model: Path | str, **settings: Any) -> np.ndarray | str:
        """Texts as queries of a model, or the error."""
        answer = self._ask({"encode": texts, "model": str(model), "settings": settings})
        return answer["error"] if "error" in answer else np.array(answer["vectors"], dtype=np.float32)

    def score(self, pairs: Sequence[tuple[str, str]], model: str) -> np.ndarray | str:
        """The scores that a reranker gives, or the error."""
        answer = self._ask({"score": pairs, "model": model})
        return answer["error"] if "error" in answer else np.array(answer["scores"], dtype=np.float32)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        patience = threading.Timer(180, self._process.kill)
        patience.start()
        try:
            return json.loads(self._process.stdout.readline())
        finally:
            patience.cancel()


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What the process does with a line."""
    from youtu_st.errors import YoutuError

    try:
        if "find" in question:
            from youtu_st.loading.checkpoint import download

            return {"directory": str(download(question["find"], question["hub"]))}
        if "score" in question:
            from youtu_st.rerank import Reranker

            return {"scores": Reranker(question["model"]).score(question["score"]).tolist()}
        from youtu_st import Encoder

        encoder = Encoder(question["model"], **question["settings"])
        return {"vectors": encoder.encode_query(question["encode"]).tolist()}
    except YoutuError as error:
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    if "encodes" in sys.argv:
        importlib.import_module("youtu_st.encoder")
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
