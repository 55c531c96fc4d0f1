"""Tiny rerankers of all kinds that can be exported, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from checkpoints import HIDDEN, cross_encoder_checkpoint, network, reranker_checkpoint, unigram
from sentence_transformers import CrossEncoder
from transformers import (
    AutoTokenizer,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
    XLMRobertaForSequenceClassification,
)

from youtu_st.rerank import Reranker, load_reranker_spec

NAME = "qwen3-reranker-0.6b"
Made = tuple[str | Path, dict[str, Any]]
"""A model, and the settings that it is loaded with."""


def _coupled(model: Any, scale: float = 0.25) -> Any:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 1.0 if "embed" in name else scale)
    return model


def bert(directory: Path) -> Made:
    return cross_encoder_checkpoint(directory / "raw"), {}


def bert_logits(directory: Path) -> Made:
    """Scores without an activation, after a prompt, cut on the left."""
    model: Any = CrossEncoder(
        str(cross_encoder_checkpoint(directory / "raw")),
        activation_fn=torch.nn.Identity(),
        prompts={"question": "Query: "},
        default_prompt_name="question",
        max_length=120,
        device="cpu",
    )
    with torch.no_grad():
        model.model.classifier.weight.mul_(4)
    model.tokenizer.truncation_side = "left"
    model.save_pretrained(str(directory / "saved"))
    return directory / "saved", {}


def xlm_roberta(directory: Path) -> Made:
    torch.manual_seed(5)
    config = network("xlm-r").config
    config.num_labels = 1
    _coupled(XLMRobertaForSequenceClassification(config)).save_pretrained(directory / "raw")
    unigram().save_pretrained(directory / "raw")
    return directory / "raw", {}


def qwen3(directory: Path) -> Made:
    return NAME, {"checkpoint": reranker_checkpoint(directory / "raw")}


def qwen3_saved(directory: Path) -> Made:
    """With its template, as ``save_pretrained`` writes it."""
    raw = reranker_checkpoint(directory / "raw")
    Reranker(NAME, checkpoint=raw, max_length=500).model.save_pretrained(str(directory / "saved"))
    return directory / "saved", {}


def qwen2(directory: Path) -> Made:
    """By a spec of its own, with a head of its own, and without instructions."""
    raw = reranker_checkpoint(directory / "raw")
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 2}
    sizes: dict[str, Any] = {"vocab_size": len(AutoTokenizer.from_pretrained(raw)), "hidden_size": HIDDEN}
    torch.manual_seed(3)
    config = Qwen2Config(**sizes, **heads, intermediate_size=64, tie_word_embeddings=False)
    _coupled(Qwen2ForCausalLM(config)).save_pretrained(raw)
    fields = load_reranker_spec(NAME).model_dump() | {
        "name": "mine",
        "prefix": "<|im_start|>",
        "template": "{query}\n{document}",
        "instruction": None,
        "max_length": 300,
        "context": None,
    }
    path = directory / "mine.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in fields.items() if value is not None}))
    return path, {"checkpoint": raw}


def _classifier(directory: Path) -> Path:
    asks = reranker_checkpoint(directory / "asks")
    causal, tokenizer = Qwen3ForCausalLM.from_pretrained(asks), AutoTokenizer.from_pretrained(asks)
    causal.config.num_labels, causal.config.pad_token_id = 1, tokenizer.pad_token_id
    made: Any = Qwen3ForSequenceClassification(causal.config)
    made.model.load_state_dict(causal.model.state_dict())
    made.save_pretrained(directory / "scores")
    tokenizer.save_pretrained(directory / "scores")
    return directory / "scores"


def qwen3_in_template(directory: Path) -> Made:
    """One number in place of the two tokens'."""
    return NAME, {"checkpoint": _classifier(directory)}


def qwen3_plain(directory: Path) -> Made:
    """Trained on plain pairs."""
    CrossEncoder(str(_classifier(directory))).save_pretrained(str(directory / "plain"))
    return directory / "plain", {}


KINDS: dict[str, Callable[[Path], Made]] = {
    "bert": bert,
    "bert-logits": bert_logits,
    "xlm-r": xlm_roberta,
    "qwen3": qwen3,
    "qwen2": qwen2,
    "qwen3-saved": qwen3_saved,
    "qwen3-in-template": qwen3_in_template,
    "qwen3-plain": qwen3_plain,
}
