"""What this machine is, and how fast it multiplies matrices."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "openvino",
    "onnxruntime",
    "fastembed",
    "langchain-huggingface",
    "llama-index-embeddings-huggingface",
    "youtu-st",
)


def describe() -> dict[str, Any]:
    """Processor, cores, what they compute natively, and the versions of all that is measured."""
    import torch

    from youtu_st.backends.device import is_native

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtypes = [name for name in ("float32", "bfloat16", "float16") if is_native(getattr(torch, name), device)]
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "native_dtypes": dtypes,
        "openvino_capabilities": openvino_capabilities(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := version_of(name))},
    }


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def openvino_capabilities() -> list[str]:
    """What OpenVINO says that it computes natively on the processor; empty where it is not installed."""
    if version_of("openvino") is None:
        return []
    from youtu_st.backends.packages import package  # without the telemetry of a plain import

    return list(package("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def peak_memory() -> int:
    """Bytes that this process has had in memory at most.

    Linux's own mark of this program: ``ru_maxrss`` starts at the size of the process that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def peak_gpu_memory() -> int:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def multiplier(products: tuple[tuple[int, int], ...], rows: int, dtype: str) -> Callable[[], float]:
    """How to measure the speed of one layer's products, as PyTorch does them.

    Args:
        products: Inputs and outputs of each.
        rows: Tokens of a batch.
        dtype: ``float32`` or ``bfloat16``.

    Returns:
        A function that multiplies for half a second and returns floating-point operations per second.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    options: dict[str, Any] = {"dtype": getattr(torch, dtype), "device": device}
    inputs = {size: torch.randn(rows, size, **options) for size, _ in products}
    weights = [(size, torch.randn(outputs, size, **options)) for size, outputs in products]
    work = 2 * rows * sum(size * outputs for size, outputs in products)

    def layer() -> None:
        for size, weight in weights:
            torch.nn.functional.linear(inputs[size], weight)
        if device == "cuda":
            torch.cuda.synchronize()

    def speed() -> float:
        layers, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < 0.5:
            layer()
            layers += 1
        return work * layers / taken

    layer()  # the first call chooses kernels and fills caches
    return speed
