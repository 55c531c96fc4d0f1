"""The house: what stands on its top level, what loads no torch, and contracts that are seen to fail."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "sentence_transformers")
TOP_LEVEL = {
    "__init__.py",
    "disk.py",
    "encoder.py",
    "errors.py",
    "inputs.py",
    "llm_embedding.py",
    "probes.py",
    "protocol.py",
    "retriever.py",
}
LIGHT = [
    "youtu_st",
    "youtu_st.errors",
    "youtu_st.protocol",
    "youtu_st.inputs",
    "youtu_st.disk",
    "youtu_st.probes",
    "youtu_st.spec.model",
    "youtu_st.spec.reranker",
    "youtu_st.spec.instructions",
    "youtu_st.modules.texts",
    "youtu_st.inference.preprocess",
    "youtu_st.inference.unique",
    "youtu_st.inference.progress",
    "youtu_st.inference.truncation",
    "youtu_st.inference.scheduler",
    "youtu_st.index",
    "youtu_st.rerank.texts",
    "youtu_st.rerank.pairs",
    "youtu_st.rerank.exported",
    "youtu_st.rerank.exports",
    "youtu_st.rerank.reranker",
    "youtu_st.retriever",
    "youtu_st.engines",
    "youtu_st.corpus",
    "youtu_st.backends.graphs.opening",
    "youtu_st.cli",
]
ENGINES = {"openai": "youtu_st.engines.openai", "tencentcloud": "youtu_st.engines.tencent"}


def test_nine_files_stand_on_the_top_level():
    assert {path.name for path in (ROOT / "youtu_st").glob("*.py")} == TOP_LEVEL


def test_inference_is_a_folder_and_nothing_else():
    assert (ROOT / "youtu_st" / "inference" / "__init__.py").read_bytes() == b""


def test_every_room_has_its_tests():
    rooms = {path.parent.name for path in (ROOT / "youtu_st").glob("*/__init__.py")}
    assert rooms <= {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}


def test_what_needs_no_torch_loads_none():
    """Each room's modules in turn, in one process: the first that brings a heavy package is named."""
    code = f"""
import importlib, importlib.util, sys
engines = [module for package, module in {ENGINES}.items() if importlib.util.find_spec(package)]
for name in [*{LIGHT}, *engines]:
    importlib.import_module(name)
    for heavy in {HEAVY}:
        assert heavy not in sys.modules, f"{{name}} loads {{heavy}}"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# A contract, a file, and lines that break this contract and no other.
VIOLATIONS = {
    "rooms": {"youtu_st/rerank/planted.py": "import youtu_st.index.mmr"},
    "index-rooms": {"youtu_st/index/lexical/planted.py": "import youtu_st.index.nearest.factory"},
    "no-torch": {"youtu_st/spec/planted.py": "def later():\n    import torch"},
    "wings": {
        "youtu_st/training/__init__.py": "",
        "youtu_st/frameworks/planted.py": "import youtu_st.training",
    },
    "any-encoder": {"youtu_st/serving/__init__.py": "from youtu_st.encoder import Encoder"},
    "no-framework": {"youtu_st/rerank/planted.py": "from langchain_core.documents import Document"},
    "no-circles": {
        "youtu_st/index/left.py": "import youtu_st.index.right",
        "youtu_st/index/right.py": "import youtu_st.index.left",
    },
}
CONFIG = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CONTRACTS = dict(re.findall(r'importlinter\.contracts\]\]\nid = "(.+)"\nname = "(.+)"', CONFIG))


def broken_contracts(directory: Path) -> set[str]:
    """The ids of the contracts that a copy of the package breaks."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(directory)}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", done.stdout, re.MULTILINE))
    assert set(verdicts) == set(CONTRACTS.values()), done.stdout + done.stderr
    assert done.returncode == ("BROKEN" in verdicts.values())
    return {key for key, name in CONTRACTS.items() if verdicts[name] == "BROKEN"}


def test_every_contract_has_a_violation():
    assert set(CONTRACTS) == set(VIOLATIONS)


@pytest.mark.parametrize("contract", [None, *VIOLATIONS])
def test_a_violation_breaks_its_contract_and_no_other(contract, tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "youtu_st", tmp_path / "youtu_st", ignore=shutil.ignore_patterns("__pycache__"))
    for name, lines in VIOLATIONS.get(contract, {}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{lines}\n", encoding="utf-8")
    assert broken_contracts(tmp_path) == ({contract} if contract else set())


def test_the_figure_shows_the_imports_of_today():
    tool = runpy.run_path(str(ROOT / "tools" / "rooms.py"))
    imports = tool["read_imports"]()
    assert "errors" in imports["protocol"] | imports["inputs"]
    assert imports["errors"] == set()
    want = tool["draw"](tool["read_layers"](), imports)
    assert tool["FIGURE"].read_text(encoding="utf-8") == want, "run `make docs-figures`"


def test_depth_and_circles_of_imports():
    """The figures of ``benchmarks/moves.py --house``, on a graph that is drawn here."""
    script = runpy.run_path(str(ROOT / "benchmarks" / "moves.py"))
    imports = {"top": {"left", "low"}, "left": {"right"}, "right": {"left", "low"}, "low": set()}
    assert script["circles_of"](imports) == [{"left", "right"}]
    assert script["depth"](imports) == 2


def test_a_move_is_a_call_into_another_file():
    script = runpy.run_path(str(ROOT / "benchmarks" / "moves.py"))
    from youtu_st import errors, inputs
    from youtu_st.spec import prompts

    def call():  # prompts, errors, inputs, inputs
        prompts.fill("{instruction}", "a")
        errors.require("json", "test")
        inputs.check_count("k", 1)
        inputs.check_count("k", 2)

    assert script["moves"](call) == (2, 2)
