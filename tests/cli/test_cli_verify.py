"""``youtu-st verify``: what it prints, and 0, 1 or 2."""

from __future__ import annotations

import json
import re
import shutil

import checkpoints
import numpy as np
import pytest
from engines.openai_server import OpenAIServer
from engines.youtu_server import YoutuServer

from youtu_st import Encoder, convert

PROMPT = "Instruction: Given a search query \nQuery:"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")


@pytest.fixture(scope="module")
def tiny_files(checkpoint, tmp_path_factory):
    """A spec's file and the directory that ``convert`` made of its raw checkpoint."""
    folder = tmp_path_factory.mktemp("verify")
    spec = checkpoints.save_spec(folder / "tiny.yaml", bos=True, eos=True, max_length=128)
    return spec, convert(spec, checkpoint=checkpoint("qwen2", "bpe-bos-eos"), out=folder / "saved")


@pytest.fixture
def broken(tiny_files, tmp_path):
    """Its prompt lacks a line break, and its pooling is another one."""
    copy = shutil.copytree(tiny_files[1], tmp_path / "broken")
    path = copy / "config_sentence_transformers.json"
    config = json.loads(path.read_text())
    config["prompts"]["query"] = PROMPT.replace("\n", "")
    path.write_text(json.dumps(config))
    (copy / "1_InstructionMaskedPooling" / "config.json").write_text(
        json.dumps({"embedding_dimension": 32, "pooling": "last_token"})
    )
    return copy


def test_a_right_model(run, tiny_files):
    spec, saved = tiny_files
    result = run("verify", spec, "--checkpoint", saved)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == f"{saved} with its own modules, beside the spec tiny"
    rows = [line.split() for line in lines]
    assert ["attention", "ok", "bidirectional", "bidirectional"] in rows
    assert ["pooling", "ok", "masked_mean", "masked_mean"] in rows
    assert lines[-1] == "all is well: 18 checks passed, 1 skipped"


def test_tokens_are_shown_one_by_one_unless_they_are_not_wanted(run, tiny_files):
    result = run("verify", *tiny_files[:1], "--checkpoint", tiny_files[1])
    rows = [line.split() for line in result.out.splitlines()]
    assert any(row[:3] == ["Query", "35-40", "-"] for row in rows)
    assert any(row[:3] == [":What", "40-45", "content"] for row in rows)  # it straddles the border
    without = run("verify", tiny_files[0], "--checkpoint", tiny_files[1], "--no-tokens")
    assert "content" not in without.out
    assert without.out.splitlines()[-1] == result.out.splitlines()[-1]


def test_a_broken_model_names_its_faults_last(run, tiny_files, broken):
    result = run("verify", tiny_files[0], "--checkpoint", broken, "--no-tokens")
    assert (result.code, result.err) == (1, "")
    assert result.out.split("\n\n", maxsplit=2)[2] == (
        "3 of 18 checks off, 1 skipped\n\n"
        "query prompt\n"
        f"  found     {PROMPT.replace(chr(10), '')!r}\n"
        f"  expected  {PROMPT!r}\n"
        "            A line break is missing after 'earch query ': put it right in "
        "config_sentence_transformers.json.\n\n"
        "instruction mask\n"
        "  found     6 of 290 tokens enter the vector: 6 too many, 248 missing\n"
        "  expected  248 of 290\n"
        "            The module that pools is not this model's. Write the directory anew: youtu-st convert.\n\n"
        "pooling\n"
        "  found     last_token\n"
        "  expected  masked_mean\n"
        "            The module that pools is not this model's. Write the directory anew: youtu-st convert.\n"
    )


def test_json_has_all_of_it(run, tiny_files, broken):
    result = run("verify", tiny_files[0], "--checkpoint", broken, "--json")
    assert (result.code, result.err) == (1, "")
    record = json.loads(result.out)
    assert (record["ok"], record["own_modules"], record["directory"]) == (False, True, str(broken))
    faults = [finding["check"] for finding in record["findings"] if finding["state"] == "off"]
    assert faults == ["query prompt", "instruction mask", "pooling"]
    first = {"token": "<bos>", "start": 0, "end": 0, "content": False, "unknown": False, "part": "added"}
    assert record["samples"][0]["tokens"][0] == first


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_it_fits_the_terminal(run, tiny_files, broken, monkeypatch, columns):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    result = run("verify", tiny_files[0], "--checkpoint", broken)
    assert result.code == 1
    plain = re.sub(r"\x1b\[[0-9;]*m", "", result.out)
    assert max(len(line) for line in plain.splitlines()[1:]) <= columns
    assert "bidirectional" in plain


def test_a_server_beside_the_model(run, tiny_files, checkpoint):
    spec = tiny_files[0]
    raw = checkpoint("qwen2", "bpe-bos-eos")
    encoder = Encoder(spec, checkpoint=raw, truncation="ignore")

    def masked(texts: list[str]) -> np.ndarray:
        heads = [text.startswith(PROMPT) for text in texts]
        rows = [
            encoder.encode_query([text.removeprefix(PROMPT)], instruction=None if head else "")
            for head, text in zip(heads, texts, strict=True)
        ]
        return np.concatenate(rows)

    with OpenAIServer(masked, model="somebody/tiny", api_key="sk-of-nobody") as server:
        result = run("verify", spec, "--checkpoint", raw, "--engine", server.url)
        assert (result.code, result.err) == (0, "")
        assert result.out.splitlines()[0] == f"{spec} here, beside {server.url}"
        assert result.out.splitlines()[-1] == "minimum 1.000000, mean 1.000000: the same vectors"

    def unmasked(texts: list[str]) -> np.ndarray:
        return encoder.encode_query(texts, instruction="")

    with OpenAIServer(unmasked, model="mine") as server:
        call = ["verify", spec, "--checkpoint", raw, "--engine", server.url]
        result = run(*call, "--engine-model", "mine", "--json")
        assert result.code == 1
        record = json.loads(result.out)
        assert (record["ok"], record["minimum"]) == (False, min(record["cosines"]))
        assert record["minimum"] < 0.999
        assert len(record["cosines"]) == len(record["texts"]) == 16
        refused = run(*call)
        assert refused.code == 2
        assert "the model 'somebody/tiny' does not exist" in refused.err
        assert "sk-of-nobody" not in refused.err + result.out


def test_a_server_that_says_what_it_serves(run, tiny_files, checkpoint):
    spec, saved = tiny_files
    raw = checkpoint("qwen2", "bpe-bos-eos")
    served = Encoder(spec, checkpoint=raw, truncation="ignore")
    with YoutuServer(served, name="mine") as server:
        for model in ([spec, "--checkpoint", raw], [spec, "--checkpoint", saved], [saved]):
            result = run("verify", *model, "--engine", server.url)
            assert (result.code, result.err) == (0, "")
            assert result.out.splitlines()[-2:] == [
                "minimum 1.000000, mean 1.000000: the same vectors",
                "all is well: by its own word too it is the same model",
            ]
        refused = run("verify", saved, "--engine", server.url, "--engine-model", "other")
        assert (refused.code, refused.out) == (2, "")
        assert refused.err == f"youtu-st: error: http://{server.address} serves 'mine', and no 'other'\n"
        other = run("verify", "minilm", "--engine", server.url)
        assert (other.code, other.out) == (2, "")
        assert "with vectors of 32 dimensions, and minilm has 384: it is another model" in other.err


def test_a_server_that_serves_the_model_otherwise(run, tiny_files, checkpoint, tmp_path):
    spec, raw = tiny_files[0], checkpoint("qwen2", "bpe-bos-eos")
    common = {"bos": True, "eos": True, "max_length": 128}
    other = checkpoints.save_spec(tmp_path / "other.yaml", pooling="mean", **common)
    served = Encoder(other, checkpoint=raw, truncation="ignore")
    with YoutuServer(served) as server:
        call = ["verify", spec, "--checkpoint", raw, "--engine", server.url]
        result = run(*call)
        assert (result.code, result.err) == (1, "")
        figures, said, part, hint = result.out.splitlines()[-4:]
        assert figures.endswith(": other vectors")
        assert said == "another model, by the server's own word:"
        assert re.fullmatch(r'  pooling: the server has .*"mean".*, and here it is .*"masked_mean".*', part)
        assert hint.startswith("it looks like another pooling: the mean over all tokens, the prompt's too")
        record = json.loads(run(*call, "--json").out)
        assert (record["ok"], len(record["differing"])) == (False, 1)


@pytest.mark.slow
def test_mistakes(run, tiny_files, tmp_path):
    spec, saved = tiny_files
    with OpenAIServer(None, model="mine") as server:
        result = run("verify", saved, "--engine", server.url)
    assert (result.code, result.out) == (2, "")
    assert (
        "is no model of a spec, which says what a server must be sent that is no youtu-st serve" in result.err
    )
    for arguments, message in (
        (["minilmm"], "unknown model 'minilmm'. Did you mean 'minilm'"),
        (["qwen3-reranker-0.6b"], "qwen3-reranker-0.6b is a reranker, and verify is for embedding models"),
        ([spec, "--engine-model", "x"], "--engine-model goes with --engine URL"),
        (
            [spec, "--engine", "http://127.0.0.1:9/v1", "--data", tmp_path],
            "--data is for the model that runs",
        ),
        ([spec, "--data", tmp_path / "none"], "there is no directory"),
        ([spec, "--checkpoint", tmp_path / "none"], "there is no directory"),
        (["minilm", "--data", tmp_path], "sts-test.csv: no such file or directory"),
    ):
        result = run("verify", *arguments)
        assert (result.code, result.out) == (2, "")
        assert message in result.err
        assert result.err.count("\n") == 1
