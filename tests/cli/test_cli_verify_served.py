"""``youtu-st verify --engine`` against ``youtu-st serve``: all is well, or what is otherwise is named."""

from __future__ import annotations

from contextlib import ExitStack

import checkpoints
import pytest
import yaml
from serving.served_process import ready, served

pytest.importorskip("fastapi")

QWEN3 = {
    "pooling": "last_token",
    "attention": "causal",
    "padding_side": "left",
    "eos": True,
    "prompts": {"query": "Instruct: Given a web search query\nQuery:", "document": ""},
    "template": "Instruct: {instruction}\nQuery:",
}
QZHOU = {
    "pooling": "mean",
    "padding_side": "left",
    "prompts": {"query": "Instruct: Given a web search query\nQuery:", "document": ""},
    "template": "Instruct: {instruction}\nQuery:",
}
MODELS = {
    "youtu": ({}, "youtu", "bpe-bos"),
    "qzhou": (QZHOU, "qwen2", "bpe"),
    "qwen3": (QWEN3, "qwen3", "bpe-eos"),
}
OTHERWISE = {
    "prompt": ({"prompts": {"query": "Instruct: Say something else\nQuery:", "document": ""}}, "prompts"),
    "pooling": ({"pooling": "cls"}, "pooling"),
    "attention": (None, "mask"),
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("YOUTU_ST_KEYS", raising=False)


def verified(run, file, raw, server):
    return run("verify", file, "--checkpoint", raw, "--engine", server.base_url)


@pytest.mark.slow
def test_minilm(run, tmp_path):
    with ready(tmp_path, "minilm") as server:
        result = run("verify", "minilm", "--engine", server.base_url)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-2:] == [
        "minimum 1.000000, mean 1.000000: the same vectors",
        "all is well: by its own word too it is the same model",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_tiny_model_as_it_is_and_otherwise(run, checkpoint, tmp_path, name):
    settings, *files = MODELS[name]
    raw = checkpoint(*files)
    file = checkpoints.save_spec(tmp_path / "tiny.yaml", **settings)
    bidirectional = settings.get("attention", "bidirectional") == "bidirectional"
    with ExitStack() as stack:
        servers = {"right": stack.enter_context(served(tmp_path, file, "--checkpoint", raw))}
        for what, (change, _) in OTHERWISE.items():
            change = change or {"attention": "causal" if bidirectional else "bidirectional"}
            other = checkpoints.save_spec(tmp_path / f"{what}.yaml", **{**settings, **change})
            servers[what] = stack.enter_context(served(tmp_path, other, "--checkpoint", raw))
        for server in servers.values():  # they load side by side
            server.wait_until_ready()
        result = verified(run, file, raw, servers["right"])
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[-1] == "all is well: by its own word too it is the same model"
        for what, (_, part) in OTHERWISE.items():
            result = verified(run, file, raw, servers[what])
            lines = result.out.splitlines()
            assert (result.code, result.err) == (1, "")
            said = lines.index("another model, by the server's own word:")
            assert lines[said - 1].endswith(": other vectors")
            assert lines[said + 1].startswith(f"  {part}: the server has ")


@pytest.mark.slow
def test_a_prompt_that_the_operator_set(run, checkpoint, tmp_path):
    """By the file of settings: the checkpoint and its spec are the same."""
    raw = checkpoint("youtu", "bpe-bos")
    file, config = checkpoints.save_spec(tmp_path / "tiny.yaml"), tmp_path / "serve.yaml"
    config.write_text(yaml.safe_dump({"prompts": {"query": "Find it: "}}))
    with ready(tmp_path, file, "--checkpoint", raw, "--config", config) as server:
        result = verified(run, file, raw, server)
    assert result.code == 1
    assert "  prompts: the server has " in result.out
    assert "only queries are off" in result.out
