"""EmbedBatch: the three kinds of batches, bad rows by their place, one encoder a process, and Ray Data itself."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.scale import EmbedBatch
from youtu_st.scale.cluster import batch as batches

WORDS = ["sunny", "stadium", "weather", "法国", "12345", "the park", "emoji 😀", "Query:ok"]


def texts_of(number: int) -> list[str]:
    return [f"{WORDS[i % 8]} and {WORDS[(i * 3 + 1) % 8]}, said {i}" * (1 + i % 5) for i in range(number)]


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(str(tiny), device="cpu")


def test_a_dict_of_arrays(tiny: Path, encoder: Encoder) -> None:
    texts = texts_of(40)
    given = {"id": np.arange(40), "text": np.array(texts, dtype=object)}
    got = EmbedBatch(str(tiny), device="cpu")(given)
    assert list(got) == ["id", "text", "vector"]
    assert list(given) == ["id", "text"]
    assert got["vector"].dtype == np.float32
    np.testing.assert_allclose(got["vector"], encoder.encode_document(texts), atol=1e-6)
    fixed = {"text": np.array(texts)}  # of <U: as arrays of strings come where nobody has said otherwise
    np.testing.assert_array_equal(EmbedBatch(str(tiny), device="cpu")(fixed)["vector"], got["vector"])


def test_an_arrow_table(tiny: Path, encoder: Encoder) -> None:
    texts = texts_of(10)
    given = pa.table({"body": texts, "n": range(10)})
    embed = EmbedBatch(
        str(tiny), column="body", output="e", output_dtype="float16", role="query", device="cpu"
    )
    got = embed(given)
    assert got.schema.field("e").type == pa.list_(pa.float16(), 32)
    assert got.drop_columns("e").equals(given)
    want = encoder.encode_query(texts).astype(np.float16)
    np.testing.assert_allclose(np.array(got["e"].to_pylist(), np.float32), want.astype(np.float32), atol=1e-3)


def test_a_pandas_frame(tiny: Path, encoder: Encoder) -> None:
    texts = texts_of(10)
    given = pd.DataFrame({"text": texts}, index=range(5, 15))
    got = EmbedBatch(str(tiny), dimensions=8, instruction="Find", device="cpu", role="query")(given)
    assert list(got.columns) == ["text", "vector"]
    assert list(given.columns) == ["text"]
    assert list(got.index) == list(range(5, 15))
    want = encoder.encode_query(texts, dimensions=8, instruction="Find")
    np.testing.assert_allclose(np.stack(got["vector"]), want, atol=1e-6)


@pytest.mark.parametrize("kind", [dict, pa.table, pd.DataFrame])
def test_no_rows(tiny: Path, kind: Any) -> None:
    got = EmbedBatch(str(tiny), dimensions=16, device="cpu")(
        kind({"text": np.array([], dtype=object).astype(str)})
    )
    assert len(got["vector"]) == 0


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (None, r"row 2 of a batch \(id 'd-2', page 7\) has no text"),
        (float("nan"), r"row 2 of a batch \(id 'd-2', page 7\) has no text"),
        (3, r"row 2 of a batch \(id 'd-2', page 7\) has a text of type int"),
        ("  ", r"row 2 of a batch \(id 'd-2', page 7\): its text is blank"),
        ("long " * 900, r"row 2 of a batch \(id 'd-2', page 7\): its text has \d+ tokens"),
    ],
)
def test_a_bad_text_is_named_by_its_row(tiny: Path, bad: object, told: str) -> None:
    texts = np.array(["fine", "well", bad, "good"], dtype=object)
    others = {"id": np.array([f"d-{i}" for i in range(4)]), "page": np.array([1, 3, 7, 9])}
    with pytest.raises(InputError, match=f"^{told}"):
        EmbedBatch(str(tiny), truncation="error", device="cpu")({**others, "text": texts})


def test_a_missing_text_of_arrow_and_of_pandas(tiny: Path) -> None:
    embed = EmbedBatch(str(tiny), device="cpu")
    for given in (
        pa.table({"text": ["a", None]}),
        pd.DataFrame({"text": pd.array(["a", None], dtype="string")}),
    ):
        with pytest.raises(InputError, match=r"^row 1 of a batch has no text$"):
            embed(given)


def test_what_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match=r"takes no 'devise': did you mean 'device'\?"):
        EmbedBatch(str(tiny), devise="cpu")
    with pytest.raises(InputError, match=r"device must be one plain value, not \['cpu'\]"):
        EmbedBatch(str(tiny), device=["cpu"])
    with pytest.raises(InputError, match="role must be one of query, document"):
        EmbedBatch(str(tiny), role="passage")
    with pytest.raises(InputError, match="needs a model, or a server"):
        EmbedBatch()
    embed = EmbedBatch(str(tiny), device="cpu")
    with pytest.raises(InputError, match=r"no column 'text' of texts: the columns are 'body', 'id'"):
        embed({"body": np.array(["a"]), "id": np.array([1])})
    with pytest.raises(InputError, match="there is a column 'vector' already"):
        embed({"text": np.array(["a"]), "vector": np.array([1])})
    with pytest.raises(InputError, match="not list"):
        embed(["a"])


def test_settings_are_pickled_and_an_encoder_is_made_once(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.parent)
    monkeypatch.setattr(batches, "_made", {})
    embed = EmbedBatch(tiny.name, device="cpu")
    assert not batches._made
    wire = pickle.dumps(embed)
    assert len(wire) < 2000
    monkeypatch.chdir("/")  # where a worker stands
    again = pickle.loads(wire)
    again({"text": np.array(["a"])})
    embed({"text": np.array(["b"])})
    assert len(batches._made) == 1


def test_the_name_is_found_from_the_top() -> None:
    assert youtu_st.scale.EmbedBatch is EmbedBatch


@pytest.fixture(scope="module")
def here() -> Iterator[Any]:
    """Ray on this machine, with two CPUs."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
def test_ray_data_from_parquet_to_parquet(here: Any, tiny: Path, encoder: Encoder, tmp_path: Path) -> None:
    """Actors from the class, tasks from an object: all rows once, with the encoder's own vectors."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    texts = texts_of(300)
    (tmp_path / "in").mkdir()
    for part in range(3):
        rows = range(part * 100, part * 100 + 100)
        pq.write_table(
            pa.table({"id": list(rows), "text": [texts[i] for i in rows]}),
            tmp_path / "in" / f"{part}.parquet",
        )
    want = encoder.encode_document(texts)
    settings = {"device": "cpu", "role": "document"}
    read = ray.data.read_parquet(str(tmp_path / "in"))
    actors = read.map_batches(
        EmbedBatch,
        fn_constructor_args=(str(tiny),),
        fn_constructor_kwargs=settings,
        batch_size=64,
        num_cpus=1,
        concurrency=1,
    )
    tasks = read.map_batches(
        EmbedBatch(str(tiny), **settings), batch_size=50, batch_format="pyarrow", num_cpus=1
    )
    for number, made in enumerate((actors, tasks)):
        made.write_parquet(str(tmp_path / f"out{number}"))
        table = pq.read_table(tmp_path / f"out{number}")
        ids = table["id"].to_pylist()
        assert sorted(ids) == list(range(300))
        got = np.array(table["vector"].to_pylist(), dtype=np.float32)
        np.testing.assert_allclose(got, want[ids], atol=1e-6)


@pytest.mark.ray
@pytest.mark.slow
def test_a_worker_computes_with_the_cpus_that_it_was_given(here: Any, tiny: Path) -> None:
    @here.remote
    def threads(path: str) -> int:
        import torch

        EmbedBatch(path, device="cpu")({"text": np.array(["a"])})
        return torch.get_num_threads()

    one, two = threads.options(num_cpus=1), threads.options(num_cpus=2)
    assert here.get(one.remote(str(tiny))) == 1
    assert here.get(two.remote(str(tiny))) == 2


@pytest.mark.ray
@pytest.mark.slow
def test_a_bad_row_ends_ray_data_s_job_and_is_named(here: Any, tiny: Path) -> None:
    import ray.data

    rows = [{"id": f"d{i}", "text": "fine" if i != 7 else " "} for i in range(20)]
    made = ray.data.from_items(rows).map_batches(EmbedBatch(str(tiny), device="cpu"), num_cpus=1)
    with pytest.raises(Exception, match=r"row \d+ of a batch \(id 'd7'\): its text is blank"):
        made.materialize()
