"""Qwen3's own tokenizer, where it is at hand: the mask, prompts, EOS, truncation and the reranker's template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle import BYTE_OF, unit
from tokenizers import processors
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    Qwen2Config,
    Qwen2Model,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
)

import youtu_st
from youtu_st.rerank import Reranker
from youtu_st.spec.model import load_spec
from youtu_st.spec.reranker import load_reranker_spec

QWEN3 = Path(__file__).parents[2] / "shared" / "data" / "qwen3_tokenizer"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not QWEN3.is_dir(), reason="Qwen3's tokenizer is not in ../shared/data"),
]

TEXTS = [
    "法国的首都是哪里？",
    "What's up?",
    ":)",
    "\nstarts on a new line",
    " leading",
    "👩‍👩‍👧 ok",
    "12345",
    "def f():\n\t",
]
TINY = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "vocab_size": 151_669,
}


def spec_file(name: str, folder: Path) -> Path:
    """The published spec, for a network of 16 dimensions."""
    lines = (Path(youtu_st.__file__).parents[1] / "configs" / "models" / f"{name}.yaml").read_text("utf-8")
    own, _, _ = lines.partition("\nexamples:")
    kept = [line for line in own.split("\n") if not line.startswith(("dimension:", "matryoshka", "sha256"))]
    path = folder / f"{name}.yaml"
    path.write_text("\n".join([*kept, "dimension: 16"]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random networks of two layers with the tokenizer as it is, and as the embedding models have it."""
    folder = tmp_path_factory.mktemp("qwen3")
    torch.manual_seed(5)
    plain, eos = AutoTokenizer.from_pretrained(QWEN3), AutoTokenizer.from_pretrained(QWEN3)
    end = eos.convert_tokens_to_ids("<|endoftext|>")
    eos.backend_tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="$A <|endoftext|>", pair=None, special_tokens=[("<|endoftext|>", end)]
            ),
        ]
    )
    for name, network, tokenizer in (
        ("plain", Qwen2Model(Qwen2Config(**TINY)), plain),
        ("eos", Qwen3Model(Qwen3Config(**TINY)), eos),
        ("answers", Qwen3ForCausalLM(Qwen3Config(**TINY, tie_word_embeddings=True)), plain),
    ):
        network.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return {name: folder / name for name in ("plain", "eos", "answers")}


def bytes_of(tokenizer: Any, token: int) -> int:
    """How many bytes of text a token stands for, by its own spelling in the vocabulary."""
    return len([BYTE_OF[character] for character in tokenizer.convert_ids_to_tokens(token)])


@pytest.mark.parametrize("name", ["youtu-embedding", "qzhou-embedding"])
def test_the_mask_begins_where_the_instruction_ends(checkpoints, tmp_path, name) -> None:
    """To the byte: a token that reaches from the instruction into the text is the text's."""
    spec = load_spec(name)
    model = youtu_st.load(spec_file(name, tmp_path), checkpoints["plain"])
    tokenizer = AutoTokenizer.from_pretrained(checkpoints["plain"])
    network = AutoModel.from_pretrained(checkpoints["plain"]).eval()
    network.config.is_causal = spec.attention == "causal"
    straddling = 0
    for prompt in (spec.prompts.query, "Instruction: Classify the topic \nQuery:", "Query:\n", ""):
        rows = model[0].tokenize_texts(TEXTS, prompt)
        for text, row in zip(TEXTS, rows, strict=True):
            ids = tokenizer(prompt + text)["input_ids"]
            assert row.ids.tolist() == ids
            sizes = np.array([bytes_of(tokenizer, token) for token in ids])
            ends, border = sizes.cumsum(), len(prompt.encode())
            assert ends[-1] == len((prompt + text).encode())
            if spec.pooling == "masked_mean":
                assert row.content.tolist() == (ends > border).tolist()
            straddling += int(((ends > border) & (ends - sizes < border)).sum())
            with torch.inference_mode():
                states = network(torch.tensor([ids])).last_hidden_state[0].double().numpy()
            own = {
                "masked_mean": ends > border,
                "mean": ends > 0,
                "last_token": np.arange(len(ids)) == len(ids) - 1,
            }
            want = unit(states[own[spec.pooling]].mean(axis=0))
            got = model.encode([text], prompt=prompt)[0] if prompt else model.encode([text], prompt="")[0]
            np.testing.assert_allclose(got, want, atol=1e-5)
    assert straddling > 0  # ":)" after "Query:", among others


def test_the_embedding_models_pool_the_eos_that_their_tokenizer_adds(checkpoints, tmp_path) -> None:
    spec_path = spec_file("qwen3-embedding-0.6b", tmp_path)
    encoder = youtu_st.Encoder(spec_path, checkpoint=checkpoints["eos"])
    tokenizer = AutoTokenizer.from_pretrained(QWEN3)
    network = AutoModel.from_pretrained(checkpoints["eos"]).eval()
    prompt = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
    assert encoder.model.prompts["query"] == prompt

    def want(text: str) -> np.ndarray:
        ids = [*tokenizer(text)["input_ids"], 151_643]
        with torch.inference_mode():
            return unit(network(torch.tensor([ids])).last_hidden_state[0, -1].double().numpy())

    np.testing.assert_allclose(encoder.encode_document(TEXTS), [want(t) for t in TEXTS], atol=1e-5)
    np.testing.assert_allclose(encoder.encode_query(TEXTS), [want(prompt + t) for t in TEXTS], atol=1e-5)
    told = encoder.encode_query(TEXTS, instruction="找出答案")
    wanted = [want(f"Instruct: 找出答案\nQuery:{text}") for text in TEXTS]
    np.testing.assert_allclose(told, wanted, atol=1e-5)
    with pytest.raises(youtu_st.errors.ModelLoadError, match="the tokenizer adds no token after a text"):
        youtu_st.load(spec_path, checkpoints["plain"])


def test_truncation_keeps_the_instruction_and_the_eos(checkpoints, tmp_path) -> None:
    encoder = youtu_st.Encoder(
        spec_file("qwen3-embedding-0.6b", tmp_path),
        checkpoint=checkpoints["eos"],
        max_length=40,
        truncation="ignore",
    )
    tokenizer = AutoTokenizer.from_pretrained(QWEN3)
    prompt = encoder.model.prompts["query"]
    text = "法国的首都是巴黎，它也是最大的城市。" * 40
    (row,) = encoder.model[0].tokenize_texts([text], prompt)
    assert row.ids.tolist() == [*tokenizer(prompt + text)["input_ids"][:39], 151_643]
    (document,) = encoder.model[0].tokenize_texts([text * 200], "")
    assert document.ids.tolist() == [*tokenizer(text)["input_ids"][:39], 151_643]


def test_the_rerankers_template(checkpoints) -> None:
    """The model card's: prefix, pair and suffix as ids of their own, and the logits of yes and no."""
    spec = load_reranker_spec("qwen3-reranker-0.6b")
    tokenizer = AutoTokenizer.from_pretrained(QWEN3)
    network = AutoModelForCausalLM.from_pretrained(checkpoints["answers"]).eval()
    before = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the "
        'Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    )
    after = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    yes, no = (tokenizer.convert_tokens_to_ids(answer) for answer in ("yes", "no"))
    query, instruction = TEXTS[0], spec.instruction
    want = []
    for document in TEXTS:
        pair = f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
        ids = [
            i
            for part in (before, pair, after)
            for i in tokenizer(part, add_special_tokens=False)["input_ids"]
        ]
        with torch.inference_mode():
            logits = network(torch.tensor([ids])).logits[0, -1].double()
        want.append(torch.softmax(logits[[no, yes]], dim=0)[1].item())
    reranker = Reranker("qwen3-reranker-0.6b", checkpoint=checkpoints["answers"])
    np.testing.assert_allclose(reranker.score([(query, text) for text in TEXTS]), want, atol=1e-5)
