"""The real multilingual-e5-small, rounded to 4 bits: real Chinese, real prompts, everywhere the same."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from langchain_youtu import YoutuEmbeddings
from llama_index.embeddings.youtu import YoutuEmbedding
from youtu_st import Encoder
from youtu_st.evaluation.sts import cosine_spearman
from youtu_st.spec.languages import script_of, smallest_that_reads
from youtu_st.verification.doctor import examine

pytestmark = pytest.mark.slow

NAME = "multilingual-e5-small"
TEXTS = [
    "法国的首都是哪里？",
    "What is the capital of France?",
    "กรุงเทพ",
    "x",
    "年" * 900,
    "emoji 😀 \n and  spaces ",
]


@pytest.fixture(scope="module")
def encoder(real_e5_small: Path) -> Encoder:
    return Encoder(NAME, checkpoint=real_e5_small, truncation="ignore")


@pytest.fixture(scope="module")
def by_hand(real_e5_small: Path) -> dict[str, np.ndarray]:
    """The model card's procedure, one text at a time: a prompt, the mean over every token, unit length."""
    tokenizer = AutoTokenizer.from_pretrained(real_e5_small)
    network = AutoModel.from_pretrained(real_e5_small, add_pooling_layer=False).eval()
    vectors: dict[str, list[np.ndarray]] = {"query: ": [], "passage: ": []}
    for prompt, rows in vectors.items():
        for text in TEXTS:
            encoded = tokenizer(prompt + text, truncation=True, max_length=512, return_tensors="pt")
            with torch.inference_mode():
                states = network(**encoded).last_hidden_state[0].double().numpy()
            mean = states.mean(axis=0)
            rows.append(mean / np.linalg.norm(mean))
    return {prompt: np.array(rows) for prompt, rows in vectors.items()}


def test_encoder_and_both_frameworks_are_alike(real_e5_small, encoder, by_hand):
    chain = YoutuEmbeddings(model=NAME, checkpoint=str(real_e5_small), truncation="ignore")
    index = YoutuEmbedding(NAME, checkpoint=str(real_e5_small), truncation="ignore")
    queries, documents = by_hand["query: "], by_hand["passage: "]
    assert np.abs(queries - documents).max() > 0.001
    for got in (
        encoder.encode_query(TEXTS),
        [chain.embed_query(text) for text in TEXTS],
        [index.get_query_embedding(text) for text in TEXTS],
    ):
        np.testing.assert_allclose(got, queries, atol=1e-5)
    for got in (
        encoder.encode_document(TEXTS),
        chain.embed_documents(TEXTS),
        index.get_text_embedding_batch(TEXTS),
    ):
        np.testing.assert_allclose(got, documents, atol=1e-5)


@pytest.mark.openvino
@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra openvino is not installed"
)
def test_openvino_is_alike(real_e5_small, encoder, by_hand):
    other = Encoder(NAME, checkpoint=real_e5_small, truncation="ignore", backend="openvino")
    np.testing.assert_allclose(other.encode_query(TEXTS), by_hand["query: "], atol=1e-5)
    np.testing.assert_allclose(other.encode_document(TEXTS), by_hand["passage: "], atol=1e-5)
    assert other.fingerprint == encoder.fingerprint


def test_sts_benchmark(encoder, shared_data):
    """The query prompt on both sides, as the authors say for what is symmetric."""
    path = shared_data / "stsbenchmark" / "sts-test.csv"
    assert cosine_spearman(encoder, path, role="query") == pytest.approx(0.8397, abs=0.002)


def test_xquad_in_chinese(encoder, shared_data):
    """nDCG@10 of 300 questions over all 240 paragraphs: the one that holds the answer counts."""
    articles = json.loads((shared_data / "xquad" / "xquad.zh.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    asked = [(qa["question"], i) for i, paragraph in enumerate(paragraphs) for qa in paragraph["qas"]]
    chosen = [asked[i] for i in np.random.default_rng(0).choice(len(asked), 300, replace=False)]
    assert (len(paragraphs), len(asked)) == (240, 1190)
    assert (script_of(paragraphs[0]["context"]), smallest_that_reads("Han").name) == (
        "Han",
        "bge-small-zh-v1.5",
    )
    minilm = Encoder("minilm", truncation="ignore")
    for model, want in ((encoder, 0.956), (minilm, 0.255)):
        documents = model.encode_document([paragraph["context"] for paragraph in paragraphs])
        scores = model.encode_query([question for question, _ in chosen]) @ documents.T
        gains = []
        for row, (_, right) in zip(scores, chosen, strict=True):
            rank = int((row > row[right]).sum())  # one is relevant, so that the best there is is 1
            gains.append(1 / np.log2(rank + 2) if rank < 10 else 0.0)
        assert np.mean(gains) == pytest.approx(want, abs=0.002), model


def test_the_doctor_finds_nothing(real_e5_small):
    assert examine(NAME, checkpoint=real_e5_small).faults == ()
