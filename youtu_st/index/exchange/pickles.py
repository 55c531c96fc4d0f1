"""A pickle as plain data: nothing is imported, nothing is called, and what is not known is refused.

Python's own reader runs what a pickle asks for. This one walks its instructions, builds lists, dictionaries
and scalars, and keeps an object as the name of its class and its state. The only calls that it knows are
those that say a time.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from youtu_st.errors import InputError, brief
from youtu_st.index.exchange.pickled_times import TIMES, made

Class = tuple[str, str]
"""Module and name of a class."""

_PUSHED = {
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
"""Instructions that push what stands behind them."""
_SKIPPED = {"PROTO", "FRAME"}
_SCALARS = (str, int, float, bool, bytes, type(None))
"""What may be a key or in a set: hashing what is nested takes as long as its nesting says."""
_CALLS = ("INST", "OBJ", "NEWOBJ_EX")


@dataclass(slots=True, eq=False)
class Inert:
    """An object that is none: the class that it would be of, and its state."""

    kind: Class
    state: Any = None
    built: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class _Name:
    """A class, named and not looked up."""

    kind: Class


def read_pickle(data: bytes, classes: Collection[Class]) -> Any:
    """The plain data in a pickle.

    What it holds twice is one and the same object here: to go through it all may take longer than the pickle
    is long, see :mod:`youtu_st.index.exchange.plain`.

    Args:
        data: The pickle's bytes.
        classes: Those whose objects may be in it, which become :class:`Inert`.

    Raises:
        InputError: If it is no pickle, or asks for anything else: the message names what.
    """
    walk = _Walk(classes)
    try:
        for operation, argument, _ in pickletools.genops(data):
            name = operation.name
            if name == "STOP":
                return walk.end()
            walk.take(name, argument)
    except InputError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise InputError(f"it is no pickle that can be read: {brief(str(error))}") from error
    raise InputError("it is no pickle that can be read: it has no end")


class _Walk:
    """The stack, what was put aside at each mark, and the memo of a pickle that is being read."""

    def __init__(self, classes: Collection[Class]) -> None:
        self._classes = classes
        self._stack: list[Any] = []
        self._aside: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def end(self) -> Any:
        """What the pickle holds."""
        if len(self._stack) != 1 or self._aside or isinstance(self._stack[0], _Name):
            raise ValueError("its end comes too early")
        return self._stack[0]

    def take(self, name: str, argument: Any) -> None:
        """Do what one instruction says, if it may be done."""
        if name in _PUSHED:
            self._stack.append(argument)
        elif (make := _MADE.get(name)) is not None:
            self._stack.append(make())
        elif (work := _WORK.get(name)) is not None:
            work(self, argument)
        elif (count := _TUPLES.get(name)) is not None:
            self._tuple_of(count)
        elif name not in _SKIPPED:
            called = f" of {brief(argument)}" if name == "INST" else ""
            what = f"a call{called}" if name in _CALLS else "what no document needs"
            raise InputError(f"it asks for {what} (the pickle instruction {name}){_UNREAD}")

    # -- values ------------------------------------------------------------------------------------------

    def mark(self, _: Any) -> None:
        self._aside.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._aside.pop()
        return values

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def append(self, _: Any) -> None:
        value = self._stack.pop()
        _as(list, self._stack[-1]).append(value)

    def appends(self, _: Any) -> None:
        values = self._since_mark()
        _as(list, self._stack[-1]).extend(values)

    def set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        _as(dict, self._stack[-1])[_key(key)] = value

    def set_items(self, _: Any) -> None:
        values = self._since_mark()
        _fill(_as(dict, self._stack[-1]), values)

    def add_items(self, _: Any) -> None:
        values = self._since_mark()
        _as(set, self._stack[-1]).update(map(_key, values))

    def as_list(self, _: Any) -> None:
        self._push(self._since_mark())

    def as_tuple(self, _: Any) -> None:
        self._push(tuple(self._since_mark()))

    def frozen_set(self, _: Any) -> None:
        self._push(frozenset(map(_key, self._since_mark())))

    def dictionary(self, _: Any) -> None:
        filled: dict[Any, Any] = {}
        _fill(filled, self._since_mark())
        self._push(filled)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise ValueError("a tuple of what is not there")
        values = self._stack[-count:]
        del self._stack[-count:]
        self._push(tuple(values))

    # -- the memo ----------------------------------------------------------------------------------------

    def put(self, place: int) -> None:
        self._memo[place] = self._stack[-1]

    def memoize(self, _: Any) -> None:
        self.put(len(self._memo))

    def get(self, place: int) -> None:
        self._push(self._memo[place])

    # -- objects -----------------------------------------------------------------------------------------

    def named(self, both: str) -> None:
        module, _, name = both.partition(" ")
        self._push_class(module, name)

    def named_on_stack(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._push_class(module, name)

    def _push_class(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a class whose name is no text")
        if (module, name) not in self._classes and (module, name) not in TIMES:
            raise InputError(
                f"it asks for {brief(f'{module}.{name}')}, which is no class of documents{_UNREAD}"
            )
        self._push(_Name((module, name)))

    def call(self, _: Any) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        if not isinstance(kind, _Name) or kind.kind not in TIMES:
            raise InputError(f"it asks for a call (the pickle instruction REDUCE){_UNREAD}")
        self._push(made(kind.kind, arguments))

    def new_object(self, _: Any) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        if not isinstance(kind, _Name) or kind.kind in TIMES or arguments != ():
            raise InputError(f"it makes an object in a way that no document needs{_UNREAD}")
        self._push(Inert(kind.kind))

    def build(self, _: Any) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, Inert) or target.built or type(state) is not dict:
            raise InputError(f"it fills an object in a way that no document needs{_UNREAD}")
        target.state, target.built = state, True


def _as(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise InputError(f"it fills what is no {kind.__name__}{_UNREAD}")
    return value


def _key(value: Any) -> Any:
    if type(value) not in _SCALARS:
        raise InputError(f"it has a key of type {type(value).__name__}, which no document needs{_UNREAD}")
    return value


def _fill(filled: dict[Any, Any], values: list[Any]) -> None:
    for key, value in zip(values[::2], values[1::2], strict=True):
        filled[_key(key)] = value


_UNREAD = ": it is not read, and nothing of it was run"
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_WORK: dict[str, Callable[[_Walk, Any], None]] = {
    "MARK": _Walk.mark,
    "APPEND": _Walk.append,
    "APPENDS": _Walk.appends,
    "SETITEM": _Walk.set_item,
    "SETITEMS": _Walk.set_items,
    "ADDITEMS": _Walk.add_items,
    "LIST": _Walk.as_list,
    "TUPLE": _Walk.as_tuple,
    "FROZENSET": _Walk.frozen_set,
    "DICT": _Walk.dictionary,
    "PUT": _Walk.put,
    "BINPUT": _Walk.put,
    "LONG_BINPUT": _Walk.put,
    "MEMOIZE": _Walk.memoize,
    "GET": _Walk.get,
    "BINGET": _Walk.get,
    "LONG_BINGET": _Walk.get,
    "GLOBAL": _Walk.named,
    "STACK_GLOBAL": _Walk.named_on_stack,
    "REDUCE": _Walk.call,
    "NEWOBJ": _Walk.new_object,
    "BUILD": _Walk.build,
}
