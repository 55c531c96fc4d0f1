"""A model as one function of tensors, which a graph can be made from."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import Tensor
from torch.nn.functional import normalize

from youtu_st.backends.graphs import OUTPUT, Engine
from youtu_st.backends.traced import takes_types, text_transformer
from youtu_st.errors import ModelLoadError
from youtu_st.modules.mask import CONTENT_MASK
from youtu_st.modules.pooling import InstructionMaskedPooling


class Whole(torch.nn.Module):
    """Features in, what is wanted of a host's model out.

    What it runs is a copy of the model in float32 on the CPU; weights that are that already are shared.

    Args:
        model: As it was loaded; not changed.
        engine: For messages.
        more: Names of the features that it reads, beside ``input_ids`` and ``attention_mask``.
        outputs: Names of what it gives, in order.

    Attributes:
        inputs: Names of the features that it reads, in order.
        max_length: Tokens that the model reads; None: any number.

    Raises:
        ModelLoadError: If the network is none of PyTorch's.
    """

    def __init__(self, model: Any, engine: Engine, more: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        network = model[0].model
        if not isinstance(network, torch.nn.Module):
            raise ModelLoadError(f"a graph is made from a model loaded with backend='torch': {network}")
        self.model = _private(model)
        self.max_length: int | None = model.max_seq_length
        self.inputs = ("input_ids", "attention_mask", *more, *_types(model[0]))
        self.outputs = outputs
        self.eval()

    @property
    def network(self) -> Any:
        """The transformers module of the copy."""
        first: Any = self.model[0]
        return first.model


class WholeModel(Whole):
    """Features in, unit vectors out: network, pooling and what else the model does, cut, scaled to length 1.

    Args:
        model: As it was loaded; not changed.
        engine: For messages.
        dimension: Length to cut vectors to; None: the model's own.

    Raises:
        ModelLoadError: If the model does not begin with a ``Transformer`` that reads text, or reads more of a
            prompt than a graph is told.
    """

    def __init__(self, model: SentenceTransformer, engine: Engine, dimension: int | None) -> None:
        text_transformer(model, engine)
        if any(isinstance(module, Pooling) and not module.include_prompt for module in model):
            raise ModelLoadError(
                f"backend {engine!r} takes no prompt's length, which this model's pooling needs "
                "(include_prompt=False): use backend='torch'"
            )
        masked = any(isinstance(m, InstructionMaskedPooling) and m.pooling == "masked_mean" for m in model)
        super().__init__(model, engine, (CONTENT_MASK,) if masked else (), (OUTPUT,))
        length = model.get_embedding_dimension()
        if length is None:
            raise ModelLoadError("the model does not say how long its vectors are: use backend='torch'")
        self.dimension = min(dimension or length, length)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        content_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Each int64, shape ``(batch, tokens)``; gives shape ``(batch, dimension)``, float32, unit rows."""
        features: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if content_mask is not None:
            features[CONTENT_MASK] = content_mask
        if token_type_ids is not None:
            features["token_type_ids"] = token_type_ids
        vectors: Tensor = self.model({**features, "modality": "text"})["sentence_embedding"]
        return normalize(vectors.float()[:, : self.dimension], dim=1)


def _types(first: Any) -> tuple[str, ...]:
    typed = takes_types(first.model) and "token_type_ids" in first.tokenizer.model_input_names
    return ("token_type_ids",) if typed else ()


def _private(model: Any) -> Any:
    """A copy that may be changed, down to its configuration, over the same weights where they are float32."""
    shared = [
        tensor
        for tensor in itertools.chain(model.parameters(), model.buffers())
        if tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.int64, torch.bool)
    ]
    kept = [*shared, model.tokenizer]
    return copy.deepcopy(model, {id(held): held for held in kept}).to("cpu").float().eval()
