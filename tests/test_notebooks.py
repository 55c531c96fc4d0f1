"""The notebooks run from top to bottom, offline, and print what their committed files show."""

from __future__ import annotations

import base64
import copy
import io
import json
import re
import runpy
import tempfile
from pathlib import Path

import numpy as np
import pytest
from checkpoints import cross_encoder_checkpoint

pytest.importorskip("nbclient", reason="the extra notebooks is not installed")

import matplotlib.image
import nbformat
from nbformat.v4 import new_code_cell

pytestmark = pytest.mark.notebooks

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
RUN = runpy.run_path(str(FOLDER / "run.py"))
HINT = "the outputs are stale: run `python notebooks/run.py` and look at the result"

WHERE = {"02_langchain_rag": ROOT}  # one from the repository's root, the others from their own folder
NO_MODEL = "llm = None  # put your chat model here"
SAID = "Said by the chat model."
CHAT_MODELS = {
    "02_langchain_rag": (
        "from langchain_core.language_models import FakeListChatModel\n"
        f"llm = FakeListChatModel(responses=[{SAID!r}])"
    ),
    "03_llamaindex_rag": "from llama_index.core.llms import MockLLM\nllm = MockLLM()",  # repeats its prompt
}
SCORE = re.compile(r"^ *(-?\d\.\d{3})(?=  )", re.MULTILINE)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def figures(notebook):
    outputs = (output for cell in code(notebook) for output in cell.outputs)
    images = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [matplotlib.image.imread(io.BytesIO(base64.b64decode(image))) for image in images]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def committed(request):
    return request.param.stem, RUN["read"](request.param)


@pytest.fixture(scope="module")
def fresh(committed):
    """A run; where a chat model can be configured, the cells from there to the answer run again with one."""
    name, notebook = committed
    fresh = copy.deepcopy(notebook)
    for cell in code(fresh):
        cell.outputs, cell.execution_count = [], None
    if name in CHAT_MODELS:
        ids = [cell.id for cell in fresh.cells]
        start, end = ids.index("llm-code"), ids.index("answer-code") + 1
        again = copy.deepcopy(fresh.cells[start:end])
        for cell in again:
            cell.id = f"{cell.id}-again"
        assert again[0].source.startswith(NO_MODEL)
        again[0].source = CHAT_MODELS[name]
        fresh.cells[end:end] = again
    return RUN["execute"](fresh, folder=WHERE.get(name, FOLDER))


def test_a_fresh_run_prints_what_is_committed(committed, fresh):
    by_id = {cell.id: cell for cell in code(fresh)}
    for cell in code(committed[1]):
        want, got = printed(cell), printed(by_id[cell.id])
        assert SCORE.sub("", got) == SCORE.sub("", want), f"{cell.id}: {HINT}"
        scores = [[float(score) for score in SCORE.findall(text)] for text in (got, want)]
        assert scores[0] == pytest.approx(scores[1], abs=1.5e-3), f"{cell.id}: {HINT}"  # rounded to 1e-3


def test_a_fresh_run_has_no_errors_and_the_committed_kinds_of_output(committed, fresh):
    def kinds(cell):
        return [
            (output.output_type, output.get("name"), sorted(output.get("data", {})))
            for output in cell.outputs
        ]

    by_id = {cell.id: cell for cell in code(fresh)}
    for cell in code(committed[1]):
        assert kinds(by_id[cell.id]) == kinds(cell), f"{cell.id}: {HINT}"
    for cell in code(fresh):
        assert all(output.output_type != "error" for output in cell.outputs), cell.id
        assert all(output.get("name") != "stderr" for output in cell.outputs), printed(cell)


def test_figures_are_there_and_have_the_size_of_a_fresh_run(committed, fresh):
    name, notebook = committed
    want, got = figures(notebook), figures(fresh)
    assert len(got) == len(want) == (5 if name == "01_encoder" else 0)
    for ours, theirs in zip(want, got, strict=True):
        assert np.abs(np.subtract(ours.shape, theirs.shape)).max() <= 4, HINT
        assert len(np.unique(ours[::4, ::4].reshape(-1, ours.shape[-1]), axis=0)) > 50, "an empty figure"


def test_a_chat_model_answers(committed, fresh):
    name, notebook = committed
    assert (name in CHAT_MODELS) == any(NO_MODEL in cell.source for cell in code(notebook))
    if name in CHAT_MODELS:
        by_id = {cell.id: printed(cell) for cell in code(fresh)}
        prompt, sources = by_id["answer-code"].split("\n\nSources:\n")
        announced, _, prompt = prompt.partition("\n\n")
        assert announced == "No chat model is configured. It would be asked:"
        assert "Question: " in prompt
        answer, same_sources = by_id["answer-code-again"].split("\n\nSources:\n")
        assert answer.strip() == (SAID if name == "02_langchain_rag" else prompt)
        assert same_sources == sources
        assert len(sources.splitlines()) == 2


CHECK = {
    "02_langchain_rag": "texts = [d.page_content for d in store.similarity_search(question, k=20)]",
    "03_llamaindex_rag": "texts = [one.text for one in index.as_retriever(similarity_top_k=20).retrieve(question)]",
}


def test_a_reranker_chooses(committed, tmp_path):
    """With one configured: the two best of twenty, by its scores of single pairs, are what the answer rests on."""
    name, notebook = committed
    assert (name in CHECK) == any(cell.id == "rerank-code" for cell in notebook.cells)
    if name not in CHECK:
        return
    reranker = cross_encoder_checkpoint(tmp_path / "reranker")
    chosen = copy.deepcopy(notebook)
    end = [cell.id for cell in chosen.cells].index("answer-code") + 1
    configure = f'import os\nos.environ["RERANKER"] = {str(reranker)!r}'
    check = (
        f"{CHECK[name]}\nfrom youtu_st.rerank import Reranker\n"
        'scored = [(Reranker.shared(os.environ["RERANKER"]).score([(question, text)])[0], text) for text in texts]\n'
        "for score, text in sorted(scored, reverse=True)[:2]:\n"
        "    print(f\"{score:.3f}  {' '.join(text.split())[:70]}\")"
    )
    chosen.cells = [new_code_cell(configure), *chosen.cells[:end], new_code_cell(check)]
    cells = code(RUN["execute"](chosen, folder=FOLDER))
    by_id = {cell.id: printed(cell) for cell in cells}
    best = [re.sub(r"^(\d\.\d{3})  \S+ +", r"\1  ", line) for line in by_id["rerank-code"].splitlines()]
    assert best == printed(cells[-1]).splitlines()
    sources = by_id["answer-code"].split("\n\nSources:\n")[1].splitlines()
    assert [line.split("  ", 1)[1] for line in best] == [
        re.sub(r"^(\d\.\d{3}  )?\S+ +", "", line) for line in sources
    ]


def test_the_committed_file_is_whole_and_clean(committed):
    name, notebook = committed
    nbformat.validate(notebook)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), HINT
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert all(re.fullmatch(r"[a-z]+(-code)?", cell.id) for cell in notebook.cells), "ids that say what"
    assert all(cell.cell_type == "markdown" for cell in notebook.cells[:1]), "a notebook begins with words"
    for cell in cells:
        for output in cell.outputs:
            assert output.get("name") != "stderr", printed(cell)
            assert output.output_type != "error", cell.id
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 420_000


def test_no_output_tells_of_a_machine(committed):
    outputs = copy.deepcopy([output for cell in code(committed[1]) for output in cell.outputs])
    for output in outputs:
        output.get("data", {}).pop("image/png", None)
    text = json.dumps(outputs).replace("`IndexWarning`", "")  # of a page that the notebooks search
    for trace in ("Traceback", "Warning", "/work", "/home", "/root", "/Users", "\\\\Users", "site-packages"):
        assert trace not in text
    for folder in (str(ROOT), str(Path.home()), tempfile.gettempdir()):
        assert folder not in text


def test_links_lead_somewhere(committed):
    for cell in committed[1].cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", cell.source):
                assert (FOLDER / target).exists(), target
