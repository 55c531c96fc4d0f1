"""Records of frameworks in metadata: they are stored, and left out where metadata is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from youtu_st import Encoder
from youtu_st.cli import main
from youtu_st.index import VectorIndex, is_record, without_records


@pytest.mark.parametrize("key", ["__llama_index__", "__x__", "_____", "__ 中 文__", "__a__b__"])
def test_a_record_has_two_underscores_on_either_side(key: str) -> None:
    assert is_record(key)


@pytest.mark.parametrize(
    "key", ["", "__", "____", "x", "_x_", "__x", "x__", "__x_", "_x__", " __x__", "__x__\n"]
)
def test_other_keys_are_the_users(key: str) -> None:
    assert not is_record(key)


def test_without_records_keeps_the_rest_and_its_order(index: VectorIndex) -> None:
    metadata = {"b": 1, "__x__": {"y": 2}, "a": {"__y__": 3}, "__x": None}
    index.add(["one"], ["a"], [metadata])
    (stored,) = [hit.metadata for hit in index.search("one")]
    assert stored == metadata
    assert list(without_records(stored).items()) == [("b", 1), ("a", {"__y__": 3}), ("__x", None)]
    assert stored == metadata  # not changed
    assert index.search("one", filter={"__x__.y": 2})[0].id == "a"


def test_the_command_line_leaves_records_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with VectorIndex.create(tmp_path / "index", Encoder.shared("minilm")) as index:
        index.add(
            ["The Rhine flows north."], ["a"], [{"lang": "en", "__llama_index__": {"type": "TextNode"}}]
        )
    assert main(["index", "search", str(tmp_path / "index"), "Rhine", "--json"]) == 0
    (hit,) = json.loads(capsys.readouterr().out)
    assert (hit["id"], hit["metadata"]) == ("a", {"lang": "en"})
