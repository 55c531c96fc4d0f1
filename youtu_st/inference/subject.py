"""What a pipeline is made from: a model of a host's class, or what was exported of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from youtu_st.inference.network import Network
    from youtu_st.inference.preprocess import Preprocessor


class Subject(Protocol):
    """A model, whoever runs it."""

    @property
    def model(self) -> Any:
        """The host's object."""

    @property
    def max_length(self) -> int | None:
        """Tokens that the network reads, prompt or template and special tokens included."""

    @property
    def batch_tokens(self) -> int:
        """Padded tokens that go through the network at once, where the user says nothing."""

    @property
    def takes_instructions(self) -> bool:
        """Whether the model knows what to make of a task description."""

    @property
    def preprocessor(self) -> Preprocessor:
        """What stands between texts and the network."""

    def networks(self, others: Sequence[str]) -> Sequence[Network]:
        """The network where it is, and a copy on each of some other devices."""


class EncoderSubject(Subject, Protocol):
    """A model that gives a vector for each text."""

    @property
    def dimension(self) -> int:
        """Length of a whole vector."""

    @property
    def lengths(self) -> Sequence[int]:
        """Lengths that a vector may be cut to, ascending."""

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""

    @property
    def reader(self) -> Any:
        """What gives the tokens of texts as the model reads them: the tokenizer, or a copy that splits."""

    @property
    def named_prompts(self) -> Mapping[str, str]:
        """All prompts that were saved with the model, by whatever names."""

    @property
    def normalizes(self) -> bool:
        """Whether the model's own modules scale its vectors to unit length."""

    def prompt_for(self, role: str) -> str:
        """What the model itself puts before a ``query`` or a ``document``."""

    def prompts_for(self, role: str, instruction: str | Sequence[str | None] | None, n: int) -> list[str]:
        """One prompt for each of ``n`` texts.

        Raises:
            InputError: If the model takes no instructions, or one leaves no room for text.
        """

    def identity(self, dimension: int) -> Mapping[str, str]:
        """The named parts that decide what a vector of a length means; not dtype, device or backend."""
