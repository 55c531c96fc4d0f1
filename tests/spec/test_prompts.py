"""What stands before a text, without a model."""

from __future__ import annotations

import pytest

from youtu_st.errors import InputError
from youtu_st.spec.prompts import prompts_for

TEMPLATE = "Instruct: {instruction}\nQuery:"


@pytest.mark.parametrize(
    ("instruction", "prompts"),
    [
        (None, ["own: "] * 3),
        ("", [""] * 3),
        ("Find {it}", ["Instruct: Find {it}\nQuery:"] * 3),
        (["a", None, ""], ["Instruct: a\nQuery:", "own: ", ""]),
        (("b", "b", "a"), ["Instruct: b\nQuery:", "Instruct: b\nQuery:", "Instruct: a\nQuery:"]),
    ],
)
def test_one_prompt_per_text(instruction, prompts):
    assert prompts_for("own: ", TEMPLATE, instruction, 3) == prompts


@pytest.mark.parametrize(
    ("template", "instruction", "message"),
    [
        (TEMPLATE, ["a", "b"], r"3 texts need 3 instructions \(or one str for all\), not 2"),
        (TEMPLATE, ["a", 1, "b"], "an instruction must be a str, not int"),
        (None, "a", 'this model takes no instructions: .* prompts={"query"'),
        (TEMPLATE, " Instruct: a\nQuery: ", "pass the task description alone, 'a'$"),
        (TEMPLATE, "a Query:", "pass the task description alone, 'a'$"),
    ],
)
def test_mistakes(template, instruction, message):
    with pytest.raises(InputError, match=message):
        prompts_for("own: ", template, instruction, 3)


def test_a_model_without_a_template_has_its_own_prompt_and_none():
    assert prompts_for("own: ", None, ["", None], 2) == ["", "own: "]
