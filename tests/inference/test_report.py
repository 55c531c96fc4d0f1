"""What a call says of its texts: how much is not read, what has its prompt twice, each once a call."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from checkpoints import cross_encoder_checkpoint
from sentence_transformers import SentenceTransformer

from youtu_st import Encoder
from youtu_st.errors import InputError, RepeatedPromptWarning, UnknownTokenWarning
from youtu_st.probes import PROBE_TEXTS, encode_probes
from youtu_st.rerank import Reranker

CHINESE = ["The weather is lovely today.", "今天天气很好，我们去公园吧。", "向量索引保存文档的向量。"]
THAI = ["สวัสดีครับ", "ภาษาไทย"]


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return Encoder("minilm")


def unread(encoder: Encoder, text: str) -> float:
    """Share of a text's characters under ``[UNK]``, by the tokenizer's own offsets."""
    encoded = encoder.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    sizes = [end - start for start, end in encoded["offset_mapping"]]
    tokens = encoder.tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    return sum(n for n, token in zip(sizes, tokens, strict=True) if token == "[UNK]") / sum(sizes)


def one_warning(call, category) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [str(one.message) for one in caught if issubclass(one.category, category)]
    assert len(found) == 1, found
    return found[0]


def test_chinese_that_minilm_does_not_read(minilm) -> None:
    shares = [unread(minilm, text) for text in CHINESE]
    assert shares[0] == 0
    assert min(shares[1:]) > 0.3
    said = one_warning(lambda: minilm.encode_document([*CHINESE, CHINESE[1]]), UnknownTokenWarning)
    mean = (2 * shares[1] + shares[2]) / 3
    assert f"cannot read much of 3 of 4 texts, {mean:.0%} of them on average" in said
    assert f"the first is text 1 with {shares[1]:.0%}" in said
    assert "is the smallest model in the catalogue that reads Han script" in said
    blocks = minilm.iter_encode_query(iter(CHINESE * 3), block_size=2)
    assert "6 of 9 texts" in one_warning(lambda: list(blocks), UnknownTokenWarning)


def test_thai_that_is_one_token_whatever_it_says(minilm) -> None:
    vectors = Encoder(minilm.model, unknown="ignore").encode_document(THAI)
    assert vectors[0] @ vectors[1] == pytest.approx(1.0)
    assert unread(minilm, THAI[0]) == 1
    said = one_warning(lambda: minilm.encode_document(THAI), UnknownTokenWarning)
    assert "2 of 2 texts, 100% of them" in said
    assert "reads Thai script" in said


def test_the_three_policies(minilm) -> None:
    with pytest.raises(InputError, match=r"^\d+% of text 1 is nothing that the model's vocabulary can read"):
        Encoder(minilm.model, unknown="error").encode_document(CHINESE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = Encoder(minilm.model, unknown="ignore").encode_document(CHINESE)
        sentence = "It is sunny outside, and all of us are on our way to the park 🦀."
        assert 0 < unread(minilm, sentence) < 0.1
        minilm.encode_document([sentence])  # less than a tenth
        encode_probes(minilm, PROBE_TEXTS)  # texts of ours, some of them Chinese
        encode_probes(Encoder(minilm.model, unknown="error"), PROBE_TEXTS)
    with pytest.warns(UnknownTokenWarning):
        np.testing.assert_array_equal(minilm.encode_document(CHINESE), quiet)
    with pytest.raises(InputError, match="unknown must be one of"):
        Encoder(minilm.model, unknown="drop")


def test_a_tokenizer_of_bytes_reads_all(tiny) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownTokenWarning)
        Encoder(tiny).encode_document([*CHINESE, *THAI, "𓀀𓀁"])
        Encoder(tiny, split_special_tokens=True).encode_document([*CHINESE, *THAI])


def test_models_of_other_modules_say_it_too(minilm, tmp_path) -> None:
    directory = minilm.model[0].model.name_or_path
    stock = Encoder(SentenceTransformer(directory))
    said = one_warning(lambda: stock.encode_document(CHINESE), UnknownTokenWarning)
    assert "2 of 3 texts" in said
    literal = Encoder("minilm", split_special_tokens=True)
    assert one_warning(lambda: literal.encode_document(CHINESE), UnknownTokenWarning)
    reranker = Reranker(cross_encoder_checkpoint(tmp_path / "cross"))
    said = one_warning(lambda: reranker.score([("weather", THAI[0])]), UnknownTokenWarning)
    assert "the first is document of pair 0" in said
    assert "catalogue" not in said  # which has no reranker of Thai to offer


def test_a_text_that_comes_with_its_prompt_has_it_twice(tiny) -> None:
    encoder = Encoder(tiny)
    prompt = encoder.model.prompts["query"]
    texts = ["What's up?", prompt + "What's up?", "\n" + prompt.strip() + " ok", prompt + "What's up?"]
    said = one_warning(lambda: encoder.encode_query(texts), RepeatedPromptWarning)
    assert said.startswith("3 of 4 texts begin with the prompt that is put before them")
    assert f"beginning with text 1: pass texts without {prompt.strip()!r}" in said
    told = [f"Instruction: Classify \nQuery:{text}" for text in ("a", "b")]
    call = lambda: encoder.encode_query(told, instruction="Classify")  # noqa: E731
    assert "2 of 2 texts" in one_warning(call, RepeatedPromptWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.encode_document(texts)  # no prompt is put before these
        encoder.encode_query(texts, instruction="")
        encoder.encode_query(["Query:What's up?"])
