"""Runs of a tiny model from recipe to directory, on a CPU."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rows import classes, pairs, questions, words, write
from safetensors.torch import load_file

import youtu_st
from youtu_st.errors import IndexMismatchError, InputError, ModelLoadError, TrainingError
from youtu_st.index import VectorIndex
from youtu_st.training.checkpoints import claimed, last_whole
from youtu_st.training.data.rows import RowError
from youtu_st.training.preparing import prepare_run
from youtu_st.training.recipe import Recipe, load_recipe
from youtu_st.training.record import FILE, Record
from youtu_st.training.running import train

TEXTS = [words(i) for i in range(900, 920)]
PICKLES = {".bin", ".pt", ".pth", ".pkl"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("training")
    return {
        "ir": write(folder / "asked.jsonl", questions(48, positives=2, negatives=2, instruction="Find it")),
        "sts": write(folder / "scored.jsonl", pairs(48, instruction="Compare")),
        "cls": write(folder / "sorted.jsonl", classes(24, instruction="Classify")),
        "held": write(folder / "held.jsonl", pairs(20)),
        "found": write(folder / "found.jsonl", questions(12, start=60)),
    }


def recipe(model: str | Path, files: dict[str, Path], *changes: str, data: str = "ir sts cls") -> Recipe:
    return load_recipe(
        "codiemb",
        [
            f"model={model}",
            f"data={','.join(str(files[name]) for name in data.split())}",
            *(f"tasks.{task}.batch_size=8" for task in ("ir", "sts", "cls")),
            "train.max_steps=6",
            "train.max_length=32",
            "train.learning_rate=1e-3",
            "train.log_every=1",
            "train.gradient_checkpointing=false",
            "train.precision=fp32",
            *changes,
        ],
    )


def run(out: Path, wanted: Recipe, **options: Any) -> tuple[Record, list[str]]:
    told: list[str] = []
    return train(wanted, out=out, notify=told.append, **options), told


def vectors(model: str | Path) -> np.ndarray[Any, Any]:
    return youtu_st.Encoder(model, device="cpu").encode_query(TEXTS)


@pytest.fixture(scope="module")
def trained(tiny: Path, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "result"
    record, _ = run(
        out, recipe(tiny, files, f"evaluation.data={files['held']},{files['found']}", "train.save_every=3")
    )
    assert record.steps == 6
    assert set(record.before) == set(record.after) == {"held_spearman_cosine", "found_cosine_ndcg@10"}
    return out


def test_the_result_loads_and_is_another_model(trained: Path, tiny: Path, tmp_path: Path) -> None:
    base, result = youtu_st.Encoder(tiny, device="cpu"), youtu_st.Encoder(trained, device="cpu")
    assert base.fingerprint != result.fingerprint
    assert np.abs(base.encode_query(TEXTS) - result.encode_query(TEXTS)).max() > 1e-3
    before, after = youtu_st.load(tiny), youtu_st.load(trained)
    assert before.prompts == after.prompts
    assert before.max_seq_length == after.max_seq_length
    assert dict(before[0].settings) == dict(after[0].settings)
    with VectorIndex.create(tmp_path / "index", base) as index:
        index.add(TEXTS)
    with pytest.raises(IndexMismatchError):
        VectorIndex.open(tmp_path / "index", result)


def test_it_holds_no_pickle_and_says_what_was_done(trained: Path, tiny: Path, files: dict[str, Path]) -> None:
    assert not [path for path in trained.rglob("*") if path.suffix in PICKLES]
    assert {path.name for path in trained.iterdir()} >= {
        "README.md",
        FILE,
        "modules.json",
        "model.safetensors",
    }
    card = (trained / "README.md").read_text("utf-8")  # which goes where the model goes
    assert "asked" in card
    assert not any(
        row.query.text in card or row.positives[0].text in card for row in questions(48, positives=2)
    )
    record = json.loads((trained / FILE).read_text())
    assert record["recipe"]["train"]["seed"] == 42
    assert {one["name"]: one["rows"] for one in record["data"]} == {
        "asked": 48,
        "scored": 48,
        "sorted": 24,
        "held": 20,
        "found": 12,
    }
    assert record["base"] == youtu_st.Encoder(tiny, device="cpu").fingerprint
    assert record["versions"]["torch"] == torch.__version__
    checkpoints = trained.with_name("result.checkpoints")
    assert {path.name for path in checkpoints.glob("checkpoint-*")} == {"checkpoint-3", "checkpoint-6"}
    assert list(checkpoints.glob("tensorboard/events*"))
    lines = [json.loads(line) for line in (checkpoints / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    # Each step's loss is the one of its one data set.
    for line in steps:
        losses = [value for name, value in line.items() if name.startswith("loss/")]
        assert any(value == pytest.approx(line["loss"], rel=1e-4) for value in losses)


def test_what_is_measured_is_what_the_encoder_gives(trained: Path, files: dict[str, Path]) -> None:
    from scipy.stats import spearmanr

    encoder = youtu_st.Encoder(trained, device="cpu")
    scored = pairs(20)
    left = encoder.encode_document([row.query.content for row in scored])
    right = encoder.encode_document([row.positives[0].content for row in scored])
    gold = [row.positive_scores[0] for row in scored if row.positive_scores]
    record = json.loads((trained / FILE).read_text())
    assert record["after"]["held_spearman_cosine"] == pytest.approx(
        spearmanr((left * right).sum(1), gold).statistic, abs=1e-6
    )
    asked = questions(12, start=60)
    scores = (
        encoder.encode_query([row.query.content for row in asked])
        @ encoder.encode_document([row.positives[0].content for row in asked]).T
    )
    ranks = [(scores[i] > scores[i, i]).sum() for i in range(12)]
    ndcg = np.mean([1 / np.log2(rank + 2) if rank < 10 else 0.0 for rank in ranks])
    assert record["after"]["found_cosine_ndcg@10"] == pytest.approx(ndcg, abs=1e-6)


def test_the_doctor_passes_the_result(trained: Path) -> None:
    from youtu_st.verification import examine

    assert not examine(str(trained)).faults


def test_a_run_that_goes_on_is_the_run_that_never_stopped(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    wanted = recipe(tiny, files, "train.save_every=2", "train.epochs=1", "train.max_steps=8")
    whole, _ = run(tmp_path / "whole", wanted)
    step = min(
        int(path.name.partition("-")[2]) for path in (tmp_path / "whole.checkpoints").glob("checkpoint-*")
    )
    assert step < 8
    begun = tmp_path / "begun.checkpoints"
    shutil.copytree(tmp_path / "whole.checkpoints", begun)
    for later in begun.glob("checkpoint-*"):
        if later.name != f"checkpoint-{step}":
            shutil.rmtree(later)
    run(tmp_path / "begun", wanted, resume=True)
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "begun"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.steps == 8


def test_another_run_is_not_gone_on_with(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    run(tmp_path / "a", recipe(tiny, files, "train.save_every=3"))
    shutil.rmtree(tmp_path / "a")
    other = recipe(tiny, files, "train.save_every=3", "train.learning_rate=1e-4", data="ir sts")
    with pytest.raises(
        InputError, match=r"another run was begun.*train.learning_rate: 0.001 then, 0.0001 now"
    ):
        run(tmp_path / "a", other, resume=True)
    with pytest.raises(InputError, match="has a run in it: go on with it by --resume"):
        run(tmp_path / "a", recipe(tiny, files))
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        run(tmp_path / "b", recipe(tiny, files), resume=True)


@pytest.mark.slow
def test_an_adapter_is_merged_or_kept_with_the_same_vectors(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    wanted = recipe(tiny, files, "lora={r: 4, alpha: 8, dropout: 0.0}", "train.learning_rate=1e-2")
    run(tmp_path / "merged", wanted)
    run(tmp_path / "kept", wanted, keep_adapter=True)
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    assert (tmp_path / "kept" / "adapter_model.safetensors").exists()
    merged, kept, base = (vectors(path) for path in (tmp_path / "merged", tmp_path / "kept", tiny))
    assert np.abs(merged - kept).max() < 1e-4
    assert np.abs(merged - base).max() > 1e-2
    model = youtu_st.load(tmp_path / "merged")
    assert model.prompts == youtu_st.load(tiny).prompts
    assert not [path for path in (tmp_path / "merged").rglob("*") if path.suffix in PICKLES]


@pytest.mark.slow
def test_gradient_checkpointing_changes_nothing(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    for name in ("true", "false"):
        run(tmp_path / name, recipe(tiny, files, f"train.gradient_checkpointing={name}", "train.max_steps=3"))
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("true", "false"))
    for name, weight in one.items():
        assert torch.allclose(weight, other[name], atol=1e-6), name


def test_shorter_vectors_are_trained_too(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    run(
        tmp_path / "short",
        recipe(tiny, files, "matryoshka=[8, 16]", "tasks.ir.loss=cached-infonce", "tasks.sts.middle_layer=0"),
    )
    assert np.abs(vectors(tmp_path / "short") - vectors(tiny)).max() > 1e-3
    with pytest.raises(InputError, match="matryoshka: the model's vectors have 32 values, fewer than 64"):
        run(tmp_path / "long", recipe(tiny, files, "matryoshka=[64]"))


def test_workers_and_no_workers_make_the_same_weights(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    for workers in (0, 2):
        run(tmp_path / str(workers), recipe(tiny, files, f"train.workers={workers}", "train.max_steps=3"))
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("0", "2"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_loss_that_is_no_number_stops_the_run(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    wanted = recipe(tiny, files, "train.learning_rate=1e30", "train.max_grad_norm=1e30")
    with pytest.raises(
        TrainingError,
        match=r"step [1-6]: the loss is (nan|inf) in data set '(asked|scored|sorted)', rows \d+, ",
    ):
        run(tmp_path / "nan", wanted)
    assert not (tmp_path / "nan").exists()


def test_weights_that_do_not_move_stop_the_run(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"no weight has moved after 6 steps: is train.learning_rate 1e-30 too small"
    ):
        run(tmp_path / "still", recipe(tiny, files, "train.learning_rate=1e-30"))


def test_what_cannot_be_in_force_is_an_error(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    if torch.cuda.device_count() > 1:
        pytest.skip("there are several GPUs here")
    with pytest.raises(TrainingError, match=r"train.fsdp needs several GPUs, and this machine has [01]"):
        run(tmp_path / "fsdp", recipe(tiny, files, "train.fsdp=full_shard"))
    with pytest.raises(InputError, match="train.precision=fp16 is for a GPU"):
        run(tmp_path / "half", recipe(tiny, files, "train.precision=fp16", "train.device=cpu"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data="], "there is nothing to train on"),
        (["tasks.ir.loss=distillation"], "distillation needs a teacher's score"),
        (["tasks.ir.batch_size=4000"], "'asked' has 48 rows, fewer than one global batch of 4,000"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_model_is_loaded(
    files: dict[str, Path], tmp_path: Path, changes: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run(tmp_path / "out", recipe(tmp_path / "no-model-is-here", files, *changes))


def test_malformed_rows_and_scales_are_refused(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(files["ir"].read_text() + '{"task_type": "sts", "query": "a", "positives": ["b"]}\n')
    with pytest.raises(
        RowError, match=r"bad.jsonl, line 49: field 'positive_scores' must have a score for each positive"
    ):
        run(tmp_path / "out", recipe(tiny, {"ir": bad}, data="ir"))
    wide = write(tmp_path / "wide.jsonl", pairs(20, top=100.0))
    with pytest.raises(InputError, match=r"'wide': its scores go from 0 to 100, and which scale that is"):
        run(tmp_path / "out", recipe(tiny, {"sts": wide}, data="sts"))
    given = recipe(tiny, {"sts": wide}, f"data=[{{path: {wide}, scores: [0, 100]}}]", data="sts")
    record, _ = run(tmp_path / "given", given)
    assert record.steps == 6
    with pytest.raises(InputError, match="two data sets are called 'wide'"):
        run(tmp_path / "out", recipe(tiny, {"sts": wide}, f"data={wide},{wide}", data="sts"))


def test_a_directory_that_is_not_empty_is_refused(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(InputError, match="is not an empty directory"):
        run(tmp_path / "full", recipe(tiny, files))
    with pytest.raises(InputError, match="there is no directory"):
        run(tmp_path / "no" / "where", recipe(tiny, files))


@pytest.mark.parametrize("name", ["train", "eval", "a.b", "_modules"])
def test_any_file_name_will_do(tiny: Path, files: dict[str, Path], tmp_path: Path, name: str) -> None:
    shutil.copy(files["ir"], file := tmp_path / f"{name}.jsonl")
    record, _ = run(tmp_path / "out", recipe(tiny, {"ir": file}, "train.max_steps=2", data="ir"))
    assert record.data[0]["name"] == name
    lines = (tmp_path / "out.checkpoints" / "log.jsonl").read_text().splitlines()
    assert f"loss/{name}" in json.loads(lines[0])


def test_one_step_of_a_warm_up_moves_nothing_and_is_no_fault(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    record, _ = run(tmp_path / "out", recipe(tiny, files, "train.max_steps=1"))
    assert record.steps == 1


def test_one_file_on_two_scales(tiny: Path, files: dict[str, Path]) -> None:
    both = ", ".join(f"{{path: {files['sts']}, name: to{top}, scores: [0, {top}]}}" for top in (5, 10))
    prepared = prepare_run(recipe(tiny, files, f"data=[{both}]"))
    assert [prepared.batching(one).scale for one in prepared.sets] == [(0.0, 5.0), (0.0, 10.0)]


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_result_has_a_name(tiny: Path, files: dict[str, Path], name: str) -> None:
    with pytest.raises(InputError, match="is no name of a directory that can be made"):
        run(Path(name), recipe(tiny, files))


@pytest.mark.parametrize("leads", ["there", "nowhere"])
def test_a_link_is_refused_before_anything_is_trained(
    tiny: Path, files: dict[str, Path], tmp_path: Path, leads: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(leads)
    with pytest.raises(InputError, match="is a symbolic link"):
        run(tmp_path / "link", recipe(tiny, files))
    assert not (tmp_path / "link.checkpoints").exists()


def test_a_run_that_failed_before_its_first_checkpoint_is_begun_anew(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="no weight has moved"):
        run(tmp_path / "out", recipe(tiny, files, "train.learning_rate=1e-30", "train.max_steps=2"))
    with pytest.raises(InputError, match="no checkpoint to resume from in .*: begin without --resume"):
        run(tmp_path / "out", recipe(tiny, files), resume=True)
    run(tmp_path / "out", recipe(tiny, files, "train.max_steps=2"))
    lines = (tmp_path / "out.checkpoints" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 2]
    record = json.loads((tmp_path / "out.checkpoints" / FILE).read_text())
    assert record["recipe"]["train"]["learning_rate"] == 1e-3


def test_two_runs_in_one_place_are_refused(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "out", resume=False),
        pytest.raises(InputError, match="another process trains in"),
    ):
        run(tmp_path / "out", recipe(tiny, files))
    record, _ = run(tmp_path / "out", recipe(tiny, files, "train.max_steps=2"))
    assert record.steps == 2


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [torn, Path.unlink])
@pytest.mark.parametrize(
    "name", ["trainer_state.json", "optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"]
)
def test_a_torn_checkpoint_is_passed_over(trained: Path, tmp_path: Path, name: str, damage: Any) -> None:
    begun = shutil.copytree(trained.with_name("result.checkpoints"), tmp_path / "out.checkpoints")
    damage(begun / "checkpoint-6" / name)
    told: list[str] = []
    assert last_whole(begun, told.append) == begun / "checkpoint-3"
    assert [line.partition(": ")[0] for line in told] == [f"{begun / 'checkpoint-6'} is passed over"]
    damage(begun / "checkpoint-3" / name)
    with pytest.raises(InputError, match="is whole: remove it, and begin anew"):
        last_whole(begun, told.append)


def test_what_was_measured_before_is_kept_by_a_run_that_goes_on(
    trained: Path, tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    begun = shutil.copytree(trained.with_name("result.checkpoints"), tmp_path / "out.checkpoints")
    torn(begun / "checkpoint-6" / "trainer_state.json")
    changes = (f"evaluation.data={files['held']},{files['found']}", "train.save_every=3")
    record, told = run(tmp_path / "out", recipe(tiny, files, *changes), resume=True)
    former = json.loads((trained / FILE).read_text())
    assert (record.before, record.after) == (former["before"], former["after"])
    assert any("checkpoint-6 is passed over" in line for line in told)
    one, other = (load_file(path / "model.safetensors") for path in (trained, tmp_path / "out"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("count", [1, 3])
def test_pairs_of_one_score_cannot_be_measured(
    tiny: Path, files: dict[str, Path], tmp_path: Path, count: int
) -> None:
    held = write(tmp_path / "held.jsonl", pairs(7)[::6][:1] * count)
    with pytest.raises(InputError, match="evaluation.data: all pairs of .* have the score 0: no correlation"):
        run(tmp_path / "out", recipe(tiny, files, f"evaluation.data={held}"))


@pytest.mark.parametrize(
    ("task", "side"), [("ir", "query"), ("sts", "positives"), ("cls", "positives"), ("cls", "negatives")]
)
def test_an_instruction_that_the_model_does_not_take_is_told_with_its_line(
    tiny: Path, files: dict[str, Path], tmp_path: Path, task: str, side: str
) -> None:
    rows = [json.loads(line) for line in files[task].read_text().splitlines() * 30]
    text = rows[700][side] if side == "query" else rows[700][side][0]
    text[0] = "Instruction: Find it \nQuery:"  # the whole prompt
    file = tmp_path / "late.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=r"late.jsonl, line 701: the instruction is a whole prompt"):
        run(tmp_path / "out", recipe(tiny, {task: file}, data=task))
    assert not list((tmp_path / "out.checkpoints").glob("checkpoint-*"))
    run(tmp_path / "out", recipe(tiny, {task: file}, "instructions=drop", "train.max_steps=1", data=task))


def test_held_out_data_must_not_be_trained_on(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has the content of data set 'asked', which is trained on"):
        run(tmp_path / "out", recipe(tiny, files, f"evaluation.data={files['ir']}"))


def test_much_that_is_cut_and_too_easy_a_loss_are_said(
    tiny: Path, files: dict[str, Path], tmp_path: Path
) -> None:
    easy = write(tmp_path / "easy.jsonl", questions(8))  # and one row a batch, with no negatives
    _, told = run(
        tmp_path / "cut", recipe(tiny, {"ir": easy}, "train.max_length=8", "tasks.ir.batch_size=1", data="ir")
    )
    assert any("of the texts of 'easy' are longer than what is read, and are cut" in line for line in told)
    assert any("the loss of 'easy' is 0 from the start" in line for line in told)


def test_a_model_that_is_not_there(files: dict[str, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelLoadError):
        run(tmp_path / "out", recipe(empty, files))
    assert not (tmp_path / "out.checkpoints").exists()


@pytest.mark.slow
def test_stages_are_runs_one_after_the_other(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    changes = [
        f"model={tiny}",
        f"data={files['ir']},{files['sts']}",
        "tasks.ir.batch_size=8",
        "tasks.sts.batch_size=8",
        "train.max_steps=3",
        "train.max_length=32",
    ]
    record, _ = run(tmp_path / "both", load_recipe("qzhou", changes))
    first = json.loads((tmp_path / "both.stage1" / FILE).read_text())
    assert [one["name"] for one in first["data"]] == ["asked"]
    assert first["recipe"]["train"]["learning_rate"] == 3e-5
    assert [one["name"] for one in record.data] == ["asked", "scored"]
    assert (record.recipe["train"]["learning_rate"], record.steps) == (2e-5, 3)
    assert record.base == youtu_st.Encoder(tmp_path / "both.stage1", device="cpu").fingerprint
    # What a stage has written is taken as it is when a run goes on.
    shutil.rmtree(tmp_path / "both")
    shutil.rmtree(tmp_path / "both.checkpoints")
    again, _ = run(tmp_path / "both", load_recipe("qzhou", changes), resume=True)
    assert again.base == record.base


@pytest.mark.slow
def test_the_best_checkpoint_is_what_comes_out(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    changes = (f"evaluation.data={files['held']},{files['found']}", "evaluation.every=1", "train.max_steps=4")
    run(tmp_path / "best", recipe(tiny, files, *changes, "train.save_every=2", "train.learning_rate=1e-2"))
    begun = tmp_path / "best.checkpoints"
    lines = [json.loads(line) for line in (begun / "log.jsonl").read_text().splitlines()]
    scores = {
        line["step"]: line["eval_sequential_score"] for line in lines if "eval_sequential_score" in line
    }
    assert set(scores) == {0, 1, 2, 3, 4}
    kept = max((2, 4), key=lambda step: scores[step])
    one, other = (
        load_file(path / "model.safetensors") for path in (tmp_path / "best", begun / f"checkpoint-{kept}")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(
        InputError, match=r"train.save_every \(3\) must be a multiple of evaluation.every \(2\)"
    ):
        run(tmp_path / "odd", recipe(tiny, files, *changes[:1], "evaluation.every=2", "train.save_every=3"))
    record, _ = run(
        tmp_path / "last",
        recipe(
            tiny,
            files,
            *changes[:1],
            "evaluation.every=2",
            "train.save_every=3",
            "evaluation.keep_best=false",
        ),
    )
    assert {path.name for path in (tmp_path / "last.checkpoints").glob("checkpoint-*")} == {
        "checkpoint-3",
        "checkpoint-6",
    }
    assert record.steps == 6


def test_half_precision_trains_too(tiny: Path, files: dict[str, Path], tmp_path: Path) -> None:
    run(tmp_path / "half", recipe(tiny, files, "train.precision=bf16", "train.device=cpu"))
    half, base = vectors(tmp_path / "half"), vectors(tiny)
    assert np.isfinite(half).all()
    assert np.abs(half - base).max() > 1e-3
    weights = load_file(tmp_path / "half" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
