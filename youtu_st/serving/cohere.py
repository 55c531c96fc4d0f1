"""``POST /v2/embed``: Cohere's shape."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from youtu_st.errors import counted
from youtu_st.protocol import Role
from youtu_st.serving.embeddings import dimensions_of, place_in
from youtu_st.serving.fields import CohereFields, texts_of
from youtu_st.serving.names import role_of
from youtu_st.serving.output import Format, Part, Pieces, as_list, dumps

if TYPE_CHECKING:
    from youtu_st.inference.requests import Request
    from youtu_st.serving.call import Call

ROLES: dict[str, Role] = {"search_query": "query", "search_document": "document"}
WAYS = "set input_type to search_query or search_document"


async def embed(call: Call) -> Pieces:
    """The vectors of some texts, in each format that is asked for.

    Raises:
        Fault: For all that keeps them from an answer.
        ClientGone: If the client leaves before there is one.
    """
    fields = await call.fields(CohereFields)
    server = call.server
    role = role_of(server, fields.model, ROLES.get(fields.input_type or ""), WAYS)
    texts = texts_of(fields.texts, "texts", server.settings.max_texts)
    size = dimensions_of(server, fields.output_dimension, "output_dimension")
    cut = server.settings.truncation == "cut" if fields.truncate is None else fields.truncate == "END"
    request, rows = await call.rows(
        server.model.request(role, texts, dimensions=size),
        texts=len(texts),
        where=place_in("texts"),
        cut=cut,
        remedy="set truncate to END",
        limit=server.model.max_length,
    )
    forms: list[Format] = list(dict.fromkeys(fields.embedding_types or ["float"]))
    parts: list[Part] = [b'{"id":' + dumps(uuid.uuid4().hex) + b',"embeddings":{']
    for form in forms:
        parts += [b'"' + form.encode() + b'":[', (rows, as_list(form)), b"]" if form == forms[-1] else b"],"]
    rest = {"texts": texts, "meta": meta_of(request), "response_type": "embeddings_by_type"}
    return Pieces(*parts, lambda: b"}," + dumps(rest)[1:], characters=sum(map(len, texts)))


def meta_of(request: Request, **units: int) -> dict[str, Any]:
    """What Cohere's answers say beside the numbers: tokens as the model counts them, and what was cut.

    Args:
        request: The texts.
        **units: What else was done for them.
    """
    tokens = {"input_tokens": request.asked_tokens}
    meta: dict[str, Any] = {"api_version": {"version": "2"}, "tokens": tokens}
    meta["billed_units"] = {**tokens, **units}
    if request.cut_texts:
        meta["warnings"] = [f"{counted(request.cut_texts, 'text')} cut to the model's length"]
    return meta
