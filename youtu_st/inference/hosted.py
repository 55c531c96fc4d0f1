"""Models of sentence-transformers as a pipeline takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from sentence_transformers import SentenceTransformer

from youtu_st.backends.device import batch_tokens
from youtu_st.inference.preprocess import Preprocessor
from youtu_st.inference.stock import preprocessor_for
from youtu_st.inference.torch_network import TorchNetwork
from youtu_st.modules import fingerprint, settings


class HostedModel:
    """A ``SentenceTransformer`` or a ``CrossEncoder``.

    Args:
        model: The object; evaluated from now on, not trained.
    """

    def __init__(self, model: Any) -> None:
        self.model = model.eval()

    @property
    def max_length(self) -> int | None:
        """As the model has it now."""
        limit: int | None = self.model.max_seq_length
        return limit

    @property
    def batch_tokens(self) -> int:
        """See :func:`youtu_st.backends.device.batch_tokens`."""
        return batch_tokens(self.model.device, self.model[0])

    def networks(self, others: Sequence[str]) -> Sequence[TorchNetwork]:
        """The model where it is, and a copy of its weights on each of some other devices."""
        return TorchNetwork.on_all(self.model, others)


class HostedEncoder(HostedModel):
    """A ``SentenceTransformer``."""

    model: SentenceTransformer

    @cached_property
    def preprocessor(self) -> Preprocessor:
        """The one that fits the model's first module."""
        return preprocessor_for(self.model)

    @property
    def dimension(self) -> int:
        """Length of a whole vector."""
        return self.model.get_embedding_dimension() or 0

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths that a vector may be cut to, ascending."""
        return settings.lengths_of(self.model)

    @property
    def takes_instructions(self) -> bool:
        """Whether the model knows what to make of a task description."""
        mine = settings.ours(self.model)
        return mine is not None and mine.settings.template is not None

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.model.tokenizer

    @property
    def reader(self) -> Any:
        """The tokenizer, or a copy that splits special tokens."""
        return settings.reader_of(self.model)

    @property
    def named_prompts(self) -> dict[str, str]:
        """All prompts that were saved with the model, by whatever names."""
        return {name: prompt or "" for name, prompt in self.model.prompts.items()}

    @property
    def normalizes(self) -> bool:
        """Whether a module of the model scales its vectors to unit length."""
        return settings.normalizes(self.model)

    def prompt_for(self, role: str) -> str:
        """See :func:`youtu_st.modules.settings.prompt_for`."""
        return settings.prompt_for(self.model, role)

    def prompts_for(self, role: str, instruction: str | Sequence[str | None] | None, n: int) -> list[str]:
        """See :func:`youtu_st.modules.settings.prompts_for`."""
        return settings.prompts_for(self.model, role, instruction, n)

    def identity(self, dimension: int) -> dict[str, str]:
        """See :func:`youtu_st.modules.fingerprint.identity`."""
        return fingerprint.identity(self.model, dimension)
