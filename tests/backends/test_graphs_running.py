"""A graph that runs: without torch, from any thread, in forked children, and with what goes wrong in one line."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import busy, in_child
from run_once import once

from youtu_st.backends.graphs import FILES
from youtu_st.backends.graphs.making import make_graph
from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.graphs.running import Graph
from youtu_st.backends.threads import threads
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.loading.loader import load

PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino", "nncf")}
ENGINES = ["onnx", pytest.param("openvino", marks=pytest.mark.openvino)]
TITLES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: Any) -> str:
    # Not importorskip: both report that they were imported.
    if not all(map(importlib.util.find_spec, PACKAGES[request.param])):
        pytest.skip(f"the extra {request.param} is not installed")
    return request.param


@pytest.fixture(scope="module")
def folder(engine: Any, tiny: Path, request: pytest.FixtureRequest) -> Path:
    """The graph of a tiny Youtu model. Not to be written to."""
    if engine == "onnx":
        exported: Path = request.getfixturevalue("exported_tiny")
        return exported

    def make(out: Path) -> None:
        out.mkdir()
        make_graph(load(tiny), out, engine=engine)

    return once(f"graph-{engine}", make)


@pytest.fixture(scope="module")
def graph(engine: Any, folder: Path) -> Graph:
    return open_graph(engine, folder, threads=2)


def batch(rows: int = 3, width: int = 20, seed: int = 0) -> dict[str, Any]:
    ids = np.random.default_rng(seed).integers(3, 500, (rows, width))
    ones = np.ones((rows, width), dtype=np.int64)
    return {"input_ids": ids, "attention_mask": ones, "content_mask": ones, "token_type_ids": ones}


def same(vectors: Any, expected: Any) -> None:
    np.testing.assert_allclose(vectors, expected, atol=1e-6, rtol=0)


def test_what_it_is(engine: Any, graph: Graph, folder: Path) -> None:
    assert (graph.engine, graph.path) == (engine, folder / FILES[engine])
    assert set(graph.inputs) == {"input_ids", "attention_mask", "content_mask"}
    assert list(graph.versions) == ["onnxruntime" if engine == "onnx" else "openvino"]


def test_vectors_are_the_callers_own(graph: Graph) -> None:
    first = graph.run(batch())
    kept = first.copy()
    assert first.dtype == np.float32
    assert first.shape == (3, 32)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    graph.run(batch(seed=1))
    graph.run(batch(rows=9, width=50))
    np.testing.assert_array_equal(first, kept)
    first[:] = 0  # and may be written to
    same(graph.run(batch()), kept)


def test_rows_may_come_in_any_layout(graph: Graph) -> None:
    given = batch()
    turned = {name: np.asfortranarray(value) for name, value in given.items()}
    same(graph.run(turned), graph.run(given))


def test_sixteen_threads(graph: Graph) -> None:
    batches = [batch(rows=1 + i % 4, width=1 + 7 * i % 60, seed=i) for i in range(64)]
    expected = [graph.run(given) for given in batches]
    with ThreadPoolExecutor(16) as pool:
        for found, wanted in zip(pool.map(graph.run, batches * 3), expected * 3, strict=True):
            same(found, wanted)


def test_a_copy_is_the_graph_and_a_pickle_its_path(graph: Graph) -> None:
    assert copy.deepcopy(graph) is graph
    packed = pickle.dumps(graph)
    assert len(packed) < 1000
    again = pickle.loads(packed)
    assert (type(again), again.path) == (type(graph), graph.path)
    same(again.run(batch()), graph.run(batch()))


RUNS = """
import os, sys
import numpy as np
from youtu_st.backends.graphs.opening import open_graph
graph = open_graph(sys.argv[1], sys.argv[2])
ones = np.ones((2, 5), dtype=np.int64)
print(np.abs(graph.run({name: ones for name in graph.inputs})).sum() > 0)
print([name for name in os.environ if "TELEMETRY" in name])
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[3:])))
"""


def test_it_runs_without_torch(engine: Any, folder: Path) -> None:
    heavy = ["torch", "transformers", "sentence_transformers", "huggingface_hub", "openvino_telemetry"]
    other = "onnxruntime" if engine == "openvino" else "openvino"
    command = [sys.executable, "-c", RUNS, engine, str(folder), *heavy, other]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n[]\n[]\n", "")


THREADS = """
import os
from youtu_st.backends.packages import onnx_runtime
before = len(os.listdir("/proc/self/task"))
onnx_runtime()
print(len(os.listdir("/proc/self/task")) - before, [name for name in os.environ if "TELEMETRY" in name])
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_onnx_runtime_starts_no_thread_that_reports() -> None:
    if importlib.util.find_spec("onnxruntime") is None:
        pytest.skip("the extra onnx is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    for asked, shown in ({}, []), ({"ORT_DISABLE_TELEMETRY": "1"}, ["ORT_DISABLE_TELEMETRY"]):
        done = subprocess.run(
            [sys.executable, "-c", f"import numpy\n{THREADS}"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment | asked,
        )
        assert done.stdout == f"0 {shown}\n", done.stderr


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 3)


def scramble(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def absent(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [cut, scramble, empty, absent, a_folder])
def test_a_damaged_file_is_told_in_a_line(
    damage: Callable[[Path], None], engine: Any, folder: Path, tmp_path: Path, capfd: Any
) -> None:
    copied = tmp_path / "copy"
    shutil.copytree(folder, copied)
    damage(copied / FILES[engine])
    with pytest.raises(ModelLoadError) as caught:
        open_graph(engine, copied)
    message = str(caught.value)
    assert message.startswith(f"{TITLES[engine]} cannot run {copied / FILES[engine]}: ")
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_weights_that_are_cut_off(engine: Any, folder: Path, tmp_path: Path) -> None:
    if engine == "onnx":
        pytest.skip("a small graph holds its weights itself")
    shutil.copytree(folder, tmp_path / "copy")
    cut(tmp_path / "copy" / "model.bin")
    with pytest.raises(ModelLoadError, match="OpenVINO cannot run "):
        open_graph(engine, tmp_path / "copy")


def test_a_graph_of_something_else(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    number = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Neg", ["x"], ["y"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "negative", [number], [other]),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=10,
    )
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(
        ModelLoadError, match="model.onnx is no graph of an embedding model: it gives no sent"
    ):
        open_graph("onnx", tmp_path)


def test_a_token_that_the_model_does_not_have(engine: Any, graph: Graph, capfd: Any) -> None:
    if engine == "openvino":
        pytest.skip("OpenVINO does not look at what it is given")
    with pytest.raises(ModelLoadError, match="ONNX Runtime cannot run ") as caught:
        graph.run({**batch(), "input_ids": np.full((3, 20), 10**6)})
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert graph.run(batch()).shape == (3, 32)


def test_a_feature_too_few(graph: Graph) -> None:
    with pytest.raises(KeyError, match="content_mask"):
        graph.run({"input_ids": np.ones((1, 1), np.int64), "attention_mask": np.ones((1, 1), np.int64)})


SHORT = """
import resource, sys
import numpy as np
from youtu_st.backends.graphs.opening import open_graph
graph = open_graph(sys.argv[1], sys.argv[2], threads=1)
def run(rows, width):
    ones = np.ones((rows, width), dtype=np.int64)
    return graph.run({name: ones for name in graph.inputs})
small = run(2, 5)
run(20_000, 1)  # leaves vectors of as many rows
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), -1))
try:
    run(20_000, 200)  # the states of one layer take 500 MB
    print("enough")
except MemoryError as error:
    print("short", "\\n" not in str(error))
print(np.abs(run(2, 5) - small).max() < 1e-6)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's limits")
def test_too_little_memory(engine: Any, folder: Path) -> None:
    command = [sys.executable, "-c", SHORT, engine, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "short True\nTrue\n", "")


def test_threads(engine: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same(open_graph(engine, folder, threads=1).run(batch()), open_graph(engine, folder).run(batch()))
    for wrong in (0, -1, 2.0, True):
        with pytest.raises(InputError, match="threads must be an int of at least 1"):
            open_graph(engine, folder, threads=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "expected"),
    [("3", 3), ("4,2", 4), (" 5 ", 5), ("0", None), ("", None), ("many", None), (None, None)],
)
def test_cores(told: str | None, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 4, 6}, raising=False)
    assert threads() == (expected or 3)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert threads() == (expected or 1)


class TestForks:
    pytestmark = forks

    def test_at_rest(self, graph: Graph) -> None:
        expected = graph.run(batch())
        same(in_child(lambda: graph.run(batch())), expected)
        same(in_child(lambda: in_child(lambda: graph.run(batch()))), expected)
        same(graph.run(batch()), expected)

    def test_while_threads_of_the_parent_run(self, graph: Graph) -> None:
        expected = graph.run(batch())
        with busy(lambda: graph.run(batch(rows=30)), lambda: graph.run(batch(width=200))):
            for i in range(8):
                time.sleep(0.003 * i)
                same(in_child(lambda: graph.run(batch())), expected)
        same(graph.run(batch()), expected)

    @pytest.mark.parametrize("work", ["graph.run(given)", "del graph", "None"])
    def test_the_child_ends(self, work: str, engine: Any, folder: Path) -> None:
        """As a worker does, which runs Python to its end: engines would wait there for the parent's threads."""
        script = f"""
import os, sys
import numpy as np
from youtu_st.backends.graphs.opening import open_graph
graph = open_graph(sys.argv[1], sys.argv[2], threads=2)
given = {{name: np.ones((2, 5), dtype=np.int64) for name in graph.inputs}}
graph.run(given)
child = os.fork()
{work}
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    print("done")
"""
        command = [sys.executable, "-c", script, engine, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
