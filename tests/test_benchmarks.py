"""The encoding benchmark: its arithmetic against other definitions, and one small run of all of it."""

from __future__ import annotations

import json
import resource
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, AutoTokenizer

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from encoding import contestants, machine, plot, prepare, quality, report, texts, workloads  # noqa: E402
from encoding.contestants import BASELINE, CONTESTANTS, RUNS, by_length, fixed_waste  # noqa: E402
from encoding.players import First, Turn  # noqa: E402
from encoding.workloads import Task, Workload  # noqa: E402

MIXED = ["word " * (1 + 7 * i % 23) + f"{i}" for i in range(37)]


@pytest.fixture(scope="module")
def stock(checkpoint, tmp_path_factory):
    """A tiny BERT as sentence-transformers saves it, and as a workload."""
    transformer = Transformer(str(checkpoint("bert", "wordpiece")), max_seq_length=64)
    model = SentenceTransformer(modules=[transformer, Pooling(32, "mean"), Normalize()], device="cpu")
    directory = str(tmp_path_factory.mktemp("stock") / "model")
    model.save_pretrained(directory)
    workload = Workload("minilm", directory, directory, {"texts": Task(MIXED)}, MIXED[:3])
    return workloads.measured(workload)


@pytest.mark.parametrize("architecture", ["bert", "qwen2"])
def test_operations_are_those_that_pytorch_counts(checkpoint, architecture):
    tokenizer = {"bert": "wordpiece", "qwen2": "bpe"}[architecture]
    network = AutoModel.from_pretrained(
        checkpoint(architecture, tokenizer), attn_implementation="eager", dtype=torch.float32
    )
    shape = workloads.shape_of(network)
    assert shape.causal == (architecture == "qwen2")
    for lengths in ([9], [9, 9, 9]):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(input_ids=torch.ones(len(lengths), 9, dtype=torch.int64))
        counted = counter.get_total_flops()
        if architecture == "bert":
            counted -= 2 * 32 * 32 * len(lengths)  # the pooler's product of each first token
        # Eager attention computes every pair, and masks those that may not attend.
        assert replace(shape, causal=False).flops(lengths) == pytest.approx(counted, rel=2e-3)


def test_causal_attention_counts_the_pairs_that_attend():
    shape = workloads.Shape(((8, 4),), layers=3, attention=10, causal=True)
    pairs = sum(1 for n in (5, 2) for query in range(n) for key in range(n) if key <= query)
    assert shape.flops([5, 2]) == 2 * 3 * 32 * 7 + 4 * 10 * 3 * pairs


def test_padding_is_that_of_the_batches_that_are_really_made(stock):
    model = SentenceTransformer(stock.stock, device="cpu")
    seen = []
    model[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]["attention_mask"]))
    task = stock.tasks["texts"]
    model.encode_document(MIXED, batch_size=8)
    real = 1 - sum(int(mask.sum()) for mask in seen) / sum(mask.numel() for mask in seen)
    assert sum(task.lengths) == sum(int(mask.sum()) for mask in seen)
    assert 0.01 < fixed_waste(task, size=8, order=by_length) == pytest.approx(real)
    as_given = fixed_waste(task, size=8, order=contestants.as_given)
    batches = [task.lengths[start : start + 8] for start in range(0, 37, 8)]
    assert as_given == pytest.approx(1 - sum(task.lengths) / sum(len(b) * max(b) for b in batches))


def test_padding_of_many_calls_is_that_of_each_call():
    task = Task(["a", "bb", "ccc", "dddd"], [1, 2, 3, 4], call=2)
    assert task.calls() == [["a", "bb"], ["ccc", "dddd"]]
    assert fixed_waste(task, size=32, order=by_length) == pytest.approx(1 - 10 / (2 * 2 + 2 * 4))


@pytest.mark.bench
def test_the_exported_graph_gives_the_same_vectors_with_padding(stock, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    workload = replace(stock, graph=prepare.export(stock, tmp_path / "graph"))
    ours = CONTESTANTS["onnxruntime"](workload)
    model = SentenceTransformer(stock.stock, device="cpu")
    np.testing.assert_allclose(ours.documents(MIXED), model.encode_document(MIXED), atol=1e-5)
    np.testing.assert_allclose(ours.query(MIXED[3]), model.encode_query(MIXED[3]), atol=1e-5)


def test_ndcg_is_that_of_scikit_learn():
    from sklearn.metrics import ndcg_score

    random = np.random.default_rng(0)
    names = [str(i) for i in range(30)]
    for _ in range(20):
        grades, scores = random.integers(0, 3, 30) * (random.random(30) < 0.3), random.random(30)
        grades[0] = 1
        found = [names[i] for i in np.argsort(-scores)]
        mine = quality.ndcg({n: int(g) for n, g in zip(names, grades, strict=True) if g}, found)
        assert mine == pytest.approx(ndcg_score([grades], [scores], k=10))


def test_texts_are_all_different():
    assert texts.distinct(["a", "b", "a", " ", "b "], 5) == ["a", "b", "1. a", "1. b", "2. a"]
    assert texts.distinct(["a", "1. a"], 4) == ["a", "1. a", "1. 1. a", "2. a"]
    for source in (texts.abstracts, texts.paragraphs, texts.queries):
        assert len(set(source(400))) == len(source(400)) == 400


def test_an_instruction_is_cut_to_its_tokens():
    tokenizer = workloads.byte_bpe([*texts.abstracts(40), *[workloads.LONG_INSTRUCTION] * 100])
    prompt = workloads.cut_to(tokenizer, workloads.LONG_INSTRUCTION, 22)
    assert prompt.endswith("\n")
    assert workloads.LONG_INSTRUCTION.startswith(prompt.rstrip())
    ids = tokenizer(prompt)["input_ids"]
    assert len(ids) - 1 == 22
    assert ids[-1] == tokenizer.eos_token_id
    together = tokenizer(f"{prompt}What is it?")["input_ids"]
    assert together[: len(ids) - 1] == ids[:-1]


def test_memory_is_that_of_the_process_alone():
    block = np.ones(300 << 20, dtype=np.uint8)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert block.nbytes <= machine.peak_memory() <= 1.05 * resident
    code = f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r}); import encoding.machine as m; print(m.peak_memory())"
    child = int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    )
    assert 2 << 20 < child < 150 << 20


def test_matrix_products_are_timed():
    speed = machine.multiplier(((64, 128), (128, 64)), 32, "float32")()
    assert 1e7 < speed < 1e14  # a slow core's scalars, and more than any core's


def test_figures_are_ratios_to_the_baseline():
    shape = workloads.Shape(((8, 4),), layers=1, attention=0, causal=True)
    workload = Workload("minilm", "", "", {"texts": Task(["a", "b"], [3, 5])}, ["q"] * 4, shape=shape)
    right = {"texts": np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32)}
    off = {"texts": np.array([[3.0, 4.0], [0.0, 1.0]], dtype=np.float32)}
    firsts = {
        BASELINE: First(right, "float32", 200_000_000, 0, {"texts": 0.2}),
        "encoder-bfloat16": First(off, "bfloat16", 100_000_000, 0, {"texts": None}),
    }
    turns = {
        BASELINE: [Turn({"texts": s}, [0.01, 0.02, 0.03, 0.04]) for s in (1.0, 2.0, 90.0)],
        "encoder-bfloat16": [Turn({"texts": 0.5}, [0.004, 0.004, 0.006, 0.006])] * 3,
    }
    speeds = [{"float32": f, "bfloat16": 4096.0} for f in (1024.0, 512.0, 1e9)]
    found = report.figures(workload, firsts, turns, speeds)["contestants"]
    base, ours = found[BASELINE], found["encoder-bfloat16"]
    assert base["tasks"]["texts"]["texts_per_second"] == 1.0  # two texts, the median turn took two seconds
    assert base["tasks"]["texts"]["tokens_per_second"] == 4.0
    assert base["tasks"]["texts"]["matmul_share"] == (2 * 32 * 8 / 2) / 1024
    assert base["query_ms"] == {"p50": pytest.approx(25.0), "p95": pytest.approx(38.5)}
    assert ours["tasks"]["texts"]["ratio"] == 4.0
    assert ours["tasks"]["texts"]["matmul_share"] == (2 * 32 * 8 / 0.5) / 4096
    assert ours["query_ratio"] == pytest.approx(0.2)
    assert ours["memory_ratio"] == 0.5
    assert ours["cosine"] == pytest.approx(0.6)


def test_targets_tell_reached_from_missed_from_not_measured():
    def own(ratio: float, memory: float = 1.0) -> dict:
        tasks = {name: {"ratio": ratio} for name in ("paragraphs", "abstracts")}
        return {"tasks": tasks, "query_ratio": 0.25, "memory_ratio": memory, "cosine": 1.0}

    minilm = {"contestants": {BASELINE: own(1.0), "encoder-float32": own(1.4, memory=1.01)}}
    found = {each["what"]: each for each in report.targets({"minilm": minilm}, {BASELINE: 0.645})}
    assert found["paragraphs/s, encoder-float32, times baseline"]["reached"] is True
    assert found["peak memory, encoder-float32, share of baseline"]["reached"] is False
    assert found["query latency, fastest mode, share of baseline"]["reached"] is True
    assert found["paragraphs/s, encoder-bfloat16, times baseline"]["reached"] is None


def test_only_leaves_the_baseline_in():
    import encode

    assert encode.chosen([]) == RUNS
    assert encode.chosen(["minilm", "onnxruntime"]) == {"minilm": [BASELINE, "onnxruntime"]}
    assert encode.chosen(["decoder"]) == {"decoder": RUNS["decoder"]}


@pytest.mark.slow
def test_a_quick_run_measures_and_draws(tmp_path):
    out = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "encode.py"), "--quick", "--json", str(out), "--only"]
    subprocess.run([*command, "instruction", "encoder-float32"], check=True)
    result = json.loads(out.read_text("utf-8"))
    assert result["machine"]["cores"] >= 1
    assert str(tmp_path.home()) not in out.read_text("utf-8")
    measured = result["workloads"]["instruction"]
    assert (measured["skipped"], measured["failed"]) == ({}, {})
    about, rows = measured["tasks"]["queries"], measured["contestants"]
    assert list(rows) == [BASELINE, "encoder-float32"]
    assert about["texts"] == 32
    assert 22 + 6 <= about["tokens"] / 32 <= about["longest"] <= 22 + 12 + 1
    for own in rows.values():
        done = own["tasks"]["queries"]
        assert done["texts_per_second"] == pytest.approx(32 / np.median(done["seconds"]))
        assert own["cosine"] > 0.99999
        assert own["peak_memory_mb"] > 100
    assert rows[BASELINE]["tasks"]["queries"]["ratio"] == 1.0
    assert 0 < rows[BASELINE]["tasks"]["queries"]["padding_waste"] < 0.5


@pytest.mark.bench
def test_the_plot_says_every_figure(tmp_path):
    pytest.importorskip("matplotlib")
    rows = {
        name: {
            "tasks": {"paragraphs": {"ratio": ratio, "texts_per_second": 40 * ratio}},
            "query_ms": {"p50": ms},
        }
        for name, ratio, ms in (
            (BASELINE, 1.0, 9.8),
            ("encoder-float32", 1.47, 6.2),
            ("onnxruntime", 0.93, 4.1),
        )
    }
    minilm = {"tasks": {"paragraphs": {"texts": 4, "tokens": 100}}, "contestants": rows}
    about = {"gpu": None, "processor": "Some CPU", "cores": 2}
    result = {"machine": about, "settings": {"turns": 5}, "workloads": {"minilm": minilm}}
    plot.draw(result, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text("utf-8")
    order = [drawn.index(label) for label in (">ONNX Runtime<", ">sentence-transformers<", ">youtu-st<")]
    assert order == sorted(order)  # the fastest last: on top
    for label in ("1.47×", "59/s", "0.93×", "9.8 ms", "4.1 ms", "Some CPU, 2 cores", "25 tokens"):
        assert label in drawn


@pytest.mark.slow
def test_tokens_are_counted_as_the_tokenizer_counts_them(qwen3_tokenizer, shared_data, tmp_path, monkeypatch):
    """And every way gives the same ids, or the benchmark stops before it times anything."""
    out, script = tmp_path / "out.json", str(BENCHMARKS / "tokens.py")
    monkeypatch.setattr("sys.argv", [script, "--quick", "--json", str(out)])
    runpy.run_path(script, run_name="__main__")
    measured = json.loads(out.read_text("utf-8"))["tasks"]
    assert list(measured) == ["zh, documents", "zh, queries", "en, documents", "en, queries"]
    for rows in measured.values():
        (name, plain), *others = rows.items()
        assert (name, plain["of_plain"]) == ("tokenizer(texts)", 1.0)
        for row in (plain, *(row for _, row in others)):
            assert row["of_plain"] == pytest.approx(row["tokens_per_second"] / plain["tokens_per_second"])
    tool, tokenizer = runpy.run_path(script), AutoTokenizer.from_pretrained(qwen3_tokenizer)
    first = json.loads((shared_data / "xquad" / "xquad.zh.json").read_text("utf-8"))["data"][0]["paragraphs"][
        0
    ]
    role, documents = tool["tasks"](quick=True)["zh, documents"]
    assert (role, len(documents), documents[0]) == ("document", 9, first["context"])
    ways = tool["ways"](tokenizer, tool["load_spec"]("youtu-embedding"), "document", documents[:1])
    tokens, _ = tool["measure"](ways)
    assert tokens == len(tokenizer(documents[0])["input_ids"])
