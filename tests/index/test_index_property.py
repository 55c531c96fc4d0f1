"""Random sequences of add, replace, delete and reopen, against brute force over the same vectors."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tiny import TinyEncoder

from youtu_st.index import VectorIndex

ENCODER = TinyEncoder()
IDS = st.integers(0, 25).map(str)
WORDS = st.integers(0, 60).map("text {}".format)


class Machine(RuleBasedStateMachine):
    """A dictionary and a matrix product are the oracle."""

    factories = ["Flat"]
    search_parameters: str | None = None

    @initialize(data=st.data())
    def create(self, data: Any) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.truth: dict[str, tuple[str, dict[str, int]]] = {}
        self.factory = data.draw(st.sampled_from(self.factories))
        VectorIndex.create(self.folder / "index", ENCODER, self.factory).close()
        self.open()

    def open(self) -> None:
        parameters = None if self.factory == "Flat" else self.search_parameters
        self.index = VectorIndex.open(self.folder / "index", ENCODER, search_parameters=parameters)

    @rule(ids=st.lists(IDS, max_size=12), data=st.data())
    def add(self, ids: list[str], data: Any) -> None:
        texts = data.draw(st.lists(WORDS, min_size=len(ids), max_size=len(ids)))
        metadata = [{"n": data.draw(st.integers(0, 2))} for _ in ids]
        assert self.index.add(texts, ids, metadata) == ids
        for id, text, record in zip(ids, texts, metadata, strict=True):
            self.truth.pop(id, None)
            self.truth[id] = (text, record)

    @rule(texts=st.lists(WORDS, max_size=30))
    def add_new(self, texts: list[str]) -> None:
        for id, text in zip(self.index.add(texts), texts, strict=True):
            assert id not in self.truth
            self.truth[id] = (text, {})

    @rule(first=st.integers(0, 60))
    def add_many(self, first: int) -> None:
        """Enough to train ``IVF2,Flat`` (78) at once."""
        texts = [f"text {(first + i) % 61}" for i in range(80)]
        self.truth.update(zip(self.index.add(texts), ((text, {}) for text in texts), strict=True))

    @rule(ids=st.lists(IDS, max_size=10))
    def delete(self, ids: list[str]) -> None:
        assert self.index.delete(ids) == len({id for id in ids if self.truth.pop(id, None)})

    @rule()
    def delete_most(self) -> None:
        gone = list(self.truth)[: len(self.truth) * 2 // 3]
        assert self.index.delete(gone) == len(gone)
        for id in gone:
            del self.truth[id]

    @rule(close=st.booleans())
    def reopen(self, close: bool) -> None:
        if close:
            self.index.close()
            self.open()
        else:  # a second object sees the same; it reads the journal where the first has not folded it
            with VectorIndex.open(self.folder / "index", ENCODER) as other:
                assert other.ids() == list(self.truth)

    @rule(query=WORDS, k=st.integers(1, 40), n=st.none() | st.integers(0, 2))
    def search(self, query: str, k: int, n: int | None) -> None:
        hits = self.index.search(query, k, None if n is None else {"n": n})
        allowed = [id for id, (_, record) in self.truth.items() if n is None or record.get("n") == n]
        vectors = ENCODER.encode_document([self.truth[id][0] for id in allowed])
        scores = dict(zip(allowed, (vectors @ ENCODER.encode_query([query])[0]).tolist(), strict=True))
        assert len(hits) == min(k, len(allowed)) == len({hit.id for hit in hits})
        # Every score is right, and they are the best there are; equal ones may stand for each other.
        assert [hit.score for hit in hits] == pytest.approx([scores[hit.id] for hit in hits], abs=2e-6)
        assert [hit.score for hit in hits] == pytest.approx(sorted(scores.values())[::-1][:k], abs=2e-6)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert all((hit.text, hit.metadata) == self.truth[hit.id] for hit in hits)

    @invariant()
    def documents(self) -> None:
        assert len(self.index) == len(self.truth)
        assert self.index.ids() == list(self.truth)
        found = self.index.get(list(self.truth))
        assert [(one.text, one.metadata) for one in found if one] == list(self.truth.values())

    @invariant()
    def vectors(self) -> None:
        expected = ENCODER.encode_document([text for text, _ in self.truth.values()])
        np.testing.assert_allclose(self.index.vectors(list(self.truth)), expected, atol=1e-6)

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            shutil.rmtree(self.folder)


class TrainedMachine(Machine):
    """Factories that keep whole vectors: with every list probed they are exact too."""

    factories = ["IVF2,Flat", "IVF4,Flat"]
    search_parameters = "nprobe=4"


class GraphMachine(Machine):
    """On so few vectors a wide walk through the graph meets all of them."""

    factories = ["HNSW16", "HNSW8", "L2norm,Flat"]


class CrowdMachine(Machine):
    """Many documents with few texts: none is lost, and in a graph those of one text stand as they were added."""

    factories = ["Flat", "HNSW8", "HNSW8,RFlat", "IVF2,Flat"]

    def open(self) -> None:
        self.search_parameters = "nprobe=2" if self.factory.startswith("IVF") else None
        super().open()

    @rule(first=st.integers(0, 3), count=st.integers(2, 120))
    def add_crowd(self, first: int, count: int) -> None:
        texts = [f"text {first + (i * i) % 3 // 2}" for i in range(count)]
        records = [{"n": 1} for _ in texts]
        self.truth.update(
            zip(self.index.add(texts, metadata=records), ((text, {"n": 1}) for text in texts), strict=True)
        )

    @rule(query=WORDS, k=st.integers(1, 200), n=st.none() | st.just(1))
    def search_in_order(self, query: str, k: int, n: int | None) -> None:
        texts = [(id, text) for id, (text, record) in self.truth.items() if n is None or record.get("n") == n]
        different = list({text for _, text in texts})
        cosines = ENCODER.encode_document(different) @ ENCODER.encode_query([query])[0]
        scores = dict(zip(different, cosines.tolist(), strict=True))
        ordered = sorted(texts, key=lambda one: -scores[one[1]])  # stable: the order of adding
        hits = self.index.search(query, k, None if n is None else {"n": n})
        assert [hit.text for hit in hits] == [text for _, text in ordered[:k]]
        if self.factory.startswith("HNSW"):  # others may leave out the first of equal ones for a later one
            assert [hit.id for hit in hits] == [id for id, _ in ordered[:k]]


COMMON = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
TestFlat = Machine.TestCase
TestFlat.settings = settings(COMMON, max_examples=40, stateful_step_count=25)
TestTrained = TrainedMachine.TestCase
TestTrained.settings = settings(COMMON, max_examples=20, stateful_step_count=25)
TestGraph = GraphMachine.TestCase
TestGraph.settings = settings(COMMON, max_examples=15, stateful_step_count=25)
TestCrowd = CrowdMachine.TestCase
TestCrowd.settings = settings(COMMON, max_examples=16, stateful_step_count=20)
