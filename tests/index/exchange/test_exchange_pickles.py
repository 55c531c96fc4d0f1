"""Pickles as plain data: what may be in one is read as Python reads it, and nothing else is read or run."""

from __future__ import annotations

import os
import pickle
import pickletools
import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from youtu_st.errors import InputError
from youtu_st.index.exchange.langchain_faiss import CLASSES
from youtu_st.index.exchange.pickles import Inert, read_pickle
from youtu_st.index.exchange.plain import Copier

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 80), 1 << 80)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
VALUES = st.recursive(
    SCALARS | st.sets(SCALARS, max_size=4) | st.frozensets(SCALARS, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(SCALARS, inner, max_size=4)
    ),
    max_leaves=30,
)


def folded(pair: tuple[datetime, bool]) -> datetime:
    """The second of two moments of the same name, where clocks are put back."""
    return pair[0].replace(fold=pair[1])


@given(VALUES, st.integers(2, pickle.HIGHEST_PROTOCOL), st.booleans())
@settings(max_examples=300, deadline=None)
def test_plain_data_is_read_as_python_reads_it(value: Any, protocol: int, optimized: bool) -> None:
    data = pickle.dumps(value, protocol)
    if protocol == 2 and (b"_codecs" in data or b"__builtin__" in data):
        with pytest.raises(
            InputError, match=r"_codecs\.encode|set|bytes"
        ):  # how old protocols write bytes and sets
            read_pickle(data, CLASSES)
        return
    if protocol == 3 and (b"builtins" in data or b"__builtin__" in data):
        with pytest.raises(InputError, match="set"):
            read_pickle(data, CLASSES)
        return
    found = read_pickle(pickletools.optimize(data) if optimized else data, CLASSES)
    assert found == pickle.loads(data) == value
    assert repr(type(found)) == repr(type(value))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda i: st.lists(i) | st.dictionaries(st.text(max_size=3), i),
        max_leaves=20,
    ),
    st.integers(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_protocols_of_text_too(value: Any, protocol: int) -> None:
    assert read_pickle(pickle.dumps(value, protocol), CLASSES) == value


ZONES = st.none() | st.timedeltas(
    timedelta(hours=-24, microseconds=1), timedelta(hours=24, microseconds=-1)
).map(timezone)


@given(
    st.dates() | st.datetimes(timezones=ZONES) | st.tuples(st.datetimes(), st.booleans()).map(folded),
    st.integers(3, pickle.HIGHEST_PROTOCOL),
)
@settings(max_examples=300, deadline=None)
def test_times_are_read_as_python_reads_them(value: date, protocol: int) -> None:
    data = pickle.dumps({"at": [value, value]}, protocol)
    found = read_pickle(data, CLASSES)
    assert found == {"at": [value, value]}
    assert repr(found) == repr(pickle.loads(data))  # a date is no datetime, and zones and folds are alike
    assert Copier(1 << 10).copy(found) == found


def test_what_is_shared_stays_shared() -> None:
    one = ["x"]
    found = read_pickle(pickle.dumps([one, one, {"a": one}]), CLASSES)
    assert found[0] is found[1] is found[2]["a"]


class _Runs:
    def __init__(self, made: Callable[[], Any]) -> None:
        self._made = made

    def __reduce__(self) -> Any:
        return self._made()


def _inst(path: Path) -> bytes:
    return b"(S'touch " + str(path).encode() + b"'\nios\nsystem\n."


def hostile(path: Path) -> dict[str, tuple[bytes, str]]:
    touch = f"touch {path}"
    shown = {
        "system": (pickle.dumps(_Runs(lambda: (os.system, (touch,)))), r"asks for 'posix\.system'"),
        "eval": (
            pickle.dumps(_Runs(lambda: (eval, (f"open({str(path)!r}, 'w')",)))),
            r"asks for 'builtins\.eval'",
        ),
        "exec in data": (pickle.dumps({"a": [_Runs(lambda: (exec, ("1",)))]}), r"asks for 'builtins\.exec'"),
        "an old class's instance": (
            _inst(path),
            "asks for what no document needs|asks for a call of 'os system'",
        ),
        "inst without arguments": (b"(ios\nsystem\n.", "asks for a call of 'os system'"),
        "obj": (b"(cos\nsystem\nN" + b"o.", r"asks for 'os\.system'"),
        "a name on the stack": (b"\x80\x04\x8c\x02os\x8c\x06system\x93N\x85R.", r"asks for 'os\.system'"),
        "a class of documents, called": (
            b"\x80\x04\x8c\x1dlangchain_core.documents.base\x8c\x08Document\x93)R.",
            r"asks for a call \(the pickle instruction REDUCE\)",
        ),
        "a class of documents, with arguments": (
            b"\x80\x04\x8c\x1dlangchain_core.documents.base\x8c\x08DocumentK\x01\x85".replace(
                b"K\x01", b"\x93K\x01"
            )
            + b"\x81.",
            "makes an object in a way",
        ),
        "a call of no time": (
            b"\x80\x04\x8c\x08datetime\x8c\x08datetime\x93M\xe8\x07K\x05K\x01\x87R.",
            "a time that it writes in a way that is not read: 'datetime.datetime'",
        ),
        "a thirteenth month": (
            b"\x80\x04\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xe8\x0d\x01\x85R.",
            "no pickle that can be read: 'month must be",
        ),
        "a time of bytes that are too few": (
            b"\x80\x04\x8c\x08datetime\x8c\x08datetime\x93C\x02\x07\xe8\x85R.",
            "a time that it writes in a way",
        ),
        "a zone of somebody's own": (
            b"\x80\x04\x8c\x08datetime\x8c\x08datetime\x93C\x0a\x07\xe8\x05\x01\x00\x00\x00\x00\x00\x00K\x01\x86R.",
            "a time that it writes in a way",
        ),
        "a method of a time's class": (
            b"cdatetime\ndatetime.fromtimestamp\n.",
            r"asks for 'datetime\.datetime\.fromtimestamp'",
        ),
        "a time made as an object": (
            b"\x80\x04\x8c\x08datetime\x8c\x04date\x93)\x81.",
            "makes an object in a way",
        ),
        "a state for a time": (
            b"\x80\x04\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xe8\x05\x01\x85R}b.",
            "fills an object in a way",
        ),
        "another name in a known module": (
            b"clangchain_core.documents.base\nos.system\n.",
            r"asks for 'langchain_core\.documents\.base\.os\.system'",
        ),
        "an extension": (b"\x80\x04\x82\x01.", "instruction EXT1|no pickle"),
        "a persistent id": (b"\x80\x04K\x01Q.", "instruction BINPERSID"),
        "a buffer": (b"\x80\x05\x97.", "instruction NEXT_BUFFER"),
        "a state for what is no object": (b"\x80\x04}}b.", "fills an object in a way"),
        "a state that is a list": (
            b"\x80\x04\x8c\x1dlangchain_core.documents.base\x8c\x08Document\x93)\x81]b.",
            "fills an object in a way",
        ),
        "items of an object": (
            b"\x80\x04\x8c\x1dlangchain_core.documents.base\x8c\x08Document\x93)\x81K\x01K\x02s.",
            "fills what is no dict",
        ),
        "a key that is nested": (b"\x80\x04}))K\x01s.".replace(b"))", b")"), "key of type tuple"),
        "an int without a bound": (b"\x80\x04\x8b" + struct.pack("<i", 300) + b"\x01" * 300 + b".", "LONG4"),
        "nothing": (b"", "no pickle"),
        "no end": (b"\x80\x04N", "no pickle"),
        "an empty stack": (b"\x80\x04a.", "no pickle"),
        "a mark too many": (b"\x80\x04(N.", "no pickle"),
        "no mark": (b"\x80\x04u.", "no pickle"),
        "a memo that is not there": (b"\x80\x04h\x07.", "no pickle"),
        "a frame beyond the end": (b"\x80\x04\x95" + b"\xff" * 8 + b"N", "no pickle"),
        "a text beyond the end": (b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7f" + b"x.", "no pickle"),
        "a class as what there is": (
            b"\x80\x04\x8c\x1dlangchain_core.documents.base\x8c\x08Document\x93.",
            "no pickle",
        ),
        "text": (b"hello there", "no pickle|asks for"),
    }
    return shown


@pytest.mark.parametrize("name", list(hostile(Path("x"))))
def test_a_hostile_pickle_runs_nothing(name: str, tmp_path: Path) -> None:
    data, message = hostile(tmp_path / "run")[name]
    with pytest.raises(InputError, match=message) as caught:
        read_pickle(data, CLASSES)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_memo_with_holes_takes_no_memory() -> None:
    data = b"\x80\x02]r\xff\xff\xff\xff" + b"j\xff\xff\xff\xff" + b"a."  # a list that holds itself
    found = read_pickle(data, CLASSES)
    assert found[0] is found
    with pytest.raises(InputError, match="more than 100 levels"):
        Copier(1 << 20).copy(found)


def test_laughs_are_counted() -> None:
    """Each level names the one below ten times: a few hundred bytes that say ten to the power of sixty values."""
    value: Any = ["ha" * 10]
    for _ in range(60):
        value = [value] * 10
    data = pickle.dumps(value)
    assert len(data) < 2000
    found = read_pickle(data, CLASSES)
    with pytest.raises(InputError, match="so often that they would fill the memory"):
        Copier(1 << 16).copy(found)
    text = "x" * 1000
    with pytest.raises(InputError, match="so often"):
        Copier(10_000).copy(read_pickle(pickle.dumps([text] * 100), CLASSES))


def test_laughs_as_keys_are_not_hashed() -> None:
    value: Any = ("x",)
    for _ in range(60):
        value = (value, value)
    with pytest.raises(InputError, match="key of type tuple"):
        read_pickle(_keyed(value), CLASSES)


def _keyed(value: Any) -> bytes:
    """A dictionary with that key, written without hashing it."""
    inner = pickle.dumps(value, 2)[2:-1]
    return b"\x80\x02}" + inner + b"K\x01s."


def test_deep_nesting_is_no_recursion() -> None:
    deep = b"\x80\x04" + b"]" * 50_000 + b"a" * 49_999 + b"."
    found = read_pickle(deep, CLASSES)
    with pytest.raises(InputError, match="levels"):
        Copier(1 << 20).copy(found)
    while found:  # Python frees a deep list one level at a time, too
        found = found[0]


def test_objects_are_names_with_their_state() -> None:
    from langchain_core.documents import Document

    found = read_pickle(pickle.dumps(Document(page_content="a", metadata={"n": 1}, id="i")), CLASSES)
    assert isinstance(found, Inert)
    assert found.kind == ("langchain_core.documents.base", "Document")
    assert found.state["__dict__"]["page_content"] == "a"
    assert found.state["__dict__"]["metadata"] == {"n": 1}
