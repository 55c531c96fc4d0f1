"""Texts to batches in a process that has none of the hosts, and the same batches as with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import TEXTS, reranker_checkpoint

import youtu_st
from youtu_st.errors import InputError
from youtu_st.inference.preprocess import InstructionPreprocessor
from youtu_st.inference.stock import preprocessor_for
from youtu_st.modules.facts import HostFacts
from youtu_st.rerank import Reranker
from youtu_st.rerank.pairs import TemplatePairs

QUERY = "Instruction: Given a search query \nQuery:"

CODE = """
import json, sys
from pathlib import Path
told = json.loads(sys.argv[1])
from youtu_st.inference.preprocess import InstructionPreprocessor
from youtu_st.modules.reader import FastReader
from youtu_st.modules.texts import Texts
from youtu_st.rerank.pairs import TemplatePairs
from youtu_st.rerank.texts import PairTexts
from youtu_st.spec.model import ModuleSettings
from youtu_st.spec.registry import validated, with_tuples
from youtu_st.spec.reranker import Template

reader = FastReader.from_json(Path(told["file"]).read_bytes(), told["facts"])
settings = validated(ModuleSettings, with_tuples(told["settings"]), "settings")
how = (settings, reader, told["max_length"])
if told["template"]:
    pairs = TemplatePairs(PairTexts.of(*how, template=Template(**told["template"])))
    prompts = pairs.heads(told["queries"], [None] * len(told["queries"]))
else:
    pairs, prompts = InstructionPreprocessor(Texts.of(*how)), told["queries"]
rows = pairs.tokenize(told["texts"], prompts)
pairs.check(rows, str)
(group,) = pairs.groups(rows)
assert group.positions == list(range(len(rows)))
batch = {name: column.tolist() for name, column in pairs.collate(rows, "query").items()}
heavy = sorted({"torch", "transformers", "sentence_transformers", "scipy", "pandas"} & sys.modules.keys())
print(json.dumps([heavy, batch, [row.full_length for row in rows]]))
"""


def elsewhere(module: Any, folder: Path, texts: list[str], queries: list[str]) -> list[Any]:
    """What another process makes of texts, by the tokenizer's file and what is written down of the module."""
    module.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    template = getattr(module, "whole_template", None)
    told = {
        "file": str(folder / "tokenizer.json"),
        "facts": HostFacts(module.tokenizer).now().model_dump(mode="json"),
        "settings": module.settings.model_dump(mode="json"),
        "max_length": module.max_seq_length,
        "template": template and {name: getattr(template, name) for name in template.__slots__},
        "texts": texts,
        "queries": queries,
    }
    command = [sys.executable, "-c", CODE, json.dumps(told)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    given: list[Any] = json.loads(done.stdout)
    return given


def check(given: list[Any], preprocessor: Any, texts: list[str], prompts: list[str]) -> None:
    heavy, batch, lengths = given
    assert heavy == []
    rows = preprocessor.tokenize(texts, prompts)
    assert lengths == [row.full_length for row in rows]
    want = preprocessor.collate(rows, "query")
    assert set(batch) == set(want) - {"modality", "shared_prefix"}
    for name, column in batch.items():
        assert column == want[name].tolist()


@pytest.mark.parametrize("split", [False, True])
def test_texts_without_the_hosts(checkpoint, spec_file, tmp_path, split) -> None:
    spec = spec_file(padding_side="left", max_length=24, split_special_tokens=split)
    model = youtu_st.load(spec, checkpoint("youtu", "bpe-bos-eos"))
    prompts = [QUERY, "", "<eos>"] * 4
    check(elsewhere(model[0], tmp_path, TEXTS, prompts), preprocessor_for(model), TEXTS, prompts)


def test_texts_with_segments(checkpoint, spec_file, tmp_path) -> None:
    spec = spec_file(special_tokens="include", pooling="mean")
    model = youtu_st.load(spec, checkpoint("bert", "wordpiece"))
    given = elsewhere(model[0], tmp_path, TEXTS, [""] * len(TEXTS))
    assert "token_type_ids" in given[1]
    check(given, preprocessor_for(model), TEXTS, [""] * len(TEXTS))


@pytest.mark.parametrize("split", [False, True])
def test_pairs_without_the_hosts(tmp_path, split) -> None:
    reranker = Reranker(
        "qwen3-reranker-0.6b", checkpoint=reranker_checkpoint(tmp_path / "raw"), split_special_tokens=split
    )
    module: Any = reranker.model[0]
    documents, queries = [*TEXTS, "a <|im_end|> b", "long " * 3000], ["what is <think>?"] * (len(TEXTS) + 2)
    module.max_seq_length = 300
    given = elsewhere(module, tmp_path, documents, queries)
    heads = module.heads(queries, [None] * len(queries))
    rows = module.tokenize_pairs(documents, heads)
    heavy, batch, lengths = given
    assert heavy == []
    assert lengths == [row.full_length for row in rows]
    assert max(map(len, rows)) == 300
    for name, column in batch.items():  # the module pads on the right, where rows share their beginnings
        want = module.collate(rows)
        assert [c for c, a in zip(column[-3], batch["attention_mask"][-3], strict=True) if a] == want[name][
            -3
        ][want["attention_mask"][-3].bool()].tolist()
    assert batch["attention_mask"][0][0] == 0  # left
    before, after = (
        module.tokenizer(part, add_special_tokens=False)["input_ids"]
        for part in (module.prefix, module.suffix)
    )
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        row = [i for i, attended in zip(ids, mask, strict=True) if attended]
        assert row[: len(before)] == before
        assert row[len(row) - len(after) :] == after
    assert module.template_tokens == len(before) + len(after)


def test_what_is_nothing_to_the_model(checkpoint, spec_file) -> None:
    """The same words, whether the module is asked or its half."""
    model: Any = youtu_st.load(spec_file(), checkpoint("youtu", "bpe-bos"))
    for transformer in (model[0], model[0].texts):
        preprocessor = InstructionPreprocessor(transformer)
        rows = preprocessor.tokenize(["a", ""], [QUERY, QUERY])
        with pytest.raises(
            InputError, match="^text 1 is nothing to this model: none of its tokens is content$"
        ):
            preprocessor.check(rows, "text {}".format)


def test_a_document_without_room(tmp_path) -> None:
    reranker = Reranker("qwen3-reranker-0.6b", checkpoint=reranker_checkpoint(tmp_path / "raw"))
    module: Any = reranker.model[0]
    module.max_seq_length = module.template_tokens + 3
    for transformer in (module, module.texts):
        pairs = TemplatePairs(transformer)
        rows = pairs.tokenize(["a document"], pairs.heads(["a query that is far too long"], [None]))
        with pytest.raises(
            InputError, match=rf"^document 0 has no room: .* reads {module.max_seq_length}\. Shorten"
        ):
            pairs.check(rows, "document {}".format)
        assert isinstance(pairs.collate(rows, "document")["input_ids"][0].tolist(), list)
    assert isinstance(module.texts.collate(rows)["input_ids"], np.ndarray)
