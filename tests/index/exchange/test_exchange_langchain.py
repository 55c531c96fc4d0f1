"""Folders that LangChain's own FAISS store has saved."""

from __future__ import annotations

import os
import pickle
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import IndexMismatchError, InputError
from youtu_st.index import VectorIndex, as_given
from youtu_st.index.exchange import import_index, open_source
from youtu_st.inputs import unit_rows

pytest.importorskip("langchain_community")

from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_community.vectorstores.utils import DistanceStrategy
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

TEXTS = [f"Text number {i}, about rivers." for i in range(50)]


class Ours(Embeddings):
    """Vectors of an encoder, and of any length: as embeddings that do not normalise."""

    def __init__(self, encoder: TinyEncoder, scale: float = 1.0) -> None:
        self.encoder, self.scale = encoder, scale

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return (self.scale * self.encoder.encode_document(texts)).tolist()  # type: ignore[no-any-return]

    def embed_query(self, text: str) -> list[float]:
        return (self.scale * self.encoder.encode_query([text]))[0].tolist()  # type: ignore[no-any-return]


def documents() -> list[Document]:
    return [
        Document(page_content=text, id=f"d{i}", metadata={"n": i, "tags": ["a", "b"], "deep": {"x": None}})
        for i, text in enumerate(TEXTS)
    ]


def saved(folder: Path, encoder: TinyEncoder, **how: Any) -> Path:
    store = FAISS.from_documents(documents(), Ours(encoder, how.pop("scale", 1.0)), **how)
    store.save_local(str(folder))
    return folder


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"distance_strategy": DistanceStrategy.MAX_INNER_PRODUCT, "scale": 3.0},
        {"normalize_L2": True, "scale": 0.5},
        {"distance_strategy": DistanceStrategy.COSINE},
    ],
)
def test_a_folder_becomes_an_index(how: dict[str, Any], tmp_path: Path, encoder: TinyEncoder) -> None:
    folder = saved(tmp_path / "lc", encoder, **how)
    expected = encoder.encode_document(TEXTS)
    encoder.encoded.clear()
    source = open_source(folder)
    done = import_index(source, tmp_path / "idx", encoder)
    assert (source.kind, done.documents) == ("a FAISS folder of LangChain", 50)
    assert done.agreement is not None
    assert done.agreement.count == 20
    assert done.agreement.least > 0.99999
    assert len(encoder.encoded) == 20 + 2 * 4  # the manifest's probe texts, in both roles
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert index.ids() == [f"d{i}" for i in range(50)]
        assert index.vectors(index.ids()) == pytest.approx(expected, abs=1e-6)
        (found,) = index.get(["d7"])
        assert found is not None
        assert (found.text, found.metadata) == (TEXTS[7], {"n": 7, "tags": ["a", "b"], "deep": {"x": None}})
        assert index.search(TEXTS[9], k=1)[0].id == "d9"


def test_vectors_of_unit_length_are_taken_over_bit_by_bit(tmp_path: Path, encoder: TinyEncoder) -> None:
    folder = saved(tmp_path / "lc", encoder)
    import_index(open_source(folder), tmp_path / "idx", encoder)
    stored = faiss.read_index(str(folder / "index.faiss")).reconstruct_n(0, 50)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert np.array_equal(index.vectors(index.ids()), unit_rows(stored, (50, 16), "x"))


def test_a_store_that_was_changed(tmp_path: Path, encoder: TinyEncoder) -> None:
    store = FAISS.from_documents(documents(), Ours(encoder))
    store.delete(["d0", "d20"])
    store.add_documents([Document(page_content="New.", id="new")])
    store.save_local(str(tmp_path / "lc"), index_name="other")
    import_index(open_source(tmp_path / "lc"), tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        assert sorted(index.ids()) == sorted([*(f"d{i}" for i in range(50) if i not in (0, 20)), "new"])
        assert index.search("New.", k=1)[0].id == "new"
        assert index.vectors(["new"]) == pytest.approx(encoder.encode_document(["New."]), abs=1e-6)


def test_times_are_taken_over_as_times(tmp_path: Path, encoder: TinyEncoder) -> None:
    """As the store under a retriever that weighs by time has them."""
    seen = datetime(2024, 5, 1, 12, 30, 0, 7, timezone(timedelta(hours=2)))
    metadata = {"last_accessed_at": seen, "days": [date(2024, 5, 1), datetime(2024, 5, 2)], "n": 1}
    store = FAISS.from_documents([Document(page_content="x", id="x", metadata=metadata)], Ours(encoder))
    store.save_local(str(tmp_path / "lc"))
    import_index(open_source(tmp_path / "lc"), tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        (found,) = index.get(["x"])
        assert found is not None
        assert as_given(found.metadata) == metadata
        assert index.ids({"last_accessed_at": {"$lt": seen + timedelta(microseconds=1)}}) == ["x"]
        assert index.ids({"last_accessed_at": {"$lt": seen}}) == []


def test_states_of_older_pydantic(tmp_path: Path, encoder: TinyEncoder) -> None:
    """As releases before this one wrote them: other modules, and pydantic's first version's state."""
    folder = saved(tmp_path / "lc", encoder)

    class Old:
        def __init__(self, **fields: Any) -> None:
            self.__dict__.update(fields)

        def __getstate__(self) -> dict[str, Any]:
            return {
                "__dict__": self.__dict__,
                "__fields_set__": {"page_content"},
                "__private_attribute_values__": {},
            }

    Old.__module__, Old.__qualname__, Old.__name__ = "langchain.schema.document", "Document", "Document"

    class Store:
        pass

    Store.__module__, Store.__qualname__ = "langchain.docstore.in_memory", "InMemoryDocstore"
    store = Store()
    store._dict = {f"d{i}": Old(page_content=text, metadata={"n": i}) for i, text in enumerate(TEXTS)}  # type: ignore[attr-defined]
    (folder / "index.pkl").write_bytes(_pickled((store, {i: f"d{i}" for i in range(50)}), Old, Store))
    import_index(open_source(folder), tmp_path / "idx", encoder)
    with VectorIndex.open(tmp_path / "idx", encoder) as index:
        (found,) = index.get(["d3"])
        assert found is not None
        assert (found.text, found.metadata) == (TEXTS[3], {"n": 3})


def _pickled(value: Any, *kinds: type) -> bytes:
    """A pickle with classes under names that nothing here has: Python looks a class up before it writes it."""
    import sys
    from types import ModuleType

    parts = [kind.__module__.split(".") for kind in kinds]
    names = {".".join(part[: i + 1]) for part in parts for i in range(len(part))}
    modules = {name: ModuleType(name) for name in names}
    for kind in kinds:
        setattr(modules[kind.__module__], kind.__qualname__, kind)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        return pickle.dumps(value)
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def test_vectors_of_another_model(tmp_path: Path, encoder: TinyEncoder) -> None:
    folder = saved(tmp_path / "lc", TinyEncoder(16))

    class Other(TinyEncoder):
        def _unit(self, text: str) -> Any:
            return super()._unit(f"other {text}")

    with pytest.raises(IndexMismatchError, match=r"of 20 texts encoded again the least cosine is .*--encode"):
        import_index(open_source(folder), tmp_path / "idx", Other())
    with pytest.raises(IndexMismatchError, match=r"has vectors of 16 numbers, and those of 'tiny' have 8"):
        import_index(open_source(folder), tmp_path / "idx", TinyEncoder(8))
    assert [path.name for path in tmp_path.iterdir()] == ["lc"]
    done = import_index(open_source(folder, vectors=False), tmp_path / "idx", Other(), encode=True)
    assert (done.documents, done.agreement) == (50, None)
    with VectorIndex.open(tmp_path / "idx", Other()) as index:
        assert index.vectors(["d5"]) == pytest.approx(Other().encode_document([TEXTS[5]]), abs=1e-6)


def test_mistakes(tmp_path: Path, encoder: TinyEncoder) -> None:
    folder = saved(tmp_path / "lc", encoder)
    good = (folder / "index.pkl").read_bytes()
    store, places = pickle.loads(good)
    for value, message in (
        ((store, {i: f"d{i}" for i in range(49)}), "has 50 vectors, and index.pkl has 49 documents"),
        ((store, {**places, 3: "gone"}), "there is no document for vector 3, whose id is 'gone'"),
        ((store, {**places, "x": "d1"}), "there is no document for vector 'x'"),
        ((InMemoryDocstore({}), {0: "a"}), "there is no document for vector 0"),
        (["x", "y"], "holds no store of documents"),
        ((1, 2), "holds no store of documents"),
        ({1: 2}, "holds no store of documents"),
        (7, "holds no store of documents"),
    ):
        (folder / "index.pkl").write_bytes(pickle.dumps(value))
        with pytest.raises(InputError, match=message):
            open_source(folder)
    kept = dict(store._dict)
    kept["d3"] = Document(page_content="x", metadata={"when": np.float32(1)})
    (folder / "index.pkl").write_bytes(pickle.dumps((InMemoryDocstore(kept), places)))
    with pytest.raises(InputError, match=r"asks for 'numpy\.\S+', which is no class of documents"):
        open_source(folder)
    kept["d3"] = Document(page_content=" ", metadata={})
    (folder / "index.pkl").write_bytes(pickle.dumps((InMemoryDocstore(kept), places)))
    with pytest.raises(InputError, match=r"lc: document 3, 'd3': its text is blank"):
        import_index(open_source(folder), tmp_path / "idx", encoder)
    kept["d3"] = Document(page_content="x", metadata={"__x": {"deep": 1 << 70}})
    (folder / "index.pkl").write_bytes(pickle.dumps((InMemoryDocstore(kept), places)))
    with pytest.raises(InputError, match=r"lc: document 3, 'd3': its metadata, key"):
        import_index(open_source(folder), tmp_path / "idx", encoder)
    assert [path.name for path in tmp_path.iterdir()] == ["lc"]


def test_a_hostile_folder_runs_nothing(tmp_path: Path, encoder: TinyEncoder) -> None:
    """As LangChain itself would run it: in place of a document, and in a document's metadata."""
    folder = saved(tmp_path / "lc", encoder)
    store, places = pickle.loads((folder / "index.pkl").read_bytes())
    ran = tmp_path / "ran"

    class Runs:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {ran}",)

    for kept in ({"d3": Runs()}, {"d3": Document(page_content="x", metadata={"a": [Runs()]})}):
        data = pickle.dumps((InMemoryDocstore({**store._dict, **kept}), places))
        (folder / "index.pkl").write_bytes(data)
        with pytest.raises(
            InputError, match=r"index\.pkl: it asks for 'posix\.system', which is no class of documents"
        ):
            open_source(folder)
        assert not ran.exists()
    pickle.loads(data)
    assert ran.exists()
