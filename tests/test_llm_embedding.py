"""LLMEmbeddingModel against the published class, on a tiny checkpoint of the published dimension."""

from __future__ import annotations

import numpy as np
import published
import pytest
import torch
from checkpoints import save_checkpoint
from published import FAMILIES, LIMIT, TEXTS

from youtu_st.errors import InputError, ModelLoadError
from youtu_st.llm_embedding import LLMEmbeddingModel

SOME = TEXTS[::9]
TASK = "Instruction: Given a search query, retrieve passages that answer the question \nQuery:"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("script"), "youtu", "bpe-bos", hidden=2048)


@pytest.fixture(scope="module")
def models(directory):
    """Ours and the published one, with the same arguments, by position."""
    return LLMEmbeddingModel(directory, 32, LIMIT, 0), published.LLMEmbeddingModel(directory, 32, LIMIT, 0)


def same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert isinstance(ours, torch.Tensor)
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
    assert theirs.isfinite().all()
    np.testing.assert_allclose(ours.cpu().numpy(), theirs.numpy(), atol=1e-5, rtol=0)


def test_every_method_returns_what_the_published_class_returns(models):
    ours, theirs = models
    same(ours.encode_queries(SOME), theirs.encode_queries(SOME))
    same(ours.encode_queries(SOME[3]), theirs.encode_queries(SOME[3]))
    same(ours.encode_passages(SOME), theirs.encode_passages(SOME))
    queries, passages = ours.encode_queries(SOME[:3]), ours.encode_passages(SOME)
    scores = theirs.compute_similarity_for_vectors(queries.cpu(), passages.cpu())
    same(ours.compute_similarity_for_vectors(queries, passages), scores)
    for given in ((SOME[:3], SOME), (SOME[1], SOME[2])):
        got, want = ours.compute_similarity(*given), theirs.compute_similarity(*given)
        assert all(type(score) is float for row in got for score in row)
        np.testing.assert_allclose(got, want, atol=1e-5, rtol=0)


def test_attributes_are_those_of_the_published_class(models):
    ours, theirs = models
    for name in ("query_instruction", "doc_instruction", "batch_size", "max_length"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.device.type == ("cuda" if torch.cuda.is_available() else ours.device.type)
    assert ours.tokenizer("a")["input_ids"] == theirs.tokenizer("a")["input_ids"]


def test_attributes_are_read_when_they_are_needed(models, monkeypatch):
    ours, theirs = models
    plain = ours.encode_queries(SOME)
    # Nor is a prompt put through a template: this one holds the words of it already.
    for query, document in ((TASK, "Instruction: b \nQuery:"), ("", TASK), ("查询：", "")):
        for model in models:
            monkeypatch.setattr(model, "query_instruction", query)
            monkeypatch.setattr(model, "doc_instruction", document)
        same(ours.encode_queries(SOME), theirs.encode_queries(SOME))
        same(ours.encode_passages(SOME), theirs.encode_passages(SOME))
        assert (ours.encode_queries(SOME) - plain).abs().max() > 1e-3
    for model in models:
        monkeypatch.setattr(model, "max_length", LIMIT // 2)
    same(ours.encode_queries(SOME), theirs.encode_queries(SOME))


def test_encode_takes_whole_texts_with_one_instruction_or_one_each(models):
    ours, theirs = models
    each = [TASK, "", "查询：", ours.query_instruction][: len(SOME)]
    texts = [told + text for told, text in zip(each, SOME, strict=False)]
    same(ours.encode(texts, each), theirs.encode(texts, each))
    texts = [TASK + text for text in SOME]
    same(ours.encode(texts, TASK), theirs.encode(texts, TASK))
    same(ours.encode(texts[0], TASK), theirs.encode(texts[0], TASK))  # one str is one text
    for call in (ours.encode_queries, ours.encode_passages, lambda given: ours.encode(given, "")):
        with pytest.raises(InputError, match="text 0 must "):
            call(b"abc")


def test_where_the_published_class_gives_nan_there_is_an_error(models):
    ours, theirs = models
    told = TASK
    swallowed = "The"  # "Query:The" holds the token ":The": as many as "Query:" alone
    for text in ("", swallowed):
        assert theirs.encode([told + text], told).isnan().all()
        with pytest.raises(InputError, match="text 1 is (empty|nothing to this model)"):
            ours.encode([told + SOME[0], told + text], told)
    with pytest.raises(InputError, match="text 0 is empty"):
        ours.encode([told], told)


def test_a_query_stands_after_the_space_of_the_script(models):
    """With ``Query:`` alone, as the class was here once, other vectors came out."""
    ours, theirs = models
    assert ours.query_instruction == TASK + " "
    texts = ["天气", "What is it", "法国首都"]
    spaced, bare = (
        theirs.encode([f"{TASK} {text}" for text in texts], TASK + " "),
        ours.encode([TASK + text for text in texts], TASK),
    )
    same(ours.encode_queries(texts), spaced)
    assert (bare.cpu() * spaced.cpu()).sum(dim=1).min() < 0.9


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """With a tokenizer that ends a text, and an instruction, with a token of its own."""
    directory = save_checkpoint(tmp_path_factory.mktemp("ended"), "youtu", "bpe-bos-eos", hidden=2048)
    return LLMEmbeddingModel(directory, 32, LIMIT, 0), published.LLMEmbeddingModel(directory, 32, LIMIT, 0)


def test_of_a_text_of_one_token_the_end_token_is_left(ended):
    ours, theirs = ended
    mixed = ["b", *SOME[:3], "他", "\n", " "]
    for texts in (["b"], ["他", "b"], mixed):
        same(ours.encode_passages(texts), theirs.encode_passages(texts))
    same(ours.encode_passages("b"), theirs.encode_passages("b"))
    each = [TASK + " ", "", "查询：", ""] + [""] * (len(mixed) - 4)
    whole = [told + text for told, text in zip(each, mixed, strict=True)]
    same(ours.encode(whole, each), theirs.encode(whole, each))
    with pytest.raises(InputError, match="text 1 is empty"):
        ours.encode_passages(["b", ""])


def test_results_are_shown_best_first(models, capsys):
    ours, _ = models
    ours.display_results("Is it\x1b[2J cold?", ["no", "rather\nso", "yes"], [[-0.25, 0.5, 1.0]])
    query, *lines = capsys.readouterr().out.strip().splitlines()
    assert query == "Query: Is it\\x1b[2J cold?"
    assert [line.split() for line in lines] == [
        ["1", "1.0000", "█" * 30, "yes"],
        ["2", "0.5000", "█" * 15 + "░" * 15, "rather\\nso"],
        ["3", "-0.2500", "░" * 30, "no"],
    ]
    scores = ours.compute_similarity(SOME[0], SOME[:2])
    ours.display_results(SOME[0], SOME[:2], scores)
    assert f"{max(scores[0]):.4f}" in capsys.readouterr().out.splitlines()[2]


def test_the_published_checkpoints_code_runs_where_the_user_says_so(tmp_path, models):
    directory = FAMILIES["utu-script"].checkpoint(tmp_path / "utu", hidden=2048)
    with pytest.raises(ModelLoadError, match="brings its own code"):
        LLMEmbeddingModel(directory)
    model = LLMEmbeddingModel(directory, max_length=LIMIT, trust_remote_code=True)
    assert LLMEmbeddingModel(str(directory), trust_remote_code=True).max_length == 1024
    same(model.encode_queries(SOME), models[1].encode_queries(SOME))


def test_mistakes_are_told(models, directory):
    ours, _ = models
    with pytest.raises(InputError, match="text 0 must begin with its instruction 'y: '"):
        ours.encode("abc", "y: ")
    with pytest.raises(InputError, match="text 1 must begin with its instruction 'y: '.*encode_queries"):
        ours.encode(["y: a", "b"], "y: ")
    with pytest.raises(InputError, match=r"2 texts need 2 instructions \(or one str for all\), not 1"):
        ours.encode(["y: a", "b"], ["y: "])
    with pytest.raises(InputError, match="max_length is 8192, and the network reads at most 4096"):
        ours.max_length = 8192
    with pytest.raises(InputError, match="batch_size must be an int of at least 1, not 0"):
        LLMEmbeddingModel(directory, 0)
    with pytest.raises(InputError, match="gpu_id must be an int of at least 0, not 'cuda:0'"):
        LLMEmbeddingModel(directory, gpu_id="cuda:0")
