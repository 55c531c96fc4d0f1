"""Language models with a classifier for a head: in the template that they were trained with, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import reranker_checkpoint
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, Qwen3ForCausalLM, Qwen3ForSequenceClassification

from youtu_st.errors import ModelLoadError
from youtu_st.rerank import Reranker

NAME = "qwen3-reranker-0.6b"
QUERY = "Which planet is red?"
DOCUMENTS = ["Mars.", "今天天气很好", "The weather is lovely today, and red Mars is a planet.", "ok"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny reranker that answers with tokens, and the same with their difference for a score."""
    asks = reranker_checkpoint(tmp_path_factory.mktemp("asks") / "asks")
    network, tokenizer = Qwen3ForCausalLM.from_pretrained(asks), AutoTokenizer.from_pretrained(asks)
    no, yes = (tokenizer.convert_tokens_to_ids(token) for token in ("no", "yes"))
    network.config.num_labels, network.config.pad_token_id = 1, tokenizer.pad_token_id
    classifier = Qwen3ForSequenceClassification(network.config)
    classifier.model.load_state_dict(network.model.state_dict())
    with torch.no_grad():
        classifier.score.weight.copy_((network.lm_head.weight[yes] - network.lm_head.weight[no])[None])
    scores = asks.parent / "scores"
    classifier.save_pretrained(scores)
    tokenizer.save_pretrained(scores)
    return asks, scores


def test_in_the_template_it_scores_as_the_model_that_it_was_made_from(pair, tmp_path) -> None:
    asks, scores = (Reranker(NAME, checkpoint=directory) for directory in pair)
    want = asks.score([(QUERY, document) for document in DOCUMENTS])
    assert np.ptp(want) > 0.05
    np.testing.assert_allclose(scores.score([(QUERY, document) for document in DOCUMENTS]), want, atol=1e-5)
    scores.model.save_pretrained(str(tmp_path / "saved"))
    saved = Reranker(tmp_path / "saved")
    np.testing.assert_allclose(saved.score([(QUERY, document) for document in DOCUMENTS]), want, atol=1e-5)


def test_without_its_template_it_is_an_error(pair, tmp_path) -> None:
    _, scores = pair
    with pytest.raises(ModelLoadError, match=r"language model without a template .* Reranker\('qwen3-rer"):
        Reranker(scores)
    plain = CrossEncoder(str(scores))  # whoever trains one on plain pairs saves it as such
    plain.save_pretrained(str(tmp_path / "plain"))
    want = plain.predict([(QUERY, document) for document in DOCUMENTS])
    opened = Reranker(tmp_path / "plain")
    np.testing.assert_allclose(opened.score([(QUERY, document) for document in DOCUMENTS]), want, atol=1e-5)


def test_without_a_padding_token_it_is_an_error_in_one_line(pair, tmp_path) -> None:
    plain = CrossEncoder(str(pair[1]))
    plain.save_pretrained(str(tmp_path / "plain"))
    config = tmp_path / "plain" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"pad_token_id": None}))
    with pytest.raises(ModelLoadError, match=r"has no pad_token_id in its config\.json"):
        Reranker(tmp_path / "plain")
