"""The fastest way to run a model on this machine that keeps its vectors: measured once, and remembered."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from youtu_st import disk
from youtu_st.backends import Backend, Dtype
from youtu_st.backends.trials import Progress, Trial, Way, candidates, rounded_candidates, run_trials
from youtu_st.errors import InputError
from youtu_st.inputs import split_devices
from youtu_st.protocol import TextEncoder
from youtu_st.spec.model import MODELS, ModelSpec

MIN_COSINE = 0.9995
"""Least cosine to torch in float32, over all probe texts and both roles, that a faster way must keep."""

Made = TypeVar("Made", bound=TextEncoder)

_FORMAT = 2
_MOST_BYTES = 1 << 16
_CHOSEN = ("backend", "dtype", "weights")
_PACKAGES = (
    "nncf",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "sentence-transformers",
    "torch",
    "transformers",
    "youtu-st",
)
_GPUS = Path("/proc/driver/nvidia/gpus")
_SHOWN = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
"""Variables that say which GPUs a process sees."""
log = logging.getLogger("youtu_st")


@dataclass(frozen=True, slots=True)
class FastChoice:
    """The fastest way, and what all of them gave.

    ``trials`` begins with the reference, torch in float32; it is empty where there was nothing to choose
    from. Those with rounded weights are in it where they were asked for. ``remembered`` is true where an
    earlier measurement was read, and nothing measured.
    """

    backend: Backend
    dtype: Dtype
    trials: tuple[Trial, ...] = ()
    remembered: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Arguments for :class:`youtu_st.Encoder`."""
        return Way(self.backend, self.dtype).settings

    @property
    def offers(self) -> tuple[Trial, ...]:
        """Rounded weights that are faster than the choice and keep their cosine here; the fastest first."""
        if not self.trials:
            return ()
        rounded = [trial for trial in self.trials if trial.weights and trial.is_sound(MIN_COSINE)]
        faster = [trial for trial in rounded if trial.texts_per_second > self._chosen.texts_per_second]
        return tuple(sorted(faster, key=lambda trial: -trial.texts_per_second))

    def compared(self, trial: Trial) -> str:
        """One line, such as ``onnx int8-dynamic: 80 texts/s, 2.1 times torch float32, cosine 0.99512``."""
        gain = trial.texts_per_second / self.trials[0].texts_per_second
        return (
            f"{trial.way}: {trial.texts_per_second:,.0f} texts/s, {gain:.1f} times torch float32, "
            f"cosine {trial.cosine:.5f}"
        )

    @property
    def _chosen(self) -> Trial:
        measured = {trial.way: trial for trial in self.trials}
        return measured[Way(self.backend, self.dtype)]

    def __str__(self) -> str:
        """One line, such as ``openvino float32: 52 texts/s, 1.3 times torch float32, cosine 1.00000``."""
        if not self.trials:
            return f"{Way(self.backend, self.dtype)}, the only way to run it here"
        note = " (remembered)" if self.remembered else ""
        chosen = self._chosen
        if chosen is not self.trials[0]:
            return f"{self.compared(chosen)}{note}"
        exact = sum(trial.weights is None for trial in self.trials)
        place = f"the fastest of {exact} ways" if exact > 1 else "the only exact way"
        return f"{chosen.way}: {chosen.texts_per_second:,.0f} texts/s, {place}{note}"


def fastest(
    make: Callable[..., Made],
    model: str | Path | ModelSpec,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    *,
    rounded: bool = False,
) -> tuple[Made, FastChoice]:
    """The encoder in the fastest backend and dtype that keep its vectors here, and what was measured.

    Torch in float32, bfloat16 and float16, and where they are installed OpenVINO, likewise, and ONNX Runtime
    in float32: each where the device computes it natively. Rounded weights are never chosen. The choice is
    kept in ``fast/`` under :func:`youtu_st.disk.cache_directory`, for this model, machine and these releases;
    delete it to forget. It counts only if the model that it loads has the fingerprint that was measured, so
    it costs no second load, and another checkpoint in the same place is measured again. A choice of OpenVINO
    or ONNX Runtime that is remembered opens without torch.

    Args:
        make: The class of the encoder: called with the model and settings.
        model: As for :class:`youtu_st.Encoder`, but not a loaded model.
        settings: As for :class:`youtu_st.Encoder`, but not ``backend``, ``dtype`` and ``weights``.
        progress: Called with a line before each measurement and each load.
        rounded: Measure rounded weights, too: see :attr:`FastChoice.offers`.

    Raises:
        InputError: If ``model`` is loaded, or ``settings`` holds what is to be chosen.
        YoutuError: As for :class:`youtu_st.Encoder`.
    """
    # What is not given may be given as it is by default: to the same choice.
    settings = {
        name: value for name, value in (settings or {}).items() if value is not None and value is not False
    }
    _check(model, settings)
    tell = progress or (lambda line: None)
    device = split_devices(settings.get("device"))[0]
    file = _file(model, settings, device, rounded=rounded)

    def load(choice: FastChoice) -> Made:
        for trial in choice.offers:
            log.info("rounded: %s: backend=%r, weights=%r", choice.compared(trial), *trial.way[::2])
        tell(f"loading {MODELS.canonical_name(model)}: {choice.backend} {choice.dtype} ...")
        return make(model, **settings, **choice.settings)

    remembered = _read(file)
    if remembered is not None:
        choice, fingerprint = remembered
        encoder = load(choice)
        if encoder.fingerprint == fingerprint:
            return encoder, choice
        log.info("%s is not the model that was measured: measuring again", MODELS.canonical_name(model))
        del encoder
    from youtu_st.backends.device import available

    where = available(device)
    ways = [*candidates(where), *(rounded_candidates(where) if rounded else [])]
    trials = run_trials(make, model, settings, ways, tell) if len(ways) > 1 else ()
    way = best(trials).way if trials else ways[0]
    choice = FastChoice(way.backend, way.dtype, trials)
    encoder = load(choice)
    if trials:
        _write(file, choice, encoder)
    return encoder, choice


def best(trials: tuple[Trial, ...]) -> Trial:
    """The fastest that works and keeps :data:`MIN_COSINE`; the first, which is the reference, always does.

    None with rounded weights.
    """
    sound = [trial for trial in trials[1:] if trial.weights is None and trial.is_sound(MIN_COSINE)]
    return max([trials[0], *sound], key=lambda trial: trial.texts_per_second)


def _check(model: Any, settings: Mapping[str, Any]) -> None:
    host = getattr(sys.modules.get("sentence_transformers"), "SentenceTransformer", None)
    if host is not None and isinstance(model, host):
        raise InputError("a loaded model runs as it was loaded: pass its name or its directory")
    chosen = [name for name in _CHOSEN if name in settings]
    if chosen:
        raise InputError(
            f"{', '.join(chosen)}: the fastest way is measured, not given; to give it, use Encoder(...)"
        )


def _file(
    model: str | Path | ModelSpec, settings: Mapping[str, Any], device: str | None, *, rounded: bool = False
) -> Path:
    """Where the choice for a model, settings, this machine and these releases is kept."""
    parts = [MODELS.key(model), settings, _machine(device), _versions(), rounded]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
    return disk.cache_directory() / "fast" / f"{digest[:16]}.json"


def _machine(device: str | None) -> list[str | None]:
    """What computes; where no device is named, all that decides which is the best, told without torch."""
    if device is None:
        gpus = [_said(path, "Model") for path in sorted(_GPUS.glob("*/information"))]
        return [_processor(), *(os.environ.get(name) for name in _SHOWN), *gpus]
    if device == "cpu":
        return [device, _processor()]
    from youtu_st.backends.device import available, name_of

    return [available(device), name_of(device) or _processor()]


def _processor() -> str:
    """The name of the processor."""
    return _said(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()


def _said(info: Path, field: str) -> str | None:
    """What a file of the system's says of a device, in its first line of that name."""
    try:
        lines = info.read_text(errors="replace").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), None)


def _versions() -> dict[str, str]:
    found = {
        name: [package.version for package in importlib.metadata.distributions(name=name)]
        for name in _PACKAGES
    }
    return {name: versions[0] if versions else "none" for name, versions in found.items()}


def _read(file: Path) -> tuple[FastChoice, str] | None:
    """A remembered choice and the fingerprint that it is for; None where there is none that can be read."""
    try:
        content = disk.unsealed(disk.read_bounded(file, _MOST_BYTES))
        if content["format"] != _FORMAT:
            raise ValueError("it is of another format")
        trials = tuple(Trial(**trial) for trial in content["trials"])
        choice = FastChoice(content["backend"], content["dtype"], trials, remembered=True)
        known = choice.backend in get_args(Backend) and choice.dtype in get_args(Dtype)
        if not trials or not known:
            raise ValueError("it is of another format")
        str(choice), choice.offers  # whether they can be shown
        return choice, content["fingerprint"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        log.info("%s is damaged, and is measured again: %s", file, error)
        return None


def _write(file: Path, choice: FastChoice, encoder: TextEncoder) -> None:
    """Write a choice, whole or not at all; where it cannot be kept, it is measured again the next time."""
    content = {"format": _FORMAT, "model": encoder.model_name, "fingerprint": encoder.fingerprint}
    content |= {name: value for name, value in asdict(choice).items() if name != "remembered"}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file():  # the cache is this package's own: a pipe there is nobody's
            file.unlink(missing_ok=True)
        disk.write_whole(file, disk.sealed(content))
    except OSError as error:
        log.warning("the fastest way to run %s cannot be remembered: %s", encoder.model_name, error)
