"""Rerankers by name, id, file, directory or object: the same scores, or one line that says what to do."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
import yaml
from card import INSTRUCTION, PREFIX, SUFFIX, Card
from checkpoints import TEXTS, network, reranker_checkpoint, word_piece
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder.modules import LogitScore, Transformer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Gemma2Config,
    Gemma2ForCausalLM,
    Qwen3ForCausalLM,
)

import youtu_st
from youtu_st.errors import InputError, ModelLoadError, SpecError, TruncationWarning, UnknownModelError
from youtu_st.rerank import Reranker, known_rerankers, load_reranker_spec
from youtu_st.spec.reranker import Template

NAME = "qwen3-reranker-0.6b"
QUERY = "How is the weather?"
PAIRS = [(QUERY, text) for text in TEXTS]
CHAT = (
    "{% for m in messages %}{% if m['role'] in ('query', 'document') %}"
    "<|im_start|>{{ m['role'] }}: {{ m['content'] }}<|im_end|>{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """``bert(labels)``: a tiny sequence classifier's directory."""

    def make(labels):
        out = tmp_path_factory.mktemp("bert")
        torch.manual_seed(5)
        config = BertConfig(**network("bert").config.to_dict() | {"num_labels": labels})
        model = BertForSequenceClassification(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if weight.ndim == 2:
                    weight.normal_(0.0, 1.0 if "embed" in name else 0.25)
        model.save_pretrained(out)
        word_piece().save_pretrained(out)
        return out

    return make


@pytest.fixture
def spec_file(tmp_path):
    """``spec_file(**changes)``: the shipped spec with changes; None takes a field out."""

    def write(**changes):
        fields = load_reranker_spec(NAME).model_dump() | {"name": "mine"} | changes
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({name: value for name, value in fields.items() if value is not None}))
        return path

    return write


def test_shipped_specs_hold_what_was_published():
    assert known_rerankers() == ["qwen3-reranker-0.6b", "qwen3-reranker-4b", "qwen3-reranker-8b"]
    for name, layers in zip(known_rerankers(), (28, 36, 36), strict=True):
        spec = load_reranker_spec(name)
        assert spec.hub_id.lower() == f"qwen/{name}"
        assert (spec.prefix, spec.suffix, spec.instruction) == (PREFIX, SUFFIX, INSTRUCTION)
        assert spec.template == "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
        assert (spec.true_token, spec.false_token) == ("yes", "no")
        assert (spec.max_length, spec.context, spec.license) == (8192, 32768, "Apache-2.0")
        assert f" {layers} layers" in spec.architecture


def test_what_is_filled_in_stays_as_it_is():
    template = Template("", "I {instruction} Q {query} D {document}", "", "own {query}")
    assert (
        template.head("a {instruction} {0} \\1 {document}")
        == "I own {query} Q a {instruction} {0} \\1 {document} D "
    )
    assert template.head("q", "told") == "I told Q q D "


def test_every_way_in_gives_the_same(raw, reranker, spec_file, tmp_path, monkeypatch):
    want = reranker.score(PAIRS)
    ways = [
        Reranker("Qwen/Qwen3-Reranker-0.6B", checkpoint=raw),
        Reranker("qwen3-reranker-0.6B", checkpoint=raw),
        Reranker(spec_file(), checkpoint=raw),
        Reranker(reranker.model),
    ]
    for way in ways:
        np.testing.assert_allclose(way.score(PAIRS), want, atol=1e-6)
        assert way.fingerprint == reranker.fingerprint
    assert ways[2].model_name == str(tmp_path / "mine.yaml")
    (tmp_path / NAME).mkdir()  # does not hide the name
    monkeypatch.chdir(tmp_path)
    assert Reranker.shared(NAME, checkpoint=raw).model_name == NAME


def test_a_saved_reranker_keeps_its_template(raw, reranker, tmp_path):
    reranker.model.save_pretrained(str(tmp_path / "saved"))
    saved = Reranker(tmp_path / "saved")  # no code of anybody else's runs
    np.testing.assert_allclose(saved.score(PAIRS), reranker.score(PAIRS), atol=1e-6)
    assert saved.fingerprint == reranker.fingerprint
    stock = CrossEncoder(str(tmp_path / "saved"), trust_remote_code=True)
    np.testing.assert_allclose(stock.predict(PAIRS), reranker.score(PAIRS), atol=1e-6)


def test_an_embedding_model_is_no_reranker_and_a_reranker_no_embedding_model(tiny, reranker, tmp_path):
    with pytest.raises(ModelLoadError, match="is an embedding model, and no reranker"):
        Reranker(tiny)
    reranker.model.save_pretrained(str(tmp_path / "saved"))
    with pytest.raises(
        ModelLoadError, match=r"is no embedding model: .* A reranker is opened by youtu_st\.rer"
    ):
        youtu_st.load(tmp_path / "saved")


def test_another_template_is_another_score_and_another_fingerprint(raw, reranker, spec_file):
    other = Reranker(spec_file(suffix="<|im_end|>\n"), checkpoint=raw)
    assert np.abs(other.score(PAIRS) - reranker.score(PAIRS)).max() > 0.01
    assert other.fingerprint != reranker.fingerprint
    plain = Reranker(spec_file(template="{query}\n{document}", instruction=None), checkpoint=raw)
    with pytest.raises(InputError, match="takes no instructions: pass instruction=None"):
        plain.rank(QUERY, TEXTS, instruction="Do it")


def test_longer_than_the_published_script(raw, reranker):
    assert Reranker(NAME, checkpoint=raw, max_length=32768).max_length == 32768
    for wrong, message in [(32769, "reads at most 32768"), (0, "at least 1"), (9, "takes 128 tokens before")]:
        with pytest.raises(InputError, match=message):
            Reranker(NAME, checkpoint=raw, max_length=wrong)


def test_a_language_model_without_a_template_is_refused(raw, tmp_path):
    remedy = r"Say which reranker it is: Reranker\('qwen3-reranker-0\.6b', checkpoint=.*\), or a \.yaml file"
    with pytest.raises(ModelLoadError, match=remedy):
        Reranker(raw)
    bare = CrossEncoder(str(raw))
    with pytest.raises(ModelLoadError, match=remedy):
        Reranker(bare)
    bare.save_pretrained(str(tmp_path / "saved"))
    with pytest.raises(ModelLoadError, match=remedy):
        Reranker(tmp_path / "saved")


def test_a_chat_template_of_its_own_goes_the_hosts_way(raw, tmp_path):
    transformer = Transformer(
        str(raw), transformer_task="text-generation", processor_kwargs={"chat_template": CHAT}
    )
    yes, no = transformer.tokenizer.convert_tokens_to_ids(["yes", "no"])
    stock = CrossEncoder(modules=[transformer, LogitScore(yes, no)], device="cpu")
    stock.save_pretrained(str(tmp_path / "saved"))
    card = Card(raw)
    want = []
    for query, document in PAIRS:
        text = f"<|im_start|>query: {query}<|im_end|><|im_start|>document: {document}<|im_end|>"
        with torch.no_grad():
            logits = card.model(**card.tokenizer(text, return_tensors="pt")).logits[0, -1]
        want.append(torch.sigmoid(logits[yes] - logits[no]).item())
    ours = Reranker(tmp_path / "saved")
    np.testing.assert_allclose(ours.score(PAIRS), want, atol=1e-5)
    np.testing.assert_allclose(ours.score(PAIRS), stock.predict(PAIRS), atol=1e-5)


def test_any_cross_encoder(bert):
    directory = bert(1)
    stock = CrossEncoder(str(directory), device="cpu")
    pairs = [*PAIRS, *[(text, QUERY * 3) for text in TEXTS]]
    want = stock.predict(pairs)
    assert np.ptp(want) > 0.05
    for given in (directory, str(directory), stock):
        for batch_tokens in (1, 10_000):
            reranker = Reranker(given, batch_tokens=batch_tokens)
            np.testing.assert_allclose(reranker.score(pairs), want, atol=1e-6)
    ranked = reranker.rank(QUERY, TEXTS, k=5)
    order = np.argsort(-want[: len(TEXTS)], kind="stable")[:5]
    assert [one.index for one in ranked] == order.tolist()
    with pytest.raises(InputError, match="this model takes no instructions"):
        reranker.rank(QUERY, TEXTS, instruction="Do it")
    assert Reranker(directory).max_length == stock.max_seq_length


def test_a_cross_encoder_says_what_it_cuts(bert):
    directory = bert(1)
    stock = CrossEncoder(str(directory), device="cpu", max_length=24)
    documents = ["ok", "The weather is sunny today. " * 9, "a"]
    length = len(stock.tokenizer(QUERY, documents[1])["input_ids"])
    reranker = Reranker(directory, max_length=24)
    with pytest.warns(
        TruncationWarning, match=f"^1 of 3 texts .* 24 tokens: the first is document 1 with {length} "
    ):
        ranked = reranker.rank(QUERY, documents)
    want = stock.predict([(QUERY, document) for document in documents])
    assert {one.index: one.score for one in ranked} == pytest.approx(dict(enumerate(want.tolist())), abs=1e-6)
    with pytest.raises(InputError, match="document 1 has .* and the model reads 24"):
        Reranker(directory, max_length=24, truncation="error").rank(QUERY, documents)
    with pytest.raises(InputError, match=r"max_length is \d+, and the model reads at most"):
        Reranker(directory, max_length=100_000)


def test_a_classifier_of_several_labels_is_refused(bert):
    directory = bert(3)
    with pytest.raises(ModelLoadError, match="gives 3 scores a pair, and a reranker gives one"):
        Reranker(directory)
    with pytest.raises(ModelLoadError, match="gives 3 scores a pair"):
        Reranker(CrossEncoder(str(directory)))


def test_wrong_ways_in(raw, reranker, tmp_path, checkpoint):
    with pytest.raises(UnknownModelError, match="unknown reranker 'qwen3-reranker'. Did you mean 'qwen3-rer"):
        Reranker("qwen3-reranker")
    with pytest.raises(UnknownModelError, match="Did you mean 'cross-encoder/ms-marco-MiniLM-L6-v2'"):
        Reranker("ms-marco-MiniLM-L6-v2")
    with pytest.raises(
        UnknownModelError, match="is a directory, which has weights of its own: leave the checkpoint"
    ):
        Reranker(raw, checkpoint=raw)
    with pytest.raises(
        ModelLoadError, match="cannot download 'Qwen/Qwen3-Reranker-0.6B'.*Pass checkpoint=DIR"
    ):
        Reranker("qwen/qwen3-reranker-0.6b")
    with pytest.raises(ModelLoadError, match="there is no directory '/no/such'"):
        Reranker(NAME, checkpoint="/no/such")
    with pytest.raises(ModelLoadError, match="cannot load"):
        Reranker(tmp_path)
    with pytest.raises(ModelLoadError, match="the tokenizer has no token 'no', which"):
        Reranker(NAME, checkpoint=checkpoint("bert", "wordpiece"))
    with pytest.raises(InputError, match="dtype must be one of auto, .*not 'float64'"):
        Reranker(NAME, checkpoint=raw, dtype="float64")
    with pytest.raises(InputError, match="truncation must be one of warn, error, ignore, not 'cut'"):
        Reranker(NAME, checkpoint=raw, truncation="cut")
    with pytest.raises(InputError, match="an option of hub must be one of revision, .*not 'tokens'"):
        Reranker(NAME, checkpoint=raw, hub={"tokens": "x"})
    with pytest.raises(InputError, match="batch_tokens must be an int of at least 1, not 0"):
        Reranker(NAME, checkpoint=raw, batch_tokens=0)
    with pytest.raises(InputError, match="a YAML file, or a CrossEncoder, not int"):
        Reranker(3)
    with pytest.raises(InputError, match="checkpoint, max_length: for a model to be loaded, and this one is"):
        Reranker(reranker.model, checkpoint=raw, max_length=20)


def test_checkpoints_that_are_another_models(tmp_path, spec_file):
    raw = reranker_checkpoint(tmp_path / "raw")
    with pytest.raises(
        ModelLoadError, match="the tokenizer has no token 'maybe', which the model is to answer"
    ):
        Reranker(spec_file(true_token="maybe"), checkpoint=raw)
    capped = tmp_path / "capped"
    shutil.copytree(raw, capped)
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "num_hidden_layers": 1}
    sizes = {"vocab_size": 441, "hidden_size": 32, "intermediate_size": 32, "final_logit_softcapping": 0.01}
    Gemma2ForCausalLM(Gemma2Config(**heads, **sizes)).save_pretrained(capped)
    with pytest.raises(ModelLoadError, match="logits of Gemma2ForCausalLM are not its last states times"):
        Reranker(NAME, checkpoint=capped)


def test_an_encoder_is_no_reranker(checkpoint, tmp_path):
    """The host loads it as one, with random numbers for a head."""
    with pytest.raises(
        ModelLoadError, match=r"4 of the 41 weights of Bert\w+ are not in .* would be random: is it a rer"
    ):
        Reranker(checkpoint("bert", "wordpiece"))
    raw = reranker_checkpoint(tmp_path / "raw")
    Qwen3ForCausalLM.from_pretrained(raw).model.save_pretrained(raw)
    with pytest.raises(
        ModelLoadError, match=r"1 of the 25 weights of Qwen3ForCausalLM are not in .*lm_head\.weight"
    ):
        Reranker(NAME, checkpoint=raw)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "{document} {query} {instruction}"}, "template must end with {document}"),
        ({"template": "{query} {document}"}, "template must contain {instruction} exactly once"),
        ({"instruction": None}, "must contain {instruction} only where there is an instruction"),
        ({"template": "{instruction} {document}"}, "template must contain {query} exactly once"),
        ({"true_token": "no"}, "true_token and false_token must differ"),
        ({"context": 100}, r"context must be at least max_length \(8192\)"),
        ({"max_length": "8192"}, "field 'max_length': input should be a valid integer"),
        ({"sufix": ""}, "unknown field 'sufix' \\(did you mean 'suffix'"),
        ({"suffix": None}, "missing field 'suffix'"),
    ],
)
def test_wrong_specs(raw, spec_file, changes, message):
    with pytest.raises(SpecError, match=message):
        Reranker(spec_file(**changes), checkpoint=raw)
