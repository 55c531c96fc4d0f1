"""A server beside the local model: equal vectors pass, and each fault is called by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable

import checkpoints
import numpy as np
import pytest
from engines.openai_server import OpenAIServer
from engines.youtu_server import YoutuServer

from youtu_st import Encoder
from youtu_st.engines import OpenAICompatibleEncoder
from youtu_st.errors import InputError
from youtu_st.probes import DOCUMENTS, QUERIES
from youtu_st.spec.model import load_spec
from youtu_st.verification import Comparison, compare

PROMPT = "Instruct: Find it\nQuery:"
Embed = Callable[[list[str]], np.ndarray]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="session")
def made(checkpoint, tmp_path_factory):
    """``made(tokenizer, **changes)``: a spec, and an encoder of it; causal, the last token, an EOS."""
    folder = tmp_path_factory.mktemp("compared")

    @functools.cache
    def make(tokenizer: str = "bpe-bos-eos", network: str = "qwen3", **changes):
        common = {"pooling": "last_token", "attention": "causal", "padding_side": "left", "max_length": 512}
        changes = {
            name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()
        }
        prompts = {"query": PROMPT, "document": ""}
        file = checkpoints.save_spec(folder / "tiny.yaml", **{**common, "prompts": prompts, **changes})
        encoder = Encoder(file, checkpoint=checkpoint(network, tokenizer), truncation="ignore")
        return load_spec(file), encoder

    return make


def bare(encoder: Encoder) -> Embed:
    """What a server computes of texts as they arrive."""
    return lambda texts: encoder.encode_query(texts, instruction="")


def compared(reference: Encoder, spec, embed: Embed) -> Comparison:
    with OpenAIServer(embed) as server:
        engine = OpenAICompatibleEncoder(server.url, "served", spec=spec, server_masks=True)
        return compare(reference, engine)


def test_a_server_that_is_right(made):
    spec, encoder = made()
    found = compared(encoder, spec, bare(encoder))
    assert found.agrees
    assert found.hints == ()
    assert found.minimum == pytest.approx(1, abs=1e-6)
    assert found.mean == pytest.approx(1, abs=1e-6)
    assert found.texts == (*QUERIES, *DOCUMENTS)
    assert found.lengths == pytest.approx([1] * len(found.texts), abs=1e-5)
    assert compare(encoder, encoder).lengths is None


def test_cosines_are_those_of_the_two_vectors(made):
    _, encoder = made()
    _, other = made(pooling="mean")
    found = compare(encoder, other)
    texts = zip(found.roles, found.texts, found.cosines, strict=True)
    for role, text, cosine in texts:
        left, right = (
            e.encode_query([text]) if role == "query" else e.encode_document([text]) for e in (encoder, other)
        )
        assert cosine == pytest.approx(float((left @ right.T).item()), abs=1e-5)
    assert found.minimum == min(found.cosines) < found.mean < max(found.cosines)
    assert not found.agrees


def test_vectors_that_are_not_normalised_are_right_but_worth_a_word(made):
    spec, encoder = made()
    _, raw = made(normalize=False)

    def embed(texts):
        return np.stack([raw.model.encode_query(text, prompt="", convert_to_numpy=True) for text in texts])

    found = compared(encoder, spec, embed)
    assert found.cosines == pytest.approx([1] * len(found.texts), abs=1e-5)
    low, high = min(found.lengths), max(found.lengths)
    assert high > 1.5
    assert found.lengths[0] == pytest.approx(float(np.linalg.norm(embed([PROMPT + QUERIES[0]]))), rel=1e-4)
    assert found.hints == (
        f"its vectors are not normalised: their lengths are {low:.3g} to {high:.3g}. "
        "The engine scales them itself; other clients of the server must do so too",
    )


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _without_prompt(embed):
    return lambda texts: embed([text.removeprefix(PROMPT) for text in texts])


def _prompt_everywhere(embed):
    return lambda texts: embed([PROMPT + text.removeprefix(PROMPT) for text in texts])


def _prompt_twice(embed):
    return lambda texts: embed([PROMPT + text if text.startswith(PROMPT) else text for text in texts])


def _stripped(embed):
    return lambda texts: embed(
        [
            PROMPT + text.removeprefix(PROMPT).strip() if text.startswith(PROMPT) else text.strip()
            for text in texts
        ]
    )


def _reversed(embed):
    return lambda texts: embed(texts)[::-1]


def _rounded(embed):
    return lambda texts: unit(np.round(embed(texts) * 24))


def _truncated(embed):
    return lambda texts: embed([text[:200] for text in texts])


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        (_without_prompt, "a missing prompt"),
        (_prompt_everywhere, "the query prompt before documents too"),
        (_prompt_twice, "only queries are off"),
        (_stripped, "white space that is stripped"),
        (_reversed, "rows out of order"),
        (_rounded, "a lower precision"),
        (_truncated, "a shorter maximum length"),
    ],
)
def test_texts_and_rows_that_a_server_changes(made, fault, hint):
    spec, encoder = made()
    found = compared(encoder, spec, fault(bare(encoder)))
    assert not found.agrees
    (said,) = found.hints
    assert hint in said


def test_line_breaks_that_become_spaces(made):
    spec, encoder = made()

    def embed(texts):
        heads = [PROMPT if text.startswith(PROMPT) else "" for text in texts]
        return bare(encoder)(
            [
                head + text.removeprefix(head).replace("\n", " ")
                for head, text in zip(heads, texts, strict=True)
            ]
        )

    (said,) = compared(encoder, spec, embed).hints
    assert "line breaks that are replaced by spaces" in said


@pytest.mark.parametrize(
    ("here", "there", "pooling", "hint"),
    [
        ("bpe-bos-eos", "bpe-bos", "last_token", "a missing EOS"),
        ("bpe-bos", "bpe-bos-eos", "last_token", "an EOS after the text, where this model has none"),
        ("bpe-bos", "bpe", "mean", "a missing BOS"),
    ],
)
def test_tokens_around_a_text_that_a_server_does_not_add(made, here, there, pooling, hint):
    """The same network behind another tokenizer, as a server with an older one has it."""
    spec, encoder = made(here, pooling=pooling)
    _, served = made(there, pooling=pooling)
    found = compared(encoder, spec, bare(served))
    assert not found.agrees
    (said,) = found.hints
    assert hint in said


@pytest.mark.parametrize(
    ("here", "there", "hint"),
    [
        ("last_token", "mean", "the mean over all tokens, the prompt's too"),
        ("mean", "last_token", "the last token"),
        ("masked_mean", "mean", "the mean over all tokens, the prompt's too"),
        ("mean", "masked_mean", "the mean over the text alone"),
    ],
)
def test_another_pooling(made, here, there, hint):
    spec, encoder = made(pooling=here, attention="bidirectional", special_tokens="include")
    _, served = made(pooling=there, attention="bidirectional", special_tokens="include")

    def embed(texts):
        """A server that knows where its prompt ends."""
        heads = [PROMPT if text.startswith(PROMPT) else "" for text in texts]
        bodies = [text.removeprefix(head) for head, text in zip(heads, texts, strict=True)]
        return np.concatenate(
            [
                served.encode_query([body]) if head else served.encode_query([body], instruction="")
                for head, body in zip(heads, bodies, strict=True)
            ]
        )

    found = compared(encoder, spec, embed)
    assert not found.agrees
    (said,) = found.hints
    assert f"another pooling: {hint}:" in said


def test_the_first_token_as_cls_models_have_it(made):
    spec, encoder = made(pooling="mean", attention="bidirectional", padding_side="right")

    def embed(texts):
        with_states = encoder.model.encode(texts, prompt="", output_value="token_embeddings")
        return unit(np.stack([states[0].numpy() for states in with_states]))

    (said,) = compared(encoder, spec, embed).hints
    assert "another pooling: the first token (CLS)" in said


def test_another_model(made):
    spec, encoder = made()
    _, other = made("bpe-bos-eos", "qwen2")
    (said,) = compared(encoder, spec, bare(other)).hints
    assert said.startswith("no known mistake gives these vectors")


def test_shorter_vectors_are_compared_at_their_length(made):
    spec, encoder = made(matryoshka_dimensions=(8,))
    with OpenAIServer(bare(encoder)) as server:
        engine = OpenAICompatibleEncoder(server.url, "served", spec=spec, dimensions=8)
        with pytest.raises(InputError, match="vectors of 32 dimensions, and 'served' of 8"):
            compare(encoder, engine)
        short = Encoder(encoder.model, dimensions=8, truncation="ignore")
        assert compare(short, engine).minimum == pytest.approx(1, abs=1e-6)


def beside_ours(reference, served):
    with YoutuServer(served) as server:
        return compare(reference, OpenAICompatibleEncoder(server.url, truncation="ignore"))


def test_a_server_that_tells_what_it_serves(made):
    _, encoder = made()
    found = beside_ours(encoder, encoder)
    assert found.agrees
    assert found.differing == ()
    assert found.minimum == pytest.approx(1, abs=1e-6)
    assert compared(encoder, made()[0], bare(encoder)).differing is None


@pytest.mark.parametrize(
    ("change", "parts", "hint"),
    [
        (
            {"prompts": {"query": "Instruct: Look for it\nQuery:", "document": ""}},
            ["prompts"],
            "only queries",
        ),
        ({"pooling": "mean"}, ["pooling"], "another pooling: the mean over all tokens"),
        ({"attention": "bidirectional"}, ["mask"], "no known mistake"),
        ({"boundary": "token_count"}, ["mask"], None),
    ],
)
def test_a_server_that_serves_it_otherwise(made, change, parts, hint):
    _, encoder = made()
    found = beside_ours(encoder, made.__wrapped__(**change)[1])
    assert not found.agrees
    assert [line.partition(":")[0] for line in found.differing] == parts
    here, there = encoder.identity[parts[0]], found.differing[0]
    assert there.endswith(f", and here it is {here}")
    if hint is None:  # with the last token it makes no difference, and an index would not open all the same
        assert found.minimum == pytest.approx(1, abs=1e-6)
    else:
        assert found.minimum < found.threshold
        assert hint in found.hints[0]


def test_vectors_are_compared_whatever_a_server_says(made):
    """It claims to be the model, and is not."""
    _, encoder = made()
    _, other = made(pooling="mean")
    lie = {"identity": encoder.identity, "fingerprint": encoder.fingerprint}
    with YoutuServer(other, told=lie) as server:
        server.headers = {"X-Model-Fingerprint": encoder.fingerprint}
        found = compare(encoder, OpenAICompatibleEncoder(server.url, truncation="ignore"))
    assert not found.agrees
    assert found.differing == ()
    assert found.minimum < 0.9
