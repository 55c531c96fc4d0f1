"""Which of several processes this is, as ``torchrun`` tells each by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

from youtu_st.errors import InputError, brief

_REMEDY = "start the processes by torchrun, or unset it"


@dataclass(frozen=True)
class Processes:
    """Those that train together.

    Attributes:
        count: How many there are.
        number: Which this is, from 0.
        local: Which of this machine's: the number of its GPU.
    """

    count: int
    number: int
    local: int

    @property
    def is_first(self) -> bool:
        """Whether this is the one that speaks and writes."""
        return self.number == 0


def processes() -> Processes:
    """What the environment says; one process where it says nothing.

    Raises:
        InputError: If it says what cannot be.
    """
    count = _number("WORLD_SIZE", 1, least=1)
    found = Processes(count, _number("RANK", 0), _number("LOCAL_RANK", 0))
    if found.number >= count:
        raise InputError(f"RANK is {found.number} and WORLD_SIZE {count}: it must be below; {_REMEDY}")
    if (count > 1 or "LOCAL_RANK" in os.environ) and "MASTER_ADDR" not in os.environ:
        name = "WORLD_SIZE" if count > 1 else "LOCAL_RANK"
        raise InputError(
            f"{name} is {os.environ[name]}, and there is no MASTER_ADDR at which processes meet: {_REMEDY}"
        )
    return found


def _number(name: str, default: int, *, least: int = 0) -> int:
    given = os.environ.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 10) or int(given) < least:
        raise InputError(f"{name} is {brief(given)}, and must be a whole number from {least}: {_REMEDY}")
    return int(given)
