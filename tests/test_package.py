"""The package as users get it: imports that cost nothing, and a wheel that works without the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution, metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

import youtu_st
from youtu_st.errors import install_line

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "sentence_transformers", "faiss")


def run(code: str, *, python: str = sys.executable, **options) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    ["import youtu_st", "import youtu_st.errors, youtu_st.spec.model; youtu_st.spec.model.known_models()"],
)
def test_importing_loads_nothing_heavy(code):
    loaded = run(f"import sys; {code}; print([m for m in {HEAVY} if m in sys.modules])")
    assert loaded.strip() == "[]"


def test_help_loads_nothing_heavy():
    code = f"""
import sys
from youtu_st.cli import main
sys.argv = ["youtu-st", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print([m for m in {HEAVY} if m in sys.modules])
"""
    assert run(code).splitlines()[-1] == "[]"


def test_every_public_name_is_there():
    for name in youtu_st.__all__:
        assert getattr(youtu_st, name) is not None
    assert set(youtu_st.__all__) <= set(dir(youtu_st))
    with pytest.raises(AttributeError, match="has no attribute 'Encodr'"):
        youtu_st.Encodr  # noqa: B018


def test_a_missing_package_is_one_line_to_type():
    with pytest.raises(youtu_st.YoutuError, match='pip install .*"openvino>=') as caught:
        youtu_st.errors.require("no_such_package.part", "openvino")
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    ("absent", "code", "extra"),
    [
        ("langchain_huggingface", "from langchain_youtu import YoutuEmbeddings", "langchain"),
        ("langchain_huggingface", "from langchain_youtu import YoutuReranker", "langchain"),
        ("langchain_huggingface", "from langchain_youtu import YoutuRetriever", "langchain"),
        ("langchain_huggingface", "from langchain_youtu import YoutuVectorStore", "langchain"),
        ("llama_index.core", "import llama_index.embeddings.youtu", "llama-index"),
        ("llama_index.core", "import llama_index.postprocessor.youtu", "llama-index"),
        ("llama_index.core", "import llama_index.vector_stores.youtu", "llama-index"),
    ],
)
def test_an_adapter_without_its_framework_is_one_line_to_type(absent, code, extra):
    code = f"""
import sys
sys.modules[{absent!r}] = None  # as if it were not installed
try:
    {code}
except ImportError as error:
    print(type(error).__name__, error)
"""
    told = run(code)
    assert told.startswith("MissingDependencyError"), told
    assert told.rstrip().endswith(f"must be installed: {install_line(extra)}")


def test_versions_agree():
    from importlib.metadata import version

    assert version("youtu-st") == youtu_st.__version__


@pytest.mark.slow
def test_the_wheel_works_without_the_checkout(tmp_path):
    """Built, installed into a fresh environment over the installed dependencies, used from elsewhere."""
    dist = tmp_path / "dist"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = dist.glob("youtu_st-*.whl")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    python = str(fresh / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True)
    # The dependencies of this environment, without its own copy of the package.
    site = next(p for p in sys.path if p.endswith("site-packages"))
    (fresh / "dependencies").mkdir()
    for entry in Path(site).iterdir():
        if "youtu_st" not in entry.name:
            (fresh / "dependencies" / entry.name).symlink_to(entry)
    env = {**os.environ, "PYTHONPATH": str(fresh / "dependencies")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = """
import youtu_st, json
assert "site-packages" in youtu_st.__file__, youtu_st.__file__
vectors = youtu_st.Encoder.shared("minilm").encode_query(["How is the weather?"])
from langchain_youtu import YoutuEmbeddings, YoutuReranker, YoutuVectorStore
from llama_index.embeddings.youtu import YoutuEmbedding
from llama_index.postprocessor.youtu import YoutuRerank
from llama_index.vector_stores.youtu import YoutuVectorStore
for row in (
    YoutuEmbeddings(model="minilm").embed_query("How is the weather?"),
    YoutuEmbedding("minilm").get_query_embedding("How is the weather?"),
):
    assert abs(row - vectors[0]).max() < 1e-6
print(json.dumps(vectors[0].tolist()))
"""
    got = run(code, python=python, cwd=elsewhere, env=env)
    want = youtu_st.Encoder("minilm").encode_query(["How is the weather?"])
    np.testing.assert_allclose(np.array([float(x) for x in got.strip()[1:-1].split(",")]), want[0], atol=1e-6)
    listed = subprocess.run(
        [str(fresh / "bin" / "youtu-st"), "models", "--json"],
        cwd=elsewhere,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "youtu-embedding" in listed.stdout
    assert "minilm" in listed.stdout


def test_the_citation_names_the_papers_of_the_models() -> None:
    """All that the specs and the package's own data cite, each model with its paper; the version and licence."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    about = metadata("youtu-st")
    assert (cited["cff-version"], cited["type"]) == ("1.2.0", "software")
    assert (cited["version"], cited["license"]) == (about["Version"], about["License-Expression"])
    assert [author["name"] for author in cited["authors"]] == [about["Author"]]
    papers = {reference["url"].rpartition("/")[2]: reference for reference in cited["references"]}
    urls = [line for line in about.get_all("Project-URL") or [] if "arxiv.org/abs/" in line]
    named = {line.rpartition("/")[2]: {line.partition(",")[0]} for line in urls}
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        for number in re.findall(
            r"arxiv[:./a-z]*(\d{4}\.\d{5})", path.read_text(encoding="utf-8"), re.IGNORECASE
        ):
            named.setdefault(number, set()).add(path.stem)
    assert papers.keys() == named.keys()
    for number, reference in papers.items():
        assert reference["identifiers"] == [{"type": "other", "value": f"arXiv:{number}"}]
        assert reference["title"]
        assert all(author.keys() == {"family-names", "given-names"} for author in reference["authors"])
        for name in named[number] - {"CoDiEmb"}:
            assert name in reference["notes"] or name in reference["title"]


ALONE = (
    *("numpy", "tokenizers", "onnxruntime", "faiss-cpu", "filelock", "pydantic", "pyyaml", "rich", "typer"),
    *("tqdm", "xxhash"),
    *(
        "pydantic-core",
        "annotated-types",
        "typing-extensions",
        "typing-inspection",
    ),  # which pydantic is made of
    *("packaging", "pygments", "markdown-it-py", "mdurl", "shellingham", "annotated-doc"),  # and the others
)
SEARCHES = """
import sys
import youtu_st
from youtu_st.cli import main
from youtu_st.index import VectorIndex

encoder = youtu_st.Encoder("exported")
with VectorIndex.create("made", encoder) as index:
    index.add(["Mars is the Red Planet.", "The Rhine flows north."])
    print(index.search("Which planet is red?", k=1)[0].text)
assert main(["index", "search", "made", "river", "-k", "1", "--model", "exported"]) == 0
print(sorted(sys.modules.keys() & {"torch", "transformers", "sentence_transformers", "huggingface_hub", "scipy"}))
"""


@pytest.mark.slow
def test_what_was_exported_needs_ten_packages(tmp_path):
    """In an environment that has no others."""
    if find_spec("onnxruntime") is None:
        pytest.skip("the extra onnx is not installed")
    youtu_st.export("minilm", out=tmp_path / "exported")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "youtu_st").symlink_to(ROOT / "youtu_st")
    (alone / "configs").symlink_to(ROOT / "configs")
    for name in ALONE:
        try:
            files = distribution(name).files or ()
        except PackageNotFoundError:  # of other releases of those that need it
            continue
        site = Path(str(distribution(name).locate_file("")))
        for entry in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (alone / entry).exists():
                (alone / entry).symlink_to(site / entry)
    program = tmp_path / "program.py"
    program.write_text(SEARCHES)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(alone)}
    command = [sys.executable, "-S", "-P", str(program)] if sys.version_info >= (3, 11) else None
    done = subprocess.run(
        command or [sys.executable, "-S", str(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    first, *shown, imported = done.stdout.splitlines()
    assert (first, imported) == ("Mars is the Red Planet.", "[]")
    assert "The Rhine flows north." in "\n".join(shown)
