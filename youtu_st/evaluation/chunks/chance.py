"""What could be chance: an interval around a mean, and a test of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

SAMPLES = 9_999
SEED = 0
_AT_ONCE = 1 << 22
_SAME = 1e-12


def bca(values: npt.ArrayLike) -> tuple[float, float]:
    """The 95 % interval of a mean: bootstrap, bias-corrected and accelerated, 9,999 samples, a fixed seed.

    Source: Efron, `Better bootstrap confidence intervals <https://doi.org/10.1080/01621459.1987.10478410>`_.

    Args:
        values: One for each question.

    Returns:
        Its ends; the mean twice where all values are equal, as no sample of them can differ.
    """
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2 or np.ptp(sample) == 0:
        return mean, mean
    chance = np.random.default_rng(SEED)
    block = max(1, _AT_ONCE // len(sample))
    means = np.concatenate(
        [
            sample[chance.integers(0, len(sample), (min(block, SAMPLES - start), len(sample)))].mean(axis=1)
            for start in range(0, SAMPLES, block)
        ]
    )
    normal = NormalDist()
    # Of samples with the very mean of the values, half are below: a share of 0 or 1 has no quantile.
    below = (np.sum(means < mean - _SAME) + np.sum(means <= mean + _SAME)) / (2 * SAMPLES)
    bias = normal.inv_cdf(min(max(below, 1 / (SAMPLES + 1)), SAMPLES / (SAMPLES + 1)))
    # What leaving out one of them does to the mean is linear in it, so the jackknife is the skew.
    off = sample - mean
    acceleration = float((off**3).sum() / (6 * (off**2).sum() ** 1.5))
    ends = []
    for tail in (0.025, 0.975):
        z = bias + normal.inv_cdf(tail)
        ends.append(normal.cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(means, ends)
    return float(low), float(high)


def paired_p(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> float:
    """How often chance alone makes a mean difference at least as large: permutation, two sides.

    The sign of each question's difference is turned by the toss of a coin, 9,999 times with a fixed seed, and
    the tossing that was observed counts as one more.

    Args:
        ours: One value for each question.
        theirs: The other system's, in the same order.

    Returns:
        The p-value, at least 1 / 10,000; 1 where nothing differs.
    """
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    differences = differences[differences != 0]
    if not len(differences):
        return 1.0
    chance = np.random.default_rng(SEED)
    observed, as_large = abs(differences.sum()) - 1e-9, 0
    block = max(1, _AT_ONCE // len(differences))
    for start in range(0, SAMPLES, block):
        signs = (
            chance.integers(0, 2, (min(block, SAMPLES - start), len(differences)), dtype=np.int8) * 2.0 - 1
        )
        as_large += int((np.abs(signs @ differences) >= observed).sum())
    return (as_large + 1) / (SAMPLES + 1)


def holm(values: Sequence[float]) -> list[float]:
    """P-values of several tests, adjusted so that all of them together err as rarely as one.

    Source: Holm, `A simple sequentially rejective multiple test procedure
    <https://www.jstor.org/stable/4615733>`_.
    """
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = highest
    return adjusted
