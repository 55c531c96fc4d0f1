"""Spec files that somebody damaged, or made to do harm: one short line, at once."""

from __future__ import annotations

import os
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkpoints import save_spec, spec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from youtu_st.errors import SpecError, UnknownModelError
from youtu_st.spec.model import MODELS, known_models, load_spec
from youtu_st.spec.reading import MOST_LEVELS, MOST_VALUES, parse_yaml
from youtu_st.spec.registry import is_directory
from youtu_st.spec.reranker import load_reranker_spec

LETTERS = "abcdefghij"


def laughs(item: str) -> str:
    """Ten levels of aliases, each of ten of the level above: ten thousand million values in 400 characters."""
    lines = [f"a: &a {item}"]
    for above, name in pairwise(LETTERS):
        lines.append(f"{name}: &{name} " + item.replace("x", f"*{above}"))
    return "\n".join(lines)


def refusal(path: Path, load: Any = load_spec) -> str:
    """The line with which a file is refused, after its name; it may not take long."""
    started = time.monotonic()
    with pytest.raises(SpecError) as caught:
        load(path)
    assert time.monotonic() - started < 10
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert len(line) < 4000
    assert line.isprintable()
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (laughs(f"[{','.join('x' * 10)}]"), f"not valid YAML: more than {MOST_VALUES:,} values"),
        (
            "a: &a {k: 1}\nb: &b {<<: [" + "*a," * 30_000 + "]}",
            f"not valid YAML: more than {MOST_VALUES:,} values",
        ),
        ("a: &a [*a]", "not valid YAML: a value holds itself"),
        ("&a {name: *a}", "not valid YAML: a value holds itself"),
        ("a: [" + "1," * 60_000 + "]", f"not valid YAML: more than {MOST_VALUES:,} values"),
        ("[" * 100_000, f"not valid YAML: more than {MOST_LEVELS} levels"),
        ("[" * 3000 + "]" * 3000, f"not valid YAML: more than {MOST_LEVELS} levels"),
        ("- " * 3000 + "x", f"not valid YAML: more than {MOST_LEVELS} levels"),
        ("{a: " * 3000, f"not valid YAML: more than {MOST_LEVELS} levels"),
        ("? " * 3000, f"not valid YAML: more than {MOST_LEVELS} levels"),
        ("name: a\nname: b", "not valid YAML: the key 'name' is there twice in"),
        ("prompts: {query: a, query: b}", "not valid YAML: the key 'query' is there twice in"),
        ("name: 2020-99-99", "not valid YAML: '2020-99-99' is not of type timestamp"),
        ("name: !!bool x", "not valid YAML: 'x' is not of type bool"),
        ("name: !!int ''", "not valid YAML: '' is not of type int"),
        ("dimension: " + "9" * 5000, "not valid YAML: '999"),
        (
            "name: !!python/object/apply:os.system ['true']",
            "not valid YAML: could not determine a constructor",
        ),
        ("name: !!python/name:os.system", "not valid YAML: could not determine a constructor"),
        ("{[1]: 2}", "not valid YAML: while constructing a mapping"),
        ("a: \x00", "not valid YAML: unacceptable character #x0000"),
        ("a: \x1b[31m", "not valid YAML: unacceptable character #x001b"),
        ("x" * 100_000 + ": 1", "not valid YAML: mapping values are not allowed here"),
        ("&" + "a" * 100_000 + " x", "a mapping of fields is needed, not str"),
        ("", "a mapping of fields is needed, not nothing"),
        ("a: " + "x" * (1 << 19), "cannot read the spec: it has more than 262,144 bytes"),
        (b"name: caf\xe9", "not valid YAML: 'utf-8' codec can't decode byte 0xe9"),
        (bytes(range(256)), "not valid YAML: 'utf-8' codec can't decode byte 0x80"),
    ],
    ids=range(27),
)
def test_files_that_are_none(tmp_path: Path, content: str | bytes, line: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refusal(path).startswith(line)
    assert refusal(path, load_reranker_spec).startswith(line)


def test_aliases_that_stand_for_little_are_read(tmp_path: Path) -> None:
    path = save_spec(tmp_path / "mine.yaml")
    text = path.read_text().replace("document: ''", "document: &none ''")
    path.write_text(text + "templates: {usage: &t 'Do {instruction} now', readme: *t}\n")
    assert load_spec(path).templates == dict.fromkeys(("usage", "readme"), "Do {instruction} now")


def test_merged_keys_may_be_overridden() -> None:
    """A key that is merged in and one that is written are no key that is there twice."""
    assert parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
    }


@pytest.mark.parametrize("suffix", [".yaml", ".yml"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    os.mkfifo(path)
    assert refusal(path) == "cannot read the spec: it is a pipe, and must be a file"
    path.unlink()
    path.mkdir()
    assert refusal(path) == "cannot read the spec: it is a folder, and must be a file"
    path.rmdir()
    path.symlink_to("/dev/zero")
    assert refusal(path) == "cannot read the spec: it is a device, and must be a file"
    path.unlink()
    path.symlink_to(path.name)
    assert refusal(path) == "cannot read the spec: Too many levels of symbolic links"
    path.unlink()
    path.symlink_to("nowhere")
    assert refusal(path) == "cannot read the spec: No such file or directory"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"dimension": 10**400}, "field 'dimension': input should be less than 2147483648, got an int of 1329 bits"),
        ({"max_length": 2**31}, "field 'max_length': input should be less than 2147483648, got 2147483648"),
        ({"matryoshka_dimensions": [10**400]}, "matryoshka_dimensions must not exceed dimension (32)"),
        ({"matryoshka_dimensions": {"from": 10**400}}, "matryoshka_dimensions must not exceed dimension (32)"),
        ({"pooling": "x" * 100_000}, "field 'pooling': input should be 'masked_mean', 'mean', 'last_token' or 'cls', got 'xxx"),
        ({"hub_id": "\x1b]52;c;eA==\x07"}, "field 'hub_id': string should match pattern"),
        ({"\x1b[31m": 1}, r"unknown field '\x1b[31m' "),
        ({"x" * 100_000: 1}, "unknown field 'xxx"),
        ({1: 2}, "field '1"),
        ({None: 2}, "field 'None"),
        ({"name": {"a": [1] * 10_000}}, "field 'name': input should be a valid string, got {'a': (1, 1, 1, 1, 1, 1, ...)}"),
    ],
    ids=range(11),
)  # fmt: skip
def test_values_that_no_model_has(tmp_path: Path, changes: dict[Any, Any], line: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(spec() | changes))
    said = refusal(path)
    assert line in said


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan", "1e400"])
def test_a_score_is_a_finite_number(tmp_path: Path, number: str) -> None:
    path = save_spec(tmp_path / "mine.yaml")
    example = f"examples: [{{source: s, queries: [q], documents: [d], scores: [[{number}]]}}]\n"
    path.write_text(path.read_text() + example)
    assert refusal(path).startswith("field 'examples.0.scores.0.0': ")


def test_a_file_of_nothing_but_mistakes_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(f"field{n}: {n}" for n in range(5000)))
    assert refusal(path).endswith(" more mistakes")


def test_shared_parts_are_counted_wherever_they_stand() -> None:
    """An alias counts as all that it stands for, so no value is larger than the limit says."""
    item = "[" + ",".join("x" * 99) + "]"
    parse_yaml(f"a: &a {item}\nb: [" + ",".join(["*a"] * 190) + "]")
    with pytest.raises(yaml.YAMLError, match="more than 20,000 values"):
        parse_yaml(f"a: &a {item}\nb: [" + ",".join(["*a"] * 210) + "]")


@settings(max_examples=200, deadline=None)
@given(st.text("&*a:[]{}-,? \n'\"!|>%@#<1.~", max_size=60) | st.binary(max_size=60))
def test_any_content_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: str | bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, ns=(time.monotonic_ns(), time.time_ns()))
    refusal(path)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=30,
    )
)
def test_plain_values_are_read_as_the_stock_loader_reads_them(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assume(
        not re.search(r"\d[eE][-+]?\d", text)
    )  # a number by YAML 1.2, and a text by the stock loader's 1.1
    assert repr(parse_yaml(text)) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "name", ["x" * 5000, "~nobody-of-that-name", "a\0b", "\x1b]52;c;eA==\x07", "-" * 10**6]
)
def test_names_that_no_model_can_have(name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        MODELS.resolve(name)
    line = str(caught.value)
    assert line.startswith("unknown model '")
    assert len(line) < 1000
    assert line.isprintable()
    assert MODELS.canonical_name(name) == name
    assert not is_directory(name)


def test_the_shipped_specs_are_far_below_the_limits() -> None:
    assert all(load_spec(name) for name in known_models())
