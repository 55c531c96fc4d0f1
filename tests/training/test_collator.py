"""Batches beside what inference gives the same texts, one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rows import classes, pairs, questions, words, write
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch.utils.data import DataLoader

import youtu_st
from youtu_st.errors import InputError
from youtu_st.modules.settings import prompts_for
from youtu_st.training.collator import Batching, TaskCollator
from youtu_st.training.data import store
from youtu_st.training.data.rows import Row, Text, read_rows
from youtu_st.training.data.store import key, prepare
from youtu_st.training.sampling.plan import draw
from youtu_st.training.sampling.sampler import Clock


def collator(
    model: SentenceTransformer, path: Path, batching: Batching, **settings: Any
) -> tuple[TaskCollator, list[dict[str, Any]]]:
    (found,) = prepare(path)
    rows = [{**row, "dataset_name": found.name} for row in found.dataset()]
    return TaskCollator(model, {found.name: batching}, **settings), rows


def column(batch: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        what.removeprefix(f"{name}_"): value for what, value in batch.items() if what.startswith(f"{name}_")
    }


def assert_as_in_inference(
    model: SentenceTransformer, features: dict[str, Any], texts: list[str], prompts: list[str]
) -> None:
    """Row by row: ids and content as one text alone has them when it is encoded."""
    assert len(features["input_ids"]) == len(texts)
    transformer: Any = model[0]
    for i, (text, prompt) in enumerate(zip(texts, prompts, strict=True)):
        attended = features["attention_mask"][i].bool()
        (alone,) = transformer.tokenize_texts([text], prompt)
        assert features["input_ids"][i][attended].tolist() == list(alone.ids)
        assert features["content_mask"][i][attended].tolist() == [int(one) for one in alone.content]
        assert not features["content_mask"][i][~attended].any()


@pytest.fixture(scope="module")
def model(tiny: Path) -> SentenceTransformer:
    return youtu_st.load(tiny, device="cpu").train()


def test_ids_and_masks_of_retrieval_are_those_of_inference(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    asked = questions(6, positives=2, negatives=3, instruction="Find the passage")
    path = write(tmp_path / "ir.jsonl", asked)
    made, rows = collator(model, path, Batching("ir", positives=2, negatives=3))
    batch = made(rows)
    queries = [row.query.content for row in asked]
    prompts = prompts_for(model, "query", "Find the passage", 6)
    assert "Find the passage" in prompts[0]
    assert_as_in_inference(model, column(batch, "query"), queries, prompts)
    labels = batch["label"]
    assert labels["candidates"].shape == (6, 5)
    documents: list[str] = [""] * 30
    for i, row in enumerate(asked):
        for side, texts, offset in ((0, row.positives, 0), (1, row.negatives, 2)):
            for slot, j in enumerate(draw(len(texts), len(texts), seed=0, epoch=0, row=i + 1, kind=side)):
                documents[int(labels["candidates"][i, offset + slot])] = texts[j].content
                assert labels["candidate_keys"][i, offset + slot] == key(texts[j].content)
    assert_as_in_inference(model, column(batch, "candidates"), documents, [""] * 30)
    for i, row in enumerate(asked):
        known = {key(text.content) for text in (row.query, *row.positives)}
        assert set(labels["known"][i].tolist()) == known
    assert labels["rows"].tolist() == [1, 2, 3, 4, 5, 6]


def test_both_sides_of_a_pair_carry_the_instruction_and_scores_go_from_0_to_1(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    scored = pairs(7, instruction="Retrieve similar text")
    made, rows = collator(model, write(tmp_path / "sts.jsonl", scored), Batching("sts", scale=(0.0, 5.0)))
    batch = made(rows)
    prompts = prompts_for(model, "query", "Retrieve similar text", 7)
    assert_as_in_inference(model, column(batch, "first"), [row.query.content for row in scored], prompts)
    assert_as_in_inference(
        model, column(batch, "second"), [row.positives[0].content for row in scored], prompts
    )
    expected = [row.positive_scores[0] / 5 for row in scored if row.positive_scores]
    assert batch["label"]["scores"].tolist() == pytest.approx(expected)


def test_the_instance_instruction_is_content_and_no_text_is_stripped_or_cut(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    odd = Row("ir", Text(" \n question: \t", preface="About birds: "), (Text("\tanswer :\n"),))
    made, rows = collator(model, write(tmp_path / "odd.jsonl", [odd]), Batching("ir"))
    batch = made(rows)
    own = prompts_for(model, "query", None, 1)
    assert_as_in_inference(model, column(batch, "query"), ["About birds:  \n question: \t"], own)
    assert_as_in_inference(model, column(batch, "candidates"), ["\tanswer :\n"], [""])
    known = {key(text) for text in ("About birds:  \n question: \t", " \n question: \t", "\tanswer :\n")}
    assert set(batch["label"]["known"][0].tolist()) == known


def test_classes_are_told_of_positives_and_negatives(model: SentenceTransformer, tmp_path: Path) -> None:
    labelled = classes(5, negatives=2, instruction="Classify")
    made, rows = collator(model, write(tmp_path / "cls.jsonl", labelled), Batching("cls", 1, 2))
    batch = made(rows)
    labels = batch["label"]
    for i, row in enumerate(labelled):
        assert row.label is not None
        assert row.negative_labels is not None
        assert labels["classes"][i] == labels["candidate_classes"][i, 0] == key(row.label)
        by_text = {
            key(text.content): key(name)
            for text, name in zip(row.negatives, row.negative_labels, strict=True)
        }
        for slot in (1, 2):
            assert labels["candidate_classes"][i, slot] == by_text[int(labels["candidate_keys"][i, slot])]
    prompts = prompts_for(model, "query", "Classify", 1)
    features = column(batch, "candidates")
    (alone,) = model[0].tokenize_texts([labelled[0].positives[0].content], prompts[0])
    assert list(alone.ids) in [
        ids[mask.bool()].tolist()
        for ids, mask in zip(features["input_ids"], features["attention_mask"], strict=True)
    ]


def test_a_text_that_several_rows_share_goes_through_the_network_once(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    shared = Text(words(77))
    same = [Row("ir", Text(words(i)), (shared,), (Text(words(500)),)) for i in range(4)]
    made, rows = collator(model, write(tmp_path / "same.jsonl", same), Batching("ir", 1, 1))
    batch = made(rows)
    assert batch["candidates_input_ids"].shape[0] == 2
    assert batch["label"]["candidates"].tolist() == [[0, 1]] * 4


def test_rows_with_fewer_texts_repeat_them_and_those_without_have_none(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    some = [
        Row("ir", Text(words(1)), (Text(words(2)),), (Text(words(3)),)),
        Row("ir", Text(words(4)), (Text(words(5)), Text(words(6)))),
    ]
    made, rows = collator(model, write(tmp_path / "few.jsonl", some), Batching("ir", 2, 2))
    labels = made(rows)["label"]
    assert labels["candidates"][0, 0] == labels["candidates"][0, 1]
    assert labels["candidates"][0, 2] == labels["candidates"][0, 3] >= 0
    assert labels["candidates"][1, 2:].tolist() == [-1, -1]


def test_what_is_drawn_is_the_same_in_any_batch_and_with_workers(
    model: SentenceTransformer, tmp_path: Path
) -> None:
    path = write(tmp_path / "many.jsonl", questions(8, positives=4, negatives=4))
    clock = Clock(epoch=2)
    made, rows = collator(model, path, Batching("ir", 2, 2), seed=5, clock=clock)
    keys = {}
    for workers in (0, 2):
        loader = DataLoader(rows, batch_size=4, collate_fn=made, num_workers=workers)  # type: ignore[arg-type,var-annotated]
        keys[workers] = torch.cat([batch["label"]["candidate_keys"] for batch in loader])
    assert torch.equal(keys[0], keys[2])
    alone = torch.cat([made([row])["label"]["candidate_keys"] for row in reversed(rows)]).flip(0)
    assert torch.equal(alone, keys[0])
    clock.epoch = 3
    assert not torch.equal(made(rows)["label"]["candidate_keys"], keys[0])


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.jsonl", questions(3, start=777))
    whole = path.read_bytes()

    def reading(name: Path) -> Any:
        write(path, questions(5, start=778))
        return read_rows(name)

    with monkeypatch.context() as patched:
        patched.setattr(store, "read_rows", reading)
        with pytest.raises(InputError, match="was changed while it was read"):
            prepare(path)
    path.write_bytes(whole)
    assert [one.rows for one in prepare(path)] == [3]


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:200]), Path.unlink])
def test_a_torn_file_in_the_cache_is_written_anew(tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    path = write(tmp_path / "a.jsonl", questions(3, start=654))
    (found,) = prepare(path)
    damage(Path(found.path))
    (again,) = prepare(path)
    assert again == found
    assert again.dataset()["query"][:] == [words(i) for i in range(654, 657)]


def test_a_batch_of_two_data_sets_is_refused(model: SentenceTransformer, tmp_path: Path) -> None:
    made, rows = collator(model, write(tmp_path / "one.jsonl", questions(2)), Batching("ir"))
    with pytest.raises(InputError, match="a batch is of one data set, and this one of one, other"):
        made([rows[0], {**rows[1], "dataset_name": "other"}])


def test_a_model_that_takes_no_instructions_says_so_unless_they_are_dropped(tmp_path: Path) -> None:
    minilm = youtu_st.load("minilm", device="cpu")
    path = write(tmp_path / "told.jsonl", questions(2, instruction="Find it"))
    made, rows = collator(minilm, path, Batching("ir"))
    with pytest.raises(InputError, match="takes no instructions"):
        made(rows)
    made, rows = collator(minilm, path, Batching("ir", instructions=False))
    assert_as_in_inference(minilm, column(made(rows), "query"), [words(0), words(1)], ["", ""])


def test_texts_are_cut_where_the_recipe_says(model: SentenceTransformer, tmp_path: Path) -> None:
    path = write(tmp_path / "long.jsonl", [Row("ir", Text(words(1, 40)), (Text(words(2, 60)),))])
    made, rows = collator(model, path, Batching("ir"), max_length=12)
    batch = made(rows)
    assert batch["candidates_input_ids"].shape[1] == 12
    (alone,) = model[0].tokenize_texts([words(2, 60)], max_length=12)
    assert batch["candidates_input_ids"][0].tolist() == list(alone.ids)


def test_modules_of_the_host_are_batched_by_their_own_preprocess(
    checkpoint: Callable[[str, str], Path], tmp_path: Path
) -> None:
    from sentence_transformers.base.modules import Transformer

    network = Transformer(str(checkpoint("bert", "wordpiece")))
    stock = SentenceTransformer(
        modules=[network, Pooling(network.get_embedding_dimension(), "mean")],
        prompts={"query": "query: ", "document": "passage: "},
        device="cpu",
    )
    path = write(tmp_path / "stock.jsonl", questions(3))
    made, rows = collator(stock, path, Batching("ir"))
    batch = made(rows)
    expected = stock.preprocess([words(i) for i in range(3)], prompt="query: ")
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(batch[f"query_{name}"], expected[name])
