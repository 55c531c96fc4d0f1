"""What of a job is asked for otherwise: another path to the same weights is nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from job_folders import job, record

from youtu_st.errors import InputError
from youtu_st.scale.job.comparing import Difference, compare, may_be_the_same, refuse, table
from youtu_st.scale.settings import Columns, Cutting, Making, Task

ENCODER = {"weights": "aa", "max_length": "512"}


def test_the_same_line_again_differs_in_nothing() -> None:
    stored = job()
    same = compare(
        stored,
        making=replace(stored.making, device="cuda:1", batch_tokens=99, trust_remote_code=True),
        encoder=record(),
        task=stored.task,
        columns=stored.columns,
        cutting=stored.cutting,
    )
    assert same == []
    refuse(Path("out"), same)


def test_another_path_may_be_the_same_weights_and_the_encoder_tells() -> None:
    stored = job()
    elsewhere = replace(stored.making, checkpoint="/mnt/copy", model="another-name")
    differs = compare(stored, making=elsewhere)
    assert differs == [
        Difference("model", "some-model", "another-name"),
        Difference("checkpoint", "none", "/mnt/copy"),
    ]
    assert may_be_the_same(differs)
    assert compare(stored, making=elsewhere, encoder=record(model="another-name")) == []
    served = replace(stored.making, model=None, server="http://localhost:1")
    assert compare(stored, making=served, encoder=record(model="http://localhost:1")) == []
    assert not may_be_the_same(compare(stored, making=replace(elsewhere, truncation="warn")))
    assert not may_be_the_same(compare(stored, making=replace(elsewhere, max_length=99)))


def test_what_an_encoder_is_otherwise() -> None:
    other = record(
        5,
        fingerprint="f" * 16,
        model="other",
        identity={"weights": "bb", "max_length": "512", "prompt": "query: "},
    )
    assert compare(job(), encoder=other) == [
        Difference("model", "some-model", "other"),
        Difference("prompt", "none", "query: "),
        Difference("weights", "aa", "bb"),
        Difference("dimension", "6", "5"),
    ]
    unknown = record(fingerprint="f" * 16)
    assert compare(job(), encoder=unknown) == [Difference("fingerprint", "0123456789abcdef", "f" * 16)]


@pytest.mark.parametrize("probes", ["query_probes", "document_probes"])
def test_another_runtime_is_judged_by_its_vectors(probes: str) -> None:
    runtime = {"dtype": "bfloat16", "backend": "torch"}
    assert compare(job(), encoder=record(runtime=runtime)) == []
    vectors = getattr(record(), probes).copy()
    away = np.roll(vectors[2], 1) - vectors[2] * (np.roll(vectors[2], 1) @ vectors[2])
    vectors[2] = 0.9 * vectors[2] + np.sqrt(1 - 0.81) * away / np.linalg.norm(away)
    assert compare(job(), encoder=record(runtime=runtime, **{probes: vectors})) == [
        Difference("dtype", "float32", "bfloat16"),
        Difference("probes", "cosine of at least 0.999", "0.9000"),
    ]


def test_each_setting_by_a_name_that_people_know() -> None:
    found = compare(
        job(),
        making=Making("some-model", truncation="warn"),
        task=Task("query", "", 3, "float16"),
        columns=Columns("text", None, (), True, "gbk"),
        cutting=Cutting(1001, 5),
    )
    assert [tuple(one) for one in found] == [
        ("truncation", "error", "warn"),
        ("role", "document", "query"),
        ("instruction", "none", "''"),
        ("dimensions", "none", "3"),
        ("dtype", "float32", "float16"),
        ("text column", "body", "text"),
        ("id column", "key", "none"),
        ("kept columns", "year, tags", "none"),
        ("keep text", "False", "True"),
        ("encoding", "none", "gbk"),
        ("shard tokens", "1000", "1001"),
        ("shard rows", "4", "5"),
    ]


def test_a_table_in_columns_that_any_terminal_may_be_sent() -> None:
    found = compare(job(), task=Task("query", "\x1b[2J" + "x" * 300 + "the end\n"))
    told = table(found)
    assert told.splitlines() == [
        "               the job has  asked for",
        "  role         document     query",
        f"  instruction  none         \\x1b[2J{'x' * 38}...xxxthe end\\n",
    ]
    with pytest.raises(InputError) as caught:
        refuse(Path("out\n"), found)
    assert str(caught.value) == (
        f"out\\n holds another job:\n{told}\nname a new folder, or ask for what this one was begun with"
    )


def test_comparing_loads_no_torch() -> None:
    code = "import json, sys, youtu_st.scale.job.comparing; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    assert not {"torch", "ray", "transformers"} & set(loaded)
