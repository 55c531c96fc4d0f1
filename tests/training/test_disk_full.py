"""A disk that takes no more: one line that says where and what to do, and nothing that is lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rows import questions, write
from safetensors import SafetensorError
from safetensors.torch import load_file
from test_training_run import recipe, run

from youtu_st.cli import main
from youtu_st.errors import InputError, TrainingError
from youtu_st.training.storing import storing

resource = pytest.importorskip("resource", reason="only Unix has limits of a process")

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from youtu_st.cli import main
sys.exit(main(sys.argv[2:]))
"""
"""The command in a process whose files may be no larger: what it is told is what a full disk tells."""


def limited(size: int, *words: str | Path, cwd: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "YOUTU_ST_CACHE": str(cache)},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "asked.jsonl", questions(48))


def words(tiny: Path, file: Path) -> list[str]:
    settings = [
        f"model={tiny}",
        f"data={file}",
        "tasks.ir.batch_size=8",
        "train.max_steps=4",
        "train.save_every=2",
        "train.max_length=32",
        "train.learning_rate=1e-3",
        "train.log_every=1",
        "train.gradient_checkpointing=false",
        "train.precision=fp32",
    ]
    return ["train", "codiemb", *(word for one in settings for word in ("--set", one)), "--out", "out"]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.6, 1.2], ids=["weights", "optimizer"])
def test_a_checkpoint_that_does_not_fit(
    tiny: Path, file: Path, tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (tiny / "model.safetensors").stat().st_size
    done = limited(int(size * share), *words(tiny, file), cwd=tmp_path, cache=tmp_path / "cache")
    assert (done.returncode, done.stdout) == (1, "")
    *_, told = done.stderr.splitlines()
    assert told.startswith("youtu-st: error: a checkpoint cannot be written to out.checkpoints: ")
    assert told.endswith("; make room, and begin anew")
    assert not list((tmp_path / "out.checkpoints").glob("checkpoint-*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOUTU_ST_CACHE", str(tmp_path / "cache"))
    assert main([*map(str, words(tiny, file))]) == 0


def test_a_result_that_does_not_fit_is_written_when_there_is_room(
    tiny: Path, file: Path, tmp_path: Path
) -> None:
    wanted = recipe(tiny, {"ir": file}, "train.save_every=2", "train.max_steps=4", data="ir")
    whole, _ = run(tmp_path / "out", wanted)
    weights = (tmp_path / "out" / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "out")
    log = (tmp_path / "out.checkpoints" / "log.jsonl").read_text()
    child = os.fork()
    if child == 0:  # a process of its own, for the limit cannot be taken back everywhere
        code = 9
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(weights) // 2, resource.RLIM_INFINITY))
            run(tmp_path / "out", wanted, resume=True)
        except TrainingError as error:
            (tmp_path / "told").write_text(str(error))
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    told = (tmp_path / "told").read_text()
    assert told.startswith(f"the result cannot be written to {tmp_path / 'out'}: file too large")
    assert told.endswith("; make room, and go on with --resume: nothing is trained again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked.jsonl", "out.checkpoints", "told"]
    again, _ = run(tmp_path / "out", wanted, resume=True)
    assert again.steps == whole.steps
    assert (tmp_path / "out.checkpoints" / "log.jsonl").read_text() == log
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_rows_that_the_cache_does_not_take(tiny: Path, file: Path, tmp_path: Path) -> None:
    done = limited(5000, *words(tiny, file), cwd=tmp_path, cache=tmp_path / "cache")
    assert done.returncode == 1
    assert done.stderr.startswith(f"youtu-st: error: the rows of {file} cannot be written to ")
    assert done.stderr.endswith("make room, or name another place by YOUTU_ST_CACHE\n")
    assert done.stderr.count("\n") == 1


def test_rows_of_a_conversion(file: Path, tmp_path: Path) -> None:
    done = limited(2000, "data", "convert", file, "--out", "rows.jsonl", cwd=tmp_path, cache=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "youtu-st: error: rows cannot be written to rows.jsonl: file too large; make room, or name a file on "
        "another disk: nothing was written\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["asked.jsonl"]


@pytest.mark.slow
def test_a_fusion(tiny: Path, tmp_path: Path) -> None:
    done = limited(50_000, "fuse", tiny, tiny, "--out", "fused", cwd=tmp_path, cache=tmp_path / "cache")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"youtu-st: error: the model cannot be written to {tmp_path / 'fused'}: file too large"
    )
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_what_disks_say(number: int, tmp_path: Path) -> None:
    with (
        pytest.raises(
            TrainingError, match=f"rows cannot be written to a.jsonl: {os.strerror(number).lower()}"
        ),
        storing("rows", tmp_path, "make room"),
    ):
        raise OSError(number, os.strerror(number), "a.jsonl")


def test_other_errors_pass(tmp_path: Path) -> None:
    for error in (
        OSError(errno.ENOENT, "no such file"),
        RuntimeError("the size of tensor a must match"),
        RuntimeError("PytorchStreamReader failed reading zip archive"),
        SafetensorError("Error while deserializing header: HeaderTooLarge"),
        InputError("no"),
    ):
        with pytest.raises(type(error)) as told, storing("rows", tmp_path, "make room"):
            raise error
        assert told.value is error


@pytest.mark.parametrize("lora", [False, True])
def test_a_run_that_lacks_its_result_alone_is_not_trained_again(
    tiny: Path, file: Path, tmp_path: Path, lora: bool
) -> None:
    held = write(tmp_path / "held.jsonl", questions(12, start=60))
    changes = [f"evaluation.data={held}", "train.save_every=2", "train.max_steps=4"]
    changes += ["lora={r: 4, alpha: 8}"] if lora else []
    wanted = recipe(tiny, {"ir": file}, *changes, data="ir")
    whole, _ = run(tmp_path / "out", wanted)
    shutil.move(tmp_path / "out", tmp_path / "former")
    again, told = run(tmp_path / "out", wanted, resume=True)
    assert (again.steps, again.before, again.after) == (4, whole.before, whole.after)
    assert not told
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("former", "out"))
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)
    for name in ("former", "out"):
        assert "- generated_from_trainer" in (tmp_path / name / "README.md").read_text()
