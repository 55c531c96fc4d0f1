"""``encode_query`` in process, which servers are measured by: in lists, one by one, and a full batch."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CALL = 32


def library(questions: Sequence[str], abstracts: Sequence[str]) -> Mapping[str, Callable[..., Any]]:
    """Runs in a process of its own: the encoder, and what it can be asked to do.

    Returns:
        ``lists(seconds)``: texts a second and CPU seconds of each, in lists of 32. ``single(seconds)``:
        seconds of each question by itself, and CPU seconds of each. ``full_batch()``: seconds of as many long
        abstracts as fill one batch. ``vectors(texts)``: their rows.
    """
    from youtu_st import Encoder

    encoder = Encoder("minilm", device="cpu", truncation="ignore", unknown="ignore")
    turns = itertools.cycle(range(0, len(questions) - CALL + 1, CALL))
    one_by_one = itertools.cycle(questions)
    assert encoder.max_length is not None
    filling = long_ones(abstracts, encoder.batch_tokens // encoder.max_length)

    def lists(seconds: float) -> tuple[float, float]:
        texts, cpu, start = 0, time.process_time(), time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            first = next(turns)
            texts += len(encoder.encode_query(list(questions[first : first + CALL])))
        return texts / passed, (time.process_time() - cpu) / texts

    def single(seconds: float) -> tuple[list[float], float]:
        taken: list[float] = []
        cpu, start = time.process_time(), time.perf_counter()
        while (asked := time.perf_counter()) - start < seconds:
            encoder.encode_query([next(one_by_one)])
            taken.append(time.perf_counter() - asked)
        return taken, (time.process_time() - cpu) / len(taken)

    def full_batch() -> float:
        start = time.perf_counter()
        encoder.encode_document(filling)
        return time.perf_counter() - start

    lists(0.5)
    full_batch()
    return {
        "lists": lists,
        "single": single,
        "full_batch": full_batch,
        "vectors": lambda texts: encoder.encode_query(texts),
    }


def long_ones(abstracts: Sequence[str], count: int) -> list[str]:
    """So many of the longest: each fills the model's length."""
    return sorted(abstracts, key=len, reverse=True)[: max(count, 1)]


def load_alone() -> float:
    """Seconds from a bare interpreter to a loaded model, in a process of its own."""
    code = "import youtu_st; youtu_st.Encoder('minilm', device='cpu')"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start
