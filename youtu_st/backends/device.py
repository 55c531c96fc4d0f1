"""What a device computes natively, and how much goes through it at once."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.util import get_device_name

from youtu_st.backends import Dtype, threads
from youtu_st.errors import ModelLoadError

HALF = (torch.bfloat16, torch.float16)
_CPU_FLAGS = {
    torch.bfloat16: ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"),
    torch.float16: ("avx512_fp16", "amx_fp16"),
}


@lru_cache(maxsize=32)
def is_native(dtype: torch.dtype, device: str) -> bool:
    """Whether a device has instructions for a dtype; where it has none, a dtype of half the size is slower.

    Args:
        dtype: Any dtype; float32 is native everywhere.
        device: ``cpu``, ``cuda:1``, ...
    """
    kind = torch.device(device).type
    if dtype not in HALF:
        return True
    if kind == "cpu":
        capabilities = _cpu_capabilities()
        return any(capabilities.get(flag) for flag in _CPU_FLAGS[dtype])
    if kind == "cuda" and dtype == torch.bfloat16:
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return True


def _cpu_capabilities() -> dict[str, Any]:
    """The instruction sets of this machine's processor; empty where this PyTorch cannot tell."""
    read: Any = getattr(torch.cpu, "get_capabilities", None)
    return dict(read()) if read is not None else {}


def batch_tokens(device: torch.device, first: Any) -> int:
    """Padded tokens that go through the network at once, where the user says nothing.

    On a CPU about a thousand for each core: a product of matrices is as fast as it gets by then, and what it
    works on still lies in the caches. On a GPU as many as fill it, as far as half of its free memory goes,
    which is reckoned from what a layer holds at once.

    Args:
        device: Where the network runs.
        first: A model's first module, for the size of its layers.
    """
    if device.type == "cpu":
        return threads.batch_tokens(torch.get_num_threads())
    if device.type != "cuda":
        return 8192
    config = getattr(first, "config", None)
    hidden: int = getattr(config, "hidden_size", None) or 1024
    inner: int = getattr(config, "intermediate_size", None) or 4 * hidden
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int(free / 2 / (4 * (8 * hidden + 3 * inner)))
    return min(max(1 << (fitting.bit_length() - 1), 2048), 65536)


def available(device: str | None) -> str:
    """A device that is there: the one that is asked for, or the best.

    Raises:
        ModelLoadError: If it is no device, or not there.
    """
    device = device or get_device_name()
    try:
        kind = torch.device(device)
    except RuntimeError as error:
        raise ModelLoadError(f"device must be cpu, cuda, cuda:1, mps or the like, not {device!r}") from error
    there = {"cuda": (kind.index or 0) < torch.cuda.device_count(), "mps": torch.backends.mps.is_available()}
    if not there.get(kind.type, True):
        raise ModelLoadError(f"device {device!r} is not there: this PyTorch sees none; use device='cpu'")
    return device


def name_of(device: str) -> str | None:
    """What a GPU is called; None of another device."""
    return str(torch.cuda.get_device_name(device)) if torch.device(device).type == "cuda" else None


def empty_cache() -> None:
    """Give back what torch holds of a GPU's memory and does not use."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def dtype_to_load(dtype: Dtype, device: str) -> torch.dtype | str:
    """What transformers is asked for.

    float16 is cast to after loading, when the fingerprint of the checkpoint's own values has been taken.
    """
    if dtype in ("checkpoint", "float16"):
        return "auto"
    if dtype == "auto":  # float32 at once where anything shorter would be cast back
        return "auto" if any(is_native(half, device) for half in HALF) else torch.float32
    named: torch.dtype = getattr(torch, dtype)
    return named


def keep_to_native(
    model: SentenceTransformer | CrossEncoder, dtype: Dtype, device: str, *, stacklevel: int
) -> None:
    """Cast a model that was loaded as ``auto`` to what its device computes, and warn of what it does not.

    Args:
        model: Loaded as :func:`dtype_to_load` says.
        dtype: What the user asked for.
        device: Where it is.
        stacklevel: Of the warning, counted from the caller.
    """
    if dtype == "auto" and not is_native(model.dtype or torch.float32, device):
        model.float()
    computed = torch.float16 if dtype == "float16" else model.dtype or torch.float32
    if dtype != "checkpoint" and not is_native(computed, device):
        warnings.warn(
            f"this {device} has no instructions for {computed}: it works these out in software, slower than "
            "float32; dtype='auto' avoids it",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
