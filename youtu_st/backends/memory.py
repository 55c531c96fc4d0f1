"""What engines say where a batch needs more memory than there is; no torch."""

from __future__ import annotations

import re

# None has a class of its own for this on a CPU: PyTorch and OpenVINO raise a RuntimeError, ONNX Runtime an
# error of another kind.
_WORDS = re.compile(
    r"out of memory|(can't|failed to) allocate memory|not enough memory|bad_?\s?alloc", re.IGNORECASE
)


def short_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory."""
    return isinstance(error, MemoryError) or _WORDS.search(str(error)) is not None
