"""The bodies of requests: every field that there is, and what it may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from youtu_st.errors import counted
from youtu_st.serving.faults import Fault, of_fields, plain_name, wrong

_TEXT = {"type": "string", "minLength": 1}
_ONE_OR_NONE = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_MORE = {"anyOf": [*_ONE_OR_NONE["anyOf"], {"type": "array", "items": _ONE_OR_NONE}]}
_WITH_TEXT = {
    "type": "object",
    "properties": {"text": _TEXT},
    "required": ["text"],
    "additionalProperties": False,
}

# Lists of thousands of texts are looked at by hand: pydantic would copy them, one by one.
Texts = Annotated[Any, WithJsonSchema({"type": "array", "items": _TEXT, "minItems": 1})]
OneOrMore = Annotated[
    Any, WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]})
]
Documents = Annotated[
    Any, WithJsonSchema({"type": "array", "items": {"anyOf": [_TEXT, _WITH_TEXT]}, "minItems": 1})
]
Instructions = Annotated[Any, WithJsonSchema(_MORE)]
Count = Annotated[int, Field(ge=1)]


class Fields(BaseModel):
    """A body: strict about names and types, so that a slip is an error and not a default."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,  # which the page of the routes shows
    )


class EmbeddingFields(Fields):
    """Vectors of texts, in OpenAI's shape."""

    input: OneOrMore
    """A text, or a list of texts."""
    model: str
    """The model's name; with `:query` or `:document` after it, the role too."""
    encoding_format: Literal["float", "base64"] | None = None
    """`float`, which is the default, or `base64`: a row's float32 numbers, little-endian."""
    dimensions: Count | None = None
    """Length to cut vectors to; one that the model was trained for."""
    user: Any = None
    """Ignored."""
    input_type: Literal["query", "document"] | None = None
    """The role of the texts."""
    instruction: Instructions = None
    """A task description for all texts, or one per text: `""` is none, null is the model's own."""
    truncate: bool | None = None
    """Whether texts over the model's length are cut; otherwise they are an error."""


class CohereFields(Fields):
    """Vectors of texts, in Cohere's shape."""

    texts: Texts
    """A list of texts."""
    model: str
    """The model's name."""
    input_type: Literal["search_query", "search_document"] | None = None
    """The role of the texts."""
    embedding_types: list[Literal["float", "base64"]] | None = None
    """`float`, which is the default, `base64` or both."""
    output_dimension: Count | None = None
    """Length to cut vectors to; one that the model was trained for."""
    truncate: Literal["NONE", "END"] | None = None
    """`END`: texts over the model's length are cut; `NONE`: they are an error."""


class RerankFields(Fields):
    """Scores of documents, best first, in Cohere's shape."""

    query: str
    """What the documents are to answer."""
    documents: Documents
    """A list of texts, or of objects with a `text`."""
    model: str | None = None
    """The reranker's name."""
    top_n: Count | None = None
    """How many results to give; all, where it is left out."""
    return_documents: bool | None = None
    """Whether each result has its document."""
    instruction: str | None = None
    """A task description; null is the model's own."""


F = TypeVar("F", bound=Fields)


def fields_of(kind: type[F], body: Any) -> F:
    """A body's fields.

    Raises:
        Fault: 400, naming the first field that is missing, unknown or of another type.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise of_fields(error, list(kind.model_fields)) from None


def texts_of(value: Any, param: str, most: int) -> list[str]:
    """A list of texts, none of them blank.

    Raises:
        Fault: 400, naming the position; 413 if there are more than ``most``.
    """
    if not isinstance(value, list):
        raise wrong(param, "must be a list of strings")
    _check_number(value, param, most)
    try:  # the usual case at C speed; the loop is for finding the position
        if all(value) and not any(map(str.isspace, value)):
            return value
    except TypeError:
        pass
    if all(map(_is_tokens, value)):
        raise _tokens(param)
    for position, text in enumerate(value):
        check_text(text, f"{param}[{position}]")
    raise AssertionError("unreachable: a text was none")  # pragma: no cover


def input_of(value: Any, param: str, most: int) -> list[str]:
    """A text alone or a list of texts, as a list. Otherwise as :func:`texts_of`."""
    if isinstance(value, str):
        return [check_text(value, param)]
    if not isinstance(value, list):
        raise wrong(param, "must be a string or a list of strings")
    return texts_of(value, param, most)


def documents_of(value: Any, param: str, most: int) -> list[str]:
    """The texts of documents, which are strings, or objects with a text. Otherwise as :func:`texts_of`."""
    if not isinstance(value, list):
        raise wrong(param, "must be a list of strings, or of objects with a text")
    _check_number(value, param, most)
    if not any(isinstance(one, dict) for one in value):
        return texts_of(value, param, most)
    return [_document(one, f"{param}[{i}]") for i, one in enumerate(value)]


def _document(value: Any, param: str) -> str:
    if not isinstance(value, dict):
        return check_text(value, param)
    others = [name for name in value if name != "text"]
    if others or "text" not in value:
        name = plain_name(others[0]) if others else None
        what = f"has a field {name!r}, and " if name else ""
        raise wrong(param, f"{what}must be a string, or an object with text and nothing else")
    return check_text(value["text"], f"{param}.text")


def check_text(value: Any, param: str) -> str:
    """A text that has something to read.

    Raises:
        Fault: 400, naming it.
    """
    if not isinstance(value, str):
        raise wrong(param, "must be a string")
    if not value or value.isspace():
        kind = "blank" if value else "empty"
        raise wrong(param, f"is {kind}: there is nothing to read in it", code="empty_text")
    return value


def check_instruction(value: Any, texts: int, *, taken: bool) -> str | Sequence[str | None] | None:
    """One instruction for all texts, or one per text.

    Args:
        value: What the client has sent.
        texts: How many texts there are.
        taken: Whether the model takes instructions.

    Raises:
        Fault: 400 if it is something else, there are not as many as texts, or the model takes none.
    """
    each = value if isinstance(value, list) else [value]
    for position, one in enumerate(each):
        if one is not None and not isinstance(one, str):
            param = f"instruction[{position}]" if isinstance(value, list) else "instruction"
            also = "" if isinstance(value, list) else ", or a list of these"
            raise wrong(param, f"must be a string or null{also}")
    if isinstance(value, list) and len(value) != texts:
        what = f"is a list of {len(value):,}: one for each of {counted(texts, 'text')}, or one for all"
        raise wrong("instruction", what)
    if any(each) and not taken:
        raise wrong("instruction", "is not for this model, which takes none: leave it out")
    given: str | Sequence[str | None] | None = value
    return given


def _check_number(value: list[Any], param: str, most: int) -> None:
    if not value:
        raise wrong(param, "is an empty list: there is nothing to read in it")
    if len(value) > most:
        message = f"{param} has {len(value):,} entries, and a request may have {most:,}"
        raise Fault(413, message, param=param, code="too_many_texts")


def _is_tokens(value: Any) -> bool:
    """Whether something is a token's id, or a list of them."""
    if isinstance(value, list):
        return bool(value) and all(map(_is_id, value))
    return _is_id(value)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _tokens(param: str) -> Fault:
    message = "holds token ids, which are another tokenizer's words: send texts"
    if param == "input":
        message += "; LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False"
    return wrong(param, message, code="token_ids")
