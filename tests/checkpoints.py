"""Tiny transformers checkpoints: a tokenizer trained here, a few random layers, nothing downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Model,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    XLMRobertaConfig,
    XLMRobertaModel,
    YoutuConfig,
    YoutuModel,
)

VOCABULARY = 600
HIDDEN = 32
CORPUS = [
    "Instruction: Given a search query, retrieve passages that answer the question \nQuery:What's up?",
    "Instruction: Classify the topic \nQuery:12345 :)",
    "It's so sunny outside! He drove to the stadium. 今天天气很好，我们去公园吧。 😀🎉 2048 dimensions",
    "y:ok y:The y:emoji y:mixed y:a y:) y::) y:\n y:法国 y:\nfoo Query:The Query:ok Query:\nstarts",
    "y:ok y:The y:emoji y:mixed y:a y:) y::) y:\n y:法国 y:\nfoo Query:The Query:ok Query:\nstarts",
] * 20

TEXTS = [
    "The weather is lovely today.",
    "法国首都是哪里？",
    "12345 and 67",
    ":)",
    "\nstarts on a new line",
    "a",
    " leading space",
    "ends with a line break\n",
    "emoji 😀🎉👩‍👩‍👧 in the middle",
    "mixed 中文 and English, 3.14",
    "ok",
    "<eos> written out",
]


def byte_bpe(*, bos: bool = False, eos: bool = False, trim_offsets: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer whose merges cross the end of ``Query:``, as Qwen2's pattern lets them."""
    tokenizer = Tokenizer(models.BPE())
    # Punctuation takes the letters after it along, so that ":What" is one piece of text to merge in.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(
                pattern=Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"),
                behavior="isolated",
            ),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=trim_offsets, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "<bos>", "<eos>"]
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    template = f"{'<bos> ' if bos else ''}$A{' <eos>' if eos else ''}"
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=trim_offsets),
            processors.TemplateProcessing(single=template, special_tokens=[("<bos>", 1), ("<eos>", 2)]),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )


def word_piece() -> PreTrainedTokenizerFast:
    """A lower-casing WordPiece tokenizer with [CLS] and [SEP], as BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def unigram(prefix: str = "always", **added: Any) -> PreTrainedTokenizerFast:
    """As XLM-RoBERTa's: the control tokens are pieces of the model itself, of the best score that there is."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁go", -3.0)]
    pieces += [(character, -5.0) for character in "</s>apdunkgo[]|"]
    tokenizer = Tokenizer(models.Unigram(list(dict(pieces).items()), unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prefix)
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer.add_special_tokens([AddedToken(name, **{"normalized": False, **added}) for name in names])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )


TOKENIZERS = {
    "bpe": lambda: byte_bpe(),
    "bpe-bos": lambda: byte_bpe(bos=True),
    "bpe-bos-trimmed": lambda: byte_bpe(bos=True, trim_offsets=True),
    "bpe-bos-eos": lambda: byte_bpe(bos=True, eos=True),
    "bpe-eos": lambda: byte_bpe(eos=True),
    "wordpiece": word_piece,
    "unigram": unigram,
}


def network(architecture: str, *, positions: int = 4096, hidden: int = HIDDEN) -> PreTrainedModel:
    """A few random layers of an architecture."""
    torch.manual_seed(7)
    common: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": hidden,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if architecture == "qwen2":
        model: PreTrainedModel = Qwen2Model(Qwen2Config(**common, num_key_value_heads=2, head_dim=8))
    elif architecture == "qwen3":
        model = Qwen3Model(Qwen3Config(**common, num_key_value_heads=2, head_dim=8))
    elif architecture == "youtu":
        heads = {"qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
        latent = {"q_lora_rank": 16, "kv_lora_rank": 16, "num_key_value_heads": 4}
        model = YoutuModel(YoutuConfig(**common, **heads, **latent))
    elif architecture == "xlm-r":
        model = XLMRobertaModel(
            XLMRobertaConfig(**{**common, "pad_token_id": 1, "bos_token_id": 0}), add_pooling_layer=False
        )
    else:
        model = BertModel(BertConfig(**common), add_pooling_layer=False)
    # The initial scale of 0.02 leaves tokens nearly independent of one another; this couples them.
    scale = 0.25 * (HIDDEN / hidden) ** 0.5
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 1.0 if "embed" in name else scale)
    return model.eval()


def save_checkpoint(directory: Path, architecture: str, tokenizer: str, **options: Any) -> Path:
    """Write a raw transformers checkpoint, as a hub repository holds it."""
    network(architecture, **options).save_pretrained(directory)
    TOKENIZERS[tokenizer]().save_pretrained(directory)
    return directory


def remote_checkpoint(directory: Path, forward: str = "") -> Path:
    """A checkpoint whose architecture transformers does not know, as the published `utu` one."""
    save_checkpoint(directory, "qwen2", "bpe-bos")
    classes = {"AutoConfig": "TinyConfig", "AutoModel": "TinyModel"}
    return add_code(directory, "Qwen2", classes, forward, model_type="tiny-remote")


def add_code(
    directory: Path, family: str, classes: dict[str, str], forward: str = "", model_type: str | None = None
) -> Path:
    """Give a checkpoint code of its own: classes that add ``forward`` to transformers' model of a family.

    Args:
        directory: The checkpoint.
        family: Where transformers' classes get their names from: ``Qwen2``, ``Youtu``.
        classes: Their names by that of the auto class: ``AutoModel``, and ``AutoConfig`` for a config of its own.
        forward: Body of the model's class, besides the configuration it takes.
        model_type: An architecture that transformers does not know; None: the family's.
    """
    config_class, code = f"{family}Config", f"from transformers import {family}Config, {family}Model\n"
    if "AutoConfig" in classes:
        config_class = classes["AutoConfig"]
        code += f"class {config_class}({family}Config):\n    model_type = {model_type!r}\n"
    code += f"class {classes['AutoModel']}({family}Model):\n    config_class = {config_class}\n{forward}"
    (directory / "modeling_tiny.py").write_text(code)
    config = json.loads((directory / "config.json").read_text())
    config |= {
        "model_type": model_type or config["model_type"],
        "architectures": [classes["AutoModel"]],
        "auto_map": {auto: f"modeling_tiny.{name}" for auto, name in classes.items()},
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def spec(**changes: Any) -> dict[str, Any]:
    """A valid spec for a tiny checkpoint, as YAML would give it."""
    return {
        "name": "tiny",
        "hub_id": "somebody/tiny",
        "license": "Apache-2.0",
        "dimension": HIDDEN,
        "max_length": 512,
        "attention": "bidirectional",
        "pooling": "masked_mean",
        "boundary": "offsets",
        "special_tokens": "exclude",
        "padding_side": "right",
        "prompts": {"query": "Instruction: Given a search query \nQuery:", "document": ""},
        "template": "Instruction: {instruction} \nQuery:",
    } | changes


def save_spec(path: Path, **changes: Any) -> Path:
    """Write a spec's YAML file."""
    path.write_text(yaml.safe_dump(spec(**changes), allow_unicode=True), encoding="utf-8")
    return path


def reranker_checkpoint(directory: Path, *, dtype: torch.dtype = torch.float32, pad: bool = True) -> Path:
    """A tiny Qwen3 that answers: its tokenizer knows the chat's control tokens, and ``yes`` and ``no``."""
    tokenizer = byte_bpe().train_new_from_iterator([*CORPUS, *["yes", "no"] * 100], VOCABULARY)
    control = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    tokenizer.add_special_tokens({"additional_special_tokens": control})
    if not pad:
        tokenizer.pad_token = None
    tokenizer.save_pretrained(directory)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    layers = {"hidden_size": HIDDEN, "intermediate_size": 64, "num_hidden_layers": 2}
    torch.manual_seed(11)
    model = Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), **heads, **layers))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 1.0 if "embed" in name else 0.25)
    model.to(dtype).save_pretrained(directory)
    return directory


def cross_encoder_checkpoint(directory: Path, *, labels: int = 1) -> Path:
    """A tiny BERT that classifies pairs, with one score a pair by default."""
    torch.manual_seed(5)
    model = BertForSequenceClassification(
        BertConfig(**network("bert").config.to_dict() | {"num_labels": labels})
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3)
    model.save_pretrained(directory)
    word_piece().save_pretrained(directory)
    return directory
