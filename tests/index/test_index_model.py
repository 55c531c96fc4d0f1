"""An index that is opened without an encoder loads the model it was built with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TinyEncoder

from langchain_youtu import YoutuVectorStore as LangChainStore
from llama_index.vector_stores.youtu import YoutuVectorStore as LlamaIndexStore
from youtu_st import Encoder
from youtu_st.errors import IndexMismatchError, IndexNotFoundError, InputError, ModelLoadError
from youtu_st.index import RecordedEncoder, VectorIndex, read_manifest

OPEN: dict[str, Callable[[Path], Any]] = {
    "index": VectorIndex.open,
    "langchain": LangChainStore,
    "llama_index": LlamaIndexStore,
}


@pytest.mark.parametrize("split_special_tokens", [False, True])
def test_the_model_of_the_manifest_opens_it(tmp_path: Path, tiny: Path, split_special_tokens: bool) -> None:
    encoder = Encoder(tiny, split_special_tokens=split_special_tokens)
    texts = ["Mars is red.", "<eos> is a token.", "金星很热。"]
    with VectorIndex.create(tmp_path / "index", encoder) as index:
        index.add(texts, ["a", "b", "c"])
    shared = Encoder.shared(tiny, split_special_tokens=split_special_tokens)
    for open_it in OPEN.values():
        opened = open_it(tmp_path / "index")
        index = opened if isinstance(opened, VectorIndex) else opened.index
        assert index.encoder is shared  # loaded once for all of them
        expected = np.sort(encoder.encode_query(["<eos>"]) @ encoder.encode_document(texts).T)[0, ::-1]
        np.testing.assert_allclose([hit.score for hit in index.search("<eos>", 3)], expected, atol=1e-6)
        index.close()


@pytest.mark.parametrize("door", OPEN)
def test_a_model_that_is_not_here_is_told_with_what_to_pass(tmp_path: Path, door: str) -> None:
    encoder = TinyEncoder(name="gone/nowhere")
    VectorIndex.create(tmp_path / "index", encoder).close()
    with pytest.raises(
        ModelLoadError, match="built with 'gone/nowhere', which cannot be loaded here: pass"
    ) as caught:
        OPEN[door](tmp_path / "index")
    assert "encoder=Encoder(" in str(caught.value)
    assert "\n" not in str(caught.value)
    VectorIndex.open(tmp_path / "index", encoder).close()
    with pytest.raises(IndexNotFoundError):
        OPEN[door](tmp_path / "nothing")


def test_another_model_of_the_name_is_not_taken(tmp_path: Path, tiny: Path) -> None:
    VectorIndex.create(tmp_path / "index", TinyEncoder(name=str(tiny))).close()
    with pytest.raises(IndexMismatchError, match="built with another encoder"):
        VectorIndex.open(tmp_path / "index")


def test_what_was_written_down_of_it_opens_it_for_searches_by_words(tmp_path: Path) -> None:
    with VectorIndex.create(tmp_path / "index", TinyEncoder(name="gone/nowhere")) as index:
        index.add(["Mars is red.", "金星很热。"], ["a", "b"])
        expected = index.search("red 金星", mode="lexical")
    with VectorIndex.open(tmp_path / "index", RecordedEncoder(read_manifest(tmp_path / "index"))) as index:
        assert index.search("red 金星", mode="lexical") == expected
        assert len(expected) == 2
        for mode in ("dense", "hybrid"):
            with pytest.raises(InputError, match="'red' must be encoded by 'gone/nowhere'"):
                index.search("red", mode=mode)
