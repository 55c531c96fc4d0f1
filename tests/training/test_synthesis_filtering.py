"""What is kept of new texts, beside brute force over the vectors of a real model."""

from __future__ import annotations

import pytest

import youtu_st
from youtu_st.training.data.mining import ABOVE
from youtu_st.training.data.rows import Row, Text
from youtu_st.training.synthesis.filtering import (
    BELOW,
    FAR,
    NEAR_MADE,
    NEAR_ROW,
    OTHER_CLASS,
    THERE,
    Filter,
    Judged,
)
from youtu_st.training.synthesis.prompts import Synthesis, load_synthesis


@pytest.fixture(scope="module")
def encoder() -> youtu_st.Encoder:
    return youtu_st.Encoder.shared("minilm")


def judged(
    encoder: youtu_st.Encoder, synthesis: Synthesis, row: Row, *texts: str, there: str = ""
) -> list[Judged]:
    (found,) = Filter(encoder, synthesis, instructed=False).judged(
        [row], [texts], lambda row, text: text.text == there
    )
    return found


def test_paraphrases(encoder: youtu_st.Encoder) -> None:
    row = Row("ir", Text("When does the ferry leave?", "Find", ""), (Text("The ferry leaves at noon."),))
    found = judged(
        encoder,
        load_synthesis("paraphrase"),
        row,
        "At what time does the ferry depart?",
        "At what time does the ferry depart ?",
        "Who was Napoleon?",
        "when does the Ferry leave?",
        "the ferry leaves at Noon.",
        "When is the departure of the ferry?",
        "known",
        there="known",
    )
    assert [one.reason for one in found] == [None, NEAR_MADE, FAR, NEAR_ROW, NEAR_ROW, None, THERE]
    assert found[0].text == Text("At what time does the ferry depart?", "Find", "")


def test_the_preface_stays_and_is_compared(encoder: youtu_st.Encoder) -> None:
    row = Row("ir", Text("When does it leave?", "", "about a ferry: "), (Text("b"),))
    synthesis = load_synthesis("paraphrase")
    (one,) = judged(encoder, synthesis, row, "At what time does it depart?")
    assert one.text.content == "about a ferry: At what time does it depart?"
    old, new = encoder.encode_document([row.query.content, one.text.content])
    at = float(old @ new)
    for lowest, reason in ((at - 1e-4, None), (at + 1e-4, FAR)):
        (again,) = judged(encoder, synthesis.model_copy(update={"lowest": lowest}), row, one.text.text)
        assert again.reason == reason


@pytest.mark.parametrize("mode", ["augment", "hard-negatives"])
def test_documents_beside_brute_force(encoder: youtu_st.Encoder, mode: str) -> None:
    """Every border is moved from below each text's score to above it."""
    row = Row(
        "ir",
        Text("When does the ferry leave?"),
        (Text("The ferry leaves at noon."), Text("Noon is when the boat departs.")),
        (Text("The ferry was built in 1962."),),
    )
    made = [
        "Departure of the ferry is at 12 o'clock.",
        "The ferry carries forty cars and has a restaurant.",
        "The bus leaves at nine from the station.",
        "Bread is baked in an oven.",
        "The boat sails at midday.",
    ]
    (query,) = encoder.encode_query([row.query.text])
    positive = min(float(v @ query) for v in encoder.encode_document([t.text for t in row.positives]))
    scores = [float(v @ query) for v in encoder.encode_document(made)]
    assert len(set(scores)) == len(scores)
    assert 0 < positive < 1
    for border in (share + 1e-4 for share in (0.0, *(min(max(s / positive, 0), 0.99) for s in scores))):
        name = "lowest" if mode == "augment" else "max_relative"
        found = judged(encoder, load_synthesis(mode).model_copy(update={name: border}), row, *made)
        if mode == "augment":
            want = [BELOW if score < border * positive else None for score in scores]
        else:
            want = [ABOVE if score > border * positive else None for score in scores]
        assert [one.reason for one in found] == want
        assert all(one.text == Text(text) for one, text in zip(found, made, strict=True))


def test_texts_of_a_class(encoder: youtu_st.Encoder) -> None:
    row = Row(
        "cls",
        Text("I am so happy with this phone", "Name the feeling"),
        (Text("This phone is wonderful", "Name the feeling"),),
        (Text("I hate this phone", "Name the feeling"),),
        label="joy",
        negative_labels=("anger",),
    )
    synthesis = load_synthesis("augment").model_copy(update={"lowest": 0.5})
    found = judged(
        encoder,
        synthesis,
        row,
        "I really hate this terrible phone",
        "Bread is baked",
        "What a wonderful phone!",
    )
    assert [one.reason for one in found] == [OTHER_CLASS, FAR, None]
    assert found[2].text == Text("What a wonderful phone!", "Name the feeling")


def test_rows_are_looked_at_in_turn(encoder: youtu_st.Encoder) -> None:
    """What was kept of one row may be known when the next is looked at."""
    rows = [Row("ir", Text(f"When does the {what} leave?"), (Text("b"),)) for what in ("ferry", "ferry now")]
    known: set[str] = set()
    found = Filter(encoder, load_synthesis("paraphrase"), instructed=False).judged(
        rows, [["When is the ferry leaving?"]] * 2, lambda row, text: text.text in known
    )
    first = next(found)
    known.update(one.text.text for one in first)
    assert [one.reason for one in (*first, *next(found))] == [None, THERE]
