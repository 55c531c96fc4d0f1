"""LlamaIndex's metadata filters as filters of the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.vector_stores.types import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.utils import DEFAULT_TEXT_KEY

from llama_index.vector_stores.youtu.nodes import RECORD
from youtu_st.errors import FilterError, brief
from youtu_st.index.filtering.times import parsed

_ONE = {
    FilterOperator.EQ: "$eq",
    FilterOperator.NE: "$ne",
    FilterOperator.GT: "$gt",
    FilterOperator.GTE: "$gte",
    FilterOperator.LT: "$lt",
    FilterOperator.LTE: "$lte",
    FilterOperator.CONTAINS: "$contains",
}
_ORDER = {FilterOperator.GT, FilterOperator.GTE, FilterOperator.LT, FilterOperator.LTE}
_LIST = {FilterOperator.IN: "$in", FilterOperator.NIN: "$nin", FilterOperator.ANY: "$in"}
_MATCH = {FilterOperator.TEXT_MATCH: "$substring", FilterOperator.TEXT_MATCH_INSENSITIVE: "$isubstring"}

_IN_TEXT = {FilterOperator.TEXT_MATCH: "$contains", FilterOperator.TEXT_MATCH_INSENSITIVE: "$icontains"}


def to_filter(filters: MetadataFilters | None) -> dict[str, Any]:
    """The same condition in the language of :meth:`youtu_st.index.VectorIndex.search`.

    Fields are compared as there: a dot in a key leads into a nested field, and a field that is a list matches
    where one of its elements does. Greater and less than a text that says a time in ISO 8601 is what is
    later and earlier. None, and an empty list of conditions, match everything. To ``text_match`` the key
    ``text`` is a node's text, unless its metadata has a field of that name.

    Raises:
        FilterError: If an operator or its value cannot be used: the message names what is allowed.
    """
    if filters is None or not filters.filters:
        return {}
    parts = [to_filter(p) if isinstance(p, MetadataFilters) else _condition(p) for p in filters.filters]
    if filters.condition == FilterCondition.OR:
        return {"$or": parts}
    if filters.condition == FilterCondition.NOT:  # none of them
        return {"$not": {"$or": parts}}
    return {"$and": parts}


def in_documents(document_ids: Sequence[str]) -> dict[str, Any]:
    """A filter for the nodes of some source documents: those whose ``ref_doc_id`` is one of the ids."""
    ids = {"$in": list(document_ids)}
    # Without a record it was another tool that wrote the document, and "source" is where it came from.
    return {"$or": [{f"{RECORD}.document": ids}, {RECORD: None, "source": ids}]}


def _condition(one: MetadataFilter) -> dict[str, Any]:
    field, operator, value = one.key, one.operator, one.value
    if operator == FilterOperator.IS_EMPTY:
        return {"$or": [{field: {"$in": [None, ""]}}, {field: {"$size": 0}}]}
    if operator in _ORDER and (moment := parsed(value)) is not None:  # a MetadataFilter takes no datetime
        return {field: {_ONE[operator]: moment}}
    if operator in _ONE and isinstance(value, str | int | float):
        return {field: {_ONE[operator]: value}}
    if operator in _MATCH and isinstance(value, str):
        matched: dict[str, Any] = {field: {_MATCH[operator]: value}}
        if field != DEFAULT_TEXT_KEY:
            return matched
        return {"$or": [matched, {field: None, _IN_TEXT[operator]: value}]}
    if operator in _LIST and isinstance(value, list):
        return {field: {_LIST[operator]: value}}
    if operator == FilterOperator.ALL and isinstance(value, list):
        return {"$and": [{field: {"$eq": item}} for item in value] or [{field: {"$ne": None}}]}
    takes = "a string or a number" if operator in _ONE else "a string" if operator in _MATCH else "a list"
    hint = "; for a field that is missing use is_empty" if value is None else ""
    raise FilterError(f"{operator.value!r} on {brief(field)} must have {takes}, not {brief(value)}{hint}")
