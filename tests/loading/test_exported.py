"""What is exported opens without torch, gives the same vectors, and says what is wrong with it in one line."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import TEXTS

import youtu_st
from youtu_st import Encoder, disk
from youtu_st.backends.packages import onnx_runtime
from youtu_st.errors import InputError, ModelLoadError, TruncationWarning
from youtu_st.index import VectorIndex

if importlib.util.find_spec("onnxruntime") is None:  # importing it here would start its telemetry
    pytest.skip("the extra onnx is not installed", allow_module_level=True)


LONG = "many words in a row " * 300
ASKED = [*TEXTS, LONG, "two\n\nparagraphs"]
LONGER = [pytest.mark.slow, pytest.mark.long]  # every architecture, mask and pooling is there without these
CASES = [
    ("bert", "wordpiece", "bidirectional", "masked_mean"),
    ("qwen2", "bpe-bos-eos", "causal", "mean"),
    pytest.param("qwen2", "bpe-bos", "bidirectional", "masked_mean", marks=LONGER),
    ("qwen3", "bpe-bos", "causal", "last_token"),
    ("youtu", "bpe-bos", "bidirectional", "masked_mean"),
    pytest.param("youtu", "bpe-bos", "causal", "cls", marks=LONGER),
]


@pytest.fixture(scope="module")
def exported(exported_tiny: Path) -> Path:
    """The tiny Youtu model. Not to be written to."""
    return exported_tiny


@pytest.fixture(scope="module")
def opened(exported: Path) -> Encoder:
    return Encoder(exported)


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """One to be damaged."""
    shutil.copytree(exported, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "tokenizer", "attention", "pooling"), CASES)
def test_all_architectures_give_pytorchs_vectors(
    checkpoint: Callable[..., Path],
    spec_file: Callable[..., Path],
    tmp_path: Path,
    architecture: str,
    tokenizer: str,
    attention: str,
    pooling: str,
) -> None:
    raw, spec = (
        checkpoint(architecture, tokenizer),
        spec_file(attention=attention, pooling=pooling, matryoshka_dimensions=[8, 16]),
    )
    torch = Encoder(spec, checkpoint=raw, truncation="ignore", unknown="ignore")
    out = youtu_st.export(spec, checkpoint=raw, out=tmp_path / "out")
    here = Encoder(out, truncation="ignore", unknown="ignore")
    told = [None, "Find it", "", *["Answer"] * (len(ASKED) - 3)]
    for instruction in (None, "Find what answers", told):
        wanted = torch.encode_query(ASKED, instruction=instruction)
        np.testing.assert_allclose(here.encode_query(ASKED, instruction=instruction), wanted, atol=1e-5)
    np.testing.assert_allclose(here.encode_document(ASKED), torch.encode_document(ASKED), atol=1e-5)
    for length in (8, 16):
        wanted = torch.encode_query(ASKED, dimensions=length)
        np.testing.assert_allclose(here.encode_query(ASKED, dimensions=length), wanted, atol=1e-5)
    assert here.identity == torch.identity
    assert here.fingerprint == torch.fingerprint
    assert (here.dimension, here.max_length) == (torch.dimension, torch.max_length)
    assert list(here.dimensions) == list(torch.dimensions)
    assert (here.prompts, here.takes_instructions) == (torch.prompts, torch.takes_instructions)
    assert here.totals.tokens == torch.totals.tokens
    assert here.totals.cut_texts == torch.totals.cut_texts


def test_settings_change_vectors_and_fingerprint_as_they_do_with_torch(tiny: Path, exported: Path) -> None:
    for settings in (
        {"prompts": {"query": "Query: "}},
        {"max_length": 40},
        {"split_special_tokens": True},
        {"dimensions": 16},
    ):
        how: dict[str, Any] = {**settings, "truncation": "ignore", "unknown": "ignore"}
        torch, here = Encoder(tiny, **how), Encoder(exported, **how)
        np.testing.assert_allclose(here.encode_query(ASKED), torch.encode_query(ASKED), atol=1e-5)
        assert here.identity == torch.identity


def test_errors_and_warnings_are_those_of_torch(tiny: Path, opened: Encoder) -> None:
    torch = Encoder(tiny)
    for call in (
        lambda encoder: encoder.encode_query(["a", " "]),
        lambda encoder: encoder.encode_query("a"),
        lambda encoder: encoder.encode_query(["a"], dimensions=7),
        lambda encoder: encoder.encode_query(["a"], instruction=["b", "c"]),
        lambda encoder: encoder.encode_query(["a"], instruction="many words " * 300),
        lambda encoder: encoder.encode_document(["\ud800"]),
    ):
        said = []
        for encoder in (torch, opened):
            with pytest.raises(InputError) as caught:
                call(encoder)
            said.append(str(caught.value).replace(encoder.model_name, "the model"))
        assert said[0] == said[1]
    with pytest.warns(TruncationWarning) as first:
        torch.encode_document([LONG])
    with pytest.warns(TruncationWarning) as second:
        opened.encode_document([LONG])
    assert str(first[0].message) == str(second[0].message)


def test_it_is_an_encoder_like_any_other(opened: Encoder, exported: Path) -> None:
    import pickle
    from concurrent.futures import ThreadPoolExecutor

    wanted = opened.encode_document(TEXTS)
    with ThreadPoolExecutor(16) as pool:
        for found in pool.map(lambda _: opened.encode_document(TEXTS), range(48)):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    blocks = list(opened.iter_encode_document(iter(TEXTS), block_size=5))
    np.testing.assert_allclose(np.concatenate(blocks), wanted, atol=1e-6)
    shared = Encoder.shared(exported)
    assert pickle.loads(pickle.dumps(shared)) is shared
    assert opened.runtime == {"backend": "onnx", "dtype": "float32", "device": "cpu"}
    assert "onnx" in repr(opened)
    assert str(exported) in repr(opened)


def test_the_model_itself_is_loaded_when_it_is_asked_for(opened: Encoder) -> None:
    np.testing.assert_allclose(
        opened.model.encode_query(TEXTS[:3]), opened.encode_query(TEXTS[:3]), atol=1e-5
    )


@pytest.mark.parametrize("first", ["torch", "onnx"])
def test_an_index_of_one_opens_with_the_other(
    tiny: Path, opened: Encoder, tmp_path: Path, first: str
) -> None:
    both = {"torch": Encoder(tiny), "onnx": opened}
    with VectorIndex.create(tmp_path / "index", both.pop(first)) as index:
        index.add(TEXTS)
    (other,) = both.values()
    with VectorIndex.open(tmp_path / "index", other) as index:
        assert index.search(TEXTS[1], k=1)[0].text == TEXTS[1]
        index.add(["one more"])


SEARCH = """
import sys
from youtu_st import Encoder
from youtu_st.index import VectorIndex
{imports}
encoder = Encoder({model!r}, **{settings!r})
with VectorIndex.create({index!r}, encoder) as index:
    index.add(["one", "two words"], metadata=[{{"n": 1}}, {{"n": 2}}])
    assert index.search("two words", k=1)[0].text == "two words"
{call}
print(sorted(sys.modules.keys() & {{"torch", "transformers", "sentence_transformers"}}))
"""
LANGCHAIN = (
    "from langchain_youtu import YoutuVectorStore",
    "with VectorIndex.open({index!r}, encoder) as index:\n"
    "    assert YoutuVectorStore(index=index).similarity_search('two words', k=1)[0].page_content == 'two words'",
)
LLAMA_INDEX = (
    "from llama_index.core.schema import TextNode\n"
    "from llama_index.core.vector_stores.types import VectorStoreQuery\n"
    "from llama_index.vector_stores.youtu import YoutuRetriever, YoutuVectorStore\n"
    "from youtu_st import Retriever",
    "with VectorIndex.open({index!r}, encoder) as index:\n"
    "    store = YoutuVectorStore(index)\n"
    "    store.add([TextNode(text='three')])\n"
    "    query = VectorStoreQuery(query_str='two words', similarity_top_k=1)\n"
    "    assert store.query(query).nodes[0].get_content() == 'two words'\n"
    "    assert YoutuRetriever(Retriever(index)).retrieve('three')[0].text == 'three'",
)


def modules_after(tmp_path: Path, model: Path, imports: str = "", call: str = "", **settings: Any) -> str:
    """What a process has imported of the hosts when it has searched."""
    index = str(tmp_path / "of-a-process")
    program = SEARCH.format(
        model=str(model), index=index, imports=imports, call=call.format(index=index), settings=settings
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_no_host_is_imported_for_an_add_and_a_search(exported: Path, tmp_path: Path) -> None:
    assert modules_after(tmp_path, exported) == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "program"), [("langchain_core", LANGCHAIN), ("llama_index.core", LLAMA_INDEX)]
)
def test_no_host_is_imported_for_an_adapter(
    exported: Path, tmp_path: Path, package: str, program: tuple[str, str]
) -> None:
    pytest.importorskip(package)
    assert modules_after(tmp_path, exported, *program) == "[]\n"


@pytest.mark.slow
def test_an_encoder_exports_for_itself_once(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    first = Encoder(model, backend="onnx")
    (kept,) = (path for path in (tmp_path / "cache" / "exports").iterdir() if path.is_dir())
    np.testing.assert_allclose(first.encode_query(TEXTS), Encoder(tiny).encode_query(TEXTS), atol=1e-5)
    assert first.model_name == str(model)
    made = (kept / "export.json").stat().st_mtime_ns
    assert modules_after(tmp_path, model, backend="onnx") == "[]\n"
    assert (kept / "export.json").stat().st_mtime_ns == made
    # A damaged one is made again, and another model in the same place is another.
    flip(kept / "model.onnx")
    assert Encoder(model, backend="onnx").fingerprint == first.fingerprint
    assert (kept / "export.json").stat().st_mtime_ns != made
    (model / "config_sentence_transformers.json").write_text(
        (model / "config_sentence_transformers.json").read_text().replace("search query", "web search")
    )
    assert Encoder(model, backend="onnx").prompts["query"].startswith("Instruction: Given a web search")


def flip(path: Path, at: float = 0.5) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "a folder"])
def test_a_damaged_file_is_named(copy: Path, name: str, how: str) -> None:
    path = copy / name
    if how == "flipped":
        flip(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
        if how == "a folder":
            path.mkdir()
    with pytest.raises(ModelLoadError, match=name) as caught:
        Encoder(copy)
    assert "export the model again" in str(caught.value)
    assert "\n" not in str(caught.value)


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The manifest with something else in it, sealed as it was."""
    content = json.loads(path.read_text())
    del content["checksum"]
    change(content)
    path.write_bytes(disk.sealed(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.update(format=2), "exported by a later version of youtu-st"),
        (lambda content: content.update(fingerprint="0" * 16), "another fingerprint than its identity"),
        (lambda content: content.pop("prompts"), "prompts"),
        (lambda content: content.update(extra=1), "unknown field 'extra'"),
        (lambda content: content.update(engine="tensorrt"), "engine"),
        (lambda content: content["files"].update({"../other": {"size": 1, "checksum": 1}}), "files"),
        (lambda content: content["files"].pop("model.onnx"), "does not say what model.onnx is"),
        (lambda content: content["files"].pop("tokenizer.json"), "does not say what tokenizer.json is"),
    ],
)
def test_a_manifest_that_is_none(copy: Path, change: Callable[[Any], object], message: str) -> None:
    rewritten(copy / "export.json", change)
    with pytest.raises(ModelLoadError, match=message):
        Encoder(copy)


def test_every_flipped_bit_of_a_manifest_is_found(copy: Path) -> None:
    path = copy / "export.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        try:
            Encoder(copy)
        except ModelLoadError as error:
            assert "\n" not in str(error)
        else:  # white space between values
            assert json.loads(content) == json.loads(whole)


def test_what_it_cannot_be_told_any_more(exported: Path) -> None:
    for settings in (
        {"dtype": "bfloat16"},
        {"checkpoint": "elsewhere"},
        {"weights": "int8"},
        {"model_kwargs": {"attn_implementation": "eager"}},
    ):
        (name,) = settings
        with pytest.raises((InputError, ModelLoadError), match=f"{name}.*runs as it was exported"):
            Encoder(exported, **settings)  # type: ignore[arg-type]


def test_who_wants_the_model_itself_is_told_that_it_was_exported(exported: Path) -> None:
    with pytest.raises(InputError, match="was exported, and runs as it was: the fastest way is measured of"):
        Encoder.fastest(exported)
    with pytest.raises(
        ModelLoadError, match="was exported, and holds no model of PyTorch: .* the model that"
    ):
        youtu_st.load(exported)


def test_prompts_that_are_no_dict(tiny: Path, exported: Path) -> None:
    for model in (tiny, exported):
        for prompts in ([1], "abc", 5):
            with pytest.raises(InputError, match="prompts must be a dict of str by role, not"):
                Encoder(model, prompts=prompts)  # type: ignore[arg-type]  # wrong on purpose


def test_what_a_graph_cannot_follow_is_told_before_one_is_made(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="dtype: an exported model runs as it was exported"):
        Encoder(tiny, backend="onnx", dtype="bfloat16")
    for device in ("", "mps", "cuda:", "cuda:x", "CUDA", "cuda:1234"):
        with pytest.raises(InputError, match="a graph runs on device cpu, cuda, cuda:1 or the like, not on"):
            Encoder(tiny, backend="onnx", device=device)
    if "CUDAExecutionProvider" not in onnx_runtime().get_available_providers():
        with pytest.raises(
            ModelLoadError, match=r"has no CUDA: .* 'pip install onnxruntime-gpu\[cuda,cudnn\]'"
        ):
            Encoder(tiny, backend="onnx", device="cuda:1")
    assert not (tmp_path / "cache").exists()


def test_nothing_is_overwritten_and_nothing_is_left(
    tiny: Path, tmp_path: Path, checkpoint: Callable[..., Path]
) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("mine")
    with pytest.raises(ModelLoadError, match="is not an empty directory"):
        youtu_st.export(tiny, out=full)
    for wrong in (5, None, b"out", "a\0b", ""):
        with pytest.raises(InputError, match="out must be the path of a directory, not"):
            youtu_st.export(tiny, out=wrong)  # type: ignore[arg-type]  # wrong on purpose
    for model in (5, None, ["minilm"]):
        with pytest.raises(InputError, match="model must be a name, a directory, a hub id, a YAML file or a"):
            youtu_st.export(model, out=tmp_path / "out")  # type: ignore[arg-type]  # likewise
    with pytest.raises(InputError, match="engine must be one of onnx, openvino, not ''"):
        youtu_st.export(tiny, out=tmp_path / "out", engine="")  # type: ignore[arg-type]  # likewise
    with pytest.raises(InputError, match="engine must be one of onnx, openvino"):
        youtu_st.export(tiny, out=tmp_path / "out", engine="tensorrt")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="dimensions"):
        youtu_st.export(tiny, out=tmp_path / "out", dimensions=7)
    with pytest.raises(ModelLoadError):
        youtu_st.export(checkpoint("youtu", "bpe-bos"), out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    assert [path.name for path in full.iterdir()] == ["file"]


@pytest.mark.slow
def test_an_interrupt_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from youtu_st.loading import exporting

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "write_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        youtu_st.export(tiny, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_shorter_vectors_of_a_shorter_export(tiny: Path, tmp_path: Path) -> None:
    out = youtu_st.export(tiny, out=tmp_path / "out", dimensions=16)
    torch, here = Encoder(tiny, dimensions=16), Encoder(out)
    np.testing.assert_allclose(here.encode_query(TEXTS), torch.encode_query(TEXTS), atol=1e-5)
    assert (here.dimension, here.fingerprint) == (16, torch.fingerprint)
    assert list(here.dimensions) == [8, 16]


@pytest.mark.slow
def test_minilm_for_real(tmp_path: Path) -> None:
    """Published similarities, from a graph."""
    out = youtu_st.export("minilm", out=tmp_path / "out")
    torch, here = Encoder("minilm", unknown="ignore"), Encoder(out, unknown="ignore")
    asked = ["How is the weather today?", "法国首都是哪里？", *TEXTS]
    np.testing.assert_allclose(here.encode_query(asked), torch.encode_query(asked), atol=1e-5)
    assert here.fingerprint == torch.fingerprint == "1575c2a830d44082"
