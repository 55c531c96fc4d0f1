"""Ways to run a model on this machine, each measured: how fast it is, and how near to torch in float32.

Torch is imported where a way is measured, and not for a choice that is remembered.
"""

from __future__ import annotations

import gc
import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from youtu_st.backends import Backend, Dtype, Weights
from youtu_st.backends.graphs import LEAST_COSINE
from youtu_st.backends.graphs.openvino import native_dtypes
from youtu_st.errors import YoutuError
from youtu_st.probes import lowest_cosine
from youtu_st.protocol import TextEncoder, Vectors
from youtu_st.spec.model import MODELS, ModelSpec

Progress = Callable[[str], None]

ROUNDS = 3
ROUND_SECONDS, LONGEST_ROUND_SECONDS = 1.0, 5.0
FEWEST_TEXTS, USUAL_TEXTS, MOST_TEXTS = 4, 32, 512

_SENTENCES = (
    "The night train to Lisbon leaves from platform nine at a quarter past ten.",
    "图书馆每天早上九点开门,周一除外。",
    "A covenant of the lease obliges the tenant to keep the roof and the outer walls in repair.",
    "这种药物能够降低血压,但可能引起头晕。",
    "Mix 200 g of flour with two eggs, a pinch of salt and 0.3 l of milk; let it rest for an hour.",
    "研究人员在三千米深的海底发现了一种新的细菌。",
    'for row in csv.reader(file): total += float(row[3] or "0")',
    "请在付款之前核对收件人的姓名、地址和邮政编码。",
)
# Sentences of a text, in turn: as five and eight share no factor, each begins texts of every length.
_LENGTHS = (1, 2, 6, 1, 3)

_MAKERS = {
    ("openvino", None): ("openvino",),
    ("openvino", "int8"): ("openvino", "nncf"),
    ("onnx", None): ("onnxruntime", "onnx", "onnxscript"),
    ("onnx", "int8-dynamic"): ("onnxruntime", "onnx", "onnxscript"),
}
"""Packages that a graph takes, by engine and weights. With those alone rounded, ONNX Runtime is no faster."""


class Way(NamedTuple):
    """One way to run a model: settings of an encoder, that is."""

    backend: Backend
    dtype: Dtype
    weights: Weights | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments for :class:`youtu_st.Encoder`."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def __str__(self) -> str:
        """Such as ``openvino bfloat16``, or ``onnx int8-dynamic``."""
        return f"{self.backend} {self.weights or self.dtype}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One way to run a model, measured.

    ``texts_per_second`` counts queries and documents alike. ``cosine`` is the lowest to torch in float32 over
    all probe texts in both roles. ``problem`` says why a way does not work here; None where it does.
    ``weights`` are rounded, or None.
    """

    backend: Backend
    dtype: Dtype
    texts_per_second: float = 0.0
    cosine: float = 0.0
    problem: str | None = None
    weights: Weights | None = None

    @property
    def way(self) -> Way:
        """What was measured."""
        return Way(self.backend, self.dtype, self.weights)

    def is_sound(self, least: float) -> bool:
        """Whether it works, and keeps a cosine: the one that is named, or that of its rounded weights."""
        return self.problem is None and self.cosine >= LEAST_COSINE.get(self.weights or "", least)


def candidates(device: str) -> list[Way]:
    """The ways that are worth a measurement on a device; torch in float32 is the first."""
    from youtu_st.backends.device import HALF, is_native

    halves = [_name(dtype) for dtype in HALF if is_native(dtype, device)]
    ways = [Way("torch", "float32"), *(Way("torch", dtype) for dtype in halves)]
    if _is_processor(device) and _installed("openvino", None):
        ways += [Way("openvino", _name(dtype)) for dtype in native_dtypes()]
    if _is_processor(device) and _installed("onnx", None):
        ways.append(Way("onnx", "float32"))
    return ways


def rounded_candidates(device: str) -> list[Way]:
    """Those with rounded weights: to be shown, and never chosen by themselves."""
    ways = [Way("openvino", "float32", "int8"), Way("onnx", "float32", "int8-dynamic")]
    return [way for way in ways if _is_processor(device) and _installed(way.backend, way.weights)]


def _is_processor(device: str) -> bool:
    return device.partition(":")[0] == "cpu"


def _installed(engine: str, weights: str | None) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in _MAKERS[engine, weights])


def run_trials(
    make: Callable[..., TextEncoder],
    model: str | Path | ModelSpec,
    settings: Mapping[str, Any],
    ways: list[Way],
    progress: Progress,
) -> tuple[Trial, ...]:
    """Measure each way, one after the other.

    One model is in memory at a time, so that a large one fits: the vectors of the first are kept, not its
    weights. On a model that takes longer, fewer texts are measured: about 20 seconds for each way.

    Args:
        make: The class of the encoder.
        model: As for :class:`youtu_st.Encoder`.
        settings: Likewise.
        ways: The first is the reference for the others.
        progress: Called with a line before each.

    Raises:
        YoutuError: If the first does not work; where another does not, its trial says why.
    """
    trials: list[Trial] = []
    texts: list[str] = []
    expected: Vectors | None = None
    name = MODELS.canonical_name(model)
    for way in ways:
        progress(f"measuring the fastest of {len(ways)} ways to run {name}: {way} ...")
        run = {**settings, "truncation": "ignore", "unknown": "ignore", **way.settings}
        try:
            texts, vectors, speed = _measure(make(model, **run), texts)
        except YoutuError as error:
            if expected is None:
                raise
            trials.append(Trial(way.backend, way.dtype, problem=str(error), weights=way.weights))
        else:
            expected = vectors if expected is None else expected
            cosine = lowest_cosine(vectors, expected)
            trials.append(Trial(way.backend, way.dtype, speed, cosine, weights=way.weights))
        _free()
    return tuple(trials)


def probe_texts(count: int) -> list[str]:
    """Texts of one to six sentences, English and Chinese, all different, and mixed from the first few on."""
    texts = []
    for i in range(count):
        sentences = [_SENTENCES[(i + j) % len(_SENTENCES)] for j in range(_LENGTHS[i % len(_LENGTHS)])]
        texts.append(" ".join([*sentences, *([f"({i})"] if i >= len(_SENTENCES) else [])]))
    return texts


def encode_probes(encoder: TextEncoder, texts: list[str]) -> Vectors:
    """Vectors of the texts as queries, then as documents: shape ``(2 * len(texts), dimension)``."""
    return np.concatenate([encoder.encode_query(texts), encoder.encode_document(texts)])


def _measure(encoder: TextEncoder, texts: list[str]) -> tuple[list[str], Vectors, float]:
    """The texts, as many as fit where there are none yet, their vectors, and texts per second."""
    texts = texts or probe_texts(_fitting(encoder))
    vectors = encode_probes(encoder, texts)  # warms up, too
    seconds: list[float] = []
    while len(seconds) < ROUNDS and sum(seconds) < ROUNDS * LONGEST_ROUND_SECONDS:
        start = time.perf_counter()
        encode_probes(encoder, texts)
        seconds.append(time.perf_counter() - start)
    return texts, vectors, len(vectors) / median(seconds)


def _fitting(encoder: TextEncoder) -> int:
    """How many texts take about a second; at least the usual number, unless that takes far longer."""
    texts = probe_texts(FEWEST_TEXTS)
    encode_probes(encoder, texts)
    start = time.perf_counter()
    encode_probes(encoder, texts)
    each = (time.perf_counter() - start) / len(texts)
    usual = min(USUAL_TEXTS, int(LONGEST_ROUND_SECONDS / each))
    return max(FEWEST_TEXTS, usual, min(MOST_TEXTS, int(ROUND_SECONDS / each)))


def _free() -> None:
    from youtu_st.backends.device import empty_cache

    gc.collect()
    empty_cache()


def _name(dtype: object) -> Dtype:
    name: Any = str(dtype).removeprefix("torch.")
    return name  # type: ignore[no-any-return]  # one of them: its dtypes come from HALF and native_dtypes
