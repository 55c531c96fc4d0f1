"""The page of an index's passages: neighbours, places, what it says of hostile documents."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.index import Document, Sample
from youtu_st.index.exploring import page
from youtu_st.index.exploring.fields import fields_of, shown
from youtu_st.index.exploring.histograms import Histogram, histogram
from youtu_st.index.exploring.neighbours import nearest
from youtu_st.index.exploring.page import MOST_CHARACTERS, embedded
from youtu_st.index.exploring.places import Grid, affinities, attraction, between_pairs, components, places

HOSTILE = "</script><script>alert(1)</script><!-- <b onclick=x>&amp;\u2028\u2029\x1b[31m\x00\u202e{{7*7}}@@SCRIPT@@@@DATA@@"


def unit(count: int, dimension: int = 16, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "k"), [(1, 8), (2, 8), (7, 3), (1300, 8)])
def test_neighbours_are_those_of_a_sort(count: int, k: int) -> None:
    vectors = unit(count)
    found = nearest(vectors, k)
    cosines = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(cosines, -2)
    want = np.argsort(-cosines, axis=1, kind="stable")[:, : min(k, count - 1)]
    assert found.rows.shape == want.shape
    assert np.array_equal(found.rows, want)
    assert found.cosines == pytest.approx(np.take_along_axis(cosines, want, axis=1), abs=1e-6)


def test_equal_neighbours_stand_in_their_order_and_a_row_is_not_its_own() -> None:
    found = nearest(np.repeat(unit(1), 12, axis=0), 11)
    assert [row.tolist() for row in found.rows] == [[j for j in range(12) if j != i] for i in range(12)]
    assert found.cosines.max() <= 1


@pytest.mark.parametrize("size", [1e-3, 1.0, 25.0])
def test_forces_are_those_between_all_pairs(size: float) -> None:
    points = np.random.default_rng(1).normal(size=(400, 2)) * size
    difference = points[:, None] - points[None]
    closeness = 1 / (1 + (difference**2).sum(axis=-1))
    np.fill_diagonal(closeness, 0)
    away = (closeness[..., None] ** 2 * difference).sum(axis=1) / closeness.sum()
    found = Grid().repulsion(points)
    assert between_pairs(points) == pytest.approx(away, abs=1e-12)
    assert np.abs(found - away).max() < 0.05 * np.abs(away).max()
    near = nearest(unit(400), 5).rows
    pull = affinities(near)
    dense = pull.toarray()
    assert dense.sum() == pytest.approx(1)
    assert np.array_equal(dense, dense.T)
    assert {tuple(pair) for pair in np.argwhere(dense)} == {
        pair for i, row in enumerate(near.tolist()) for j in row for pair in ((i, j), (j, i))
    }
    together = (dense[..., None] * closeness[..., None] * difference).sum(axis=1)
    assert attraction(pull, points) == pytest.approx(together, abs=1e-12)


def test_components_are_those_of_the_singular_values() -> None:
    vectors = unit(60)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    assert np.abs(components(vectors)) == pytest.approx(np.abs(left[:, :2] * values[:2]), abs=1e-6)
    assert components(unit(5, 1)).shape == (5, 2)


@pytest.mark.slow
def test_groups_stay_together_and_apart() -> None:
    """Of ten groups of 40, a point's nearest 20 on the map are of its own; twice the same map."""
    middles, spread = unit(10, 32, seed=3), unit(400, 32, seed=4)
    vectors = np.repeat(middles, 40, axis=0) + 0.3 * spread
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    near = nearest(vectors, 15).rows
    shares: list[float] = []
    found = places(vectors, near, report=shares.append)
    assert np.array_equal(found, places(vectors, near))
    assert shares == sorted(shares)
    assert shares[-1] == 1
    distances = ((found[:, None] - found[None]) ** 2).sum(axis=-1)
    order = np.argsort(distances, axis=1)[:, 1:21]
    assert np.mean(order // 40 == np.arange(400)[:, None] // 40) > 0.99


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_few_points_and_equal_ones_have_places(count: int) -> None:
    for vectors in (unit(count), np.repeat(unit(1), count, axis=0), unit(count, 1)):
        found = places(vectors, nearest(vectors, 15).rows, steps=60)
        assert found.shape == (count, 2)
        assert np.isfinite(found).all()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5000) | st.just(10**6), min_size=1, max_size=300), st.booleans())
def test_every_value_is_in_one_bar(values: list[int], whole: bool) -> None:
    found = histogram(values, whole=whole)
    assert sum(found.counts) == len(values)
    assert found.beyond == sum(value > found.high for value in values)
    width = (found.high - found.low) / len(found.counts)
    for number, counted in enumerate(found.counts[:-1]):
        low, high = found.low + number * width, found.low + (number + 1) * width
        if whole:
            assert counted == sum(low <= value < high for value in values)


def test_one_far_value_leaves_bars_for_the_others() -> None:
    found = histogram([*range(1, 300), 10**6], bins=10, whole=True)
    assert found.low == 1
    assert found.high < 400
    assert found.beyond == 1
    assert histogram([0.5, 0.5]) == Histogram(0.5, 0.5, [2], 0)


def test_fields_with_their_values() -> None:
    metadata = [
        {"source": "a", "year": 2000 + i, "tags": ["x", 1], "__node__": "{}", "flag": True} for i in range(9)
    ]
    metadata.append({"year": 2000, "rare": None})
    fields = fields_of(metadata)
    assert [field.key for field in fields] == ["source", "year", "flag", "tags", "rare"]
    source, year, flag, tags, rare = fields
    assert (source.labels, source.of, source.numbers) == (["a"], [0] * 9 + [-1], None)
    assert (year.numbers, year.of[-1]) == ([float(2000 + i) for i in range(9)], 0)
    assert (flag.labels, flag.numbers, tags.labels, rare.labels) == (["true"], None, ['["x", 1]'], ["null"])
    assert fields_of(metadata, "flag")[0].key == "flag"
    huge = fields_of([{"n": 10**400 + i} for i in range(9)])[0]
    assert huge.numbers is None
    assert fields_of([{"n": float("nan")}] * 2)[0].labels == ["NaN"]
    assert shown("a\n" * 1000) == ("a " * 80) + "…"
    assert shown("\x1b\n") == "\\x1b"


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_is_embedded_reads_as_it_was_and_ends_no_element(value: object) -> None:
    text = embedded(value)
    assert not set(text) & set("<>&\u2028\u2029\x00\n")
    assert json.loads(text) == value


def sample(texts: list[str], metadata: list[dict] | None = None, total: int | None = None) -> Sample:
    metadata = metadata or [{"source": f"s{i % 2}.md", "line": i} for i in range(len(texts))]
    documents = [
        Document(f"id{i}", text, meta) for i, (text, meta) in enumerate(zip(texts, metadata, strict=True))
    ]
    return Sample(documents, unit(len(texts)), total or len(texts))


def data_of(html: str) -> dict:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


def test_the_page_holds_what_the_passages_say() -> None:
    texts = ["one", "zwei\r\n2", "三" * (MOST_CHARACTERS + 5), "four"]
    told: list[tuple[str, float]] = []
    html = page(
        sample(texts, total=9), "notes", model="minilm", report=lambda what, share: told.append((what, share))
    )
    data = data_of(html)
    assert data["texts"] == ["one", "zwei\n2", "三" * MOST_CHARACTERS, "four"]
    assert data["labels"] == ["s0.md:0", "s1.md:1", "s0.md:2", "s1.md:3"]
    assert data["about"] == {"name": "notes", "model": "minilm", "dimension": 16, "shown": 4, "total": 9}
    assert data["lengths"] == [3, 7, MOST_CHARACTERS + 5, 4]
    assert data["k"] == 3
    want = nearest(unit(4), 3)
    assert data["near"] == want.rows.ravel().tolist()
    assert data["cosines"] == pytest.approx(want.cosines.ravel(), abs=1e-4)
    assert (min(data["x"] + data["y"]), max(data["x"] + data["y"])) == (0, 10_000)
    assert sum(data["histograms"]["lengths"]["counts"]) == 4
    assert told[-1] == ("comparing", 1.0) or told[-1] == ("placing", 1.0)
    assert html == page(sample(texts, total=9), "notes", model="minilm")


def test_one_passage_alone() -> None:
    data = data_of(page(sample(["alone"], [{}]), "x"))
    assert (data["k"], data["near"], data["fields"], data["histograms"]["cosines"]) == (0, [], [], None)
    assert data["labels"] == ["id0"]


def test_hostile_documents_are_data() -> None:
    """Elements, policy and script of the page are the same whatever the documents say."""
    plain = page(sample(["a", "b", "c"], [{"source": "s"}] * 3), "name")
    odd = page(
        sample([HOSTILE, "b", "c"], [{"source": HOSTILE, HOSTILE: HOSTILE}] * 3), HOSTILE, model=HOSTILE
    )
    cut = [re.sub(r'(id="data">).*?(</script>)', r"\1\2", one, flags=re.DOTALL) for one in (plain, odd)]
    assert cut[0] == cut[1]
    data = data_of(odd)
    assert data["texts"][0].startswith("</script><script>alert(1)</script>")
    assert not set("\x1b\x00\u202e\u2028") & set(json.dumps(data, ensure_ascii=False))
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', odd)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]
    for element, name in (("script", "script-src"), ("style", "style-src")):
        (body,) = re.findall(rf"<{element}>(.*?)</{element}>", odd, re.DOTALL)
        checksum = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{name} 'sha256-{checksum}'" in policy[1]
        assert "innerHTML" not in body
        assert "http" not in body.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"<(?:link|img|iframe|base|form)\b|\b(?:src|href)=", cut[0])


def test_mistakes() -> None:
    with pytest.raises(InputError, match="no passage has the field 'lang'; there are: 'source', 'line'"):
        page(sample(["a", "b"]), "x", color="lang")
    with pytest.raises(InputError, match="there is no passage"):
        page(Sample([], np.empty((0, 16), np.float32), 0), "x")
    assert data_of(page(sample(["a", "b"]), "x", color="line"))["fields"][0]["name"] == "line"
