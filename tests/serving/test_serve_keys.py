"""Keys: from a file or a variable, kept as digests, told apart from all that is no key."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.serving.keys import Keys, load_keys

LONG = "sk-0123456789abcdef"
OTHER = "sk-fedcba9876543210"


def write(folder: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "keys.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_without_keys_everybody_may_ask() -> None:
    keys = Keys()
    assert not keys.required
    assert keys.allows(None)
    assert keys.allows("Bearer x")


def test_each_key_opens_and_nothing_else_does() -> None:
    keys = Keys([LONG, OTHER])
    assert keys.required
    for given_ in (f"Bearer {LONG}", f"bearer {OTHER}", f"BEARER   {LONG} "):
        assert keys.allows(given_)
    for given_ in (
        *(None, "", "Bearer", "Bearer ", LONG, f"Basic {LONG}", f"Bearer {LONG}x", f"Bearer {LONG[:-1]}"),
        *(f"Bearer {LONG.upper()}", f"Bearer {LONG},{OTHER}", f"Bearer {LONG}\n{OTHER}", "Bearer \udcff é"),
    ):
        assert not keys.allows(given_)


@given(st.lists(st.text(min_size=1, max_size=8), max_size=4), st.text(max_size=8))
def test_it_is_membership(keys: list[str], key: str) -> None:
    keys = [each.strip() for each in keys if each.strip()]
    assert Keys(keys).allows(f"Bearer {key}") == (not keys or key.strip() in keys)


def test_no_key_can_be_read_out_of_it() -> None:
    keys = Keys([LONG, OTHER])
    assert repr(keys) == "Keys(2)"
    assert LONG.encode() not in pickle.dumps(keys)
    assert LONG not in str(vars(keys))


def test_a_file_has_one_key_a_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"# of the team\n\n  {LONG}  \r\n{OTHER}\n")
    keys = load_keys(path, {})
    assert repr(keys) == "Keys(2)"
    assert keys.allows(f"Bearer {LONG}")
    assert keys.allows(f"Bearer {OTHER}")
    assert not keys.allows("Bearer # of the team")


@pytest.mark.parametrize("between", [",", "\n", " , ", ",\n"])
def test_the_variable_has_several(between: str) -> None:
    keys = load_keys(None, {"YOUTU_ST_KEYS": f"{LONG}{between}{OTHER}"})
    assert repr(keys) == "Keys(2)"
    assert keys.allows(f"Bearer {OTHER}")


def test_those_of_both_count(tmp_path: Path) -> None:
    keys = load_keys(write(tmp_path, LONG), {"YOUTU_ST_KEYS": OTHER})
    assert keys.allows(f"Bearer {LONG}")
    assert keys.allows(f"Bearer {OTHER}")


@pytest.mark.parametrize("variable", ["", "  ", "\n"])
def test_a_variable_that_was_never_set_is_none(variable: str) -> None:
    assert not load_keys(None, {"YOUTU_ST_KEYS": variable}).required


@pytest.mark.parametrize("content", ["", "\n\n", "# none yet\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        load_keys(path, {"YOUTU_ST_KEYS": LONG})
    assert str(caught.value) == f"{path}: there is no key in it: write one a line, or leave it out"


@pytest.mark.parametrize("key", ["my secret", "schlüssel-0123456789", "a\x07bcdefghijklmnop"])
def test_what_no_header_holds_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, f"{LONG}\n{key}\n")
    with pytest.raises(InputError) as caught:
        load_keys(path, {})
    assert (
        str(caught.value) == f"{path}, line 2: a key is printable ASCII without spaces: it stands in a header"
    )
    with pytest.raises(InputError, match="^YOUTU_ST_KEYS, key 2: a key is printable"):
        load_keys(None, {"YOUTU_ST_KEYS": f"{LONG},{key}"})


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: cannot read the keys: No such file"):
        load_keys(tmp_path / "gone", {})
    with pytest.raises(InputError, match="cannot read the keys: it is a folder"):
        load_keys(tmp_path, {})
    with pytest.raises(InputError, match="cannot read the keys: it is no text"):
        load_keys(write(tmp_path, b"\xff\xfe\x00secret"), {})


def test_a_key_that_can_be_guessed_is_told_by_its_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_keys(write(tmp_path, f"{LONG}\nhunter2\n"), {})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages[0].endswith("line 2: 1 key of fewer than 16 characters, which can be guessed")
    assert "hunter2" not in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_others_can_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_keys(write(tmp_path, LONG, 0o600), {})
    assert caplog.messages == []
    path = write(tmp_path, LONG, 0o644)
    assert load_keys(path, {}).required
    assert caplog.messages == [f"{path}: other users can read the keys in it: chmod 600 it"]
