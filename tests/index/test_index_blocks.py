"""All documents of an index, a block at a time."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from tiny import TinyEncoder

from youtu_st.errors import InputError, VectorIndexError
from youtu_st.index import VectorIndex

Make = Callable[..., VectorIndex]


def filled(index: VectorIndex, count: int = 25) -> VectorIndex:
    texts = [f"text {number}" for number in range(count)]
    metadata = [{"number": number, "nested": {"list": [number, None, "ü"]}} for number in range(count)]
    index.add(texts, [f"id {number}" for number in range(count)], metadata)
    return index


@pytest.mark.parametrize("rows", [1, 7, 25, 1000])
def test_blocks_hold_every_document_once_in_the_order_added(
    index: VectorIndex, encoder: TinyEncoder, rows: int
) -> None:
    filled(index)
    index.delete(["id 3", "id 24"])
    index.add(["another text"], ["id 0"])
    expected = [*(f"id {number}" for number in range(1, 24) if number != 3), "id 0"]
    blocks = list(index.blocks(rows))
    assert [len(block.ids) for block in blocks[:-1]] == [rows] * (len(blocks) - 1)
    assert [id for block in blocks for id in block.ids] == expected
    texts = [text for block in blocks for text in block.texts]
    assert texts == [*(f"text {id[3:]}" for id in expected[:-1]), "another text"]
    np.testing.assert_array_equal(
        np.concatenate([block.vectors for block in blocks]), encoder.encode_document(texts)
    )
    metadata = [json.loads(text) for block in blocks for text in block.metadata]
    assert metadata == [document.metadata for document in index.get(expected) if document]


def test_an_empty_index_has_no_block(index: VectorIndex) -> None:
    assert list(index.blocks()) == []


@pytest.mark.parametrize("change", ["add", "replace", "delete"])
def test_a_change_meanwhile_is_told(index: VectorIndex, change: str) -> None:
    filled(index)
    blocks = index.blocks(10)
    next(blocks)
    if change == "delete":
        index.delete(["id 20"])
    else:
        index.add(["new"], ["new" if change == "add" else "id 1"])
    with pytest.raises(VectorIndexError, match="was changed meanwhile: read it again"):
        next(blocks)


def test_folding_meanwhile_is_no_change(index: VectorIndex, encoder: TinyEncoder) -> None:
    filled(index)
    with VectorIndex.open(index.path, encoder) as reader:
        blocks = reader.blocks(10)
        first = next(blocks)
        index.close()  # folds the journal into the next generation's snapshot
        rest = list(blocks)
    assert [id for block in [first, *rest] for id in block.ids] == [f"id {number}" for number in range(25)]


@pytest.mark.parametrize("rows", [0, -1, True, 1.5])
def test_rows_must_be_a_count(index: VectorIndex, rows: object) -> None:
    with pytest.raises(InputError, match="rows must be an int of at least 1"):
        index.blocks(rows)  # type: ignore[arg-type]
