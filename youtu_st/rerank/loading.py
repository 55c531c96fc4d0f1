"""Spec and checkpoint to a ``CrossEncoder``, or any cross-encoder that sentence-transformers loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.modules import LogitScore

from youtu_st.backends import Dtype
from youtu_st.backends.device import available, dtype_to_load, keep_to_native
from youtu_st.backends.quiet import quiet_host
from youtu_st.backends.resting import whole_at_forks
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.inputs import check_max_length
from youtu_st.loading import checkpoint as files
from youtu_st.loading.loader import readable, to_float16
from youtu_st.loading.saved import own_modules
from youtu_st.loading.weights import check_loaded, check_weights
from youtu_st.modules import checks
from youtu_st.modules.settings import ours
from youtu_st.modules.settings import split_special_tokens as split_texts
from youtu_st.rerank.transformer import ANSWERS, FALSE, TRUE, RerankTransformer
from youtu_st.spec.reranker import RERANKERS, RerankerSpec


def load(
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    device: str | None = None,
    dtype: Dtype = "auto",
    max_length: int | None = None,
    split_special_tokens: bool = False,
    trust_remote_code: bool = False,
    hub: Mapping[str, Any] | None = None,
) -> CrossEncoder:
    """Load a reranker, with its whole template in place where it is a language model.

    Args:
        model: As for :class:`~youtu_st.rerank.Reranker`, but for a loaded model.
        checkpoint: Likewise, as all that follows.
        device: Where to run.
        dtype: What to compute in.
        max_length: Tokens to read of a pair.
        split_special_tokens: Read special tokens of a query or a document as characters.
        trust_remote_code: Run code that the checkpoint brings.
        hub: For downloads.

    Returns:
        A model whose ``predict`` needs no further arguments.

    Raises:
        YoutuError: As for :class:`~youtu_st.rerank.Reranker`.
    """
    options = files.hub_options(hub)
    device = available(device)
    network = {"dtype": dtype_to_load(dtype, device), "trust_remote_code": trust_remote_code}
    spec = RERANKERS.resolve(model, checkpoint)
    with readable(checkpoint or model):
        directory = (
            files.local(str(model), options)
            if spec is None
            else files.directory_for(spec, checkpoint, options)
        )
    with whole_at_forks():
        with readable(checkpoint or model), quiet_host():
            loaded = (
                _from_directory(directory, device, network)
                if spec is None
                else _from_spec(spec, directory, device, network)
            )
        check_kind(loaded, str(model))
        set_max_length(loaded, max_length, limit_of(loaded, spec))
        if split_special_tokens or getattr(loaded[0], "split_special_tokens", False):
            _split_special_tokens(loaded, str(model))
        keep_to_native(loaded, dtype, device, stacklevel=3)
        if dtype == "float16":
            to_float16(loaded)
        return loaded.eval()


def check_kind(model: CrossEncoder, name: str) -> None:
    """Raise unless a cross-encoder gives one score a pair, and a language model puts it into a template.

    Raises:
        ModelLoadError: Naming the model and what to do.
    """
    if model.num_labels != 1:
        raise ModelLoadError(
            f"{name!r} gives {model.num_labels} scores a pair, and a reranker gives one: it classifies pairs"
        )
    asks = any(isinstance(module, LogitScore) for module in model)
    whole = isinstance(model[0], RerankTransformer) or getattr(model.tokenizer, "chat_template", None)
    if asks and not whole:
        raise ModelLoadError(_without_template(name))


def _from_spec(spec: RerankerSpec, directory: Path, device: str, network: dict[str, Any]) -> CrossEncoder:
    trust = {"trust_remote_code": network["trust_remote_code"]}
    transformer = RerankTransformer(
        str(directory),
        prefix=spec.prefix,
        body=spec.template,
        suffix=spec.suffix,
        instruction=spec.instruction,
        true_token=spec.true_token,
        false_token=spec.false_token,
        split_special_tokens=spec.split_special_tokens,
        classifies=_classifies(directory),
        model_kwargs=network,
        config_kwargs=dict(trust),
        processor_kwargs={"model_max_length": spec.max_length, **trust},
    )
    check_weights(transformer, directory)
    answers = LogitScore(true_token_id=TRUE, false_token_id=FALSE, module_input_name=ANSWERS)
    model = _in_template([transformer, answers], device)
    _check_answers(transformer)
    return model


def _in_template(modules: list[torch.nn.Module], device: str) -> CrossEncoder:
    # Sigmoid of yes - no: the softmax over both.
    model: CrossEncoder = CrossEncoder(modules=modules, device=device, activation_fn=torch.nn.Sigmoid())
    return model


def _check_answers(transformer: RerankTransformer) -> None:
    """Raise if the two logits are not those of the whole network: its head may do more than multiply."""
    ids = transformer.preprocess([("a", "b")])["input_ids"].to(transformer.model.device)
    features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        if transformer.classifies:
            one = transformer.model(**features).logits.float()
            whole = torch.cat([torch.zeros_like(one), one], dim=1)
        else:
            whole = transformer.model(**features, logits_to_keep=1).logits[:, -1, transformer.answer_ids]
        ours = transformer(features)[ANSWERS][:, 0]
    tolerance = 1e-3 if transformer.model.dtype == torch.float32 else 0.05
    if not (whole.float() - ours).abs().max() <= tolerance * whole.float().abs().max().clamp(min=1.0):
        raise ModelLoadError(
            f"the logits of {type(transformer.model).__name__} are not its last states times its output "
            "embeddings, or are not finite: it cannot be scored here"
        )


def _from_directory(directory: Path, device: str, network: dict[str, Any]) -> CrossEncoder:
    is_raw = not (directory / "modules.json").is_file()
    if is_raw and _architecture(directory).endswith("ForCausalLM"):
        raise ModelLoadError(_without_template(str(directory)))
    trust = network.pop("trust_remote_code")
    modules = None if is_raw else own_modules(directory, network, trust)
    model: CrossEncoder
    if modules is None:
        model = CrossEncoder(str(directory), device=device, model_kwargs=network, trust_remote_code=trust)
    elif isinstance(modules[0], RerankTransformer):
        model = _in_template(modules, device)
    else:
        raise ModelLoadError(f"{directory} is an embedding model, and no reranker: youtu_st.Encoder opens it")
    checks.keep_to_limit(model)
    check_loaded(model, directory)  # the host makes a reranker of a saved embedding model too
    if isinstance(modules, list):
        return model
    reads: Any = model.model
    if reads is not None and _is_language_model(model, reads):
        if is_raw:
            raise ModelLoadError(_without_template(str(directory)))
        if getattr(reads.config, "pad_token_id", None) is None:
            raise ModelLoadError(
                f"{directory} has no pad_token_id in its config.json, without which its classifier does not "
                "know where a pair ends: set it to the tokenizer's"
            )
    return model


def _architecture(directory: Path) -> str:
    """The class of the network that a checkpoint was saved from."""
    config = directory / "config.json"
    if not config.is_file():
        return ""
    architectures: list[str] = json.loads(config.read_text(encoding="utf-8")).get("architectures") or [""]
    return architectures[0]


def _classifies(directory: Path) -> bool:
    return _architecture(directory).endswith("ForSequenceClassification")


def _is_language_model(model: CrossEncoder, network: Any) -> bool:
    """Whether a classifier's network reads from left to right."""
    if any(isinstance(module, LogitScore) for module in model):
        return False
    decoder = network.base_model
    return (
        checks.attention_of(
            network, lambda ids: decoder(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
        )
        == "causal"
    )


def _without_template(name: str) -> str:
    return (
        f"{name} is a language model without a template for pairs, and without one its scores are almost "
        f"random. Say which reranker it is: Reranker({RERANKERS.names()[0]!r}, checkpoint={name!r}), or a "
        ".yaml file of your own"
    )


def _split_special_tokens(model: CrossEncoder, name: str) -> None:
    if ours(model) is None and any(isinstance(module, LogitScore) for module in model):
        raise InputError(
            f"split_special_tokens is not for {name!r}: sentence-transformers tokenises its template and a "
            "pair as one text. Say which reranker it is: "
            f"Reranker({RERANKERS.names()[0]!r}, checkpoint={name!r}, split_special_tokens=True)"
        )
    split_texts(model, [model.prompts.get(model.default_prompt_name or "") or ""])


def limit_of(model: CrossEncoder, spec: RerankerSpec | None) -> int | None:
    """Tokens that a model's ``max_length`` may be raised to; None: any number."""
    limit: int | None = model.max_seq_length
    return (spec.context or spec.max_length) if spec else limit


def set_max_length(model: CrossEncoder, max_length: int | None, limit: int | None) -> None:
    """Have a model read so many tokens of a pair; None leaves it as it is.

    Raises:
        InputError: If it is over the limit, or leaves no room beside the template.
    """
    if max_length is None:
        return
    max_length = check_max_length(max_length, limit)
    first = model[0]
    if isinstance(first, RerankTransformer) and max_length <= first.template_tokens:
        raise InputError(
            f"max_length is {max_length}, and the template takes {first.template_tokens} tokens before and "
            "after every pair: no room for one"
        )
    model.max_seq_length = max_length
