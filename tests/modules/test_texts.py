"""The half of the module that needs no torch gives the batches of the module, from a file and its facts alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import save_spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_reader import odd, reopened

import youtu_st
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.modules.literal import LiteralTokenizer
from youtu_st.modules.texts import Texts
from youtu_st.modules.tokenization import check_room

QUERY = "Instruction: Given a search query \nQuery:"
MADE = [
    ("bert", "wordpiece", {"special_tokens": "include"}),
    ("bert", "wordpiece", {"padding_side": "left", "max_length": 12}),
    ("qwen2", "bpe-bos", {"padding_side": "left"}),
    (
        "qwen3",
        "bpe-eos",
        {"padding_side": "left", "attention": "causal", "pooling": "last_token", "max_length": 20},
    ),
    ("youtu", "bpe-bos-eos", {"boundary": "token_count"}),
    ("youtu", "bpe-bos", {"boundary": "prompt_length", "max_length": 16}),
    ("youtu", "bpe-bos-trimmed", {"split_special_tokens": True}),
]
EACH = pytest.mark.parametrize(
    "model", range(len(MADE)), indirect=True, ids=lambda i: "-".join(MADE[i][:2]) + f"-{i}"
)


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, checkpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A module, and what is made of its file, its facts and its settings."""
    architecture, tokenizer, changes = MADE[request.param]
    folder = tmp_path_factory.mktemp("texts")
    spec = save_spec(folder / "spec.yaml", **changes)
    module: Any = youtu_st.load(spec, checkpoint(architecture, tokenizer))[0]
    theirs = module.texts
    texts = Texts.of(
        type(module.settings)(**module.settings.model_dump()),
        reopened(module.tokenizer, folder),
        module.max_seq_length,
        counts_positions=theirs.counts_positions,
    )
    return module, texts


def same(rows: Any, others: Any) -> bool:
    def plain(row: Any) -> dict[str, Any]:
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in dataclasses.asdict(row).items()}

    return list(map(plain, rows)) == list(map(plain, others))


@EACH
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    some=st.lists(st.tuples(odd, st.sampled_from([QUERY, "", "y:", "<eos>[SEP]"])), min_size=1, max_size=6)
)
def test_rows_and_batches(model, some) -> None:
    module, texts = model
    told, prompts = [text for text, _ in some], [prompt for _, prompt in some]
    rows, mine = module.tokenize_texts(told, prompts), texts.tokenize_texts(told, prompts)
    assert same(rows, mine)
    batch = module.collate(rows)
    columns = texts.collate(mine, side="right" if "shared_prefix" in batch else None)
    assert set(batch) - {"modality", "shared_prefix"} == set(columns)
    assert ("token_type_ids" in columns) == ("token_type_ids" in module.tokenizer.model_input_names)
    for name, column in columns.items():
        assert column.dtype == np.int64
        assert batch[name].dtype == torch.int64
        assert batch[name].tolist() == column.tolist()
    check_batch(module, rows, columns)


def check_batch(module: Any, rows: Any, columns: Any) -> None:
    """Each row is what it is, on one side; the other has padding and nothing of a mask."""
    width = max(len(row) for row in rows)
    for i, row in enumerate(rows):
        n, got = len(row), {name: column[i] for name, column in columns.items()}
        at = np.flatnonzero(got["attention_mask"])
        assert len(at) == n
        assert n in (0, width) or (at[0], at[-1]) in {(0, n - 1), (width - n, width - 1)}
        assert got["input_ids"][at].tolist() == row.ids.tolist()
        assert got["content_mask"][at].tolist() == row.content.tolist()
        rest = np.setdiff1d(np.arange(width), at)
        assert set(got["input_ids"][rest].tolist()) <= {module.tokenizer.pad_token_id}
        assert not got["content_mask"][rest].any()


@EACH
def test_the_side_of_padding(model) -> None:
    module, texts = model
    rows = texts.tokenize_texts(["a", "a longer one"], QUERY)
    mask = texts.collate(rows)["attention_mask"][0]
    left = module.padding_side == "left" and not texts.counts_positions
    assert (mask[0], mask[-1]) == ((0, 1) if left else (1, 0))
    assert texts.counts_positions == (type(module.model).__name__ == "BertModel")
    other = texts.collate(rows, side="right")["attention_mask"][0]
    assert (other[0], other[-1]) == (1, 0)
    assert not texts.reuses_prefixes


def test_attributes_that_are_set_count_from_the_next_call(checkpoint, tmp_path, spec_file) -> None:
    module: Any = youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos"))[0]
    (row,) = module.tokenize_texts(["The weather is <eos> lovely"], QUERY)
    module.max_seq_length = 10
    assert (
        module.tokenize_texts(["The weather is <eos> lovely"], QUERY)[0].ids.tolist() == row.ids[:10].tolist()
    )
    module.max_seq_length = 512
    module.boundary = "token_count"
    counted = len(module.tokenizer(QUERY)["input_ids"])
    assert module.tokenize_texts(["x"], QUERY)[0].content.tolist().index(True) == counted
    assert not isinstance(module.texts.reader, LiteralTokenizer)
    module.split_special_tokens = True
    assert isinstance(module.texts.reader, LiteralTokenizer)
    assert 2 not in module.tokenize_texts(["<eos>"], "")[0].ids
    assert 2 in module.tokenize_texts(["x"], "<eos>")[0].ids
    rows = module.tokenize_texts(["x", "a longer one"], "")
    assert module.collate(rows)["attention_mask"][0, -1] == 0
    module.padding_side = "left"
    assert module.collate(rows)["attention_mask"][0, -1] == 1
    module.tokenizer.pad_token = "<bos>"
    assert module.collate(rows)["input_ids"][0, 0] == 1
    assert module.tokenizer.padding_side == "left"


def test_a_tokenizer_without_padding_pads_with_zeros(checkpoint, spec_file) -> None:
    module: Any = youtu_st.load(spec_file(), checkpoint("qwen2", "bpe"))[0]
    module.tokenizer.pad_token = None
    texts = module.texts
    assert texts.reader.facts.now().pad_id is None
    for batch in (module.collate, texts.collate):
        assert batch(texts.tokenize_texts(["a", "a longer one"]))["input_ids"][0, -1] == 0


@pytest.mark.parametrize("error", [InputError, ModelLoadError])
def test_a_prompt_that_leaves_no_room(error, checkpoint, spec_file) -> None:
    module: Any = youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos"))[0]
    length = len(module.tokenizer(QUERY)["input_ids"])
    for tokenizer in (module.tokenizer, module.texts.reader):
        check_room(tokenizer, QUERY, length + 1, "the query prompt", error)
        with pytest.raises(
            error, match=f"^the query prompt has {length} tokens and the model reads {length}: no room"
        ):
            check_room(tokenizer, QUERY, length, "the query prompt", error)
