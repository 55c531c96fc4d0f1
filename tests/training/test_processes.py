"""What the environment says of several processes."""

from __future__ import annotations

import pytest

from youtu_st.errors import InputError
from youtu_st.training.processes import Processes, processes

NAMES = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR")


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_one_process_where_nothing_is_said() -> None:
    assert processes() == Processes(1, 0, 0)
    assert processes().is_first


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("4", "3", "1", "127.0.0.1"), strict=True):
        monkeypatch.setenv(name, value)
    assert processes() == Processes(4, 3, 1)
    assert not processes().is_first


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE is 'abc', and must be a whole number from 1"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0'"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE is ''"),
        ({"WORLD_SIZE": "-1"}, "WORLD_SIZE is '-1'"),
        ({"WORLD_SIZE": "\N{ARABIC-INDIC DIGIT THREE}"}, "WORLD_SIZE is"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, and there is no MASTER_ADDR"),
        ({"LOCAL_RANK": "0"}, "LOCAL_RANK is 0, and there is no MASTER_ADDR"),
        ({"RANK": "1"}, "RANK is 1 and WORLD_SIZE 1: it must be below"),
        ({"RANK": "x"}, "RANK is 'x', and must be a whole number from 0"),
    ],
)
def test_what_cannot_be(monkeypatch: pytest.MonkeyPatch, said: dict[str, str], message: str) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message) as told:
        processes()
    assert "torchrun" in str(told.value)
