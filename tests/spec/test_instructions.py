"""Task instructions: the published strings, on the right sides, and clear errors for what there is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from checkpoints import TEXTS, save_checkpoint
from oracle import Oracle

import youtu_st
from youtu_st import Encoder
from youtu_st.errors import InputError, UnknownModelError
from youtu_st.spec import configs_directory, fill, instructions, known_models, load_spec
from youtu_st.spec.instructions import TaskInstruction

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
MEDICAL = "Given a medical question, retrieve user replies that best answer the question"
TOPIC = "Classify the fine-grained category of the given news title"


def test_a_tasks_instruction_stands_on_its_sides():
    assert instructions.for_task("youtu-embedding", "MedicalRetrieval") == TaskInstruction(
        "MedicalRetrieval", MEDICAL, ""
    )
    assert instructions.for_task("youtu-embedding", "TNews") == TaskInstruction("TNews", TOPIC, TOPIC)
    told = "Given a Chinese community medical question, retrieve replies that best answer the question"
    assert instructions.for_task("youtu-embedding", "CMedQAv1-reranking").document == ""
    assert instructions.for_task("qzhou-embedding", "CMedQAv1-reranking").document == told
    claim = "Given a claim, find documents that refute the claim"
    assert instructions.for_task("qzhou-embedding", "ArguAna") == TaskInstruction("ArguAna", claim, claim)
    assert instructions.for_task("qzhou-embedding", "FiQA2018").document == ""


def test_a_hub_id_and_the_scripts_spec_share_the_models_table():
    want = instructions.for_task("youtu-embedding", "STSB")
    assert want.query == "Represent the short general domain sentences, retrieve semantically similar text"
    for name in ("tencent/Youtu-Embedding", "youtu-embedding-script"):
        assert instructions.for_task(name, "STSB") == want
    assert (len(instructions.tasks("youtu-embedding")), len(instructions.tasks("qzhou-embedding"))) == (
        31,
        72,
    )


def test_every_published_string_is_there():
    if not REFERENCE.is_dir():
        pytest.skip("../shared/reference is not there: the published tables are not part of this repository")
    youtu = json.loads((REFERENCE / "youtu_task_instructions.json").read_text("utf-8"))
    assert instructions.template("youtu-embedding", "evaluation") == youtu["template"]
    want = {
        task: (told, told) if isinstance(told, str) else (told["query"], told["document"])
        for task, told in youtu["instructions"].items()
    }
    assert both_sides("youtu-embedding") == want
    qzhou = json.loads((REFERENCE / "qzhou_task_instructions.json").read_text("utf-8"))
    assert instructions.template("qzhou-embedding", "evaluation") == qzhou["template"]
    want = {
        task: (told, told if task in qzhou[f"{table}_both_sides"] else "")
        for table in ("cmteb", "mteb_eng_v2")
        for task, told in qzhou[table].items()
    }
    assert both_sides("qzhou-embedding") == want


def test_the_table_of_qwen3():
    """As it was copied; documents of retrieval bare but where it has a side for passages."""
    claim = "Given a claim, find documents that refute the claim"
    assert instructions.for_task("Qwen/Qwen3-Embedding-4B", "ArguAna") == TaskInstruction(
        "ArguAna", claim, claim
    )
    assert instructions.for_task("qwen3-embedding-8b", "NFCorpus").document == ""
    t2 = instructions.for_task("qwen3-embedding-8b", "T2Reranking")
    assert t2.document == t2.query
    if not REFERENCE.is_dir():
        pytest.skip("../shared/reference is not there: the published tables are not part of this repository")
    copied = json.loads((REFERENCE / "qwen3_task_instructions.json").read_text("utf-8"))
    table, told = instructions.load_table("qwen3-embedding"), both_sides("qwen3-embedding-0.6b")
    assert (table.source, list(table.added_by_copy)) == (copied["source"], copied["added_by_copy"])
    assert instructions.template("qwen3-embedding-0.6b") == copied["template"]
    wanted = {task: t if isinstance(t, str) else t["query"] for task, t in copied["tasks"].items()}
    assert {task: query for task, (query, _) in told.items()} == wanted
    both = {task for task, t in copied["tasks"].items() if isinstance(t, dict)}
    assert both <= {task for task, (query, document) in told.items() if query == document}
    assert {document for query, document in told.values() if document != query} == {""}


def both_sides(model: str) -> dict[str, tuple[str, str]]:
    told = [instructions.for_task(model, task) for task in instructions.tasks(model)]
    return {one.task: (one.query, one.document) for one in told}


def test_templates_go_by_where_they_are_used():
    assert instructions.template("youtu-embedding") == "Instruction: {instruction} \nQuery:"
    assert instructions.template("youtu-embedding", "usage") == "Instruction: {instruction} \nQuery: "
    assert instructions.template("youtu-embedding", "training") == "Instruction: {instruction} Query: "
    assert instructions.prompts("youtu-embedding", "MedicalRetrieval", "evaluation") == {
        "query": f"Instruction: {MEDICAL} \nQuery: ",
        "document": "",
    }
    assert instructions.prompts("qzhou-embedding", "TNews") == dict.fromkeys(
        ("query", "document"), f"Instruct: {TOPIC}\nQuery:"
    )


@pytest.mark.parametrize("variant", [None, "usage", "training"])
def test_both_ways_into_the_encoder(tmp_path, variant):
    """By the instruction where it is the model's own template, by whole prompts in any."""
    directory = save_checkpoint(tmp_path / "youtu", "youtu", "bpe-bos", hidden=2048)
    name, task = "youtu-embedding", "TNews"
    encoder = Encoder(name, checkpoint=directory, prompts=instructions.prompts(name, task, variant))
    oracle = Oracle(directory)
    prompt = instructions.template(name, variant).replace("{instruction}", TOPIC)
    want = [oracle.by_offsets(prompt, text) for text in TEXTS]
    np.testing.assert_allclose(encoder.encode_query(TEXTS), want, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), want, atol=1e-5)
    if variant is None:
        told = instructions.for_task(name, task)
        np.testing.assert_allclose(encoder.encode_query(TEXTS, instruction=told.query), want, atol=1e-5)
        np.testing.assert_allclose(encoder.encode_document(TEXTS, instruction=told.document), want, atol=1e-5)


def test_what_there_is_not_is_one_clear_line():
    with pytest.raises(
        InputError, match="no instruction for the task 't2retrieval'. Did you mean 'T2Retrieval'"
    ):
        instructions.for_task("youtu-embedding", "t2retrieval")
    with pytest.raises(InputError, match="Did you mean 'TNews'"):
        instructions.for_task("youtu-embedding", "TNews.v2")
    with pytest.raises(InputError, match=r"has 31, from 'CmedqaRetrieval' to .*tasks\('youtu-embedding'\)"):
        instructions.for_task("youtu-embedding", "?")
    with pytest.raises(
        InputError,
        match="published for multilingual-e5-large-instruct, as they were for qwen3-embedding-0.6b, .*, "
        "youtu-embedding, youtu-embedding-script; pass a description of your task.*instruction='Given",
    ):
        instructions.for_task("intfloat/multilingual-e5-large-instruct", "T2Retrieval")
    with pytest.raises(InputError, match="no table of instructions 'qwen3'. Did you mean 'qwen3-embedding'"):
        instructions.load_table("qwen3")
    with pytest.raises(InputError, match="for minilm, .*; it takes none"):
        instructions.tasks("minilm")
    with pytest.raises(InputError, match="variant must be one of 'readme', 'usage', .*or None .*not 'paper'"):
        instructions.template("youtu-embedding", "paper")
    with pytest.raises(InputError, match="variant must be None for qwen3-embedding-8b, not 'readme'"):
        instructions.template("qwen3-embedding-8b", "readme")
    with pytest.raises(InputError, match="minilm takes no instructions"):
        instructions.template("minilm")
    with pytest.raises(UnknownModelError, match="Did you mean 'youtu-embedding"):
        instructions.tasks("youtu-embeding")


def test_tables_name_models_that_there_are_once_each():
    paths = (configs_directory() / "instructions").glob("*.json")
    named = [model for path in paths for model in json.loads(path.read_text("utf-8"))["models"]]
    assert len(named) == 6
    assert sorted(named) == sorted(set(named) & set(known_models()))
    assert all(load_spec(name).template for name in named)


@pytest.mark.parametrize(
    ("text", "counted", "by_offsets"),
    [
        ("sunny outside", " outside", " sunny outside"),
        ("drove here", " here", " drove here"),
        ("今天，公园", "，公园", " 今天，公园"),
        ("b c", "b c", "b c"),  # this vocabulary joins no space to these
        ("你好", "你好", "你好"),
    ],
)
def test_a_space_at_the_end_costs_the_first_token_where_tokens_are_counted(
    checkpoint, spec_file, text, counted, by_offsets
):
    vectors = {}
    for boundary, kept in (("offsets", by_offsets), ("token_count", counted)):
        model = youtu_st.load(spec_file(boundary=boundary), checkpoint("youtu", "bpe-bos"), device="cpu")
        for variant in ("readme", "usage", "training"):
            prompt = fill(instructions.template("youtu-embedding", variant), "Find")
            row = model[0].tokenize_texts([text], prompt)[0]
            left = model.tokenizer.decode(row.ids[row.content].tolist())
            assert left == (kept if prompt.endswith(" ") else text)
            vectors[boundary, variant] = model.encode(text, prompt=prompt)
    for (boundary, variant), vector in vectors.items():  # how far apart: a fact about this network alone
        cosine = vector @ vectors["offsets", "readme"]
        print(f"{text!r}, {boundary}, {variant}: cosine {cosine:.3f} to readme under offsets")
