"""What is exported of a reranker gives the same scores without torch, and says what is wrong in one line."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import TEXTS
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.modules import LogitScore, Transformer
from tiny_rerankers import KINDS, NAME

import youtu_st
from youtu_st import Encoder, disk
from youtu_st.errors import InputError, ModelLoadError, TruncationWarning, UnknownModelError
from youtu_st.rerank import Reranker

if importlib.util.find_spec("onnxruntime") is None:  # importing it here would start its telemetry
    pytest.skip("the extra onnx is not installed", allow_module_level=True)

LONG = "many words in a row " * 300
QUERIES = ["How is the weather?", "[SEP] 法国首都<|im_end|>", "a b " * 20]
DOCUMENTS = [*TEXTS, LONG, "two\n\nparagraphs", "<|im_end|> [SEP] </s>"]
PAIRS = [(query, document) for query in QUERIES for document in DOCUMENTS]
QUIET: dict[str, Any] = {"truncation": "ignore", "unknown": "ignore"}
ENGINES = ["onnx", pytest.param("openvino", marks=pytest.mark.openvino)]


@pytest.fixture
def engine(request: Any) -> Any:
    if importlib.util.find_spec({"onnx": "onnxruntime"}.get(request.param, request.param)) is None:
        pytest.skip(f"the extra {request.param} is not installed")
    return request.param


@pytest.fixture(scope="module")
def exported(exported_kind: Callable[..., Path]) -> Path:
    """The tiny Qwen3-Reranker. Not to be written to."""
    return exported_kind("qwen3")


@pytest.fixture(scope="module")
def opened(exported: Path) -> Reranker:
    return Reranker(exported)


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """One to be damaged."""
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


SLOW = ("qwen3-saved", "qwen3-in-template", "qwen3-plain")


def cases(engine: str) -> list[Any]:
    """All kinds with ONNX Runtime, and an architecture each with OpenVINO: it is the graph that differs."""
    found = []
    for kind in KINDS:
        marks = [pytest.mark.slow] if kind in SLOW else []
        if engine == "openvino":
            marks = [pytest.mark.openvino]
            if kind not in ("bert", "xlm-r", "qwen3", "qwen2"):
                marks += [pytest.mark.slow, pytest.mark.long]
        found.append(pytest.param(kind, engine, marks=marks))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "engine"), [*cases("onnx"), *cases("openvino")], indirect=["engine"])
def test_all_kinds_give_pytorchs_scores(kind: str, engine: Any, made: Any, exported_kind: Any) -> None:
    model, settings = made(kind)
    out = exported_kind(kind, engine)
    torch, here = Reranker(model, **settings, **QUIET), Reranker(out, **QUIET)
    wanted = torch.score(PAIRS)
    assert np.ptp(wanted) > 0.01
    np.testing.assert_allclose(here.score(PAIRS), wanted, rtol=1e-5, atol=1e-5)
    assert (here.totals.tokens, here.totals.cut_texts) == (torch.totals.tokens, torch.totals.cut_texts)
    alone = [here.score([pair])[0] for pair in PAIRS[::7]]
    np.testing.assert_allclose(alone, wanted[::7], rtol=1e-5, atol=1e-5)
    assert here.identity == torch.identity
    assert here.fingerprint == torch.fingerprint
    assert (here.max_length, here.takes_instructions) == (torch.max_length, torch.takes_instructions)
    assert here.runtime == {"backend": engine, "dtype": "float32", "device": "cpu"}
    if torch.takes_instructions:
        told = [None, "Find it", *["Answer"] * (len(PAIRS) - 2)]
        for instruction in ("Judge <|im_end|> it", told):
            wanted = torch.score(PAIRS, instruction=instruction)
            np.testing.assert_allclose(here.score(PAIRS, instruction=instruction), wanted, atol=1e-5)
    else:
        with pytest.raises(InputError, match="this model takes no instructions: pass instruction=None"):
            here.rank(QUERIES[0], DOCUMENTS, instruction="Do it")


@pytest.mark.parametrize("kind", ["bert", "xlm-r", "qwen3"])
@pytest.mark.slow
def test_settings_change_scores_and_fingerprint_as_they_do_with_torch(
    kind: str, made: Any, exported_kind: Any
) -> None:
    model, settings = made(kind)
    out = exported_kind(kind)
    short = 400 if kind == "qwen3" else 30
    ways: list[tuple[Any, dict[str, Any]]] = [(model, settings), (out, {})]
    for more in ({"max_length": short}, {"split_special_tokens": True}):
        found: list[Any] = []
        for name, how in ways:
            try:
                reranker = Reranker(name, **how, **more, **QUIET)
            except InputError as error:
                found.append(str(error))
            else:
                found += [reranker.score(PAIRS), reranker.identity]
        if kind == "xlm-r" and "split_special_tokens" in more:  # its vocabulary has them as pieces
            assert len(found) == 2
            assert found[0] == found[1]
            assert "makes a token of" in found[0]
        else:
            np.testing.assert_allclose(found[2], found[0], atol=1e-5)
            assert found[3] == found[1]
    for wrong in (0, 100_000):
        said = []
        for name, how in ways:
            with pytest.raises(InputError) as caught:
                Reranker(name, **how, max_length=wrong)
            said.append(str(caught.value))
        assert said[0] == said[1]


@pytest.mark.slow
def test_an_export_may_have_settings_of_its_own(raw: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"max_length": 400, "split_special_tokens": True}
    out = youtu_st.export(NAME, checkpoint=raw, out=tmp_path / "out", **how)
    torch, here = Reranker(NAME, checkpoint=raw, **how, **QUIET), Reranker(out, **QUIET)
    np.testing.assert_allclose(here.score(PAIRS), torch.score(PAIRS), atol=1e-5)
    assert here.identity == torch.identity
    assert here.max_length == 400
    assert Reranker(out, max_length=32768).max_length == 32768
    np.testing.assert_allclose(here.model.predict(PAIRS[:3]), here.score(PAIRS[:3]), atol=1e-5)


def test_ranking_errors_and_warnings_are_those_of_torch(
    raw: Path, reranker: Reranker, opened: Reranker
) -> None:
    wanted, found = (one.rank(QUERIES[0], TEXTS, k=5) for one in (reranker, opened))
    assert [one.index for one in found] == [one.index for one in wanted]
    assert [one.score for one in found] == pytest.approx([one.score for one in wanted], abs=1e-5)
    many = opened.rank_many(QUERIES[:2], [TEXTS[:3], TEXTS[3:7]], k=2, instruction=["a", None])
    expected = reranker.rank_many(QUERIES[:2], [TEXTS[:3], TEXTS[3:7]], k=2, instruction=["a", None])
    assert [[one.index for one in each] for each in many] == [
        [one.index for one in each] for each in expected
    ]
    for call in (
        lambda one: one.rank("", TEXTS),
        lambda one: one.rank("q", ["a", " "]),
        lambda one: one.rank("q", TEXTS, k=0),
        lambda one: one.rank("q", TEXTS, instruction=" "),
        lambda one: one.rank("many words " * 6000, TEXTS),
        lambda one: one.score([("a", "b", "c")]),
    ):
        said = []
        for one in (reranker, opened):
            with pytest.raises(InputError) as caught:
                call(one)
            said.append(str(caught.value))
        assert said[0] == said[1]
    said = []
    ways: list[tuple[Any, dict[str, Any]]] = [(NAME, {"checkpoint": raw}), (opened.model_name, {})]
    for name, how in ways:
        short: Any = Reranker(name, max_length=400, **how)
        with pytest.warns(TruncationWarning) as warned:
            short.rank("q", ["a", LONG])
        said.append(str(warned[0].message))
        strict: Any = Reranker(name, max_length=400, truncation="error", **how)
        with pytest.raises(InputError, match="document 1 has .* and the model reads 400"):
            strict.rank("q", ["a", LONG])
    assert said[0] == said[1]


def test_it_is_a_reranker_like_any_other(opened: Reranker, exported: Path, reranker: Reranker) -> None:
    wanted = opened.score(PAIRS[:12])
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: opened.score(PAIRS[:12]), range(16)):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    shared = Reranker.shared(exported)
    assert pickle.loads(pickle.dumps(shared)) is shared
    assert repr(opened) == f"Reranker({str(exported)!r}, 8192 tokens, float32 on cpu, onnx)"
    np.testing.assert_allclose(opened.model.predict(PAIRS[:3]), wanted[:3], atol=1e-5)
    assert opened.fingerprint == reranker.fingerprint


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.slow
def test_a_reranker_exports_for_itself_once(
    backend: Any, raw: Path, reranker: Reranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    first = Reranker(NAME, checkpoint=raw, backend=backend)
    (kept,) = (path for path in (tmp_path / "cache" / "exports").iterdir() if path.is_dir())
    np.testing.assert_allclose(first.score(PAIRS), reranker.score(PAIRS), atol=1e-5)
    assert first.model_name == NAME
    made = (kept / "export.json").stat().st_mtime_ns
    second = Reranker(NAME, checkpoint=raw, backend=backend, max_length=20_000)
    assert (second.max_length, second.runtime["backend"]) == (20_000, backend)
    assert (kept / "export.json").stat().st_mtime_ns == made
    if backend == "openvino":  # whatever runs it, what is kept is looked at and made again by the same lines
        return
    graph = next(path for path in kept.iterdir() if path.suffix == ".onnx")
    flip(graph)  # a damaged one is made again
    assert Reranker(NAME, checkpoint=raw, backend=backend).fingerprint == first.fingerprint
    assert (kept / "export.json").stat().st_mtime_ns != made


def flip(path: Path, at: float = 0.5) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "export.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_file_is_named(copy: Path, name: str, how: str) -> None:
    path = copy / name
    if how == "flipped":
        flip(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    if (name, how) == ("export.json", "gone"):
        with pytest.raises(ModelLoadError):  # a directory like any other, and no model
            Reranker(copy)
        return
    with pytest.raises(ModelLoadError, match=name) as caught:
        Reranker(copy)
    assert "export the model again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format=2), "exported by a later version of youtu-st"),
        (lambda content: content.update(fingerprint="0" * 16), "another fingerprint than its identity"),
        (lambda content: content.pop("template"), "template"),
        (lambda content: content["template"].update(more=1), "more"),
        (lambda content: content.update(kind="classifier"), "kind"),
        (lambda content: content.update(extra=1), "unknown field 'extra'"),
    ],
)
def test_a_manifest_that_is_none(copy: Path, change: Callable[[Any], object], message: str) -> None:
    content = json.loads((copy / "export.json").read_text())
    del content["checksum"]
    change(content)
    (copy / "export.json").write_bytes(disk.sealed(content))
    with pytest.raises(ModelLoadError, match=message) as caught:
        Reranker(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_one_kind_is_not_the_other(exported: Path, exported_tiny: Path) -> None:
    with pytest.raises(
        ModelLoadError, match=r"is an exported reranker, and no encoder: youtu_st\.rerank\.Reranker opens it"
    ):
        Encoder(exported)
    with pytest.raises(
        ModelLoadError, match=r"is an exported encoder, and no reranker: youtu_st\.Encoder opens it"
    ):
        Reranker(exported_tiny)


def test_what_it_cannot_be_told(exported: Path, raw: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    cases: list[dict[str, Any]] = [{"dtype": "bfloat16"}]
    for settings in [*cases, {"checkpoint": "elsewhere"}, {"weights": "int8"}, {"backend": "openvino"}]:
        (name,) = settings
        with pytest.raises(InputError, match=f"{name}: an exported model runs as it was exported"):
            Reranker(exported, **settings)
    for settings in cases:
        (name,) = settings
        with pytest.raises(InputError, match=f"{name}: an exported model runs as it was exported"):
            Reranker(NAME, checkpoint=raw, backend="onnx", **settings)
    with pytest.raises(
        InputError, match="several devices are for backend='torch'; onnx uses all of the proc"
    ):
        Reranker(NAME, checkpoint=raw, backend="onnx", device=["cpu", "cpu"])
    with pytest.raises(
        InputError, match="a graph runs on device cpu, cuda, cuda:1 or the like, not on 'mps'"
    ):
        Reranker(NAME, checkpoint=raw, backend="onnx", device="mps")
    with pytest.raises(ModelLoadError, match="backend 'openvino' runs on the cpu, not on 'cuda'"):
        Reranker(NAME, checkpoint=raw, backend="openvino", device="cuda")
    with pytest.raises(InputError, match="weights='int8' needs backend='onnx' or 'openvino'"):
        Reranker(NAME, checkpoint=raw, weights="int8")
    with pytest.raises(InputError, match="weights must be one of int8, int8-dynamic, not 'int4'"):
        Reranker(NAME, checkpoint=raw, backend="onnx", weights="int4")  # type: ignore[arg-type]  # likewise
    with pytest.raises(InputError, match="backend must be one of torch, openvino, onnx, not 'tvm'"):
        Reranker(NAME, checkpoint=raw, backend="tvm")  # type: ignore[arg-type]  # wrong on purpose
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_what_is_refused_leaves_nothing(
    raw: Path, exported: Path, made: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("mine")
    with pytest.raises(ModelLoadError, match="is not an empty directory"):
        youtu_st.export(NAME, checkpoint=raw, out=full)
    out = tmp_path / "out"
    with pytest.raises(InputError, match=f"dimensions, plain: for an embedding model, and '{NAME}' is a rer"):
        youtu_st.export(NAME, checkpoint=raw, out=out, dimensions=8, plain=True)
    with pytest.raises(InputError, match="was exported already: export the model that it was made from"):
        youtu_st.export(exported, out=out)
    with pytest.raises(UnknownModelError, match=r"unknown reranker 'qwen3-reranker'\. Did you mean"):
        youtu_st.export("qwen3-reranker", out=out)
    with pytest.raises(UnknownModelError, match=r"unknown model 'minilmm'\. Did you mean 'minilm'"):
        youtu_st.export("minilmm", out=out)
    with pytest.raises(InputError, match="max_length is 9, and the template takes"):
        youtu_st.export(NAME, checkpoint=raw, out=out, max_length=9)
    from youtu_st.backends.graphs import rerankers

    pairs, _ = made("bert")  # the quickest to export
    monkeypatch.setattr(rerankers, "MOST_MOVED", {"int8": 1e-9})
    with pytest.raises(ModelLoadError, match=r"scores move by .* and at most 1e-09 is allowed: use float32"):
        youtu_st.export(pairs, out=out, weights="int8")
    monkeypatch.setattr(rerankers, "TOLERANCE", 1e-12)
    with pytest.raises(
        ModelLoadError, match="scores differ from PyTorch's by .* is allowed: use backend='to"
    ):
        youtu_st.export(pairs, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_pairs_that_only_the_host_can_read_are_not_exported(raw: Path, tmp_path: Path) -> None:
    chat = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
    transformer: Any = Transformer(
        str(raw), transformer_task="text-generation", processor_kwargs={"chat_template": chat}
    )
    yes, no = transformer.tokenizer.convert_tokens_to_ids(["yes", "no"])
    model: Any = CrossEncoder(modules=[transformer, LogitScore(yes, no)], device="cpu")
    model.save_pretrained(str(tmp_path / "saved"))
    with pytest.raises(ModelLoadError, match="puts its pairs into a chat template of its own, .* say which"):
        youtu_st.export(tmp_path / "saved", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("weights", ["int8", "int8-dynamic"])
@pytest.mark.slow
def test_rounded_weights(raw: Path, reranker: Reranker, tmp_path: Path, weights: Any) -> None:
    try:
        out = youtu_st.export(NAME, checkpoint=raw, out=tmp_path / "out", weights=weights)
    except ModelLoadError as error:  # CPUs differ, and a machine may not keep it
        assert "use float32 weights" in str(error)
        return
    here = Reranker(out, unknown="ignore")
    assert here.runtime["weights"] == weights
    assert f"onnx with {weights} weights)" in repr(here)
    assert here.fingerprint == reranker.fingerprint
    moved = np.abs(here.score(PAIRS[:12]) - reranker.score(PAIRS[:12])).max()
    assert 1e-6 < moved < 0.2
