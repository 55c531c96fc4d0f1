"""What a loaded model really does, checked against what its spec says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from sentence_transformers.base.modules import Transformer

from youtu_st.errors import ModelLoadError
from youtu_st.modules.transformer import InstructionTransformer
from youtu_st.spec.model import Attention, ModelSpec


def observed_attention(transformer: Transformer) -> Attention:
    """Change the last token and see whether the first token's hidden state moves.

    Returns:
        ``bidirectional`` if it moves, ``causal`` if not.

    Raises:
        ModelLoadError: If the hidden states are not finite.
    """
    embeddings: Any = transformer.model.get_input_embeddings()
    # Two rows of four tokens that differ in the last one only; any ids will do.
    ids = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]]) % embeddings.weight.shape[0]
    ids = ids.to(next(transformer.parameters()).device)
    features = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "modality": "text"}
    with torch.inference_mode():
        first = transformer(features)["token_embeddings"][:, 0].float()
    if not first.isfinite().all():
        raise ModelLoadError("the network's hidden states are not finite: are its weights damaged?")
    # A causal network computes both rows from the same numbers; the margin is for kernels that do not.
    moved = (first[0] - first[1]).abs().max() > 1e-5 * first.abs().max()
    return "bidirectional" if moved else "causal"


def check_attention(transformer: InstructionTransformer) -> None:
    """Raise if attention is not what the module was told it is.

    Raises:
        ModelLoadError: Naming both directions.
    """
    expected = transformer.settings.attention
    if expected is None:
        return
    observed = observed_attention(transformer)
    if observed != expected:
        raise ModelLoadError(
            f"attention must be {expected}, but this checkpoint's is {observed}: "
            f"{type(transformer.model).__name__} does not follow config.is_causal. With "
            "attn_implementation='sdpa' or 'eager' and an architecture that transformers knows, it does"
        )


def check_weights(transformer: Transformer, directory: Path) -> None:
    """Raise if most of the network's weights are not in the checkpoint: they would be random numbers.

    transformers loads a checkpoint of another architecture without an error.

    Raises:
        ModelLoadError: With how many are missing, and the first of them.
    """
    names = [name for name, _ in transformer.model.named_parameters() if not name.startswith("pooler.")]
    missing = missing_weights(names, directory)
    if len(missing) > len(names) / 2:
        raise ModelLoadError(
            f"{len(missing)} of the {len(names)} weights of {type(transformer.model).__name__} are not in "
            f"{directory} (the first: {missing[0]}): is it this model's checkpoint?"
        )


def missing_weights(names: Sequence[str], directory: Path) -> list[str]:
    """Which weights are not in a checkpoint: after loading, they are random numbers.

    Args:
        names: Names of a network's parameters.
        directory: The checkpoint; one without ``.safetensors`` files is taken to be whole.
    """
    stored: set[str] = set()
    for path in directory.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            stored.update(map(_modern, file.keys()))
    # Names may carry the base model's prefix on either side, so their ends are compared.
    ends = {".".join(name.split(".")[-n:]) for name in stored for n in range(2, name.count(".") + 2)}
    return [name for name in names if stored and not (ends | stored) & {name, name.partition(".")[2]}]


def added_tokens(tokenizer: Any) -> tuple[bool, bool]:
    """Whether a tokenizer puts a token of its own before a text, and one after it."""
    special = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    return bool(special[0]), bool(special[-1])


def check_added_tokens(tokenizer: Any, spec: ModelSpec) -> None:
    """Raise if the tokenizer does not add the tokens that the spec says it adds, or adds others.

    A model that pools its last token gives healthy-looking vectors without it, which rank badly.

    Raises:
        ModelLoadError: Naming the place and what is there.
    """
    before, after = added_tokens(tokenizer)
    for place, expected, observed in ("before", spec.bos, before), ("after", spec.eos, after):
        if expected is not None and expected != observed:
            raise ModelLoadError(
                f"the tokenizer adds {'a' if observed else 'no'} token {place} a text, and {spec.name}'s "
                f"adds {'one' if expected else 'none'}: its files are damaged, or older than the release"
            )


def _modern(name: str) -> str:
    """Old BERT checkpoints call the weight of a layer norm gamma, and its bias beta."""
    return name.replace("gamma", "weight").replace("beta", "bias")
