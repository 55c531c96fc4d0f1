"""From an index into each store, from each into each, and back: everything arrives as it was."""

from __future__ import annotations

import warnings
from pathlib import Path

import lancedb
import numpy as np
import pytest
from copy_ends import (
    ENCODER,
    assert_same,
    closing_milvus,
    content,
    ends,
    in_lance,
    make_index,
    read,
)
from qdrant_client import QdrantClient

from youtu_st import Encoder
from youtu_st.errors import IndexMismatchError, InputError
from youtu_st.index import VectorIndex
from youtu_st.index.recorded import RecordedEncoder
from youtu_st.probes import PROBE_TEXTS
from youtu_st.scale.copying import copy_rows
from youtu_st.scale.copying.lance import LanceTable

STORES = ("lancedb", "milvus", "qdrant", "index")
ROWS = 90


@pytest.mark.parametrize("store", STORES)
def test_all_arrives_in_every_store_and_comes_back(tmp_path: Path, store: str) -> None:
    rows = content(ROWS)
    source = make_index(tmp_path / "source", rows, chunk_tokens=128, overlap=3)
    there = ends(tmp_path)[store]
    proof = copy_rows(source, there)
    assert proof.holds
    assert (proof.source, proof.destination, proof.written) == (ROWS, ROWS, ROWS)
    assert (proof.different, proof.difference, proof.overlap) == (0, 0.0, 1.0)
    assert proof.compared > ROWS // 3
    assert proof.queries > ROWS // 5
    assert_same(read(there), rows)
    assert copy_rows(there, tmp_path / "back").holds
    assert_same(read(str(tmp_path / "back")), rows)
    manifest = VectorIndex.open(tmp_path / "back", RecordedEncoder(ENCODER)).manifest
    assert manifest.settings == {"chunk_tokens": 128, "overlap": 3}
    assert manifest.values() == ENCODER.values()


@pytest.mark.parametrize("second", ["lancedb", "milvus", "qdrant"])
@pytest.mark.parametrize("first", ["lancedb", "milvus", "qdrant"])
def test_from_each_database_into_each(tmp_path: Path, first: str, second: str) -> None:
    rows = content(30)
    one, other = ends(tmp_path / "one")[first], ends(tmp_path / "other")[second]
    assert copy_rows(make_index(tmp_path / "source", rows), one).holds
    assert copy_rows(one, other).holds
    assert_same(read(other), rows)


def test_a_copy_back_opens_with_the_same_encoder_and_no_other(tmp_path: Path, tiny: Path) -> None:
    encoder = Encoder(str(tiny))
    texts = [f"sentence number {number}" for number in range(12)]
    with VectorIndex.create(tmp_path / "source", encoder) as index:
        index.add(texts, [f"id {number}" for number in range(12)])
    there = ends(tmp_path)["lancedb"]
    assert copy_rows(tmp_path / "source", there).holds
    assert copy_rows(there, tmp_path / "back").holds
    with VectorIndex.open(tmp_path / "back", encoder) as index:
        assert (
            index.search("sentence number 3", k=1)[0].id
            == VectorIndex.open(tmp_path / "source", encoder).search("sentence number 3", k=1)[0].id
        )
        np.testing.assert_array_equal(
            index.vectors([f"id {number}" for number in range(12)]), encoder.encode_document(texts)
        )
        assert index.add(["something new"], ["new"]) == ["new"]
    with pytest.raises(IndexMismatchError, match="dimension: index has 32, encoder has 16"):
        VectorIndex.open(tmp_path / "back", Encoder(str(tiny), dimensions=16))


@pytest.mark.parametrize("store", ["lancedb", "milvus", "qdrant"])
def test_the_record_is_found_by_no_search(tmp_path: Path, store: str) -> None:
    """As many hits as rows are asked for, and one more: each is a row."""
    rows = content(20)
    there = ends(tmp_path)
    copy_rows(make_index(tmp_path / "source", rows), there[store])
    probe = ENCODER.query_probes[0]
    if store == "lancedb":
        table = lancedb.connect(tmp_path / "lance").open_table("table")
        hits = [row["id"] for row in table.search(probe).limit(21).to_list()]
        assert table.count_rows("json_get_int(metadata, 'row') = 3") == 1
    elif store == "milvus":
        with closing_milvus(tmp_path / "milvus.db") as client:
            client.load_collection("collection")
            (found,) = client.search("collection", data=[probe], limit=21, output_fields=["id"])
            hits = [hit["entity"]["id"] for hit in found]
            assert len(client.query("collection", filter='metadata["row"] == 3', output_fields=["id"])) == 1
    else:
        client = QdrantClient(path=str(tmp_path / "qdrant"))
        hits = [
            point.payload["id"]
            for point in client.query_points("collection", query=probe.tolist(), limit=21).points
        ]
        client.close()
    assert sorted(hits) == sorted(rows)


def test_probes_of_a_record_can_be_encoded_and_nothing_else() -> None:
    encoder = RecordedEncoder(ENCODER)
    np.testing.assert_array_equal(encoder.encode_query(PROBE_TEXTS[2:]), ENCODER.query_probes[2:])
    np.testing.assert_array_equal(encoder.encode_document(PROBE_TEXTS), ENCODER.document_probes)
    for texts, instruction in ((["another"], None), (PROBE_TEXTS, "find it")):
        with pytest.raises(InputError, match="must be encoded by 'some-model'"):
            encoder.encode_query(texts, instruction=instruction)


@pytest.mark.slow
def test_a_large_table_is_indexed_and_found_in(tmp_path: Path) -> None:
    """The same with the bound for an index put low; the table finds what is exact, through its index."""
    from youtu_st.scale.copying import copying

    rows = content(3000)
    source = make_index(tmp_path / "source", rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = LanceTable(str(tmp_path / "lance"), "table", large=3000)
        reading = copying.open_source(source)
        proof = copying.copy_opened(reading, table)
    assert {
        index.columns[0] for index in lancedb.connect(tmp_path / "lance").open_table("table").list_indices()
    } == {"id", "vector"}
    table.close()
    reading.close()
    assert proof.holds
    assert_same(in_lance(tmp_path / "lance", "table"), rows)
    assert proof.overlap > 0.99
