"""How long the texts of rows are, as training reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from youtu_st.errors import InputError
from youtu_st.protocol import Role
from youtu_st.training.data.report import Lengths
from youtu_st.training.data.rows import Row

Side = Literal["query", "document"]
PromptOf = Callable[[Role, str | None], str]
"""The prompt before a text of a role: the role's own, or a task instruction through the template."""


class Asked(NamedTuple):
    """A text as training asks for it: whose side it is, its role, its instruction, and the text."""

    side: Side
    role: Role
    instruction: str
    content: str


def asked(row: Row) -> Iterator[Asked]:
    """The texts of a row, as training asks for them.

    An instruction is a query's, of ``sts`` both sides', and of ``cls`` all sides'; without one, the two sides
    of ``sts`` are documents.
    """
    told = row.query.instruction
    yield Asked("query", "document" if row.task == "sts" else "query", told, row.query.content)
    for text in (*row.positives, *row.negatives):
        instruction = "" if row.task == "ir" else text.instruction or told
        yield Asked("document", "document", instruction, text.content)


class Measure(Protocol):
    """Tells how long texts are.

    Attributes:
        unit: What it counts.
        limit: What is read of a text. None: not known.
    """

    unit: str
    limit: int | None

    def refuses(self, instruction: str) -> str | None:
        """Why an instruction cannot be used; None: it can."""
        ...

    def __call__(self, texts: Sequence[Asked]) -> list[int]:
        """The length of each."""
        ...


class Characters:
    """Counts characters, without any prompt."""

    unit = "characters"
    limit: int | None = None

    def refuses(self, instruction: str) -> str | None:
        """None."""
        return None

    def __call__(self, texts: Sequence[Asked]) -> list[int]:
        """The length of each."""
        return [len(text.content) for text in texts]


class Tokens:
    """Counts tokens, with the prompt and what the tokenizer adds.

    Args:
        reader: What gives the tokens of texts as the model reads them.
        prompt_of: The model's prompts.
        limit: Tokens that are read of a text. None: all.
    """

    unit = "tokens"

    def __init__(self, reader: Any, prompt_of: PromptOf, limit: int | None) -> None:
        self.limit = limit
        self._reader, self._prompt_of = reader, prompt_of
        self._refused: dict[str, str | None] = {}

    def refuses(self, instruction: str) -> str | None:
        """Why the model takes no such instruction; None: it does."""
        if instruction not in self._refused:
            try:
                self._prompt_of("query", instruction)
                self._refused[instruction] = None
            except InputError as error:
                self._refused[instruction] = str(error)
        return self._refused[instruction]

    def __call__(self, texts: Sequence[Asked]) -> list[int]:
        """The length of each; an instruction that the model does not take is left out."""
        from youtu_st.modules.readers import reader_for

        reader, whole = reader_for(self._reader), []
        for text in texts:
            told = text.instruction if text.instruction and not self.refuses(text.instruction) else None
            prompt = self._prompt_of("query" if told else text.role, told)
            whole.append(reader.marked(prompt) + text.content)
        return [len(ids) for ids in reader.ids(whole)]


def tokens_of(
    model: str,
    *,
    checkpoint: str | None = None,
    max_length: int | None = None,
    trust_remote_code: bool = False,
) -> Tokens:
    """Counts the tokens of a model; of a name or a ``.yaml`` file, the tokenizer alone is loaded.

    Args:
        model: As for :func:`youtu_st.load`.
        checkpoint: Likewise.
        max_length: Tokens that training reads of a text. None: what the model reads.
        trust_remote_code: Likewise.

    Raises:
        InputError: If ``max_length`` is more than the model reads.
        YoutuError: As for :func:`youtu_st.load`.
    """
    from youtu_st.loading.loader import load
    from youtu_st.loading.tokenizer import load_tokenizer
    from youtu_st.modules import settings
    from youtu_st.modules.literal import LiteralTokenizer
    from youtu_st.spec import prompts
    from youtu_st.spec.model import MODELS

    spec: Any = MODELS.resolve(model, checkpoint)
    if spec is None:
        loaded = load(model, trust_remote_code=trust_remote_code)

        def prompt_of(role: Role, instruction: str | None) -> str:
            return settings.prompts_for(loaded, role, instruction, 1)[0]

        return Tokens(settings.reader_of(loaded), prompt_of, _limit(model, loaded.max_seq_length, max_length))
    tokenizer = load_tokenizer(spec, checkpoint, trust_remote_code=trust_remote_code)

    def prompt_of_spec(role: Role, instruction: str | None) -> str:
        return prompts.prompts_for(spec.prompts.of(role), spec.template, instruction, 1)[0]

    reader = LiteralTokenizer(tokenizer) if spec.split_special_tokens else tokenizer
    return Tokens(reader, prompt_of_spec, _limit(model, spec.max_length, max_length))


def _limit(model: str, most: int | None, wanted: int | None) -> int | None:
    if wanted is not None and most is not None and wanted > most:
        raise InputError(f"the maximum length must be at most {most}, which {model!r} reads, not {wanted}")
    return wanted or most


@dataclass(slots=True)
class Histogram:
    """How many texts there are of each length: exact, and no larger than the longest text is long."""

    unit: str
    limit: int | None
    counts: Counter[int]

    def lengths(self) -> Lengths | None:
        """What is said of them. None: there are none."""
        total = self.counts.total()
        if not total:
            return None
        cut = None
        if self.limit is not None:
            cut = sum(n for length, n in self.counts.items() if length > self.limit) / total
        median, p90, p99, longest = (self._quantile(percent, total) for percent in (50, 90, 99, 100))
        return Lengths(self.unit, total, median, p90, p99, longest, self.limit, cut)

    def _quantile(self, percent: int, total: int) -> int:
        """The least length that so many texts of a hundred do not exceed."""
        below = 0
        for length in sorted(self.counts):
            below += self.counts[length]
            if below * 100 >= percent * total:
                return length
        raise AssertionError("all texts are no longer than the longest")
