"""Where workers run: devices in turn, and what this machine has where none are named."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from youtu_st.scale.running.devices import gpus, makings
from youtu_st.scale.settings import Making

MAKING = Making("minilm")


def devices(*arguments: object) -> list[str | None]:
    return [one.device for one in makings(MAKING, *arguments)]  # type: ignore[arg-type]


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole search path of programs, where ``nvidia-smi`` may be put."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "nvidia-smi"


def test_named_devices_are_taken_in_turn(tool: Path) -> None:
    assert devices(None, ["cuda:0", "cuda:1"]) == ["cuda:0", "cuda:1"]
    assert devices(5, ["cuda:0", "cuda:1"]) == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]
    assert devices(1, ["cpu", "cuda:1"]) == ["cpu"]


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [
        ("0,1,5", ["cuda:0", "cuda:1", "cuda:2"]),
        ("1", []),
        ("", []),
        ("-1", []),
        ("0, 3", ["cuda:0", "cuda:1"]),
    ],
)
def test_visible_gpus_are_counted_and_numbered_anew(
    tool: Path, monkeypatch: pytest.MonkeyPatch, visible: str, wanted: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == wanted
    assert devices(None, None) == (wanted or [None])


@pytest.mark.parametrize(("number", "wanted"), [(0, []), (1, []), (3, ["cuda:0", "cuda:1", "cuda:2"])])
def test_the_drivers_tool_lists_them(tool: Path, number: int, wanted: list[str]) -> None:
    lines = "".join(f"echo 'GPU {i}: NVIDIA H100 (UUID: GPU-{i})'\n" for i in range(number))
    tool.write_text(f"#!/bin/sh\n{lines}")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert gpus() == wanted


def test_without_gpus_one_worker_chooses_for_itself(tool: Path) -> None:
    assert gpus() == []
    assert devices(None, None) == [None]
    assert devices(3, None) == [None, None, None]


def test_a_tool_that_fails_is_no_gpu(tool: Path) -> None:
    tool.write_text("not a program")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    assert gpus() == []


def test_an_engine_needs_no_device(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert len(makings(Making(server="http://localhost:1"), None, None)) == 1
