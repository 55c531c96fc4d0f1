"""What chance may do to a mean over queries or tasks: intervals, tests of differences, what can be shown."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Interval = tuple[float, float]

RESAMPLES = 9_999
SEED = 20_240_229
LEVEL = 0.95
ALPHA = 1 - LEVEL
_POWER = 0.8
_AT_ONCE = 4_000_000
"""Numbers of a block of resamples."""


def interval(values: npt.NDArray[np.float64]) -> Interval | None:
    """A 95 % interval of a mean over queries or tasks: the bootstrap, bias-corrected and accelerated (BCa).

    Source: Efron, `Better Bootstrap Confidence Intervals <https://doi.org/10.1080/01621459.1987.10478410>`_.
    9,999 samples of a fixed seed: the same values give the same interval.

    Args:
        values: One for each of them, shape ``(n,)``.

    Returns:
        Its ends; the value itself where all are equal; None of a single one, which tells nothing of others.
    """
    from scipy import stats  # takes a while to import

    if len(values) < 2:
        return None
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    for method in ("BCa", "percentile"):  # BCa has no answer where nearly all values are one
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = stats.bootstrap(
                (values,),
                np.mean,
                n_resamples=RESAMPLES,
                batch=max(1, _AT_ONCE // len(values)),
                vectorized=True,
                confidence_level=LEVEL,
                method=method,
                rng=np.random.default_rng(SEED),
            ).confidence_interval
        if math.isfinite(found.low) and math.isfinite(found.high):
            break
    return float(found.low), float(found.high)


def permutation_test(differences: npt.NDArray[np.float64]) -> float:
    """How often a mean at least so far from 0 comes of chance alone: a paired test, of both sides.

    If two systems are equal, a query's difference has one sign as likely as the other. All signs are tried
    where at most 13 queries differ, else 9,999 draws of a fixed seed, with the observed one among them.
    Source: Smucker, Allan and Carterette, `A comparison of statistical significance tests for information
    retrieval evaluation <https://doi.org/10.1145/1321440.1321528>`_.

    Args:
        differences: One for each query, shape ``(n,)``.

    Returns:
        From above 0 to 1; 1 where nothing differs.
    """
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    # Sums in another order differ in their last digits, and these are of the terms: a sum may be near 0.
    least = abs(float(moved.sum())) - 1e-12 * float(np.abs(moved).sum())
    if 1 << len(moved) <= RESAMPLES:
        bits = np.arange(1 << len(moved))[:, None] >> np.arange(len(moved)) & 1
        return float((np.abs((2.0 * bits - 1) @ moved) >= least).mean())
    rng, hits, left = np.random.default_rng(SEED), 0, RESAMPLES
    while left:
        block = min(left, max(1, _AT_ONCE // len(moved)))
        signs = 2.0 * rng.integers(0, 2, (block, len(moved)), dtype=np.int8) - 1
        hits += int((np.abs(signs @ moved) >= least).sum())
        left -= block
    return (1 + hits) / (1 + RESAMPLES)


def holm(values: Sequence[float]) -> list[float]:
    """The p-values of several tests, raised so that one false finding among all is as rare as in one test.

    Source: Holm, `A simple sequentially rejective multiple test procedure
    <https://www.jstor.org/stable/4615733>`_.
    """
    raised = [0.0] * len(values)
    most = 0.0
    for place, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        most = max(most, min(1.0, (len(values) - place) * values[i]))
        raised[i] = most
    return raised


def smallest_difference(values: npt.NDArray[np.float64]) -> float | None:
    r"""The difference that so many queries show in four of five cases, at the level of 5 %.

    .. math:: (z_{0.975} + z_{0.8}) \, \frac{s}{\sqrt{n}}

    with the standard deviation :math:`s` of the paired differences. Of one system alone that is not known;
    its own per-query standard deviation stands in, which is equal to it where the scores of two systems
    correlate by one half. Source: Card et al., `With Little Power Comes Great Responsibility
    <https://aclanthology.org/2020.emnlp-main.745>`_.

    Args:
        values: Paired differences, or one system's values; shape ``(n,)``.

    Returns:
        The difference of means; None of a single query.
    """
    from scipy.special import ndtri

    if len(values) < 2:
        return None
    reach = float(ndtri(1 - ALPHA / 2) + ndtri(_POWER))
    return reach * float(values.std(ddof=1)) / math.sqrt(len(values))
