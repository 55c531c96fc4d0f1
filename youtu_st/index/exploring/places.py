"""A place on a map for each vector, so that those who are near each other stay near: t-SNE.

Sources: van der Maaten and Hinton, `Visualizing Data using t-SNE
<https://jmlr.org/papers/v9/vandermaaten08a.html>`_; forces between all points by way of a grid: Linderman and
others, `FIt-SNE <https://arxiv.org/abs/1712.09005>`_; the first places, the length of a step and one weight
for all near neighbours: Kobak and Berens, `The art of using t-SNE
<https://doi.org/10.1038/s41467-019-13056-x>`_, and Böhm and others, `Attraction-repulsion spectrum
<https://arxiv.org/abs/2007.08902>`_.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import fft, sparse

from youtu_st.protocol import Vectors

Floats = npt.NDArray[np.float64]

STEPS = 500
_EARLY = 200
"""Steps in which points attract each other more than they should, so that groups find together."""
_EXAGGERATION = 12.0
_FIRST = 1e-2
"""Standard deviation of the first places."""
_FURTHEST = 5.0
"""No point moves further in a step."""
_SPACING = 0.3
"""Between nodes of the grid: forces change over a length of 1."""
_LEAST_NODES, _MOST_NODES = 100, 1500
_MARGIN = 3
_PAIRS = 250
"""Points whose forces are summed up pair by pair."""
_FEW = 4
"""Points that have no neighbourhoods."""


def places(
    vectors: Vectors,
    near: npt.NDArray[np.int64],
    *,
    steps: int = STEPS,
    report: Callable[[float], object] = lambda share: None,
) -> Floats:
    """Places in the plane. The same vectors have the same, on one machine: nothing is drawn by lot.

    Args:
        vectors: Unit rows, shape ``(n, dimension)``.
        near: The nearest others of each row, shape ``(n, k)``.
        steps: Of the descent; none leaves the principal components.
        report: Is called with the share that is done.

    Returns:
        Shape ``(n, 2)``, around the middle.
    """
    found = components(vectors)
    count = len(vectors)
    if count < _FEW:
        return found
    spread = found[:, 0].std() or 1.0
    found *= _FIRST / spread
    # Equal vectors would stay on one spot for ever: no force tells them apart.
    found += _FIRST / 100 * _scattered(count)
    pull = affinities(near)
    repulsion = between_pairs if count <= _PAIRS else Grid().repulsion
    velocity, gains = np.zeros_like(found), np.ones_like(found)
    early = min(_EARLY, steps // 2)
    for step in range(steps):
        exaggeration = _EXAGGERATION if step < early else 1.0
        force = exaggeration * attraction(pull, found) - repulsion(found)
        # Where a point goes on in its direction it goes faster, and slower where it turns.
        gains = np.where(np.sign(force) != np.sign(velocity), gains + 0.2, gains * 0.8).clip(0.01)
        rate = count / exaggeration
        velocity = (0.5 if step < early else 0.8) * velocity - rate * gains * force
        lengths = np.hypot(velocity[:, 0], velocity[:, 1])
        velocity *= np.minimum(1, _FURTHEST / np.maximum(lengths, 1e-12))[:, None]
        found = found + velocity
        found -= found.mean(axis=0)
        report((step + 1) / steps)
    return found


def components(vectors: Vectors) -> Floats:
    """The first two principal components, shape ``(n, 2)``; zeros where there are fewer."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1]
    # Of a direction and its opposite, the one whose largest number is positive: either would do.
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1, 1)
    found = np.zeros((len(vectors), 2))
    found[:, : directions.shape[1]] = centred @ directions
    return found


def affinities(near: npt.NDArray[np.int64]) -> sparse.csr_array:
    """How strongly points attract each other, shape ``(n, n)``, sum 1: the nearest, all equally."""
    count, k = near.shape
    rows = np.repeat(np.arange(count), k)
    one = sparse.csr_array((np.ones(count * k), (rows, near.ravel())), shape=(count, count))
    both = (one + one.T).tocsr()
    both.data /= both.data.sum()
    return both


def attraction(pull: sparse.csr_array, points: Floats) -> Floats:
    """The sum over the others of affinity, closeness and difference, shape ``(n, 2)``."""
    rows = np.repeat(np.arange(len(points)), np.diff(pull.indptr))
    difference = points[rows] - points[pull.indices]
    weights = pull.data / (1 + np.einsum("ij,ij->i", difference, difference))
    return np.stack(
        [np.bincount(rows, weights * difference[:, axis], len(points)) for axis in (0, 1)], axis=1
    )


def between_pairs(points: Floats) -> Floats:
    """What :meth:`Grid.repulsion` gives, pair by pair: quick for few, and exact."""
    difference = points[:, None] - points[None]
    closeness = 1 / (1 + np.einsum("ijk,ijk->ij", difference, difference))
    np.fill_diagonal(closeness, 0)
    forces: Floats = np.einsum("ij,ijk->ik", closeness**2, difference) / closeness.sum()
    return forces


class Grid:
    """Forces between all points by way of nodes that stand in rows: a convolution, and so quick for many."""

    def __init__(self) -> None:
        self._nodes, self._spacing = 0, 0.0
        self._kernels: list[npt.NDArray[np.complex128]] = []

    def repulsion(self, points: Floats) -> Floats:
        """The sum over the others of squared closeness and difference, over the sum of all closeness."""
        low = points.min(axis=0)
        span = max(float((points.max(axis=0) - low).max()), 1e-6)
        halvings = max(0, math.ceil(math.log2(_LEAST_NODES * _SPACING / span)))
        doublings = max(0, math.ceil(math.log2(span / (_MOST_NODES * _SPACING))))
        self._prepare(_SPACING * 2.0 ** (doublings - halvings), span)
        nodes, size = self._nodes, 2 * self._nodes
        cells = (points - low) / self._spacing + 1
        base = np.floor(cells).astype(np.int64)
        weights = _cubic(cells - base)
        both = (weights[:, 0, :, None] * weights[:, 1, None, :]).reshape(-1, 16)
        around = np.arange(-1, 3)
        at = ((base[:, 0, None] + around) * nodes)[:, :, None] + (base[:, 1, None] + around)[:, None, :]
        at = at.reshape(-1, 16)
        charges = np.bincount(at.ravel(), both.ravel(), nodes * nodes).reshape(nodes, nodes)
        waves = fft.rfft2(charges, (size, size))
        sums: list[Floats] = []
        for kernel in self._kernels:
            field = fft.irfft2(waves * kernel, (size, size))[:nodes, :nodes].ravel()
            sums.append(np.einsum("ij,ij->i", field[at], both))
        closeness = float(sums[0].sum()) - len(points)
        forces: Floats = np.stack(sums[1:], axis=1) / max(closeness, 1e-12)
        return forces

    def _prepare(self, spacing: float, span: float) -> None:
        """The kernels for a map of that span, and of a somewhat larger one, so that they are seldom made."""
        needed = math.ceil(span / spacing) + _MARGIN + 1
        if spacing == self._spacing and needed <= self._nodes:
            return
        self._nodes, self._spacing = fft.next_fast_len(int(needed * 1.1), real=True), spacing
        size = 2 * self._nodes
        distances = fft.fftfreq(size, 1 / size) * spacing
        x, y = distances[:, None], distances[None, :]
        closeness = 1 / (1 + x * x + y * y)
        self._kernels = [fft.rfft2(one) for one in (closeness, closeness**2 * x, closeness**2 * y)]


def _cubic(share: Floats) -> Floats:
    """Weights of the four nodes around a place between the second and the third, along the last axis."""
    s = share[..., None]
    a, b, c, d = s + 1, s, s - 1, s - 2
    return np.concatenate([-b * c * d / 6, a * c * d / 2, -a * b * d / 2, a * b * c / 6], axis=-1)


def _scattered(count: int) -> Floats:
    """Places that are spread evenly and the same every time, in a square of length 1."""
    steps = np.arange(count)[:, None] * np.array([0.7548776662466927, 0.5698402909980532])
    spread: Floats = steps % 1 - 0.5
    return spread
