"""Arguments of sentence-transformers' own classes: taken where no vector depends on them, else refused."""

from __future__ import annotations

import inspect

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import SimilarityFunction

from youtu_st import Encoder
from youtu_st.errors import InputError, did_you_mean
from youtu_st.frameworks.arguments import check_encode_arguments, encoder_settings


@pytest.fixture(scope="module")
def encoder(tiny):
    return Encoder.shared(tiny)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"device": "cpu", "trust_remote_code": True}, {"device": "cpu", "trust_remote_code": True}),
        ({"truncate_dim": 16}, {"dimensions": 16}),
        (
            {"revision": "v1", "token": "t", "cache_folder": "c", "local_files_only": True},
            {"hub": {"revision": "v1", "token": "t", "cache_dir": "c", "local_files_only": True}},
        ),
        ({"revision": None, "cache_folder": None, "config_kwargs": None}, {}),
        ({"hub": {"revision": "v1"}, "cache_folder": "c"}, {"hub": {"revision": "v1", "cache_dir": "c"}}),
        ({"model_kwargs": {"torch_dtype": torch.bfloat16}}, {"dtype": "bfloat16"}),
        (
            {"model_kwargs": {"dtype": "auto", "attn_implementation": "eager"}},
            {"dtype": "auto", "model_kwargs": {"attn_implementation": "eager"}},
        ),
        ({"tokenizer_kwargs": {"padding_side": "left"}}, {}),
        ({"similarity_fn_name": SimilarityFunction.DOT_PRODUCT}, {}),
        ({"similarity_fn_name": "cosine"}, {}),
        ({"prompts": {"query": "q: "}, "max_length": 9}, {"prompts": {"query": "q: "}, "max_length": 9}),
        ({"backend": "torch", "checkpoint": "D"}, {"backend": "torch", "checkpoint": "D"}),
    ],
)
def test_settings(given, expected):
    assert encoder_settings(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"devise": "cpu"}, "'devise' is not taken here: did you mean 'device'"),
        ({"config_kwargs": {"a": 1}}, r"encoder=Encoder\(SentenceTransformer\(..., config_kwargs=...\)\)"),
        ({"default_prompt_name": "query"}, r"'default_prompt_name' is not taken here: use encoder=Encoder\("),
        (
            {"processor_kwargs": {"padding_side": "left", "use_fast": False}},
            r"'processor_kwargs' is not taken here as .*'use_fast': False\}: use encoder=.*processor_kwargs=",
        ),
        (
            {"similarity_fn_name": "euclidean"},
            "'similarity_fn_name' is not taken here as 'euclidean': use encoder=",
        ),
    ],
)
def test_settings_that_have_no_meaning_here(given, message):
    with pytest.raises(InputError, match=message):
        encoder_settings(given)


def test_every_argument_of_the_stock_constructor_is_known_or_refused():
    """A new release's new argument must not slip through unseen."""
    known = set(inspect.signature(SentenceTransformer).parameters) - {"model_name_or_path"}
    refused = {"modules", "default_prompt_name", "config_kwargs", "model_card_data"}
    for name in known:
        value = {"x": "y"} if name.endswith("kwargs") else "cosine"
        if name in refused:
            with pytest.raises(InputError):
                encoder_settings({name: value})
        elif name != "processor_kwargs":
            assert encoder_settings({name: value}) is not None
    assert known - refused == {
        "device", "prompts", "cache_folder", "trust_remote_code", "revision", "local_files_only", "token",
        "use_auth_token", "model_kwargs", "processor_kwargs", "backend", "similarity_fn_name", "truncate_dim",
    }  # fmt: skip


def test_encode_arguments_that_change_nothing(encoder):
    query = encoder.model.prompts["query"]
    check_encode_arguments(
        {
            "batch_size": 7,
            "show_progress_bar": True,
            "convert_to_tensor": True,
            "convert_to_numpy": False,
            "chunk_size": 3,
            "precision": "float32",
            "output_value": "sentence_embedding",
            "pool": None,
            "normalize_embeddings": True,
            "device": "cpu",
            "truncate_dim": 32,
            "prompt_name": "query",
            "prompt": query,
        },
        encoder,
        "query",
    )
    check_encode_arguments({"prompt_name": "passage", "prompt": ""}, encoder, "document")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"precision": "int8"},
            """'precision' is not taken here as 'int8': use factory="SQ8" for the index""",
        ),
        (
            {"output_value": "token_embeddings"},
            "'output_value' .* use encoder.model.encode for token vectors",
        ),
        ({"output_value": None}, "'output_value' is not taken here"),
        ({"pool": {}}, r"'pool' is not taken here as {}: use Encoder\(.*; one process uses all of a device"),
        ({"device": "cuda:1"}, "'device' is not taken here as 'cuda:1': use it where .* is on 'cpu'"),
        ({"truncate_dim": 8}, "'truncate_dim' is not taken here as 8: use it where .* vectors have 32"),
        ({"prompt": "passage: "}, r"'prompt' .* use query_instruction=.*prompts=\{\"query\""),
        (
            {"prompt_name": "document"},
            "'prompt_name' is not taken here as 'document': use query_instruction=",
        ),
        (
            {"normalise": True},
            "'normalise' is not taken here: .*use one of batch_size, .*normalize_embeddings",
        ),
    ],
)
def test_encode_arguments_that_would_change_a_vector(encoder, given, message):
    with pytest.raises(InputError, match=message):
        check_encode_arguments(given, encoder, "query")


def test_the_stock_encode_has_no_argument_that_is_not_judged(encoder):
    names = set(inspect.signature(SentenceTransformer.encode).parameters) - {"self", "inputs", "kwargs"}
    judged = {"prompt", "prompt_name", "device", "truncate_dim", "precision", "output_value", "pool"}
    free = {"batch_size", "show_progress_bar", "convert_to_numpy", "convert_to_tensor", "chunk_size"}
    assert names == judged | free | {"normalize_embeddings"}
    for name in judged:
        with pytest.raises(InputError, match=f"'{name}' is not taken here as 'no such thing': use "):
            check_encode_arguments({name: "no such thing"}, encoder, "query")
    for name in free:
        check_encode_arguments({name: 1}, encoder, "query")


def test_unscaled_vectors_only_where_the_model_scales_them_itself(encoder, checkpoint, spec_file):
    unscaled = Encoder(spec_file(normalize=False), checkpoint=checkpoint("youtu", "bpe-bos"))
    for name in ("normalize_embeddings", "normalize"):
        for value in (True, None, False):
            check_encode_arguments({name: value}, encoder, "document")
        check_encode_arguments({name: True}, unscaled, "document")
        with pytest.raises(InputError, match=f"'{name}' is not taken here as False: .* unit length"):
            check_encode_arguments({name: False}, unscaled, "document")


def test_the_value_of_an_unknown_name_is_not_shown(encoder):
    """It may be a token."""
    for refuse in (
        lambda: encoder_settings({"tokn": "hf_secret"}),
        lambda: check_encode_arguments({"tokn": "hf_secret"}, encoder, "query"),
    ):
        with pytest.raises(InputError, match="'tokn' is not taken here: ") as caught:
            refuse()
        assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("devise", {}, "did you mean 'device'? "),
        ("models", {"most": 3, "cutoff": 0.4}, "did you mean 'model' or 'mode'? "),
        ("models", {}, "did you mean 'model'? "),
        ("xyz", {}, ""),
        (5, {}, ""),
    ],
)
def test_what_may_have_been_meant(name, options, expected):
    assert did_you_mean(name, ["mode", "device", "model", "dtype"], **options) == expected
