"""What ``youtu-st embed`` refuses before anything is loaded, each in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result

from youtu_st.cli.embed_asked import Asked
from youtu_st.cli.embed_shown import duration, summary_line
from youtu_st.scale.running.telling import Summary

Run = Callable[..., Result]
NO_OUT = "say with --out which folder the vectors go to"

# Arguments and the line; run where c.jsonl, file.txt and job/job.json are.
REFUSED = [
    (["c.jsonl"], f"{NO_OUT}: c.jsonl is no job's folder to go on with"),
    (["c.jsonl", "file.txt"], NO_OUT),
    (["gone.jsonl", "--out", "out"], "gone.jsonl: no such file or folder"),
    (["c.jsonl", "--out", "file.txt"], "file.txt is a file: --out is the folder to write"),
    (["c.jsonl", "--out", "out", "--model", "minilmm"], "unknown model 'minilmm'. Did you mean 'minilm'?"),
    (["c.jsonl", "--out", "out", "--role", "passage"], "--role must be query or document, not 'passage'"),
    (["c.jsonl", "--out", "out", "--dtype", "int8"], "--dtype must be float32 or float16, not 'int8'"),
    (["c.jsonl", "--out", "out", "--bad-rows", "drop"], "--bad-rows must be error or skip, not 'drop'"),
    (
        ["c.jsonl", "--out", "out", "--truncation", "cut"],
        "--truncation must be warn or error or ignore, not 'cut'",
    ),
    (["c.jsonl", "--out", "out", "--engine", "dask"], "--engine must be local or ray, not 'dask'"),
    (["c.jsonl", "--out", "out", "--dimensions", "0"], "--dimensions must be an int of at least 1, not 0"),
    (["c.jsonl", "--out", "out", "--workers", "0"], "--workers must be an int of at least 1, not 0"),
    (
        ["c.jsonl", "--out", "out", "--shard-tokens", "-1"],
        "--shard-tokens must be an int of at least 1, not -1",
    ),
    (
        ["c.jsonl", "--out", "out", "--shard", "4/3"],
        "--shard must be I/N, I from 1 to N, such as 3/16, not 4/3",
    ),
    (
        ["c.jsonl", "--out", "out", "--shard", "0/3"],
        "--shard must be I/N, I from 1 to N, such as 3/16, not 0/3",
    ),
    (["c.jsonl", "--out", "out", "--shard", "3"], "--shard must be I/N, I from 1 to N, such as 3/16, not 3"),
    (
        ["c.jsonl", "--out", "out", "--shard-timeout", "0"],
        "--shard-timeout must be a number of seconds above 0, not 0.0",
    ),
    (["c.jsonl", "--out", "out", "--address", "auto"], "--address goes with --engine ray"),
    (["c.jsonl", "--out", "out", "--gpus-per-worker", "1"], "--gpus-per-worker goes with --engine ray"),
    (
        ["c.jsonl", "--out", "out", "--engine", "ray", "--devices", "cuda:0"],
        "--devices is for this machine: on Ray, say how many --gpus-per-worker",
    ),
    (
        ["c.jsonl", "--out", "out", "--engine", "ray", "--cpus-per-worker", "0"],
        "--cpus-per-worker must be a number above 0, not 0.0",
    ),
    (
        ["c.jsonl", "--out", "out", "--engine", "ray", "--gpus-per-worker", "-1"],
        "--gpus-per-worker must be a number of at least 0, not -1.0",
    ),
    (
        ["c.jsonl", "--out", "out", "--engine", "ray", "--cpus-per-worker", "nan"],
        "--cpus-per-worker must be a number above 0, not nan",
    ),
    (
        ["c.jsonl", "--out", "out", "--devices", ","],
        "--devices must name devices, such as cuda:0,cuda:1, not ','",
    ),
    (
        ["c.jsonl", "--out", "out", "--instruction", "Find it"],
        "--instruction goes with --role query: documents are encoded without one",
    ),
    (
        ["c.jsonl", "--out", "out", "--server", "http://localhost:1", "--checkpoint", "d"],
        "--checkpoint is for a model that runs here, without --server",
    ),
    (["c.jsonl", "--out", "out", "--encoding", "klingon"], "--encoding"),
    (["c.jsonl", "--out", "out", "--json"], "--json goes with --status"),
    (
        ["c.jsonl", "--out", "out", "--status"],
        "--status goes with the job's folder alone: youtu-st embed out --status",
    ),
    (
        ["c.jsonl", "--out", "out", "--verify", "5"],
        "--verify goes with the job's folder alone: youtu-st embed out --verify 5",
    ),
    (
        ["job", "--role", "query"],
        "--role is said of a corpus: youtu-st embed job goes on with what its job.json says",
    ),
    (
        ["job", "--model", "minilm"],
        "--model is said of a corpus: youtu-st embed job goes on with what its job.json",
    ),
    (["job", "--status", "--workers", "2"], "--workers does not go with --status, which encodes nothing"),
    (["job", "--verify", "0"], "--verify must be an int of at least 1, not 0"),
    (["job", "--verify", "2", "--workers", "2"], "--workers does not go with --verify"),
    (["job", "--verify", "2", "--status"], "--verify does not go with --status, which encodes nothing"),
    (["job"], "job/job.json is damaged: it does not begin with"),
    (["job", "--status"], "job/job.json is damaged: it does not begin with"),
    ([], "Missing argument"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "c.jsonl").write_text('{"text": "a river"}\n')
    (tmp_path / "file.txt").write_text("a river\n")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "job.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("arguments", "line"), REFUSED, ids=[" ".join(one[0]) for one in REFUSED])
def test_a_slip_of_the_pen_is_one_line(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)  # no process is started to know
    result = run("embed", *arguments)
    assert (result.code, result.out) == (2, "")
    (said,) = result.err.splitlines()
    assert said.startswith("youtu-st: error: ")
    assert line in said
    assert not (folder / "out").exists()


def test_ray_that_is_not_installed_is_a_line_to_type(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Without("ray"), *sys.meta_path])
    result = run("embed", "c.jsonl", "--out", "out", "--engine", "ray")
    assert result.code == 2
    assert result.err.startswith("youtu-st: error: the package 'ray' must be installed: pip install")


class _Without:
    """Finds no module of one name, as on a machine without it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def asked(**given: object) -> Asked:
    return Asked({f"--{name.replace('_', '-')}": value for name, value in given.items()})


def test_options_become_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    given = asked(
        checkpoint="weights",
        role="query",
        instruction="",
        dimensions=8,
        dtype="float16",
        text_field="body",
        id="key",
        keep=("a", "b", "a"),
        shard_tokens=77,
        truncation="error",
        trust_remote_code=True,
        devices=" cuda:0, cuda:1,",
        shard="3/16",
    )
    making = given.making()
    assert (making.model, making.checkpoint) == ("minilm", str(tmp_path / "weights"))
    assert (making.truncation, making.trust_remote_code, making.server) == ("error", True, None)
    task = given.task()
    assert (task.role, task.instruction, task.dimensions, task.dtype) == ("query", "", 8, "float16")
    columns = given.columns()
    assert (columns.text, columns.id, columns.keep, columns.keep_text) == ("body", "key", ("a", "b"), False)
    assert given.cutting().tokens == 77
    running = given.running()
    assert (running["devices"], running["shard"], running["pool"]) == (("cuda:0", "cuda:1"), (3, 16), None)
    assert (running["workers"], running["bad_rows"]) == (None, "error")


def test_a_server_is_asked_what_its_model_is() -> None:
    making = asked(server="http://localhost:8000/v1").making()
    assert (making.model, making.server) == (None, "http://localhost:8000/v1")


def test_times_as_people_say_them() -> None:
    seconds = (0.4, 89, 91, 5340, 5400, 12_000, 48 * 3600, 100 * 3600)
    assert [duration(one) for one in seconds] == [
        "0 s",
        "89 s",
        "2 min",
        "89 min",
        "1 h 30 min",
        "3 h 20 min",
        "2 d 0 h",
        "4 d 4 h",
    ]


def test_a_summary_is_a_line() -> None:
    done = Summary("out", 4095, 524_288, 2, 1, 8, 3, 4, 1, 2048, 2.0, ("shard 7",), False)
    assert summary_line(done) == (
        "4,095 documents, 524,288 tokens, 1,024 documents/s, 2 cut, 1 rejected; 4 shards encoded, 3 found done, 1 not "
        "done -> out"
    )
    uncounted = Summary("out", 9, 0, 0, 0, 1, 0, 1, 0, 9, 1.0, (), False)
    assert summary_line(uncounted).startswith("9 documents, 9 documents/s, 0 cut, ")
    nothing = Summary("out", 1, 1, 0, 0, 1, 1, 0, 0, 0, 0.0, (), False)
    assert (
        summary_line(nothing)
        == "1 document, 1 token, 0 cut, 0 rejected; 0 shards encoded, 1 found done -> out"
    )
