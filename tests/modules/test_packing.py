"""Rows in one line without padding: where each token goes, and that rows do not see each other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS, network
from hypothesis import given
from hypothesis import strategies as st
from oracle import Oracle
from transformers import AttentionInterface, DataCollatorWithFlattening, RobertaConfig, RobertaModel

import youtu_st
from youtu_st.modules import InstructionMaskedPooling, packing
from youtu_st.modules.packing import Packing

QUERY = "Instruction: Given a search query \nQuery:"
LEFT = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]]).bool()
RIGHT = LEFT.flip(1)


def attend_row_by_row(module, query, key, value, attention_mask, *, scaling, is_causal=None, **kwargs):
    """What flash attention computes from ``cu_seq_lens``: each row of the line by itself, in plain softmax."""
    assert attention_mask is None
    assert query.shape[0] == 1
    borders = kwargs["cu_seq_lens_q"].tolist()
    assert borders == kwargs["cu_seq_lens_k"].tolist()
    assert borders[-1] == query.shape[2]
    assert max(np.diff(borders)) == kwargs["max_length_q"] == kwargs["max_length_k"]
    causal = module.is_causal if is_causal is None else is_causal
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    out = query.new_zeros((*query.shape[:3], value.shape[-1]))
    for start, end in pairwise(borders):
        scores = query[:, :, start:end] @ key[:, :, start:end].transpose(2, 3) * scaling
        if causal:
            scores = scores.masked_fill(torch.ones(end - start, end - start).triu(1).bool(), -torch.inf)
        out[:, :, start:end] = scores.softmax(dim=-1) @ value[:, :, start:end]
    return out.transpose(1, 2), None


@pytest.fixture(scope="module")
def flash():
    """Makes a network attend in a way that runs here and takes what flash attention takes."""
    AttentionInterface.register("flash_by_hand", attend_row_by_row)

    def switch(model):
        # Not through set_attn_implementation: it looks for a kernel of that name on the hub.
        model.config._attn_implementation = "flash_by_hand"

    return switch


@pytest.mark.parametrize(
    ("attended", "columns"),
    [(LEFT, [2, 3, 0, 1, 2, 3, 3]), (RIGHT, [0, 1, 0, 1, 2, 3, 0])],
    ids=["left", "right"],
)
def test_the_line_by_hand(attended, columns):
    packed = Packing(attended)
    ids = torch.arange(12).reshape(3, 4)
    features = {
        "input_ids": ids,
        "attention_mask": attended.long(),
        "token_type_ids": ids + 50,
        "modality": "text",
    }
    given = dict(features)
    line = packing.pack_features(features, packed, first=2)
    assert features.keys() == given.keys()
    rows = [0, 0, 1, 1, 1, 1, 2]
    assert packed.rows.tolist() == rows
    assert line["input_ids"].tolist() == [[4 * row + c for row, c in zip(rows, columns, strict=True)]]
    assert (line["token_type_ids"] == line["input_ids"] + 50).all()
    assert line["position_ids"].tolist() == [[2, 3, 2, 3, 4, 5, 2]]
    assert line["cu_seq_lens_q"].tolist() == line["cu_seq_lens_k"].tolist() == [0, 2, 6, 7]
    assert line["cu_seq_lens_q"].dtype == torch.int32
    assert line["max_length_q"] == line["max_length_k"] == 4
    assert line["modality"] == "text"
    assert "attention_mask" not in line


def test_the_line_is_the_hosts():
    rows = [[5, 6], [7, 8, 9, 10], [11]]
    want = DataCollatorWithFlattening(return_flash_attn_kwargs=True)([{"input_ids": row} for row in rows])
    ids = torch.tensor([[0, 0, 5, 6], [7, 8, 9, 10], [0, 0, 0, 11]])
    got = packing.pack_features({"input_ids": ids, "attention_mask": LEFT.long()}, Packing(LEFT))
    assert want.pop("labels") is not None
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert torch.equal(torch.as_tensor(got[name]), torch.as_tensor(value)), name
        assert getattr(got[name], "dtype", int) == getattr(value, "dtype", int)


@given(
    st.integers(1, 5).flatmap(lambda w: st.lists(st.lists(st.booleans(), min_size=w, max_size=w), min_size=1))
)
def test_there_and_back(mask):
    attended = torch.tensor(mask)
    values = torch.arange(1.0, 1 + 2 * attended.numel()).reshape(*attended.shape, 2)
    packed = Packing(attended)
    line = packed.pack(values)
    assert line.shape == (1, int(attended.sum()), 2)
    assert torch.equal(packed.unpack(line), values * attended.unsqueeze(-1))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("attention", ["causal", "bidirectional"])
@pytest.mark.parametrize(
    ("architecture", "tokenizer"), [("qwen2", "bpe-bos-eos"), ("youtu", "bpe-bos"), ("bert", "wordpiece")]
)
def test_vectors_match_the_oracle(checkpoint, spec_file, flash, architecture, tokenizer, attention, side):
    if architecture == "bert" and attention == "causal":
        pytest.skip("BERT is not causal")
    directory = checkpoint(architecture, tokenizer)
    model = youtu_st.load(spec_file(attention=attention, padding_side=side), directory)
    flash(model[0].model)
    lines = []
    model[0].model.get_input_embeddings().register_forward_hook(
        lambda _, ids, out: lines.append(ids[0].shape)
    )
    features = model.preprocess([*TEXTS, TEXTS[0]], prompt=QUERY)
    with torch.inference_mode():
        out = model(features)
    assert lines == [(1, int(features["attention_mask"].sum()))]
    assert out["token_embeddings"].shape[:2] == features["input_ids"].shape
    assert "shared_prefix" not in features
    oracle = Oracle(directory, bidirectional=attention == "bidirectional")
    want = [oracle.by_offsets(QUERY, text) for text in [*TEXTS, TEXTS[0]]]
    np.testing.assert_allclose(out["sentence_embedding"].numpy(), want, atol=1e-5)
    first = InstructionMaskedPooling(HIDDEN, "cls")(out)["sentence_embedding"].numpy()
    want = [oracle.hidden(oracle.ids(QUERY + text))[0] for text in [*TEXTS, TEXTS[0]]]
    np.testing.assert_allclose(first, want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("attended", [LEFT, RIGHT], ids=["left", "right"])
def test_transformers_own_packed_causal_path_agrees(attended):
    model = network("qwen2")
    ids = torch.randint(3, 600, attended.shape, generator=torch.Generator().manual_seed(0))
    packed = Packing(attended)
    line = packing.pack_features({"input_ids": ids, "attention_mask": attended.long()}, packed)
    with torch.inference_mode():
        # sdpa has no use for the borders: position ids that start anew tell it where a row begins.
        given = model(input_ids=line["input_ids"], position_ids=line["position_ids"], use_cache=False)
        given = given.last_hidden_state
        for row, mask in enumerate(attended):
            alone = model(input_ids=ids[row][mask][None]).last_hidden_state[0]
            np.testing.assert_allclose(packed.unpack(given)[row][mask], alone, atol=1e-5)


def test_positions_of_roberta_start_after_its_padding(flash):
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    model = RobertaModel(config, add_pooling_layer=False).eval()
    ids = torch.randint(3, 60, RIGHT.shape).masked_fill(~RIGHT, config.pad_token_id)
    features = {"input_ids": ids, "attention_mask": RIGHT.long()}
    assert packing.first_position(model) == config.pad_token_id + 1 == 2
    assert packing.first_position(network("bert")) == packing.first_position(network("qwen2")) == 0
    with torch.inference_mode():
        want = model(**features).last_hidden_state
        flash(model)
        line = packing.pack_features(features, Packing(RIGHT), packing.first_position(model))
        got = Packing(RIGHT).unpack(model(**line).last_hidden_state)
    np.testing.assert_allclose(got[RIGHT], want[RIGHT], atol=1e-5)


def test_only_flash_attention_packs(flash):
    model = network("qwen2")
    assert not packing.packs(model)
    model.set_attn_implementation("eager")
    assert not packing.packs(model)
    flash(model)
    assert packing.packs(model)
    assert not packing.packs(torch.nn.Identity())
