"""How long a server is waited for that answers for now with an error, or not at all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from youtu_st.engines.client import Failure, Sent

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
"""Seconds between attempts, each twice the last, where the server names none: as the ``openai`` client."""

LONGEST_AWAY = 2.0
"""The same while a server is away: it is met soon after it is back."""

LONGEST_TOLD = 120.0
"""Seconds that a server may name."""

TEMPORARY = (408, 409, 429)
"""Statuses, beside 5xx, after which a request may pass another time."""


def is_temporary(failure: Failure) -> bool:
    """Whether the same request may pass another time."""
    status = failure.status
    return failure.broken or failure.late or (status is not None and (status in TEMPORARY or status >= 500))


@dataclass(frozen=True, slots=True)
class Patience:
    """Attempts at a request, and a time for which its server may be away between them.

    A server that is started anew is away for as long as its model takes to load. Nobody computes anything in
    that time, so it is no attempt, unless a single one is wanted.

    Attributes:
        attempts: Times that a server may fail.
        seconds: For which it may be away, at a stretch.
    """

    attempts: int
    seconds: float

    def answer(
        self,
        send: Callable[[], Sent | Failure],
        is_away: Callable[[Failure], bool],
        may_pass: Callable[[Failure], bool] = is_temporary,
    ) -> tuple[Sent | Failure, int]:
        """What ``send()`` gives in the end, and how often it was called.

        Args:
            send: Sends the request once.
            is_away: Whether a failure means that the server is not there yet.
            may_pass: Whether another failure may be none the next time.
        """
        failed, times, away_since, tries = 0, 0, None, 0
        while True:
            found = send()
            times += 1
            if isinstance(found, Sent):
                return found, times
            if is_away(found) and self.attempts > 1:
                now = time.monotonic()
                away_since, tries = (now, 0) if away_since is None else (away_since, tries + 1)
                left = away_since + self.seconds - now
                pause = min(_pause(found, tries, LONGEST_AWAY), left)
                if left <= 0:
                    return found, times
            else:
                failed, away_since = failed + 1, None
                pause = _pause(found, failed - 1, LONGEST_PAUSE)
                if failed >= self.attempts or not may_pass(found) or pause > LONGEST_TOLD:
                    return found, times
            time.sleep(max(pause, 0.0))


def _pause(failure: Failure, before: int, longest: float) -> float:
    """Seconds until the next attempt, after so many pauses."""
    if failure.pause:
        return failure.pause
    return float(min(FIRST_PAUSE * 2.0 ** min(before, 16), longest) * random.uniform(0.75, 1.0))
