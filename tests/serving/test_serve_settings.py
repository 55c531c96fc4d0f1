"""Settings: a strict file, flags above it; each mistake in one line that names file and field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st.errors import InputError, SpecError, YoutuError
from youtu_st.serving.settings import ServerSettings, settings_from


def write(folder: Path, text: str) -> Path:
    path = folder / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_flag_stands_above_the_file_and_the_file_above_the_default(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "model: minilm\nport: 9000\ntimeout: 5\ndevice: [cpu, cpu]\ntruncation: cut\nprompts: {query: 'q: '}\n",
    )
    found = settings_from(path, {"port": 9001, "host": None})
    assert found.model == "minilm"
    assert (found.port, found.host, found.timeout) == (9001, "127.0.0.1", 5.0)
    assert found.device == ("cpu", "cpu")
    assert found.truncation == "cut"
    assert found.prompts.given() == {"query": "q: "}
    assert found.max_body == 32 * 1024 * 1024


def test_without_anything_there_are_the_defaults() -> None:
    assert settings_from() == ServerSettings()


MISTAKES = [
    ("prot: 1", "unknown field 'prot' (did you mean 'port'? allowed: address, backend"),
    ("port: '80'", "field 'port': input should be a valid integer, got '80'"),
    ("port: 65536", "field 'port': input should be less than or equal to 65535, got 65536"),
    ("port: true", "field 'port': input should be a valid integer, got True"),
    ("timeout: .nan", "field 'timeout': input should be"),
    ("timeout: 0", "field 'timeout': input should be greater than 0, got 0"),
    ("grace: -1", "field 'grace': input should be greater than or equal to 0, got -1"),
    ("queue_tokens: 0", "field 'queue_tokens': input should be greater than 0, got 0"),
    ("truncation: warn", "field 'truncation': input should be 'error' or 'cut', got 'warn'"),
    ("default_role: passage", "field 'default_role': input should be 'query' or 'document', got 'passage'"),
    ("log: xml", "field 'log': input should be 'text' or 'json', got 'xml'"),
    ("name: 'a:query'", "field 'name': string should match pattern"),
    ("prompts: {quary: a}", "unknown field 'prompts.quary' (did you mean 'query'? allowed: document, query)"),
    ("- model", "a mapping of fields is needed, not list"),
    ("model: [", "not valid YAML"),
    ("port: 1\nport: 2", "not valid YAML: the key 'port' is there twice"),
]


@pytest.mark.parametrize(("text", "line"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_a_mistake_in_the_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        settings_from(path)
    assert str(caught.value).startswith(f"{path}: {line}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["keys", "key", "api_key", "api-keys", "API_KEY", "token"])
def test_keys_in_the_file_are_refused_with_the_reason_and_not_shown(tmp_path: Path, field: str) -> None:
    path = write(tmp_path, f"{field}: [sk-a-secret-of-mine]")
    with pytest.raises(SpecError) as caught:
        settings_from(path)
    assert str(caught.value) == (
        f"{path}: field {field!r}: keys have no place among settings, which get copied and shown: they come "
        "from a file of their own (--keys-file) or from YOUTU_ST_KEYS"
    )


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"port": 70000}, "--port: input should be less than or equal to 65535, got 70000"),
        ({"queue_tokens": -5}, "--queue-tokens: input should be greater than 0, got -5"),
        ({"default_role": "doc"}, "--default-role: input should be 'query' or 'document', got 'doc'"),
        ({"timeout": float("inf")}, "--timeout: input should be "),
        (
            {"no_keys": True, "keys_file": "k"},
            "--no-keys and --keys-file contradict each other: leave one of them out",
        ),
        (
            {"reranker_checkpoint": "d"},
            "reranker_checkpoint says which weights, and not of what: give reranker too",
        ),
        ({"checkpoint": "d"}, "checkpoint says which weights, and not of what: give model too"),
    ],
)
def test_a_mistake_in_a_flag_names_it(flags: dict[str, object], line: str) -> None:
    with pytest.raises(InputError) as caught:
        settings_from(None, flags)
    assert str(caught.value).startswith(line)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="gone.yaml: cannot read the settings: No such file"):
        settings_from(tmp_path / "gone.yaml")
    with pytest.raises(SpecError, match="cannot read the settings: it is a folder"):
        settings_from(tmp_path)


@given(st.dictionaries(st.sampled_from(sorted(ServerSettings.model_fields)), st.text(max_size=5), max_size=3))
def test_any_flag_is_taken_or_refused_in_one_line(flags: dict[str, str]) -> None:
    try:
        found = settings_from(None, flags)
    except YoutuError as error:
        assert "\n" not in str(error)
    else:
        assert {name: getattr(found, name) for name in flags} == flags
