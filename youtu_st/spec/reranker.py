"""RerankerSpec: what is known about a reranker, as data, and the template that it puts around a pair."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from youtu_st.errors import InputError
from youtu_st.spec.registry import Count, Published, Registry

INSTRUCTION = "{instruction}"
QUERY = "{query}"
DOCUMENT = "{document}"
_PLACEHOLDER = re.compile(r"\{(instruction|query)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """The whole conversation that a pair is put into.

    Attributes:
        prefix: Before the pair; tokenised alone.
        body: The pair, with ``{instruction}``, ``{query}`` and, at its end, ``{document}``; tokenised as one
            text, so that a token may reach from the template into the document.
        suffix: After the pair; tokenised alone.
        instruction: The model's own task description; None for a model that takes none.
    """

    prefix: str
    body: str
    suffix: str
    instruction: str | None = None

    @property
    def written(self) -> str:
        """All that it puts around a pair."""
        return self.prefix + self.body + self.suffix

    def head(self, query: str, instruction: str | None = None) -> str:
        """The body up to the document. Braces in what is filled in stay as they are.

        Args:
            query: The query.
            instruction: A task description; None: the model's own.

        Raises:
            InputError: If there is an instruction and the model takes none, or it is blank.
        """
        return self._filled({"query": query, "instruction": self._told(instruction)})

    def _told(self, instruction: str | None) -> str:
        if instruction is None:
            return self.instruction or ""
        if self.instruction is None:
            raise InputError("this model takes no instructions: pass instruction=None")
        if not instruction.strip():
            raise InputError("the instruction is empty: None stands for the model's own")
        return instruction

    def _filled(self, values: dict[str, str]) -> str:
        # In one pass: a query may have "{instruction}" written in it.
        return _PLACEHOLDER.sub(lambda found: values[found[1]], self.body.removesuffix(DOCUMENT))


class RerankerSpec(Published):
    """A language model that is asked whether a document answers a query, and says yes or no.

    Attributes:
        max_length: Tokens that the network is shown of a pair, by default: the published script's.
        context: What ``max_length`` may be raised to. None: no further than it is.
        prefix: What stands before every pair, to the letter.
        template: The pair: contains ``{query}`` once, ``{instruction}`` once where the model takes
            instructions, and ends with ``{document}``, so that cutting its end cuts the document.
        suffix: What stands after every pair.
        instruction: The model's own task description. None: the model takes no instructions.
        true_token: The token whose probability is the score.
        false_token: The token it is weighed against.
        split_special_tokens: Whether special tokens that stand in a query or a document are read as
            characters; those of the template stay what they are.
    """

    max_length: Count
    context: Count | None = None
    prefix: str
    template: str
    suffix: str
    instruction: Annotated[str, Field(min_length=1)] | None = None
    true_token: str
    false_token: str
    split_special_tokens: bool = False

    @model_validator(mode="after")
    def _whole_template(self) -> RerankerSpec:
        wanted = {QUERY: 1, DOCUMENT: 1, INSTRUCTION: int(self.instruction is not None)}
        for placeholder, times in wanted.items():
            if self.template.count(placeholder) != times:
                often = "exactly once" if times else "only where there is an instruction of the model's own"
                raise ValueError(f"template must contain {placeholder} {often}")
        if not self.template.endswith(DOCUMENT):
            raise ValueError(f"template must end with {DOCUMENT}; what comes after it is the suffix")
        if self.true_token == self.false_token:
            raise ValueError("true_token and false_token must differ")
        if self.context is not None and self.context < self.max_length:
            raise ValueError(f"context must be at least max_length ({self.max_length})")
        return self


RERANKERS = Registry("rerankers", RerankerSpec, "reranker", "cross-encoder")
"""The rerankers that go by a name."""

known_rerankers = RERANKERS.names
"""Names of the shipped specs, sorted."""
load_reranker_spec = RERANKERS.load
"""Reads a spec by one of these names, or from a user's own YAML file."""
