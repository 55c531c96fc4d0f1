"""A model in the scheduler: its texts read in steps, and batches that mix roles, instructions and lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from youtu_st.inference.batches import Group
from youtu_st.inference.network import Network
from youtu_st.inference.outputs import Output, Rows
from youtu_st.inference.report import Report
from youtu_st.inference.requests import Found, Piece, Request, Steps
from youtu_st.inference.runner import Runner, unsound
from youtu_st.inference.unique import Unique

TEXTS_AT_ONCE = 64
CHARACTERS_AT_ONCE = 1 << 14
"""How much is tokenised in one step: some milliseconds' worth, whatever a call brings.

The lists of its tokens are let go at once, for which no other thread gets the interpreter: a millisecond.
"""


class ModelLane:
    """A loaded model.

    Args:
        runner: Runs its batches; keeps its counts.
        name: What it is called where figures are kept.
    """

    def __init__(self, runner: Runner, name: str) -> None:
        self.runner = runner
        self.name = name

    @property
    def batch_tokens(self) -> int:
        """Padded tokens of a batch."""
        return self.runner.batch_tokens

    def read(self, unique: Unique, output: Output, report: Report) -> Steps:
        """Tokenise a call's texts, some at a time.

        Args:
            unique: The texts.
            output: What the network is asked for.
            report: Learns what was noticed, and knows what to call a text.

        Yields:
            Tokens so far, after each step but the last; then the request.

        Raises:
            InputError: If a text is nothing to this model, or too long or not read where that is an error.
        """
        preprocessor, rows, tokens = self.runner.preprocessor, list[Any](), 0
        for part in _parts(unique.texts):
            if rows:
                yield tokens
            read = preprocessor.tokenize(unique.texts[part], unique.prompts[part])
            tokens += sum(map(len, read))
            rows += read
        preprocessor.check(rows, lambda i: report.name(unique.positions[i]))
        self.runner.counter.add(cut_texts=report.add(unique, rows))
        yield Request(self, unique, rows, output, report.name, report)

    def plan(self, pieces: Sequence[Piece]) -> list[Group]:
        """Which pieces may go together: of both roles, where the model does not tell them apart."""
        if not self.runner.preprocessor.by_role:
            return self.runner.batches([piece.row for piece in pieces])
        groups = []
        for role in {piece.request.output.role: None for piece in pieces}:
            places = [i for i, piece in enumerate(pieces) if piece.request.output.role == role]
            for group in self.runner.batches([pieces[i].row for i in places]):
                groups.append(Group([places[i] for i in group.positions], group.shared, group.padded))
        return groups

    def run(self, pieces: Sequence[Piece], group: Group) -> list[Found]:
        """The row of each piece, or why there is none."""
        widest = max((piece.request.output for piece in pieces), key=lambda output: output.shape)

        def compute(network: Network, batch: Group) -> list[Found]:
            rows, sound = self.runner.run(network, [p.row for p in pieces], batch, widest, _name(pieces))
            return [
                _cut(piece, row, good) for piece, row, good in zip(pieces, rows, sound.tolist(), strict=True)
            ]

        (found,) = self.runner.pool.each(compute, [group])
        texts = sum(piece.request.unique.counts[piece.i] for piece in pieces)
        self.runner.counter.add(texts=texts)
        return found


def _cut(piece: Piece, row: Rows, good: bool) -> Found:
    """A row as its request wants it."""
    output = piece.request.output
    if good and row.shape != output.shape:
        row = row[: output.shape[0]]
        length = np.linalg.norm(row)
        good = bool(length > 0)
        row = row / length if good else row
    return row if good else unsound(_name([piece])(0), output)


def _name(pieces: Sequence[Piece]) -> Callable[[int], str]:
    """What the caller of each knows it as."""

    def name(i: int) -> str:
        request, at = pieces[i]
        return request.name(request.unique.positions[at])

    return name


def _parts(texts: Sequence[str]) -> Iterator[slice]:
    """Runs of texts that are read in one step."""
    start = characters = 0
    for end, text in enumerate(texts):
        characters += len(text)
        if end > start and (end - start >= TEXTS_AT_ONCE or characters > CHARACTERS_AT_ONCE):
            yield slice(start, end)
            start, characters = end, len(text)
    if start < len(texts):
        yield slice(start, len(texts))
