"""What sentence-transformers' own modules can be told of a model, and the rules that they cannot be told."""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import Module, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import PreTrainedTokenizerBase

from youtu_st.errors import ModelLoadError, brief
from youtu_st.modules import tokenization
from youtu_st.modules.packing import position_table
from youtu_st.modules.pooling import InstructionMaskedPooling
from youtu_st.modules.settings import normalizes, ours, prompt_for, splits_special_tokens
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec.model import Boundary
from youtu_st.spec.prompts import ROLES

_HOSTS = ("sentence_transformers.", "transformers.", "torch.")
_KEEPS = "youtu_st.convert keeps it, and so does youtu-st export without --plain"
_HALF = (torch.float16, torch.bfloat16)
_MODES: dict[str, Any] = {"last_token": "lasttoken", "cls": "cls", "mean": "mean", "masked_mean": "mean"}


def refusal(rule: str, why: str, instead: str = _KEEPS) -> ModelLoadError:
    """The error for a rule that stock modules cannot be told.

    Args:
        rule: What it is, by the names of the model's settings.
        why: What stock modules do in its stead.
        instead: What to do.
    """
    return ModelLoadError(f"stock modules cannot be told {rule}: {why}; {instead}")


def check_code(model: SentenceTransformer | CrossEncoder) -> None:
    """Raise if a model is made of more than classes of its hosts and of this package.

    Raises:
        ModelLoadError: Naming the class.
    """
    for module in model.modules():  # a router has modules of its own
        if not isinstance(module, Module):
            continue
        if type(module) not in (InstructionTransformer, InstructionMaskedPooling):
            if isinstance(module, InstructionTransformer):
                raise refusal(
                    "a reranker's template around a pair, which stays whole",
                    "they cut the end of all that is read, or join two texts by themselves",
                    "open it with youtu_st.rerank.Reranker",
                )
            _check_class("the module", module)
        if activation := getattr(module, "activation_function", None):
            _check_class("the activation", activation)
        if isinstance(module, Transformer):
            _check_class("the network", module.model)
            _check_class("the tokenizer", module.tokenizer)


def _check_class(what: str, found: Any) -> None:
    of = type(found)
    if not of.__module__.startswith(_HOSTS):
        raise refusal(
            f"{what} {brief(of.__name__)}, code of its own",
            "they run it only with trust_remote_code",
            "load the model where that may be passed",
        )


def stock_pooling(model: SentenceTransformer, pooling: InstructionMaskedPooling) -> Pooling:
    """The host's pooling that gives the vectors of a model's own, for every text that has content.

    Raises:
        ModelLoadError: If there is none, naming the rule.
    """
    size, mode, first = pooling.embedding_dimension, pooling.pooling, ours(model)
    _check_precision(model, mode)
    included = True
    if mode == "masked_mean" and first is not None:  # without one nothing marks content, and all tokens count
        included = first.settings.boundary == "offsets"
        check = _check_offsets if included else _check_counts
        check(model, first)
    stock: Pooling = Pooling(size, _MODES[mode], include_prompt=included)
    return stock


def _check_precision(model: SentenceTransformer, mode: str) -> None:
    """Raise for half precision, but where a vector is one token's own, and nothing scales it."""
    dtype = model.dtype
    if dtype in _HALF and (normalizes(model) or mode in ("mean", "masked_mean")):
        name = str(dtype).removeprefix("torch.")
        raise refusal(
            f"pooling in float32 over a network in {name}",
            f"their vectors are rounded to {name}",
            "load the model with dtype='float32'",
        )


def _check_offsets(model: SentenceTransformer, first: InstructionTransformer) -> None:
    """Raise unless all attended tokens are content, whatever the text.

    They are where there are no prompts, and added tokens count or there are none: any other token has
    characters, so that it ends after the empty prompt. After a prompt nothing can be proved: whether a token
    straddles the border depends on the text, and the tokenizers that never join two words add a ``[CLS]``
    before the prompt and a ``[SEP]`` after the text, one of which the host counts otherwise.
    """
    if any(prompt_for(model, role) for role in ROLES):
        raise refusal(
            "the masked mean with boundary 'offsets'",
            "they leave out as many tokens as the prompt has alone, also where its last one is joined to the "
            "text's first, as a space at its end is",
        )
    if first.settings.special_tokens == "exclude" and tokenization.count(first.reader, ""):
        raise refusal(
            "the masked mean with special_tokens 'exclude'", "they count the tokens that the tokenizer adds"
        )


def _check_counts(model: SentenceTransformer, first: InstructionTransformer) -> None:
    """Raise unless a rule that counts has the host's count for both prompts: its mask is then the host's."""
    boundary = first.settings.boundary
    for role in ROLES:
        prompt = prompt_for(model, role)
        mine, theirs = (_left_out(first, prompt, rule) for rule in (boundary, "prompt_length"))
        if mine != theirs:
            raise refusal(
                f"the masked mean with boundary {boundary!r}",
                f"for the {role} prompt {brief(prompt)} it leaves out {mine}, and they {theirs} of the first "
                "tokens",
            )


def _left_out(first: InstructionTransformer, prompt: str, boundary: Any) -> int:
    """How many of the first tokens a rule that counts leaves out, after a prompt."""
    rule: Boundary = boundary
    alone = tokenization.tokenize(
        first.reader, [""], first.marked([prompt]), boundary=rule, special_tokens="exclude", max_length=None
    )[0]
    return int((~alone.content).sum())


def tokenizer_settings(model: SentenceTransformer | CrossEncoder) -> dict[str, Any]:
    """What ``tokenizer_config.json`` must say for a tokenizer to be read as it is set now.

    The host writes the settings that it was loaded with, and not those that were set since.
    """
    tokenizer: Any = model.tokenizer
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return {}
    # As this package does it: a table of positions would see padding on the left as a shift of the text.
    first = ours(model)
    right = first is not None and position_table(first.model) is not None
    settings = {
        "padding_side": "right" if right else tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
    }
    return settings | ({"split_special_tokens": True} if splits_special_tokens(model) else {})


def transformer_settings(first: InstructionTransformer) -> dict[str, Any]:
    """What ``sentence_bert_config.json`` must say for the host's class to read texts as this one."""
    names = ("transformer_task", "modality_config", "module_output_name", "unpad_inputs")
    told = first.get_config_dict()
    return {name: told[name] for name in names if name in told} | {"max_seq_length": first.max_seq_length}
