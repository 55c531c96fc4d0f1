"""Each filter operator against LlamaIndex's own filter function, on random metadata."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import build_metadata_filter_fn
from tiny import TinyEncoder

from llama_index.vector_stores.youtu import YoutuVectorStore
from llama_index.vector_stores.youtu.filters import to_filter
from youtu_st.errors import FilterError

Op = FilterOperator
NUMBERS = [-2, -1.5, 0, 1, 1.0, 2, 2.5, 10, 10**15]
STRINGS = ["", "a", "b", "B", "ab", "1", "中", "中文", "é", "🪐", 'qu"ote', "100%", "_"]
ELEMENTS = [
    one for one in STRINGS if one
]  # to is_empty here, a list holds "" where one of its elements is it
SCALAR = [Op.EQ, Op.NE]
ORDERED = [Op.GT, Op.GTE, Op.LT, Op.LTE]


def random_metadata(draw: random.Random) -> dict[str, Any]:
    """Numbers, strings and lists of them; at times null, and at times not there at all."""
    metadata = {
        "number": draw.choice([*NUMBERS, None]),
        "string": draw.choice([*STRINGS, None]),
        "strings": draw.choice([None, draw.choices(ELEMENTS, k=draw.randrange(4))]),
        "numbers": draw.choice([None, draw.choices(NUMBERS, k=draw.randrange(4))]),
    }
    return {key: value for key, value in metadata.items() if draw.random() < 0.8}


RECORDS = {str(i): random_metadata(random.Random(i)) for i in range(200)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[YoutuVectorStore]:
    path: Path = tmp_path_factory.mktemp("filters") / "index"
    store = YoutuVectorStore.create(path, TinyEncoder(4))
    store.add([TextNode(id_=id, text=f"text {id}", metadata=record) for id, record in RECORDS.items()])
    yield store
    store.close()


def one_of_type(key: str, values: list[Any], operators: list[Op]) -> st.SearchStrategy[MetadataFilter]:
    return st.builds(
        MetadataFilter, key=st.just(key), value=st.sampled_from(values), operator=st.sampled_from(operators)
    )


def list_of_type(key: str, values: list[Any], operators: list[Op]) -> st.SearchStrategy[MetadataFilter]:
    some = st.lists(st.sampled_from(values), max_size=4)
    return st.builds(MetadataFilter, key=st.just(key), value=some, operator=st.sampled_from(operators))


# What LlamaIndex's function defines: it would compare "a" with 1, and search for "a" inside of "abc".
LEAVES = st.one_of(
    one_of_type("number", NUMBERS, SCALAR + ORDERED),
    one_of_type("number", STRINGS, SCALAR),
    one_of_type("string", STRINGS, SCALAR + ORDERED),
    one_of_type("string", NUMBERS, SCALAR),
    one_of_type("string", STRINGS, [Op.TEXT_MATCH, Op.TEXT_MATCH_INSENSITIVE]),
    list_of_type("number", NUMBERS, [Op.IN, Op.NIN]),
    list_of_type("string", STRINGS, [Op.IN, Op.NIN]),
    one_of_type("strings", STRINGS, [Op.CONTAINS]),
    one_of_type("numbers", NUMBERS, [Op.CONTAINS]),
    list_of_type("strings", STRINGS, [Op.ANY, Op.ALL]),
    list_of_type("numbers", NUMBERS, [Op.ANY, Op.ALL]),
    st.sampled_from(["number", "string", "strings", "numbers", "nowhere"]).map(
        lambda key: MetadataFilter(key=key, value=None, operator=Op.IS_EMPTY)
    ),
)
CONDITIONS = st.sampled_from([*FilterCondition, None])
FLAT = st.builds(MetadataFilters, filters=st.lists(LEAVES, max_size=4), condition=CONDITIONS)


def expected(filters: MetadataFilters, id: str) -> bool:
    """LlamaIndex's own answer; it has none for nested filters, which are put together here."""
    if not any(isinstance(part, MetadataFilters) for part in filters.filters):
        return build_metadata_filter_fn(RECORDS.__getitem__, filters)(id)
    held = [
        expected(part if isinstance(part, MetadataFilters) else MetadataFilters(filters=[part]), id)
        for part in filters.filters
    ]
    combine = {FilterCondition.OR: any(held), FilterCondition.NOT: not any(held)}
    return combine.get(filters.condition or FilterCondition.AND, all(held))


def check(store: YoutuVectorStore, filters: MetadataFilters) -> set[str]:
    wanted = {id for id in RECORDS if expected(filters, id)}
    assert {node.node_id for node in store.get_nodes(filters=filters)} == wanted
    return wanted


@pytest.mark.slow
@given(filters=FLAT)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_filters_mean_what_llama_index_means(filled: YoutuVectorStore, filters: MetadataFilters) -> None:
    check(filled, filters)


@given(
    filters=st.recursive(
        FLAT,
        lambda inner: st.builds(
            MetadataFilters, filters=st.lists(inner | LEAVES, min_size=1, max_size=3), condition=CONDITIONS
        ),
        max_leaves=6,
    )
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_nested_filters(filled: YoutuVectorStore, filters: MetadataFilters) -> None:
    check(filled, filters)


@pytest.mark.parametrize(
    ("key", "operator", "value"),
    [
        ("number", Op.EQ, 1),
        ("number", Op.NE, 1),
        ("number", Op.GT, 1),
        ("number", Op.GTE, 1),
        ("number", Op.LT, 2.5),
        ("string", Op.LTE, "b"),
        ("string", Op.IN, ["a", "中文"]),
        ("string", Op.NIN, ["a", "中文"]),
        ("strings", Op.ANY, ["a", "中文"]),
        ("strings", Op.ALL, ["a", "b"]),
        ("numbers", Op.CONTAINS, 2),
        ("string", Op.TEXT_MATCH, "b"),
        ("string", Op.TEXT_MATCH_INSENSITIVE, "B"),
        ("strings", Op.IS_EMPTY, None),
        ("string", Op.IS_EMPTY, None),
    ],
)
def test_each_operator_finds_some_and_leaves_some(
    filled: YoutuVectorStore, key: str, operator: Op, value: Any
) -> None:
    """So that the random tests cannot pass on nothing; and a search takes the same filters."""
    filters = MetadataFilters(filters=[MetadataFilter(key=key, operator=operator, value=value)])
    wanted = check(filled, filters)
    assert 0 < len(wanted) < len(RECORDS)
    assert {hit.id for hit in filled.index.search("question", len(RECORDS), to_filter(filters))} == wanted


@pytest.mark.parametrize("condition", [*FilterCondition, None])
def test_empty_filters_match_everything(filled: YoutuVectorStore, condition: FilterCondition | None) -> None:
    assert len(filled.get_nodes(filters=MetadataFilters(filters=[], condition=condition))) == len(RECORDS)
    assert to_filter(None) == to_filter(MetadataFilters(filters=[], condition=condition)) == {}


@pytest.mark.parametrize(
    ("operator", "value", "named"),
    [
        (Op.TEXT_MATCH, 1, r"'text_match' on 'string' must have a string, not 1"),
        (Op.TEXT_MATCH_INSENSITIVE, ["a"], r"'text_match_insensitive' on 'string' must have a string"),
        (Op.EQ, ["a"], r"'==' on 'string' must have a string or a number, not \['a'\]"),
        (Op.NE, None, r"'!=' on 'string' must have.*is_empty"),
        (Op.EQ, "a\0x", r"\$eq must be a str without NUL"),
        (Op.TEXT_MATCH, "a\0x", r"\$substring must be a str without NUL"),
        (Op.GT, 2**64, r"\$gt must be an int of 64 bits"),
        (Op.IN, [1, 2**64], r"\$in must be an int of 64 bits"),
        (Op.ALL, ["a\0"], r"\$eq must be a str without NUL"),
        (Op.IN, "abc", r"'in' on 'string' must have a list, not 'abc'"),
        (Op.ALL, 3, r"'all' on 'string' must have a list, not 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(
    filled: YoutuVectorStore, operator: Op, value: Any, named: str
) -> None:
    filters = MetadataFilters(filters=[MetadataFilter(key="string", operator=operator, value=value)])
    with pytest.raises(FilterError, match=named):
        filled.get_nodes(filters=filters)
