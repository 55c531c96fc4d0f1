"""Tokens that all rows begin with are computed once, and every vector stays what it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkpoints import HIDDEN, TEXTS, VOCABULARY, network
from hypothesis import given
from hypothesis import strategies as st
from oracle import Oracle, unit
from transformers import (
    GPT2Config,
    GPT2Model,
    MambaConfig,
    MambaModel,
    MistralConfig,
    MistralModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Model,
    Qwen3Config,
    Qwen3ForCausalLM,
)

import youtu_st
from youtu_st import Encoder
from youtu_st.modules import prefix

QUERY = "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"
OTHER = "Instruction: Classify the topic \nQuery: "
LONG = "The weather is sunny today. " * 200
CASES = [("qwen2", "bpe"), ("qwen2", "bpe-bos-eos"), ("youtu", "bpe-bos")]
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}


def coupled(model):
    """A network whose tokens clearly depend on one another, as the checkpoints' do."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 1.0 if "embed" in name else 0.25)
    return model.eval()


NETWORKS = {
    "qwen2": lambda: network("qwen2"),
    "youtu": lambda: network("youtu"),
    "qwen2-lm": lambda: coupled(Qwen2ForCausalLM(Qwen2Config(**COMMON))),
    "qwen3-lm": lambda: coupled(Qwen3ForCausalLM(Qwen3Config(**COMMON, head_dim=8))),
    "gpt2": lambda: coupled(
        GPT2Model(GPT2Config(vocab_size=VOCABULARY, n_embd=HIDDEN, n_layer=2, n_head=4, n_positions=64))
    ),
}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
SLIDING = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
OTHERS = {
    "bert": lambda: network("bert"),
    "sliding layers": lambda: coupled(Qwen2Model(Qwen2Config(**COMMON, **SLIDING))),
    "sliding everywhere": lambda: coupled(MistralModel(MistralConfig(**COMMON, sliding_window=8))),
    "angles by length": lambda: coupled(Qwen2Model(Qwen2Config(**COMMON, rope_parameters=DYNAMIC))),
    "recurrent": lambda: coupled(
        MambaModel(MambaConfig(vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=2))
    ),
    "no network": torch.nn.Identity,
}


def tokens_run(model):
    """Tokens that go through the network from now on, call by call."""
    run = []
    model.get_input_embeddings().register_forward_hook(lambda _, ids, out: run.append(ids[0].numel()))
    return run


def embed(model, texts, prompts):
    features = model.preprocess(texts, prompt=prompts)
    with torch.inference_mode():
        return features, model(features)["sentence_embedding"].numpy()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("boundary", ["offsets", "token_count"])
@pytest.mark.parametrize(("architecture", "tokenizer"), CASES)
def test_vectors_match_the_oracle(
    checkpoint, spec_file, architecture, tokenizer, boundary, side, monkeypatch
):
    monkeypatch.setitem(prefix.LINE_TOKENS, "cpu", 40)  # several lines, and a text longer than a line
    directory = checkpoint(architecture, tokenizer)
    model = youtu_st.load(spec_file(attention="causal", boundary=boundary, padding_side=side), directory)
    oracle = Oracle(directory, bidirectional=False)
    alone = getattr(oracle, f"by_{boundary}")
    run = tokens_run(model[0].model)
    instruction = len(oracle.tokenizer(QUERY)["input_ids"])
    # Where the instruction swallows the text's only token, the published script divides by zero.
    chosen = [text for text in TEXTS if len(oracle.ids(QUERY + text)) > instruction]
    assert len(chosen) > 8
    for texts in ([*chosen, chosen[0]], [*chosen, LONG]):
        want = [alone(QUERY, text, limit=512) for text in texts]
        np.testing.assert_allclose(model.encode(texts, prompt=QUERY), want, atol=1e-5)
        del run[:]
        features, got = embed(model, texts, QUERY)
        np.testing.assert_allclose(got, want, atol=1e-5)
        shared, lengths = features["shared_prefix"], features["attention_mask"].sum(dim=1)
        assert shared >= instruction - 3  # a last token may join with the text, and <eos> comes after it
        assert len(run) > 1
        assert sum(run) == shared + int((lengths - shared).sum())


@pytest.mark.parametrize("pooling", ["last_token", "mean", "masked_mean", "cls"])
def test_every_pooling(checkpoint, spec_file, pooling):
    directory = checkpoint("qwen2", "bpe-bos-eos")
    spec = spec_file(attention="causal", pooling=pooling, padding_side="left")
    model = youtu_st.load(spec, directory)
    oracle = Oracle(directory, bidirectional=False)
    hidden = [oracle.hidden(oracle.ids(QUERY + text)) for text in TEXTS]
    want = {
        "last_token": [unit(states[-1]) for states in hidden],
        "mean": [unit(states.mean(axis=0)) for states in hidden],
        "cls": [unit(states[0]) for states in hidden],
        "masked_mean": [oracle.by_offsets(QUERY, text) for text in TEXTS],
    }[pooling]
    features, got = embed(model, TEXTS, QUERY)
    assert features["shared_prefix"] > 10
    np.testing.assert_allclose(got, want, atol=1e-5)
    encoder = Encoder(model)
    np.testing.assert_allclose(
        encoder.encode_query(TEXTS, instruction=None), model.encode_query(TEXTS), atol=1e-5
    )


@pytest.mark.parametrize(("architecture", "tokenizer"), CASES)
def test_mixed_prompts_share_only_what_they_share(checkpoint, spec_file, architecture, tokenizer):
    directory = checkpoint(architecture, tokenizer)
    model = youtu_st.load(spec_file(attention="causal"), directory)
    oracle = Oracle(directory, bidirectional=False)
    # The first row ends where all others go on; some have no prompt at all.
    for prompts in ([QUERY, OTHER] * 4, [OTHER] * 8, ["", *[QUERY] * 7]):
        texts = ["ok", "ok The", "a", *TEXTS[:4], "ok The weather"]
        features, got = embed(model, texts, prompts)
        want = [oracle.by_offsets(prompt, text) for prompt, text in zip(prompts, texts, strict=True)]
        np.testing.assert_allclose(got, want, atol=1e-5)
        attended = features["attention_mask"].sum(dim=1)
        assert features.get("shared_prefix", 0) < attended.min()


@pytest.mark.parametrize("line_tokens", [1, 7, None])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("name", NETWORKS)
def test_states_equal_the_plain_path(name, attention, line_tokens):
    model = NETWORKS[name]()
    model.set_attn_implementation(attention)
    model.config.use_cache = False
    output = "logits" if name.endswith("lm") else "last_hidden_state"
    lengths = torch.tensor([9, 6, 14, 6, 10, 14])
    attended = torch.arange(14) < lengths.unsqueeze(1)
    ids = torch.randint(3, VOCABULARY, attended.shape, generator=torch.Generator().manual_seed(1))
    ids[:, :5] = ids[0, :5]
    ids[3] = ids[1]
    with torch.inference_mode():
        want = model(input_ids=ids, attention_mask=attended.long())[output]
        got = prefix.states(model, ids, attended.long(), 5, output=output, line_tokens=line_tokens)
    np.testing.assert_allclose(got[attended], want[attended], atol=1e-5)
    assert (got[~attended] == 0).all()
    assert prefix.reuses(model)


@pytest.mark.parametrize("name", OTHERS)
def test_networks_that_cannot_reuse(name):
    assert not prefix.reuses(OTHERS[name]())


def test_bidirectional_networks_never_reuse(checkpoint, spec_file):
    directory = checkpoint("qwen2", "bpe")
    model = youtu_st.load(spec_file(attention="bidirectional"), directory)
    assert not prefix.reuses(model[0].model)
    features, got = embed(model, TEXTS, QUERY)
    assert "shared_prefix" not in features
    np.testing.assert_allclose(got, [Oracle(directory).by_offsets(QUERY, text) for text in TEXTS], atol=1e-5)
    # Nor where a spec says causal and the network, changed behind its back, is not.
    model = youtu_st.load(spec_file(attention="causal"), directory)
    features, _ = embed(model, TEXTS, QUERY)
    model[0].model.config.is_causal = False
    with torch.inference_mode():
        again = model(features)["sentence_embedding"].numpy()
    assert "shared_prefix" in features
    np.testing.assert_allclose(again, got, atol=1e-5)


def test_what_else_takes_the_plain_path(checkpoint, spec_file):
    model = youtu_st.load(spec_file(attention="causal"), checkpoint("qwen2", "bpe"))
    run = tokens_run(model[0].model)
    features, want = embed(model, TEXTS, QUERY)
    padded = features["input_ids"].numel()
    assert run.pop() < padded
    assert "shared_prefix" not in model.preprocess(TEXTS[:1], prompt=QUERY)
    model(features)["sentence_embedding"].sum().backward()
    assert run.pop() == padded
    assert model[0].model.get_input_embeddings().weight.grad.abs().sum() > 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        half = model(features)["sentence_embedding"].float().numpy()
    assert run.pop() == padded
    np.testing.assert_allclose(half, want, atol=0.05)
    model[0].model.config.output_hidden_states = True
    with torch.inference_mode():
        assert len(model(features)["all_layer_embeddings"]) == 3
    assert run.pop() == padded
    model[0].model.config.output_hidden_states = False
    assert "shared_prefix" not in model.train().preprocess(TEXTS, prompt=QUERY)
    model.eval()[0].attention = None
    assert "shared_prefix" not in model.preprocess(TEXTS, prompt=QUERY)


def test_half_precision(checkpoint, spec_file):
    directory = checkpoint("qwen2", "bpe")
    exact = youtu_st.load(spec_file(attention="causal"), directory)
    half = youtu_st.load(spec_file(attention="causal"), directory, dtype="bfloat16")
    features, got = embed(half, TEXTS, QUERY)
    assert features["shared_prefix"] > 10
    want = embed(exact, TEXTS, QUERY)[1]
    assert (got * want).sum(axis=1).min() > 0.999


@given(
    st.lists(st.integers(0, 2), max_size=12),
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8),
)
def test_shared_is_the_longest_common_prefix_that_pays(start, ends):
    rows = [np.array([*start, *end]) for end in ends]
    n = 0
    while all(len(row) > n + 1 and row[n] == rows[0][n] for row in rows):
        n += 1
    padded = len(rows) * max(map(len, rows))
    saved = padded - n - sum(len(row) - n for row in rows)
    pays = len(rows) > 1 and saved >= 32 and 4 * saved >= padded
    assert prefix.shared(rows) == (n if pays else 0)


def test_shared_by_hand():
    instruction = list(range(22))
    queries = [np.array([*instruction, *range(30, 30 + n)]) for n in (6, 9, 12)]
    assert prefix.shared(queries[:1]) == 0
    assert prefix.shared(queries[:2]) == 0  # 62 padded tokens, 37 instead
    assert prefix.shared(queries * 4) == 22 + 5  # one row's last token is always its own
    assert prefix.shared([np.array([])] * 40) == 0
    assert prefix.shared([np.array([1])] * 40) == 0


def test_texts_of_one_instruction_share_their_batches(checkpoint, spec_file):
    """Where one call mixes instructions, each of some size is computed once for its own texts."""
    raw = checkpoint("qwen2", "bpe-bos")
    encoder = Encoder(spec_file(attention="causal", pooling="last_token"), checkpoint=raw)
    told = ["Classify the topic of a text, however long it may be"] * 9 + [None] * 9 + ["Find it", "Sort it"]
    texts = [f"{i} short text" for i in range(20)]
    mixed = sorted(range(20), key=lambda i: (i * 7) % 20)
    seen = []
    encoder.model[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    vectors = encoder.encode_query([texts[i] for i in mixed], instruction=[told[i] for i in mixed])
    batches = {len(features["input_ids"]): features.get("shared_prefix", 0) for features in seen}
    assert sorted(batches) == [2, 9]
    assert [len(features["input_ids"]) for features in seen].count(9) == 2
    assert min(f["shared_prefix"] for f in seen if len(f["input_ids"]) == 9) >= 8
    oracle = Oracle(raw, bidirectional=False)
    for vector, i in zip(vectors, mixed, strict=True):
        default = "Given a search query"
        full = f"Instruction: {default if told[i] is None else told[i]} \nQuery:{texts[i]}"
        np.testing.assert_allclose(vector, unit(oracle.hidden(oracle.ids(full))[-1]), atol=1e-5)
