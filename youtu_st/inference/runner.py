"""Batches of rows through a network, in smaller ones wherever a device has too little memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from youtu_st.backends.forks import Lock
from youtu_st.errors import NonFiniteError, OutOfMemoryError
from youtu_st.inference import batches
from youtu_st.inference.batches import Counter, Group
from youtu_st.inference.devices import DevicePool
from youtu_st.inference.network import Network
from youtu_st.inference.outputs import Features, Output, Rows

if TYPE_CHECKING:
    from youtu_st.inference.preprocess import Preprocessor

CALL_SHARE = 32
"""A call of the network costs about as much as a batch's budget of tokens divided by this."""

Sound = npt.NDArray[np.bool_]

log = logging.getLogger("youtu_st")


class Runner:
    """One budget and one count for all that goes through a model, whoever puts its batches together.

    Args:
        preprocessor: Turns texts into rows of tokens, and these into batches.
        pool: The devices.
        batch_tokens: Padded tokens of a batch; halved whenever a device has too little memory for one.
    """

    def __init__(self, preprocessor: Preprocessor, pool: DevicePool, batch_tokens: int) -> None:
        self.preprocessor = preprocessor
        self.pool = pool
        self.batch_tokens = batch_tokens
        self.counter = Counter()
        self._lock = Lock()

    def batches(self, rows: Sequence[Any]) -> list[Group]:
        """Which rows go through the network together; every row once."""
        return [batch for group in self.preprocessor.groups(rows) for batch in self._plan(rows, group)]

    def run(
        self, network: Network, rows: Sequence[Any], batch: Group, output: Output, name: Callable[[int], str]
    ) -> tuple[Rows, Sound]:
        """Compute a batch; in parts, where the budget was halved since it was planned.

        Args:
            network: One of the pool's.
            rows: Tokenised texts.
            batch: Which of them.
            output: What the network is asked for.
            name: What to call each of the rows.

        Returns:
            Shape ``(n, *output.shape)``, float32, in the order of ``batch.positions``, and which rows of it
            are sound: the others are not so in float32 either.

        Raises:
            OutOfMemoryError: If one text alone is too much for the device.
        """
        own = _own_tokens(rows, batch)
        padded = max(own) * len(own)
        if len(own) > 1 and padded > self.batch_tokens:
            return self._in_parts(network, rows, batch, output, name)
        try:
            found = self._compute(network, [rows[i] for i in batch.positions], output)
        except MemoryError as error:
            if len(own) == 1:
                raise OutOfMemoryError(
                    f"{name(batch.positions[0])} with its {own[0] + batch.shared} tokens is more than "
                    f"the memory of {network.device} holds beside the model: cut it with max_length ({error})"
                ) from error
            reason = str(error)
        else:
            self._count(rows, batch)
            return found, output.sound(found)
        # Outside of the handler, which holds on to the tensors of the failed run.
        self._halve(padded, reason)
        return self._in_parts(network, rows, batch, output, name)

    def _compute(self, network: Network, rows: list[Any], output: Output) -> Rows:
        def features(which: Sequence[Any]) -> Features:
            return self.preprocessor.collate(which, output.role)

        return network.run(output, features(rows), lambda i: features([rows[i]]))

    def _in_parts(
        self, network: Network, rows: Sequence[Any], batch: Group, output: Output, name: Callable[[int], str]
    ) -> tuple[Rows, Sound]:
        place = {position: i for i, position in enumerate(batch.positions)}
        found = np.empty((len(place), *output.shape), dtype=np.float32)
        sound = np.empty(len(place), dtype=np.bool_)
        for part in self._plan(rows, batch):
            where = [place[position] for position in part.positions]
            found[where], sound[where] = self.run(network, rows, part, output, name)
        return found, sound

    def _plan(self, rows: Sequence[Any], group: Group) -> list[Group]:
        budget = self.batch_tokens
        plan = batches.plan(_own_tokens(rows, group), budget, budget // CALL_SHARE if group.padded else None)
        return [
            Group([group.positions[i] for i in batch], group.shared, group.padded) for batch in plan.batches
        ]

    def _count(self, rows: Sequence[Any], batch: Group) -> None:
        lengths = [len(rows[i]) for i in batch.positions]
        self.counter.add(
            encoded_texts=len(lengths),
            tokens=sum(lengths),
            padded_tokens=max(lengths) * len(lengths) if batch.padded else sum(lengths),
            batches=1,
        )

    def _halve(self, padded_tokens: int, reason: str) -> None:
        with self._lock.now:
            smaller = max(padded_tokens // 2, 1)
            if smaller < self.batch_tokens:
                log.warning(
                    "out of memory in a batch of %d tokens: at most %d from now on (%s)",
                    padded_tokens,
                    smaller,
                    reason,
                )
                self.batch_tokens = smaller


def unsound(name: str, output: Output) -> NonFiniteError:
    """The error of a text whose row is not sound."""
    return NonFiniteError(
        f"{name} gave {output.broken}, in float32 too: the checkpoint's weights are damaged, or do not fit "
        "its architecture"
    )


def _own_tokens(rows: Sequence[Any], group: Group) -> list[int]:
    """Of each text, those that are not computed once for all."""
    return [len(rows[i]) - group.shared for i in group.positions]
