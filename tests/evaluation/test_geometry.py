"""Points whose measures are known in closed form, and others by brute force."""

from __future__ import annotations

from math import cos, pi, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from youtu_st.errors import InputError
from youtu_st.evaluation.geometry.advice import advice
from youtu_st.evaluation.geometry.figure import write_figure
from youtu_st.evaluation.geometry.measures import (
    carrying,
    geometry,
    mean_cosine,
    neighbourhood,
    skewness,
    spectrum,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def measured(rows: np.ndarray, k: int = 10, lengths: list[int] | None = None):
    return geometry(np.asarray(rows, dtype=np.float32), lengths or [1] * len(rows), k=k)


@pytest.mark.parametrize(("count", "carried"), [(3, 2), (8, 7), (12, 10), (31, 27)])
def test_an_orthonormal_basis(count, carried):
    """All are equally far: each is found k times, and the centred spectrum has count - 1 equal shares."""
    found = measured(np.eye(count), k=2)
    assert found.mean_cosine == pytest.approx(0, abs=1e-7)
    assert found.occurrences == pytest.approx(np.full(count, 2))
    assert (found.duplicates, found.near, found.skewness, found.length_correlation) == (0, 0, 0, None)
    assert found.spectrum == pytest.approx([*[1 / (count - 1)] * (count - 1), 0], abs=1e-6)
    assert found.carrying == carried


@pytest.mark.parametrize("count", [3, 5, 20])
def test_a_regular_simplex(count):
    """Any two of its corners have a cosine of -1 / (count - 1): as even as points can lie."""
    found = measured(unit(np.eye(count) - 1 / count), k=1)
    assert found.mean_cosine == pytest.approx(-1 / (count - 1), abs=1e-6)
    assert found.occurrences == pytest.approx(np.ones(count))
    assert found.skewness == 0
    assert found.spectrum[: count - 1] == pytest.approx(np.full(count - 1, 1 / (count - 1)), abs=1e-6)


def test_one_point_again_and_again():
    found = measured(np.tile(unit(np.arange(1.0, 6)[None]), (7, 1)), k=3)
    assert (found.duplicates, found.near, found.carrying, found.skewness) == (6, 0, 0, 0)
    assert found.mean_cosine == pytest.approx(1, abs=1e-6)
    assert found.occurrences == pytest.approx(np.full(7, 3))
    assert not found.spectrum.any()


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_of_two_points(copies):
    found = measured(np.repeat(np.eye(2, 6), copies, axis=0), k=1)
    assert found.duplicates == 2 * copies - 2
    assert found.near == 0
    assert found.mean_cosine == pytest.approx((copies - 1) / (2 * copies - 1))
    assert (found.carrying, found.spectrum[0]) == (1, pytest.approx(1))


def test_points_along_an_arc():
    """Two neighbours each: the ends look past their only neighbour, so the third from either end is found thrice."""
    angles = np.arange(9) * 0.05
    found = measured(np.stack([np.cos(angles), np.sin(angles)], axis=1), k=2)
    assert found.occurrences == pytest.approx([1, 2, 3, 2, 2, 2, 3, 2, 1])
    assert found.skewness == pytest.approx(0, abs=1e-9)
    assert found.carrying == 1
    assert (found.most, found.duplicates) == (pytest.approx(3), 0)


@pytest.mark.parametrize("count", [4, 9, 100])
def test_a_hub(count):
    """The middle of orthogonal points is everybody's nearest; its own place is shared by all of them."""
    rows = np.concatenate([np.eye(count), np.full((1, count), 1 / sqrt(count))])
    found = measured(rows, k=1)
    assert found.occurrences == pytest.approx([*[1 / count] * count, count])
    assert (found.hub, found.most) == (count, pytest.approx(count))
    assert found.skewness == pytest.approx((count - 1) / sqrt(count))
    assert measured(rows, k=1, lengths=[*[5] * count, 9]).length_correlation == pytest.approx(1)
    assert measured(rows, k=1, lengths=[*[5] * count, 2]).length_correlation == pytest.approx(-1)


def test_a_near_copy():
    """Of points without a common direction, near is a cosine of 0.95; of narrower ones it is more."""

    def turned(by: float) -> np.ndarray:
        rows = np.eye(40)
        rows[1] = cos(by) * rows[0] + sin(by) * rows[1]
        return rows

    assert measured(turned(np.arccos(0.96))).near == 2
    assert measured(turned(np.arccos(0.94))).near == 0
    narrow = unit(turned(np.arccos(0.96)) + 0.5)
    assert measured(narrow).mean_cosine > 0.9
    assert measured(narrow).near == 2
    assert measured(unit(turned(pi / 3) + 0.5)).near == 0


@pytest.mark.parametrize("angle", [0.3, 0.7])
def test_the_spectrum_of_a_rectangle(angle):
    rows = np.array([[a * cos(angle), b * sin(angle)] for a in (-1, 1) for b in (-1, 1)])
    shares = spectrum(rows.astype(np.float32))
    assert shares == pytest.approx([cos(angle) ** 2, sin(angle) ** 2], abs=1e-6)
    assert carrying(shares) == (1 if cos(angle) ** 2 >= 0.9 else 2)


@given(st.integers(3, 40), st.integers(1, 5), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_against_brute_force(count, dimension, k, seed):
    rows = unit(np.random.default_rng(seed).normal(size=(count, dimension + 1)))
    found = measured(rows, k=k)
    k = min(k, count - 1)
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    assert mean_cosine(rows) == pytest.approx(
        (cosines.sum() - np.trace(cosines)) / count / (count - 1), abs=1e-6
    )
    np.fill_diagonal(cosines, -9)
    ranked = np.sort(cosines, axis=1)
    assert found.occurrences.sum() == pytest.approx(k * count)
    if k < count - 1 and (ranked[:, -k] - ranked[:, -k - 1]).min() > 1e-5:  # no ties that rounding decides
        nearest = np.argsort(-cosines, axis=1)[:, :k]
        expected = np.bincount(nearest.ravel(), minlength=count)
        assert found.occurrences == pytest.approx(expected)
        assert found.skewness == pytest.approx(stats.skew(expected) if expected.std() else 0, abs=1e-9)
    variances = np.linalg.eigvalsh(np.cov(rows.astype(np.float64).T, bias=True))[::-1]
    assert found.spectrum == pytest.approx(variances / variances.sum(), abs=1e-5)


def test_many_points_in_blocks_are_measured_as_in_one():
    rows = unit(np.random.default_rng(1).normal(size=(2_500, 12)))
    rows[2_400] = rows[3]
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -9)
    around = neighbourhood(rows, 7, near=0.999)
    nearest = np.argpartition(-cosines, 7, axis=1)[:, :7]
    assert np.abs(around.occurrences - np.bincount(nearest.ravel(), minlength=2_500)).sum() < 10
    assert np.flatnonzero(around.duplicates).tolist() == [2_400]
    assert (
        np.flatnonzero(around.near).tolist()
        == np.flatnonzero(
            (np.where(cosines > 1 - 1e-6, -9, cosines).max(axis=1) >= 0.999)
            & (cosines.max(axis=1) < 1 - 1e-6)
        ).tolist()
    )


def test_skewness_is_scipys():
    values = np.random.default_rng(2).exponential(size=500)
    assert skewness(values) == pytest.approx(stats.skew(values))


def test_rows_of_any_length_count_by_their_direction():
    rows = unit(np.random.default_rng(4).normal(size=(30, 6)))
    longer = rows * np.linspace(0.5, 3, 30, dtype=np.float32)[:, None]
    first, second = measured(rows), measured(longer)
    assert first.occurrences == pytest.approx(second.occurrences)
    assert first.mean_cosine == pytest.approx(second.mean_cosine, abs=1e-6)
    with pytest.raises(InputError, match="row 1 is all zeros"):
        measured(np.array([[1, 0], [0, 0], [0, 1]]))
    with pytest.raises(InputError, match="at least 3 points, and there are 2"):
        measured(np.eye(2))


def names(count: int) -> list[str]:
    return [f"id-{i}" for i in range(count)]


def told(rows: np.ndarray, texts: list[str] | None = None, **further: object) -> list[str]:
    texts = texts or [f"text {i}" for i in range(len(rows))]
    return advice(measured(rows, **further), names(len(rows)), texts)


def test_even_points_need_no_advice():
    assert told(unit(np.random.default_rng(6).normal(size=(300, 16)))) == []
    assert told(np.eye(12)) == []


def test_advice_for_copies():
    rows = np.concatenate([np.eye(50), np.eye(3, 50)])
    assert told(rows)[0].startswith("3 passages have the vector of another, none of them its very text")
    assert told(rows[:51])[0].startswith("1 passage has the vector of another, ")
    texts = [f"text {i % 50}" for i in range(53)]
    assert told(rows, texts)[0].startswith("3 passages have the vector of another, 3 of them its very text")


def test_advice_for_near_copies():
    rows = np.repeat(np.eye(30), 2, axis=0)
    rows[::2] = unit(rows[::2] + 0.02 * np.roll(np.eye(30), 1, axis=1))
    assert told(rows)[0].startswith("100% of the passages have a near copy")


def test_advice_for_a_hub():
    rows = np.concatenate([np.eye(40), np.full((1, 40), 1 / sqrt(40))])
    texts = [f"text {i}" for i in range(40)] + ["All rights reserved. " * 40]
    (line,) = [line for line in told(rows, texts, k=1) if "nearest" in line]
    assert line.startswith(
        "'id-40' is among the 1 nearest of 98% of the passages: if it is boilerplate, leave it out: 'All"
    )
    assert len(line) < 200


def test_advice_for_a_narrow_cone_and_few_dimensions():
    rng = np.random.default_rng(8)
    rows = np.zeros((500, 128))
    rows[:, 0] = 4
    rows[:, 1:13] = rng.normal(size=(500, 12))
    assert told(unit(rows)) == [
        "two passages have a cosine of 0.58 on average, so all scores are high: go by the order of results, not by a "
        "fixed least score",
        "11 of 128 dimensions carry 90% of the variance: an index of --factory PCA16,Flat is smaller and may find "
        "the same",
    ]


def test_advice_for_length():
    """Points in the middle of a cloud are found most; here the long ones are there, or the short ones."""
    rng = np.random.default_rng(9)
    rows = unit(np.concatenate([np.full((200, 1), 2.0), rng.normal(size=(200, 30))], axis=1))
    often = geometry(rows, [1] * 200).occurrences
    longer = told(rows, lengths=[10 * int(x) for x in often])
    assert any(line.startswith("longer passages are found more often (Spearman +") for line in longer)
    shorter = told(rows, lengths=[1_000 - int(x) for x in often])
    assert any(
        line.startswith("shorter passages are found more often (Spearman −".replace("−", "-"))
        for line in shorter
    )
    few = geometry(rows[:12], list(range(12)), k=3)
    assert all("Spearman" not in line for line in advice(few, names(12), names(12)))


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_figure(tmp_path, suffix, begins):
    found = measured(unit(np.random.default_rng(6).normal(size=(300, 16))))
    path = tmp_path / f"figure{suffix}"
    write_figure(found, path)
    first = path.read_bytes()
    assert first.startswith(begins)
    write_figure(found, path)
    assert path.read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
