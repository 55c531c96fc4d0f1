"""The prompt of every task of four benchmarks, to the letter, for the models whose authors have told theirs.

``tests/data/benchmark_prompts.json`` holds them: by model and prompt the tasks that get it, by source and side.
Where mteb or a table has changed them on purpose, ``python tests/evaluation/test_benchmark_prompts.py`` writes it
anew; read the difference.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.listing import list_prompts
from youtu_st.evaluation.benchmark.prompts import TaskPrompts, prompts_of
from youtu_st.evaluation.benchmark.registered import compare
from youtu_st.evaluation.benchmark.tasks import load_benchmark, load_task
from youtu_st.evaluation.profiles import load_profile, spec_for
from youtu_st.spec import load_spec

SNAPSHOT = Path(__file__).parents[1] / "data" / "benchmark_prompts.json"
BENCHMARKS = ("MTEB(cmn, v1)", "MTEB(eng, v2)", "MTEB(Multilingual, v2)", "MTEB(Code, v1)")
MODELS = ("youtu-embedding", "qzhou-embedding", "qwen3-embedding-0.6b")

Metadata = dict[str, Any]


def resolved(model: str, metadata: Any, profile: str | None = None) -> TaskPrompts:
    return prompts_of(load_profile(model, profile), load_spec(model), metadata)


def snapshot(found: dict[str, Metadata]) -> dict[str, Any]:
    """What is compared: names of benchmarks' tasks, and each model's prompts."""
    every = {name: metadata for tasks in found.values() for name, metadata in tasks.items()}
    shown: dict[str, Any] = {"benchmarks": {name: " ".join(tasks) for name, tasks in found.items()}}
    for model in MODELS:
        prompts: dict[str, dict[str, list[str]]] = {}
        for name, metadata in sorted(every.items()):
            told = resolved(model, metadata)
            for side in told.sides:
                one = told.of(side)
                key = f"{side or 'both'}, {one.source}"
                prompts.setdefault(one.prompt, {}).setdefault(key, []).append(name)
        shown[model] = {
            prompt: {key: " ".join(names) for key, names in by.items()} for prompt, by in prompts.items()
        }
    return shown


def read() -> dict[str, Metadata]:
    return {
        benchmark: {task.metadata.name: task.metadata for task in load_benchmark(benchmark)}
        for benchmark in BENCHMARKS
    }


@pytest.fixture(scope="module")
def found() -> dict[str, Metadata]:
    """The four benchmarks' tasks, by name."""
    pytest.importorskip("mteb")
    return read()


def test_every_prompt_is_the_snapshots(found: dict[str, Metadata]) -> None:
    assert [len(tasks) for tasks in found.values()] == [31, 41, 131, 12]
    assert snapshot(found) == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_sizes_of_a_family_are_told_the_same(found: dict[str, Metadata]) -> None:
    for tasks in found.values():
        for metadata in tasks.values():
            small, *others = (resolved(f"qwen3-embedding-{size}", metadata) for size in ("0.6b", "4b", "8b"))
            assert all(other == small for other in others)


@pytest.mark.parametrize(
    ("model", "counts", "copied"),
    [
        ("youtu-embedding", [31, 0, 3, 0], [0, 0, 0, 0]),
        ("qzhou-embedding", [31, 41, 24, 0], [0, 0, 0, 0]),
        ("qwen3-embedding-8b", [28, 41, 118, 12], [0, 7, 3, 0]),
    ],
)
def test_how_many_are_the_authors(
    found: dict[str, Metadata], model: str, counts: list[int], copied: list[int]
) -> None:
    listed = [list_prompts(load_profile(model), load_spec(model), benchmark) for benchmark in BENCHMARKS]
    assert [len(one.tasks) - len(one.uninstructed) for one in listed] == counts
    assert [len(one.by_copy) for one in listed] == copied


@pytest.mark.parametrize(
    ("model", "name", "equal", "spaces"),
    [
        ("youtu-embedding", "MTEB(cmn, v1)", 31, 0),
        ("qzhou-embedding", "MTEB(cmn, v1)", 0, 20),
        ("qzhou-embedding", "MTEB(eng, v2)", 0, 20),
    ],
)
def test_beside_mtebs_own_classes(
    found: dict[str, Metadata], model: str, name: str, equal: int, spaces: int
) -> None:
    listed = list_prompts(load_profile(model), load_spec(model), name, beside=True)
    like = Counter(task.likeness for task in listed.tasks)
    assert (like["equal"], like["but for spaces"]) == (equal, spaces)


def test_the_rules_of_qwens_script(found: dict[str, Metadata]) -> None:
    every = {name: metadata for tasks in found.values() for name, metadata in tasks.items()}
    model, fixed = "qwen3-embedding-0.6b", "Instruct: Retrieve semantically similar text\nQuery:"
    documents = set()
    for name, metadata in every.items():
        told = resolved(model, metadata)
        if metadata.type in ("STS", "PairClassification"):
            assert told.both.prompt == fixed
        elif metadata.type == "Retrieval":
            documents |= {name} if told.document.prompt else set()
        elif "Reranking" in metadata.type and told.instructed:
            assert told.document == told.query != ""
        else:
            assert told.both.prompt == f"Instruct: {told.both.instruction}\nQuery:"
    assert documents == {"ArguAna", "CQADupstackGamingRetrieval", "CQADupstackUnixRetrieval"}
    # In the authors' table by names that mteb has not: what mteb says, on both sides.
    told = resolved(model, every["CMedQAv1-reranking"])
    assert (told.query.source, told.query, told.instructed) == ("mteb task", told.document, False)


def test_documents_of_reranking(found: dict[str, Metadata]) -> None:
    metadata = found["MTEB(cmn, v1)"]["T2Reranking"]
    assert resolved("youtu-embedding", metadata).document.prompt == ""
    assert resolved("qzhou-embedding", metadata).document == resolved("qzhou-embedding", metadata).query


def test_mtebs_prompts_by_side_and_by_type() -> None:
    pytest.importorskip("mteb")
    by_side = resolved("youtu-embedding", load_task("TempReasonL1").metadata)
    assert by_side.query.source == "mteb task"
    assert (
        by_side.query.instruction == "Given the following question about time, retrieve the correct answer."
    )
    assert (by_side.document.prompt, by_side.document.source) == ("", "none")
    by_type = resolved("youtu-embedding", load_task("STS12").metadata)
    assert (by_type.both.instruction, by_type.both.source) == (
        "Retrieve semantically similar text.",
        "mteb type",
    )
    assert by_type.both.prompt == "Instruction: Retrieve semantically similar text. \nQuery: "


def test_plain_and_models_without_instructions() -> None:
    pytest.importorskip("mteb")
    retrieval, sts = load_task("SciFact").metadata, load_task("STS12").metadata
    plain, own = resolved("youtu-embedding", sts, "plain"), load_spec("youtu-embedding").prompts
    assert (plain.both.prompt, plain.both.instruction, plain.both.source) == ("", None, "none")
    assert resolved("youtu-embedding", retrieval, "plain").query.prompt == own.query
    assert plain.role(None) == "document"
    for profile in ("published", "plain"):
        e5 = resolved("multilingual-e5-small", sts, profile)
        assert (e5.both.prompt, e5.both.instruction, e5.role(None)) == ("query: ", None, "query")
        e5 = resolved("multilingual-e5-small", retrieval, profile)
        assert (e5.query.prompt, e5.document.prompt) == ("query: ", "passage: ")
        assert resolved("minilm", sts, profile).both == resolved("minilm", retrieval, profile).document
    nameless = prompts_of(load_profile("somebody/model", "plain"), None, sts)
    assert nameless.both.instruction is None


def test_an_encoder_of_the_profiles_spec_puts_just_these(checkpoint, spec_file) -> None:
    """The instruction, through the encoder's own template, is the prompt that is written down."""
    pytest.importorskip("mteb")
    template = "Instruction: {instruction} \nQuery: "
    spec = load_spec(spec_file(templates={"evaluation": template}))
    profile = load_profile("youtu-embedding").model_copy(update={"max_length": 512})
    encoder = Encoder(spec_for(profile, spec), checkpoint=checkpoint("youtu", "bpe-bos"), device="cpu")
    for task in ("T2Retrieval", "STSB"):
        told = prompts_of(profile, spec, load_task(task).metadata)
        for side in (*told.sides, None):
            one, encode = told.of(side), getattr(encoder, f"encode_{told.role(side)}")
            want = encoder.model.encode(["12345 and 67"], prompt=one.prompt or None)
            assert abs(encode(["12345 and 67"], instruction=one.instruction) - want).max() < 1e-6


def test_sides_by_mtebs_own_enumeration() -> None:
    types = pytest.importorskip("mteb.types")
    told = resolved("youtu-embedding", load_task("T2Retrieval").metadata)
    assert told.of(types.PromptType.query) == told.of("query") == told.query
    assert told.of(types.PromptType.document) == told.document
    assert told.role("document") == "document"
    with pytest.raises(InputError, match="prompt_type must be one of query, document, not 'passage'"):
        told.of("passage")


def test_how_like_prompts_are() -> None:
    assert compare("a\nQuery:", "a\nQuery:") == "equal"
    assert compare("a\nQuery: ", "a\nQuery:") == "but for spaces"
    assert compare("a\nQuery:", "") == "other"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(snapshot(read()), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
