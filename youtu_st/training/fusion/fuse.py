"""Fusion: a base and fine-tuned checkpoints in, a directory that loads everywhere out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from youtu_st.errors import InputError
from youtu_st.inference.progress import progress_bar
from youtu_st.loading.loader import readable
from youtu_st.training.fusion.agreement import check_agreement
from youtu_st.training.fusion.alignment import align
from youtu_st.training.fusion.hosts import check_method, merge
from youtu_st.training.fusion.methods import METHODS
from youtu_st.training.fusion.sources import Source, locate, locate_checkpoint
from youtu_st.training.fusion.writing import (
    check_apart,
    check_out,
    copy_settings,
    whole_directory,
    write_part,
)


def fuse(
    base: str | Path,
    checkpoints: Sequence[str | Path],
    *,
    out: str | Path,
    method: str = "delta",
    weights: Sequence[float] | None = None,
    progress: bool = False,
) -> Path:
    r"""Fuse checkpoints that were tuned from one base into one model of the same size.

    ``delta`` is the delta-guided fusion of CoDiEmb (`arXiv 2508.11442 <https://arxiv.org/abs/2508.11442>`_).
    With :math:`\Delta_k = \theta_k - \theta_0`, how far checkpoint k is from the base, and the weight
    :math:`\alpha_k` of its task, each element by itself:

    .. math:: \theta = \theta_0 + \sum_k w_k \Delta_k, \quad
              w_k = \alpha_k |\Delta_k| / \sum_j \alpha_j |\Delta_j|

    ``soup`` is the weighted mean of the checkpoints, ``task-arithmetic`` is
    :math:`\theta_0 + \sum_k \alpha_k \Delta_k`. These three take a part of one tensor at a time, compute it
    in float32 and write it in the checkpoints' dtype, so that memory does not grow with the size of the
    checkpoints. Any other name is a method of ``SentenceTransformer.merge``, which holds all of them.

    Everything but the weights is the first checkpoint's, the number and names of its files too.

    Args:
        base: What the checkpoints were tuned from: whatever :func:`youtu_st.load` takes, or a directory of
            transformers.
        checkpoints: At least one: directories that ``save_pretrained`` wrote, or whatever
            :func:`youtu_st.load` takes.
        out: The directory to write; must be absent or empty.
        method: ``delta``, ``soup``, ``task-arithmetic``, or one of mergekit's (extra ``merge``).
        weights: One for each checkpoint, not negative; they need not sum to one. None: all 1.
        progress: Show a progress bar after two seconds.

    Returns:
        ``out``, which is whole: after an error, or Ctrl-C, nothing is there.

    Raises:
        InputError: Before anything is written, if the checkpoints differ in more than their weights, if they
            are not the base's, or an argument is none of what it may be; if a value is not finite.
        ModelLoadError: If something is no whole checkpoint, such as an adapter.
        UnknownModelError: If nothing goes by a name.
        MissingDependencyError: If the extra ``merge`` is needed and not installed.
    """
    names = _check_checkpoints(checkpoints)
    alphas = _check_weights(weights, len(names))
    check_method(method)
    target = check_out(out)
    sources = [locate_checkpoint(name) for name in names]
    origin, pattern = locate(base), _pattern(sources)
    check_apart(target, [origin, *sources])
    with readable(base):
        check_agreement(origin, sources)
        parts = align(pattern, origin, sources)
    with whole_directory(target) as written:
        if method not in METHODS:
            merge(origin, sources, method=method, weights=weights, out=written)
            return Path(out)
        copy_settings(pattern, written)
        total = sum(len(part.weights) for part in parts)
        with progress_bar(total, progress, "tensor") as bar:
            for part in parts:
                (written / part.path).parent.mkdir(parents=True, exist_ok=True)
                write_part(written / part.path, part, METHODS[method], alphas, bar.update)
    return Path(out)


def _pattern(sources: Sequence[Source]) -> Source:
    """The first checkpoint whose directory holds all its settings: they are the same in all of them."""
    for source in sources:
        if source.is_saved:
            return source
    raise InputError(
        f"{sources[0].name} is a name, and the result needs a saved model's settings: put a directory that "
        "save_pretrained wrote among the checkpoints"
    )


def _check_checkpoints(checkpoints: object) -> list[str | Path]:
    if isinstance(checkpoints, str | Path) or not isinstance(checkpoints, Sequence):
        raise InputError("checkpoints must be a list of names or directories, not one: pass [checkpoint]")
    if not checkpoints:
        raise InputError("checkpoints must be at least one: there is nothing to fuse")
    return list(checkpoints)


def _check_weights(weights: Sequence[float] | None, count: int) -> list[float]:
    if weights is None:
        return [1.0] * count
    if isinstance(weights, str) or not isinstance(weights, Sequence) or len(weights) != count:
        raise InputError(f"weights must be {count}, one for each checkpoint, not {weights!r}")
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise InputError(f"a weight must be a finite number from 0 on, not {weight!r}")
    if not 0 < sum(weights) < math.inf:
        raise InputError(f"weights must not be all 0, nor sum to more than a float holds: {weights!r}")
    return [float(weight) for weight in weights]
