"""What is put around a query and a document before a language model judges them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from youtu_st.errors import InputError

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
