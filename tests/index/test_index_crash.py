"""``kill -9`` at any moment loses nothing that ``add`` or ``delete`` had returned for."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.index import VectorIndex, check_index

WORKER = Path(__file__).with_name("crash_worker.py")


def start(path: Path, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), str(path), str(seed)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(worker: subprocess.Popen[str]) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stdout.readline() == '["ready"]\n'
    worker.stdin.write("go\n")
    worker.stdin.flush()


def kill(worker: subprocess.Popen[str]) -> list[list[Any]]:
    """End it as no program can catch, and read what it had said."""
    worker.kill()
    said, _ = worker.communicate()
    assert worker.returncode == -9
    return [json.loads(line) for line in said.splitlines()]


def apply(truth: dict[str, str], message: list[Any]) -> dict[str, str]:
    _, operation, ids, texts = message
    changed = {id: text for id, text in truth.items() if id not in set(ids)}
    if operation == "add":
        changed.update(zip(ids, texts, strict=True))
    return changed


def look(path: Path, encoder: TinyEncoder) -> dict[str, str]:
    """Every document of the index, after checking that each is found by its own vector with score 1."""
    with VectorIndex.open(path, encoder) as index:
        ids = index.ids()
        documents = [document for document in index.get(ids) if document]
        vectors = encoder.encode_document([document.text for document in documents])
        np.testing.assert_array_equal(index.vectors(ids), vectors)
        for id, hits in zip(ids, index.search_many(vectors, k=1), strict=True):
            assert hits[0].id == id
            assert hits[0].score == pytest.approx(1, abs=1e-5)
        assert len(index.search(np.ones(16), k=10**6)) == len(index) == len(ids)
    assert check_index(path).damage == ()  # every word stands where the documents have it
    return {document.id: document.text for document in documents}


def hunt(path: Path, truth: dict[str, str], kills: int) -> dict[str, int]:
    """Kill a writer again and again; returns how often each kind of moment was hit."""
    encoder, chance = TinyEncoder(), random.Random(7)
    moments = {"between": 0, "undone": 0, "kept": 0, "folding": 0, "operations": 0}
    waiting = start(path, 0)  # the next one imports while this one works
    for seed in range(1, kills + 1):
        worker, waiting = waiting, start(path, seed)
        go(worker)
        time.sleep(chance.uniform(0, 0.15))
        said = kill(worker)
        while len(said) >= 2 and said[1] == ["done"]:
            truth, said = apply(truth, said[0]), said[2:]
            moments["operations"] += 1
        moments["folding"] += len(list(path.glob("vectors-*"))) > 1
        found = look(path, encoder)
        if not said:
            moments["between"] += 1
            assert found == truth
            continue
        (message,) = said  # the one in flight: all of it, or nothing
        after = apply(truth, message)
        assert found in (truth, after)
        moments["kept" if found == after else "undone"] += 1
        truth = found
        if len(truth) > 400:
            with VectorIndex.open(path, encoder) as index:
                gone = list(truth)[:300]
                assert index.delete(gone) == 300
            truth = {id: text for id, text in truth.items() if id not in gone}
    kill(waiting)
    return moments


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "index"
    VectorIndex.create(path, TinyEncoder()).close()
    moments = hunt(path, {}, kills=100)
    assert moments["operations"] > 100
    assert moments["undone"] + moments["kept"] > 10  # kills fell into operations


@pytest.mark.slow
def test_kills_while_training_and_rebuilding(tmp_path: Path) -> None:
    """The same with a factory that is trained, and folded, inside ``add``."""
    path = tmp_path / "index"
    truth = {f"first {i}": f"text {i}" for i in range(150)}  # 156 are enough to train it
    with VectorIndex.create(path, TinyEncoder(), "IVF4,Flat") as index:
        index.add(list(truth.values()), list(truth))
    moments = hunt(path, truth, kills=25)
    assert moments["operations"] > 10
    (file,) = path.glob("vectors-*.faiss")
    labelled: Any = faiss.read_index(str(file))
    assert isinstance(faiss.downcast_index(labelled.index), faiss.IndexIVFFlat)
