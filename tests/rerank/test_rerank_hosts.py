"""An exported reranker is opened, and put behind the adapters, without torch and what stands on it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

if importlib.util.find_spec("onnxruntime") is None:  # importing it here would start its telemetry
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

HOSTS = "print(sorted(sys.modules.keys() & {'torch', 'transformers', 'sentence_transformers'}))"
PLAIN = """
from youtu_st.rerank import Reranker
reranker = Reranker({model!r}, unknown="ignore")
assert len(reranker.rank("which is it", ["one", "two words", "three"], k=2)) == 2
assert reranker.score([("a", "b"), ("c", "d")]).shape == (2,)
assert len(reranker.fingerprint) == 16 and repr(reranker)
"""
LANGCHAIN = """
from langchain_core.documents import Document
from langchain_youtu import YoutuReranker
documents = [Document(page_content=text) for text in ("one", "two words", "three")]
kept = YoutuReranker(model={model!r}, top_n=2, unknown="ignore").compress_documents(documents, "which is it")
assert len(kept) == 2 and "relevance_score" in kept[0].metadata
"""
LLAMA_INDEX = """
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.postprocessor.youtu import YoutuRerank
nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("one", "two words", "three")]
rerank = YoutuRerank(model={model!r}, top_n=2, unknown="ignore")
assert len(rerank.postprocess_nodes(nodes, query_str="which is it")) == 2
"""


@pytest.fixture
def exported(exported_kind: Callable[..., Path]) -> Callable[[str], Path]:
    """Both kinds: in a template, and plain pairs."""
    return lambda kind: exported_kind({"template": "qwen3", "pairs": "bert"}[kind])


def ran(program: str) -> str:
    """What a process has imported of the hosts."""
    code = f"import sys\n{program}\n{HOSTS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["template", "pairs"])
@pytest.mark.slow
def test_opening_and_ranking(exported: Callable[[str], Path], kind: str) -> None:
    assert ran(PLAIN.format(model=str(exported(kind)))) == "[]\n"


@pytest.mark.slow
def test_langchain(exported: Callable[[str], Path]) -> None:
    pytest.importorskip("langchain_core")
    assert ran(LANGCHAIN.format(model=str(exported("pairs")))) == "[]\n"


@pytest.mark.slow
def test_llama_index(exported: Callable[[str], Path]) -> None:
    pytest.importorskip("llama_index.core")
    assert ran(LLAMA_INDEX.format(model=str(exported("pairs")))) == "[]\n"


def test_importing_the_room() -> None:
    program = "import youtu_st.rerank, youtu_st.rerank.reranker, youtu_st.frameworks.reranker, youtu_st.rerank.exports"
    assert ran(program) == "[]\n"
