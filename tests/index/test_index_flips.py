"""Bytes that change on a disk: the right answer or one clear error, and what can be repaired is."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexDamagedError, IndexNotFoundError, VectorIndexError
from youtu_st.index import VectorIndex, check_index, repair_index
from youtu_st.index.storage import rows

ENCODER = TinyEncoder()
FACTORIES = ["Flat", "HNSW16", "IVF2,Flat"]
FILES = [
    "manifest.json",
    "documents.sqlite",
    "documents.sqlite-wal",
    "documents.sqlite-shm",
    "vectors-1.faiss",
    "journal-1.f32",
    "committed",
    "write.lock",
]
TEXTS = {f"id {i}": f"text {i} " + "with some words that fill a page " * (i % 7) for i in range(200)}
TEXTS.update({f"id {i}": f"text {i} changed" for i in range(190, 210)})
LONGER = [pytest.mark.slow, pytest.mark.long]
GONE = ["id 3", "id 195"]
for gone in GONE:
    del TEXTS[gone]


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A snapshot, a journal, dead vectors in both, and a log that SQLite has not folded in: a killed writer's."""
    made = {}
    for factory in FACTORIES:
        path = tmp_path_factory.mktemp("template") / "index"
        texts = {f"id {i}": f"text {i} " + "with some words that fill a page " * (i % 7) for i in range(200)}
        with VectorIndex.create(path, ENCODER, factory) as index:
            index.add(list(texts.values()), list(texts), [{"n": i} for i in range(200)])
        index = VectorIndex.open(path, ENCODER)
        for i in range(190, 210):
            index.add([f"text {i} changed"], [f"id {i}"], [{"n": i}])
        index.delete(GONE)
        made[factory] = path.with_name("copy")
        shutil.copytree(path, made[factory])
        index.close()
    return made


def look(path: Path, *, write: bool) -> None:
    """All kinds of questions, each of which must have the right answer."""
    with VectorIndex.open(path, ENCODER) as index:
        ids = list(TEXTS)
        vectors = ENCODER.encode_document(list(TEXTS.values()))
        assert len(index) == len(ids)
        assert [hits[0].text for hits in index.search_many(vectors, k=1)] == list(TEXTS.values())
        assert index.get([*GONE, "nobody", "id 7"])[:3] == [None, None, None]
        assert sorted(index.ids()) == sorted(ids)
        assert index.ids({"n": {"$gte": 150, "$lt": 160}}) == [f"id {i}" for i in range(150, 160)]
        assert {hit.id for hit in index.search("text 9", 300, {"n": {"$lt": 20}})} == {
            f"id {i}" for i in range(20) if i != 3
        }
        documents = index.get(ids)
        assert {document.id: document.text for document in documents if document} == TEXTS
        np.testing.assert_array_equal(index.vectors(ids), vectors)
        if write:
            assert index.delete(["id 8", *GONE]) == 1
            index.add([TEXTS["id 8"], "more"], ["id 8", "more"], [{"n": 8}, None])
            assert index.search("more", k=1)[0].id == "more"
            assert index.delete(["more"]) == 1
    if write:
        look(path, write=False)


def damages(path: Path, seed: int) -> Iterator[str]:
    """Change a file in 60 ways, one after the other; the file is as it was in between."""
    chance, content = random.Random(seed), path.read_bytes()
    for number in range(60):
        kind = ("flip", "flip", "flip", "zeros", "cut", "longer")[number % 6]
        at = chance.randrange(max(len(content), 1))
        changed = bytearray(content)
        if kind == "flip" and changed:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == "zeros":
            changed[at : at + 512] = bytes(len(changed[at : at + 512]))
        elif kind == "cut":
            del changed[at:]
        elif kind == "longer":
            changed += chance.randbytes(chance.randrange(1, 5000))
        path.write_bytes(changed)
        yield f"{kind} at {at} of {len(content)} in {path.name}, seed {seed}"
    path.unlink()
    yield f"{path.name} is gone, seed {seed}"


VECTORS = ("manifest.json", "vectors-1.faiss", "journal-1.f32")
"""Files that are others for another factory."""


def marks(factory: str, name: str, seed: int) -> list[pytest.MarkDecorator]:
    if (factory, seed) == ("Flat", 0):
        return []
    return [pytest.mark.slow, *([] if seed == 0 and name in VECTORS else [pytest.mark.long])]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "seed", "name"),
    [
        pytest.param(factory, seed, name, marks=marks(factory, name, seed))
        for factory in FACTORIES
        for seed in range(4)
        for name in FILES
    ],
)
def test_damage_is_never_a_wrong_answer(
    templates: dict[str, Path], tmp_path: Path, factory: str, name: str, seed: int
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(templates[factory], damaged)
    right = wrong = 0
    for what in damages(damaged / name, seed):
        path = tmp_path / "index"
        shutil.copytree(damaged, path)
        try:
            look(path, write=True)
            right += 1
        except (IndexDamagedError, IndexNotFoundError) as error:
            assert str(path) in str(error), what
            assert "\n" not in str(error), what
            wrong += 1
        except BaseException as error:
            raise AssertionError(what) from error
        shutil.rmtree(path)
    assert right + wrong == 61
    if name in ("vectors-1.faiss", "journal-1.f32", "manifest.json"):
        assert wrong >= 45  # not seen by chance: what these hold is looked at to the last byte
    if name == "write.lock":
        assert not wrong


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "at_once"),
    [*((factory, 32) for factory in FACTORIES), ("Flat", 1), pytest.param("Flat", 5, marks=LONGER)],
)
def test_a_repair_gives_back_all_that_is_intact(
    templates: dict[str, Path], tmp_path: Path, factory: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same damage, checked and repaired: a whole index, in which every document is right.

    Whatever number of documents are read together: a damaged tree may lead to some of them twice.
    """
    monkeypatch.setattr(rows, "_AT_ONCE", at_once)
    encoder, repaired, lost = TinyEncoder(), 0, 0
    for name in FILES:
        damaged = tmp_path / "damaged"
        shutil.copytree(templates[factory], damaged)
        for number, what in enumerate(damages(damaged / name, seed=11)):
            if number % 6 != 2 and number < 58:
                continue
            path = tmp_path / "work" / "index"
            shutil.copytree(damaged, path)
            found = check_index(path)
            try:
                look(path, write=False)
                readable = True
            except VectorIndexError:
                readable = False
            assert readable or found.damage, what
            shutil.rmtree(path)
            shutil.copytree(damaged, path)
            try:
                repair = repair_index(path, lambda manifest: encoder)
            except IndexDamagedError as error:
                assert "no document of" in str(error), what
                lost += 1
            else:
                repaired += 1
                assert repair.kept.is_dir()
                assert check_index(path).damage == (), what
                with VectorIndex.open(path, ENCODER) as index:
                    documents = [document for document in index.get(index.ids()) if document]
                    texts = [document.text for document in documents]
                    assert len(index) == len(documents) == repair.found.documents
                    vectors = ENCODER.encode_document(texts)
                    np.testing.assert_allclose(index.vectors(index.ids()), vectors, atol=1e-6)
                    if name not in ("documents.sqlite", "documents.sqlite-wal"):
                        assert {d.id: d.text for d in documents} == TEXTS, what
            shutil.rmtree(path.parent)
        shutil.rmtree(damaged)
    assert repaired > 60
    assert lost < 20


def test_a_repair_encodes_only_what_is_lost(templates: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "index"
    shutil.copytree(templates["Flat"], path)
    content = bytearray((path / "journal-1.f32").read_bytes())
    content[3 * 72 + 20] ^= 1  # the vector of "text 193 changed"
    (path / "journal-1.f32").write_bytes(content)
    found = check_index(path)
    assert (found.documents, found.vectors) == (208, 207)
    assert len(found.damage) == 2
    assert "journal-1.f32 is damaged" in found.damage[0]
    assert found.damage[1] == "1 documents have no vectors"
    encoder = TinyEncoder()
    repair = repair_index(path, lambda manifest: encoder)
    assert repair.encoded == 1
    assert [text for text in encoder.encoded if text in TEXTS.values()] == ["text 193 changed"]
    look(path, write=True)
    assert (repair.kept / "journal-1.f32").read_bytes() == bytes(content)
    assert repair.kept == tmp_path / "index.damaged"


def test_a_whole_index_needs_no_encoder(templates: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "index"
    shutil.copytree(templates["IVF2,Flat"], path)

    def none(manifest: object) -> NoReturn:
        raise AssertionError("nothing is to be encoded")

    assert check_index(path).damage == ()
    assert repair_index(path, none).encoded == 0
    look(path, write=True)


def test_checking_changes_nothing(templates: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "index"
    shutil.copytree(templates["Flat"], path)
    before = {entry.name: entry.read_bytes() for entry in path.iterdir() if "-shm" not in entry.name}
    check_index(path)
    after = {entry.name: entry.read_bytes() for entry in path.iterdir() if "-shm" not in entry.name}
    assert before == after
    with pytest.raises(IndexNotFoundError, match="there is no index in"):
        check_index(tmp_path / "nowhere")
