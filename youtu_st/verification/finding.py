"""What a check found: good, off, or not to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from youtu_st.protocol import Vectors

State = Literal["ok", "off", "skipped"]

Variant = tuple[str, Callable[[], Vectors]]
"""A mistake in words, and all the fixed texts encoded with it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at.
        state: ``ok``, ``off`` or ``skipped``.
        found: What is there; where it was skipped, why.
        expected: What should be there; empty where nothing says so.
        remedy: What to do about it, where it is off.
    """

    check: str
    state: State
    found: str
    expected: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        should = f", expected {self.expected}" if self.expected else ""
        return f"{self.check}: found {self.found}{should}{'. ' if self.remedy else ''}{self.remedy}"


def judge(check: str, good: bool, found: object, expected: object = "", remedy: str = "") -> Finding:
    """A finding that is ``ok`` where it is good; the remedy is for where it is not."""
    return Finding(check, "ok" if good else "off", str(found), str(expected), "" if good else remedy)


def match(
    check: str, found: Any, expected: Any, remedy: str, *, show: Callable[[Any], object] = str
) -> Finding:
    """A finding that is ``ok`` where it is what is expected, or where nothing says so: None."""
    should = "" if expected is None else show(expected)
    return judge(check, expected in (None, found), show(found), should, remedy)


def skipped(check: str, why: str) -> Finding:
    """A finding of a check that has nothing to look at."""
    return Finding(check, "skipped", why)
