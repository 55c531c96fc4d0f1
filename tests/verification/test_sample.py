"""A text token by token: with the weights and without them the same; every character of it is seen."""

from __future__ import annotations

import re

import pytest
from checkpoints import TEXTS, byte_bpe, save_spec
from oracle import BYTE_OF

import youtu_st
from youtu_st.errors import InputError, ModelLoadError
from youtu_st.loading.tokenizer import load_tokenizer
from youtu_st.spec.model import load_spec
from youtu_st.verification.sample import sample_by_spec, sample_of

PROMPT = "Instruction: Classify <eos> 法 \nQuery:"
ODD = ["a\u200bb\u3000\u202e\tc", "<eos><bos>", "�", "long " * 60]


@pytest.mark.parametrize(
    ("tokenizer", "changes"),
    [
        ("bpe-bos", {}),
        ("bpe-bos", {"boundary": "token_count"}),
        ("bpe-bos-eos", {"boundary": "prompt_length", "split_special_tokens": True}),
        ("bpe-bos-eos", {"split_special_tokens": True, "special_tokens": "include"}),
        ("bpe-eos", {"pooling": "last_token", "eos": True}),
        ("bpe-bos", {"pooling": "cls", "bos": True}),
        ("bpe-bos-trimmed", {"pooling": "mean", "split_special_tokens": True}),
    ],
)
def test_without_weights_it_is_what_the_model_does(checkpoint, tmp_path, tokenizer, changes) -> None:
    """Which tokens enter is observed in the one, by the gradient, and told by the rules in the other."""
    directory = checkpoint("youtu", tokenizer)
    spec = load_spec(save_spec(tmp_path / "tiny.yaml", max_length=64, **changes))
    model = youtu_st.load(tmp_path / "tiny.yaml", directory)
    alone = load_tokenizer(spec, directory)
    for text in (*TEXTS, *ODD):
        for prompt in (PROMPT, ""):
            by_spec = sample_by_spec(alone, spec, "query", text, prompt)
            assert by_spec == sample_of(model, "query", text, prompt)
            (row,) = model[0].tokenize_texts([text], prompt)
            assert (len(by_spec.tokens), by_spec.full_length) == (len(row), row.full_length)


@pytest.mark.parametrize("split", [False, True])
def test_each_token_is_its_characters(checkpoint, tmp_path, split) -> None:
    """By the bytes that a token is in the vocabulary: where they begin and end within a character, it is told."""
    spec = load_spec(save_spec(tmp_path / "tiny.yaml", split_special_tokens=split))
    directory = checkpoint("youtu", "bpe-bos-eos")
    tokenizer, names = load_tokenizer(spec, directory), byte_bpe(bos=True, eos=True)
    model, pieces = youtu_st.load(tmp_path / "tiny.yaml", directory), 0
    for text in [text for text in TEXTS + ODD if "\u200d" not in text]:
        sample = sample_by_spec(tokenizer, spec, "query", text, PROMPT)
        full, at = (PROMPT + text).encode(), 0
        (row,) = model[0].tokenize_texts([text], PROMPT)
        assert [token.part for token in sample.tokens][:: len(row) - 1] == ["added", "added"]
        for token, number in list(zip(sample.tokens, row.ids.tolist(), strict=True))[1:-1]:
            name = names.convert_ids_to_tokens(number)
            part = name.encode() if name in ("<bos>", "<eos>") else bytes(BYTE_OF[c] for c in name)
            assert full[at : at + len(part)] == part
            begins, ends = at, at + len(part)
            at = ends
            first = len(full[:begins].decode(errors="ignore"))
            last = len(full[:ends].decode(errors="ignore")) + (not _is_border(full, ends))
            assert (token.start, token.end) == (first, last)
            parts = {"prompt": last <= len(PROMPT), "text": first >= len(PROMPT)}
            assert token.part == next((part for part, it in parts.items() if it), "border")
            cut = "…" * (not _is_border(full, begins)), "…" * (not _is_border(full, ends))
            shown = _unescaped(token.token.removeprefix(cut[0]).removesuffix(cut[1]))
            assert shown == (PROMPT + text)[first:last]
            pieces += any(cut)
        assert at == len(full)
    assert pieces > 10


def _is_border(full: bytes, at: int) -> bool:
    return at == len(full) or full[at] & 0xC0 != 0x80


def _unescaped(shown: str) -> str:
    plain = shown.replace("·", " ")
    return re.sub(
        r"\\(?:[ntr]|u[0-9a-f]{4})", lambda found: found[0].encode().decode("unicode_escape"), plain
    )


def test_what_cannot_be_read_is_refused_as_the_model_does(checkpoint, tmp_path) -> None:
    spec = load_spec(save_spec(tmp_path / "tiny.yaml", max_length=16, eos=True))
    tokenizer = load_tokenizer(spec, checkpoint("youtu", "bpe-bos-eos"))
    for text, message in (("a\udcff", "surrogate"), (" \n", "blank"), ("", "empty")):
        with pytest.raises(InputError, match=message):
            sample_by_spec(tokenizer, spec, "query", text, "")
    with pytest.raises(InputError, match="the prompt has [0-9]+ tokens and the model reads 16: no room"):
        sample_by_spec(tokenizer, spec, "query", "a", "Query: " * 9)
    with pytest.raises(ModelLoadError, match="adds no token after a text"):
        sample_by_spec(load_tokenizer(spec, checkpoint("youtu", "bpe-bos")), spec, "query", "a", "")
