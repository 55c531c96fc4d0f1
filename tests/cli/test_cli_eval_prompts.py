"""``youtu-st eval prompts``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from command import Result

pytest.importorskip("mteb")

Run = Callable[..., Result]


@pytest.mark.slow
def test_prompts_beside_mtebs(run: Run) -> None:
    result = run("eval", "prompts", "qzhou-embedding", "--benchmark", "MTEB(cmn, v1)", "--beside", "mteb")
    assert (result.code, result.err) == (0, "")
    assert "31 of 31 by the authors" in result.out
    assert "0 of 31 tasks equal to the letter, 20 but for spaces, 11 other" in result.out
    told = r"Instruct: Given a Chinese search query, retrieve web passages that answer the question\nQuery:"
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    at = lines.index(f"T2Retrieval query authors but for spaces {told}␣")
    assert lines[at + 1] == f"mteb's class {told}"
    assert "T2Retrieval document none equal (none)" in lines


def test_as_json_the_prompt_itself(run: Run) -> None:
    found = json.loads(run("eval", "prompts", "youtu-embedding", "--tasks", "STSB", "--json").out)
    (task,) = found["tasks"]
    assert task["sides"] == [
        {
            "side": "both",
            "prompt": "Instruction: Represent the short general domain sentences, retrieve semantically similar "
            "text \nQuery: ",
            "source": "authors",
            "beside": None,
            "likeness": None,
        }
    ]
    assert (found["by_the_authors"], found["profile"]["boundary"]) == (1, "prompt_length")


def test_tasks_that_the_authors_do_not_name(run: Run) -> None:
    arguments = ("eval", "prompts", "qwen3-embedding-4b", "--benchmark", "MTEB(cmn, v1)")
    result = run(*arguments)
    assert result.code == 0
    missing = "MMarcoReranking, CMedQAv1-reranking, CMedQAv2-reranking"
    assert f"without an instruction of the authors: {missing}\n" in result.out
    strict = run(*arguments, "--strict")
    assert strict.code == 2
    assert f"3 of 31 tasks have no instruction of the authors: {missing}" in strict.err
    assert run("eval", "prompts", "youtu-embedding", "--tasks", "STSB", "--strict").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("youtu-embeding", "--tasks", "STSB"), "Did you mean 'youtu-embedding'"),
        (("minilm",), "say which tasks: --benchmark"),
        (("minilm", "--tasks", "STSB", "--beside", "met"), "--beside takes mteb, not 'met'"),
        (("minilm", "--tasks", "STSB", "--profile", "plian"), "did you mean 'plain'"),
        (("bge-m3", "--tasks", "STSB", "--profile", "published"), "use profile plain"),
        (("minilm", "--benchmark", "MTEB(cmn)"), "Did you mean 'MTEB(cmn, v1)'"),
    ],
)
def test_slips_of_the_pen(run: Run, arguments: tuple[str, ...], message: str) -> None:
    result = run("eval", "prompts", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
