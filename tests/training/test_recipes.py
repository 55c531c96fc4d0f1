"""Recipes: the published figures, changes, and what a mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from youtu_st.errors import InputError, SpecError
from youtu_st.training.recipe import load_recipe, recipe_names


def test_the_published_figures() -> None:
    codiemb = load_recipe("codiemb")
    train, ir, sts = codiemb.train, codiemb.tasks.ir, codiemb.tasks.sts
    assert (train.learning_rate, train.warmup, train.epochs, train.max_length) == (4e-5, 0.03, 4, 1024)
    assert (ir.batch_size, ir.positives, ir.negatives, ir.temperature) == (28, 2, 4, 0.02)
    assert (sts.batch_size, sts.pearson, sts.rank_kl, sts.pro, sts.temperature) == (32, 2, 5, 0.5, 0.05)
    encoder = load_recipe("codiemb-encoder")
    assert (encoder.train.learning_rate, encoder.train.max_length) == (5e-5, 512)
    assert (encoder.tasks.ir.batch_size, encoder.tasks.sts.batch_size) == (64, 32)
    first, second = load_recipe("qzhou").staged()
    assert [(one.train.learning_rate, one.train.max_steps, one.only) for one in (first, second)] == [
        (3e-5, 32000, ("ir",)),
        (2e-5, 8000, ()),
    ]
    assert (first.tasks.ir.batch_size, second.tasks.sts.batch_size, second.tasks.sts.loss) == (
        256,
        768,
        "cosent",
    )
    assert load_recipe("qwen3-lora").lora is not None


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_says_where_it_is_from(name: str) -> None:
    assert load_recipe(name).source
    assert load_recipe(name).name == name


def test_any_field_can_be_changed() -> None:
    changes = [
        "train.learning_rate=2e-5",
        "data=a.jsonl, b.jsonl",
        "matryoshka=[64, 128]",
        "lora={r: 8}",
        "evaluation.data=[{path: c.jsonl, name: held, scores: [0, 3]}]",
        "sampling.temperature=2",
    ]
    recipe = load_recipe("codiemb", changes)
    assert recipe.train.learning_rate == 2e-5
    assert [file.path for file in recipe.data] == ["a.jsonl", "b.jsonl"]
    assert recipe.matryoshka == (64, 128)
    assert recipe.lora is not None
    assert (recipe.lora.r, recipe.lora.alpha) == (8, 32)
    assert (recipe.evaluation.data[0].name, recipe.evaluation.data[0].scores) == ("held", (0, 3))
    assert recipe.tasks == load_recipe("codiemb").tasks


@pytest.mark.parametrize(
    "path", ["a #b.jsonl", "a: b.jsonl", "*.jsonl", "@x", "2024", "[1].jsonl", "yes", "it's.jsonl", "{a"]
)
def test_paths_are_taken_to_the_letter(path: str) -> None:
    changes = [
        f"{name}={path}" for name in ("data", "evaluation.data", "model", "checkpoint", "train.deepspeed")
    ]
    recipe = load_recipe("codiemb", changes)
    assert [file.path for file in (*recipe.data, *recipe.evaluation.data)] == [path, path]
    assert (recipe.model, recipe.checkpoint, recipe.train.deepspeed) == (path, path, path)
    both = load_recipe("codiemb", [f"data={path}, other.jsonl"])
    assert [file.path for file in both.data] == [path, "other.jsonl"]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_paths_may_be_quoted_or_listed_as_in_yaml(quote: str) -> None:
    recipe = load_recipe("codiemb", [f"model={quote}a #b{quote}", f"data=[{quote}a, #b.jsonl {quote}]"])
    assert (recipe.model, recipe.data[0].path) == ("a #b", "a, #b.jsonl ")
    assert load_recipe("codiemb", ["model=minilm", "model=null", "data=a", "data="]) == load_recipe("codiemb")


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntrain: {epochs: 2}\ntasks: {sts: {loss: cosent}}\n")
    recipe = load_recipe(path, ["train.epochs=3"])
    assert (recipe.name, recipe.train.epochs, recipe.tasks.sts.loss) == ("mine", 3, "cosent")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.learning_rat=1", "unknown field 'train.learning_rat' (did you mean 'learning_rate'?"),
        ("tasks.st.loss=cosent", "unknown field 'tasks.st' (did you mean 'sts'?"),
        (
            "tasks.cls.loss=infonc",
            "did you mean 'infonce'? it must be one of infonce, cached-infonce, distillation",
        ),
        ("train.schedule=linea", "did you mean 'linear'?"),
        ("train.epochs=0", "field 'train.epochs': input should be greater than 0"),
        ("train.epochs=1e300", "field 'train.epochs': input should be less than or equal to 100000"),
        ("lora={r: 1000000000}", "field 'lora.r': input should be less than or equal to 4096"),
        ("train.workers=1000000", "field 'train.workers': input should be less than or equal to 256"),
        ("data={path: a, weight: 1e-320}", "field 'data.0.weight': input should be greater than"),
        ("data={path: a, scores: [-1e308, 1e308]}", "scores are too far apart"),
        ("data=a.jsonl,,b.jsonl", "field 'data': between two commas there is no file"),
        ("train.learning_rate=fast", "field 'train.learning_rate'"),
        ("train.workers=1.5", "field 'train.workers'"),
        ("tasks.sts={pearson: 0, rank_kl: 0, pro: 0}", "pearson, rank_kl and pro are all 0"),
        ("sampling.temperature=0.5", "field 'sampling.temperature'"),
        ("data={path: a.jsonl, scores: [5, 0]}", "the lowest and the highest, in this order"),
        ("data={path: a.jsonl, weigt: 1}", "(did you mean 'weight'?"),
    ],
)
def test_a_mistake_is_told_with_the_nearest_names(change: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_recipe("codiemb", [change])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["", "=1", "train", "train..x=1", "train.epochs=[1", ".=", "a.=3"])
def test_a_change_of_another_form(change: str) -> None:
    with pytest.raises(InputError):
        load_recipe("codiemb", [change])
