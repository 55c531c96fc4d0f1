"""Rows that cannot be encoded: found, named, and left out or the end of their shard, and of no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worker_jobs import Document, assert_stored, begun, documents, numbers, stored, texts

from youtu_st import Encoder
from youtu_st.errors import EngineError, InputError, NonFiniteError
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.pools.events import Failed, Finished
from youtu_st.scale.settings import BadRows, Making, Task
from youtu_st.scale.work.encoding import Asked
from youtu_st.scale.work.sifting import sift
from youtu_st.scale.work.worker import Worker

LONG = "word " * 200
TOXIC = "\x01"
"""A character whose token has no finite embedding, once :func:`poisoned`."""


def made(tiny: Path, **settings: Any) -> Encoder:
    return Encoder(tiny, **{"truncation": "ignore", "unknown": "ignore", "max_length": 128} | settings)


def poisoned(encoder: Encoder) -> Encoder:
    """The same encoder, to which a text with TOXIC is not a number."""
    (token,) = encoder.tokenizer(TOXIC, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        encoder.model[0].model.get_input_embeddings().weight[token] = float("nan")
    return encoder


def work(folder: Path, encoder: Any, bad_rows: BadRows, shards: Any) -> dict[Any, Finished | Failed]:
    worker = Worker(folder, Making(), encoder=encoder, bad_rows=bad_rows)
    found = list(worker.run(shards))
    worker.close()
    assert len({event.shard for event in found}) == len(found)
    return {event.shard: event for event in found}


def with_bad(rows: list[Document], **bad: str) -> tuple[list[Document], list[Document]]:
    """Rows, some of whose texts are others, and those that are as they were."""
    changed = [row | {"text": bad[row["id"]]} if row["id"] in bad else row for row in rows]
    return changed, [row for row in rows if row["id"] not in bad]


@pytest.mark.slow
@pytest.mark.parametrize("shard_rows", [30, 1000, 2000])
def test_a_text_that_is_too_long_ends_its_shard(tmp_path: Path, tiny: Path, shard_rows: int) -> None:
    encoder = made(tiny, truncation="error")
    rows, _ = with_bad(documents(2600), d1040=LONG, d1060=LONG)
    job = begun(tmp_path, rows, encoder, shard_rows=shard_rows)
    found = work(tmp_path / "out", encoder, "error", numbers(job))
    bad = {1040 // shard_rows, 1060 // shard_rows} if shard_rows == 30 else {1040 // shard_rows}
    assert {n for n, event in found.items() if isinstance(event, Failed)} == bad
    failed = found[1040 // shard_rows]
    assert isinstance(failed, Failed)
    assert failed.kind == "row"
    tokens = len(encoder.tokenizer(LONG)["input_ids"])
    assert (
        f"corpus.jsonl, row 1041: has {tokens} tokens with its prompt, and the model reads 128"
        in failed.message
    )
    good = [row for i, row in enumerate(rows) if i // shard_rows not in bad]
    assert_stored(tmp_path / "out", good, made(tiny).encode_document(texts(good)))


@pytest.mark.slow
@pytest.mark.parametrize("shard_rows", [30, 1000])
def test_texts_that_are_too_long_are_left_out_and_written_down(
    tmp_path: Path, tiny: Path, shard_rows: int
) -> None:
    encoder = made(tiny, truncation="error")
    bad = {f"d{i}": LONG for i in (0, 5, 6, 999, 1500, 1501, 2599)}
    rows, good = with_bad(documents(2600), **bad)
    job = begun(tmp_path, rows, encoder, shard_rows=shard_rows, keep=("rank",))
    found = work(tmp_path / "out", encoder, "skip", numbers(job))
    assert all(isinstance(event, Finished) for event in found.values())
    assert_stored(tmp_path / "out", good, made(tiny).encode_document(texts(good)))
    folder = JobFolder.open(tmp_path / "out")
    rejected = [one for shard in job.shards for one in folder.facts(shard.number).rejected]
    assert [(one.id, one.row) for one in rejected] == [(id, int(id[1:]) + 1) for id in bad]
    assert all(one.reason.startswith("has ") and "the model reads 128" in one.reason for one in rejected)
    assert sum(event.rejected for event in found.values() if isinstance(event, Finished)) == len(bad)


@pytest.mark.slow
def test_texts_whose_vectors_are_not_finite(tmp_path: Path, tiny: Path) -> None:
    encoder = made(tiny)
    bad = {"d3": f"a {TOXIC}", "d700": f"b {TOXIC}", "d701": TOXIC}
    rows, good = with_bad(documents(1100), **bad)
    job = begun(tmp_path, rows, encoder, shard_rows=500)
    poisoned(encoder)
    with pytest.raises(NonFiniteError):
        encoder.encode_document([rows[3]["text"]])
    found = work(tmp_path / "out", encoder, "skip", numbers(job))
    assert {n: event.rejected for n, event in found.items() if isinstance(event, Finished)} == {
        0: 1,
        1: 2,
        2: 0,
    }
    assert_stored(tmp_path / "out", good, made(tiny).encode_document(texts(good)))


def test_the_first_text_whose_vector_is_not_finite_is_named(tmp_path: Path, tiny: Path) -> None:
    encoder = made(tiny)
    rows, _ = with_bad(documents(100), d61=TOXIC, d60=TOXIC)
    job = begun(tmp_path, rows, encoder)
    found = work(tmp_path / "out", poisoned(encoder), "error", numbers(job))
    failed = found[0]
    assert isinstance(failed, Failed)
    assert failed.kind == "row"
    assert "corpus.jsonl, row 61: gave a vector that is not finite" in failed.message
    assert stored(tmp_path / "out") == {}
    assert JobFolder.open(tmp_path / "out").claimed() == set()


def test_rows_that_reading_finds_to_be_bad(tmp_path: Path, tiny: Path) -> None:
    encoder = made(tiny)
    rows, good = with_bad(documents(300), d0="", d120=" \n", d299="")
    with pytest.raises(InputError, match=r"corpus.jsonl, row 1: .*, and 2 bad rows more; bad_rows='skip'"):
        begun(tmp_path, rows, encoder)
    job = begun(tmp_path, rows, encoder, bad_rows="skip")
    found = work(tmp_path / "out", encoder, "error", numbers(job))
    assert [getattr(found[n], "kind", "") for n in range(3)] == ["row", "row", "row"]
    failed = found[1]
    assert isinstance(failed, Failed)
    assert "corpus.jsonl, row 121: " in failed.message
    found = work(tmp_path / "out", encoder, "skip", numbers(job))
    assert [event.rejected for event in found.values() if isinstance(event, Finished)] == [1, 1, 1]
    assert_stored(tmp_path / "out", good, encoder.encode_document(texts(good)))


def test_a_shard_of_which_no_row_is_good(tmp_path: Path, tiny: Path) -> None:
    encoder = made(tiny, truncation="error")
    rows, good = with_bad(documents(25), **{f"d{i}": ("", LONG)[i % 2] for i in range(10, 20)})
    job = begun(tmp_path, rows, encoder, shard_rows=10, bad_rows="skip", keep=("rank",))
    found = work(tmp_path / "out", encoder, "skip", numbers(job))
    assert [(event.rows, event.rejected) for event in found.values() if isinstance(event, Finished)] == [
        (10, 0),
        (0, 10),
        (5, 0),
    ]
    assert_stored(tmp_path / "out", good, encoder.encode_document(texts(good)))


class Picky:
    """An encoder that refuses texts with certain letters, and counts what it is asked."""

    model_name = "picky"
    dimension = 2

    def __init__(self, letters: str, error: type[Exception] = InputError) -> None:
        self.letters, self.error, self.asked = letters, error, 0

    def encode_document(self, texts: list[str], **_: Any) -> Any:
        self.asked += 1
        for i, text in enumerate(texts):
            if set(text) & set(self.letters):
                raise self.error(f"text {i} has a letter that is not liked")
        return np.array([[len(text), 1.0] for text in texts], dtype=np.float32)


def test_sifting_finds_all_and_keeps_the_rest() -> None:
    letters = [chr(ord("a") + i % 26) * (i + 1) for i in range(260)]
    picky = Picky("cx")
    found = sift(Asked(picky, Task()), letters, first_only=False)
    bad = [i for i, text in enumerate(letters) if text[0] in "cx"]
    assert sorted(found.bad) == bad
    assert set(found.bad.values()) == {"has a letter that is not liked"}
    np.testing.assert_array_equal(
        found.rows(2)[:, 0], [len(text) for i, text in enumerate(letters) if i not in bad]
    )
    picky = Picky("z")
    found = sift(Asked(picky, Task()), letters, first_only=True)
    assert list(found.bad) == [25]
    assert picky.asked < 20


@pytest.mark.slow
def test_what_is_no_texts_fault_fails_what_is_under_way(tmp_path: Path, tiny: Path) -> None:
    encoder = made(tiny)
    job = begun(tmp_path, documents(5000), encoder, shard_rows=2000)

    class Broken(Encoder):
        def iter_encode_document(self, *arguments: Any, **further: Any) -> Any:
            blocks = super().iter_encode_document(*arguments, **further)
            yield next(blocks)
            yield next(blocks)
            blocks.close()
            raise EngineError("the server has gone")

    found = work(
        tmp_path / "out",
        Broken(tiny, truncation="ignore", unknown="ignore", max_length=128),
        "skip",
        numbers(job),
    )
    kinds = {n: getattr(event, "kind", "finished") for n, event in found.items()}
    assert kinds[0] == "finished"
    assert kinds[1] == "fault"
    assert all(
        event.message == "the server has gone" for event in found.values() if isinstance(event, Failed)
    )
    assert JobFolder.open(tmp_path / "out").claimed() == set()
