"""Texts compared with each other and with questions, and how a notebook shows it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from youtu_st.errors import InputError
from youtu_st.inference.similarities import Similarities, colour, compare, is_dark
from youtu_st.inference.tables import html_table

ODD = "<script>alert('x')</script>\x1b[2J & \"quoted\""


class Letters:
    """Unit vectors of how often a, b and c are in a text; a question counts a twice."""

    model_name, dimension, fingerprint, identity, runtime = "letters", 3, "0" * 16, {}, {}

    def encode_document(self, texts, *, instruction=None, show_progress=False):
        rows = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode_query(self, texts, *, instruction=None, show_progress=False):
        self.asked = instruction
        return self.encode_document([text + "a" * text.count("a") for text in texts])


def test_texts_with_each_other() -> None:
    found = compare(Letters(), ["a", "ab", "c"])
    half = np.sqrt(0.5)
    assert found.square
    assert np.asarray(found) == pytest.approx(np.array([[1, half, 0], [half, 1, 0], [0, 0, 1]]))
    # Without the texts themselves, the cosines reach from 0 to the one of the first two.
    assert found.shades() == pytest.approx(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]]))


def test_questions_with_texts() -> None:
    encoder = Letters()
    found = compare(encoder, ["a", "b"], queries=["ab"], instruction="find")
    assert not found.square
    assert found.cosines == pytest.approx(np.array([[2, 1]]) / np.sqrt(5))
    assert (encoder.asked, found.rows, found.columns) == ("find", ["ab"], ["a", "b"])
    assert found.shades().tolist() == [[1, 0]]


def test_equal_cosines_have_one_shade() -> None:
    assert compare(Letters(), ["a", "aa"]).shades() == pytest.approx(np.ones((2, 2)))
    assert compare(Letters(), ["a"]).shades().tolist() == [[1]]


def test_mistakes() -> None:
    for texts, further, message in (
        ([], {}, "at least one text"),
        (["a"], {"queries": []}, "at least one query"),
        (["a"], {"instruction": "x"}, "instruction is for queries"),
        (["a", " "], {}, "text 1 is blank"),
        (["a"], {"queries": [""]}, "query 0 is empty"),
        ("a", {}, "not one str"),
    ):
        with pytest.raises(InputError, match=message):
            compare(Letters(), texts, **further)


@pytest.mark.parametrize("queries", [None, [f"a{ODD}"]])
def test_a_notebook_shows_text_as_text(queries) -> None:
    html = compare(Letters(), [f"a{ODD}", "b" * 500], queries=queries)._repr_html_()
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;\\x1b[2J &amp; &quot;quoted&quot;" in html
    assert "b" * 80 + "…" in html
    assert "b" * 82 not in html
    assert html.count("<tr>") == (3 if queries is None else 2)
    assert set(re.findall(r"<(\w+)", html)) == {"table", "thead", "tbody", "tr", "th", "td"}


def test_a_notebook_is_not_filled_with_a_large_matrix() -> None:
    texts = ["a" * (i + 1) + "b" for i in range(150)]
    shown = compare(Letters(), texts)._repr_html_()
    assert shown.count("<tr>") == 101
    assert shown.endswith("</table><p>100 × 100 of 150 × 150 cosines</p>")
    asked = compare(Letters(), texts, queries=["b", "a"])._repr_html_()
    assert asked.count("<tr>") == 3
    assert asked.endswith("</table><p>2 × 100 of 2 × 150 cosines</p>")
    assert compare(Letters(), texts[:100])._repr_html_().endswith("</table>")


def test_every_number_is_read_on_its_shade() -> None:
    """White or black, a contrast of at least 4.5 as WCAG computes it."""

    def light(color: tuple[int, int, int]) -> float:
        parts = [one / 255 for one in color]
        parts = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for shade in np.linspace(0, 1, 101):
        ground = light(colour(shade))
        assert (1.05 / (ground + 0.05) if is_dark(shade) else (ground + 0.05) / 0.05) >= 4.5


def test_a_table_without_a_head() -> None:
    assert html_table([], [["<"]]).count("&lt;") == 1
    assert "thead" not in html_table([], [["a"]])


def test_it_is_kept_apart_from_its_array() -> None:
    found = Similarities(np.eye(2, dtype=np.float32), ["a", "b"], ["a", "b"])
    np.array(found)[0, 0] = 7
    assert found.cosines[0, 0] == 1
