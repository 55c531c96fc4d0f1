"""What cannot be trained, or not there: adapters, checkpoints of directories, results inside of models."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rows import questions, words, write
from test_training_run import recipe, run

import youtu_st
from youtu_st.errors import InputError, ModelLoadError, UnknownModelError
from youtu_st.training import fuse, merge_adapter

TEXTS = [words(i) for i in range(900, 920)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"ir": write(tmp_path_factory.mktemp("rows") / "asked.jsonl", questions(48))}


@pytest.fixture(scope="module")
def kept(tiny: Path, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that a run has kept."""
    out = tmp_path_factory.mktemp("kept") / "adapter"
    changes = ("lora={r: 4, alpha: 8, dropout: 0.0}", "train.learning_rate=1e-2")
    run(out, recipe(tiny, files, *changes, data="ir"), keep_adapter=True)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("changes", [[], ["lora={r: 4}"]], ids=["whole", "lora"])
@pytest.mark.parametrize("field", ["model", "checkpoint"])
def test_an_adapter_is_no_model_to_train_and_the_command_that_is_told_makes_it_one(
    kept: Path, tiny: Path, files: dict[str, Path], tmp_path: Path, changes: list[str], field: str
) -> None:
    beside = shutil.copytree(kept, tmp_path / "it's an adapter")
    given = [f"model={beside}"] if field == "model" else ["model=minilm", f"checkpoint={beside}"]
    with pytest.raises(InputError, match=f"is an adapter of {tiny}, and no whole model: merge") as told:
        run(tmp_path / "out", recipe(tiny, files, *given, *changes, data="ir"))
    assert not (tmp_path / "out.checkpoints").exists()
    if changes or field == "checkpoint":
        return
    command = str(told.value).partition("what comes out: ")[2]
    command = command.replace("python -c", f"{sys.executable} -c", 1)
    subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True, timeout=120)
    merged = tmp_path / "it's an adapter-merged"
    one, other, base = (youtu_st.Encoder(path).encode_query(TEXTS) for path in (kept, merged, tiny))
    assert np.abs(one - other).max() < 1e-4
    assert np.abs(one - base).max() > 1e-2
    assert not (merged / "adapter_config.json").exists()
    assert youtu_st.load(merged).prompts == youtu_st.load(tiny).prompts
    record, _ = run(tmp_path / "out", recipe(merged, files, *changes, "train.max_steps=2", data="ir"))
    assert record.base == youtu_st.Encoder(merged).fingerprint


def test_what_is_no_adapter_is_not_merged(kept: Path, tiny: Path, tmp_path: Path) -> None:
    for path in (tiny, tmp_path / "absent"):
        with pytest.raises(InputError, match="is no directory of an adapter"):
            merge_adapter(path, out=tmp_path / "out")
    with pytest.raises(InputError, match="is not an empty directory"):
        merge_adapter(kept, out=tiny)
    with pytest.raises(
        ModelLoadError, match="merge it into its model first, by youtu_st.training.merge_adapter"
    ):
        fuse(tiny, [kept], out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_rank_that_no_layer_has(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lora.r is 4,000, and no layer of the model is wider than "):
        run(tmp_path / "out", recipe(tiny, files, "lora={r: 4000}", data="ir"))


@pytest.mark.parametrize(("model", "what"), [("{tiny}", "a directory"), ("owner/name", "a hub id")])
def test_a_checkpoint_of_what_has_weights(
    tiny: Path, files: dict[str, Path], tmp_path: Path, model: str, what: str
) -> None:
    model = model.format(tiny=tiny)
    wanted = recipe(model, files, f"checkpoint={tiny}", data="ir")
    with pytest.raises(UnknownModelError, match=f"^'{model}' is {what}, which has weights of its own: leave"):
        run(tmp_path / "out", wanted)
    with pytest.raises(UnknownModelError, match="unknown model 'minilmm'"):
        run(tmp_path / "out", recipe("minilmm", files, f"checkpoint={tiny}", data="ir"))


@pytest.mark.parametrize("place", ["out", "deeper/out", "link/out", "../model/out"])
@pytest.mark.parametrize("fused", [False, True], ids=["train", "fuse"])
def test_a_result_is_not_written_into_its_model(
    tiny: Path, files: dict[str, Path], tmp_path: Path, place: str, fused: bool
) -> None:
    model = shutil.copytree(tiny, tmp_path / "model")
    (model / "deeper").mkdir()
    (model / "link").symlink_to(model / "deeper")
    before = sorted(model.rglob("*"))
    make = (
        partial[object](fuse, tiny, [model])
        if fused
        else partial[object](run, wanted=recipe(model, files, data="ir"))
    )
    with pytest.raises(InputError, match=r"is inside of .*model"):
        make(out=model / place)
    assert sorted(model.rglob("*")) == before


def test_a_model_is_not_inside_of_what_is_written(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    model = shutil.copytree(tiny, tmp_path / "out.checkpoints" / "eval" / "model")
    with pytest.raises(InputError, match=r"the model that is trained, is inside of .*out.checkpoints"):
        run(tmp_path / "out", recipe(model, files, data="ir"))
    record, _ = run(tmp_path / "out.checkpoints2", recipe(model, files, "train.max_steps=1", data="ir"))
    assert record.steps == 1
