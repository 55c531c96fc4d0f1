"""What the server is handed: the shapes of an encoder and of a reranker, as far as it looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from youtu_st.inference.batches import Totals
from youtu_st.protocol import Role

if TYPE_CHECKING:
    from youtu_st.inference.requests import Steps


class Served(Protocol):
    """A model that answers requests: what an encoder and a reranker have in common."""

    @property
    def model_name(self) -> str:
        """What it was made from."""

    @property
    def max_length(self) -> int | None:
        """Tokens that it reads, prompt or template and special tokens included."""

    @property
    def batches_at_once(self) -> int:
        """Batches that its devices compute side by side."""

    @property
    def identity(self) -> Mapping[str, str]:
        """The named parts that decide what a result means."""

    @property
    def fingerprint(self) -> str:
        """Short and stable over :attr:`identity`."""

    @property
    def runtime(self) -> Mapping[str, str]:
        """How it runs: backend, dtype, device."""

    @property
    def batch_tokens(self) -> int:
        """Padded tokens that go through the network at once."""

    @property
    def totals(self) -> Totals:
        """What was done so far."""

    @property
    def takes_instructions(self) -> bool:
        """Whether it has a template that a task description goes through."""


class ServedModel(Served, Protocol):
    """An embedding model: :class:`youtu_st.Encoder`."""

    @property
    def dimension(self) -> int:
        """Length of a vector, where a request asks for none."""

    @property
    def dimensions(self) -> Sequence[int]:
        """Lengths that a vector may have, ascending."""

    @property
    def prompts(self) -> Mapping[str, str]:
        """Its own prompts, by role."""

    def request(
        self,
        role: Role,
        texts: Sequence[str],
        *,
        instruction: str | Sequence[str | None] | None = None,
        dimensions: int | None = None,
    ) -> Steps:
        """The steps in which texts are tokenised; the last one gives the request, see ``Scheduler.read``."""


class ServedReranker(Served, Protocol):
    """A reranker: :class:`youtu_st.rerank.Reranker`."""

    def request(self, query: str, documents: Sequence[str], *, instruction: str | None = None) -> Steps:
        """The steps in which pairs are tokenised, see ``Scheduler.read``."""
