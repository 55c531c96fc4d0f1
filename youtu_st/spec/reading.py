"""YAML that somebody else wrote: plain values, and no more of them than a spec needs."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from youtu_st.errors import brief

MOST_BYTES = 1 << 18
"""Of a YAML file; those that are shipped have 7 KB at most."""
MOST_VALUES = 20_000
"""In a YAML file, each alias counted as all that it stands for."""
MOST_LEVELS = 30


def parse_yaml(text: str) -> Any:
    """The value that a YAML document stands for: of bounded size, and every key of a mapping there once.

    Raises:
        yaml.YAMLError: Saying where.
    """
    return yaml.load(text, Loader=_Loader)  # a kind of SafeLoader


_FLOAT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")
"""``2e-5``: a number by YAML 1.2, as everybody means it, and not by 1.1."""


class _Loader(yaml.SafeLoader):
    """Knows plain values only, and counts them as they are put together, before any are made."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._levels = self._values = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As the host does, within the limits."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # untyped in the host
        mark: Any = event.start_mark
        before = self._values
        self._levels += 1
        if self._levels > MOST_LEVELS:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_LEVELS} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._levels -= 1
        if not isinstance(event, yaml.AliasEvent):
            self._values += 1
            self._sizes[id(node)] = self._values - before
        elif id(node) in self._sizes:
            self._values += self._sizes[id(node)]
        else:
            raise yaml.MarkedYAMLError(problem="a value holds itself", problem_mark=mark)
        if self._values > MOST_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MOST_VALUES:,} values", problem_mark=mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """As the host does; its errors for a date of no calendar, or 5,000 digits, do not say where."""
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:
            kind = node.tag.rpartition(":")[2]
            mark: Any = node.start_mark
            raise yaml.MarkedYAMLError(
                problem=f"{brief(node.value)} is not of type {kind}", problem_mark=mark
            ) from error

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """As the host does; it would take the last of several values for one key, without a word."""
        node = super().compose_mapping_node(anchor)
        seen: set[Hashable] = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                mark: Any = key.start_mark
                raise yaml.MarkedYAMLError(
                    problem=f"the key {str(key.value)[:100]!r} is there twice", problem_mark=mark
                )
            seen.add(name)
        return node


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))
