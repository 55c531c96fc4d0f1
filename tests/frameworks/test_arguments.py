"""Arguments of sentence-transformers' own classes: taken where no vector depends on them, else refused."""

from __future__ import annotations

import inspect

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import SimilarityFunction

from youtu_st import Encoder
from youtu_st.errors import InputError
from youtu_st.frameworks.arguments import check_encode_arguments, check_normalized, encoder_settings


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
        ({"default_prompt_name": "query"}, "default_prompt_name"),
        ({"processor_kwargs": {"padding_side": "left", "use_fast": False}}, "not use_fast"),
        ({"similarity_fn_name": "euclidean"}, "not euclidean"),
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
        ({"precision": "int8"}, 'quantise in the index instead: factory="SQ8"'),
        ({"output_value": "token_embeddings"}, "encoder.model.encode"),
        ({"pool": {}}, "one process"),
        ({"device": "cuda:1"}, "the model is on 'cpu'"),
        ({"truncate_dim": 8}, "vectors have 32"),
        ({"prompt": "passage: "}, r"query_instruction=.*prompts=\{\"query\""),
        ({"prompt_name": "document"}, "is not the model's own query prompt"),
        ({"normalise": True}, "'normalise' is not an argument of encode"),
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
        with pytest.raises(InputError, match="here|model") as caught:
            check_encode_arguments({name: "no such thing"}, encoder, "query")
        assert "is not an argument" not in str(caught.value)
    for name in free:
        check_encode_arguments({name: 1}, encoder, "query")


def test_unscaled_vectors_only_where_the_model_scales_them_itself(encoder, checkpoint, spec_file):
    check_normalized(False, encoder)
    check_normalized(None, encoder)
    unscaled = Encoder(spec_file(normalize=False), checkpoint=checkpoint("youtu", "bpe-bos"))
    check_normalized(True, unscaled)
    with pytest.raises(InputError, match="unit length"):
        check_normalized(False, unscaled)
