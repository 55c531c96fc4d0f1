"""``POST /v1/embeddings``: OpenAI's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youtu_st.errors import InputError
from youtu_st.inputs import check_dimensions
from youtu_st.serving.faults import Where, wrong
from youtu_st.serving.fields import EmbeddingFields, check_instruction, input_of
from youtu_st.serving.names import role_of
from youtu_st.serving.output import Pieces, as_objects, dumps

if TYPE_CHECKING:
    from youtu_st.inference.requests import Request
    from youtu_st.serving.call import Call
    from youtu_st.serving.server import Server

WAYS = "set input_type to query or document"


async def embeddings(call: Call) -> Pieces:
    """The vectors of some texts.

    Raises:
        Fault: For all that keeps them from an answer.
        ClientGone: If the client leaves before there is one.
    """
    fields = await call.fields(EmbeddingFields)
    server = call.server
    role = role_of(server, fields.model, fields.input_type, WAYS)
    texts = input_of(fields.input, "input", server.settings.max_texts)
    taken = server.model.takes_instructions
    instruction = check_instruction(fields.instruction, len(texts), taken=taken)
    size = dimensions_of(server, fields.dimensions, "dimensions")
    request, rows = await call.rows(
        server.model.request(role, texts, instruction=instruction, dimensions=size),
        texts=len(texts),
        where=place_in("input", alone=isinstance(fields.input, str)),
        cut=server.settings.truncation == "cut" if fields.truncate is None else fields.truncate,
        remedy="set truncate to true",
        limit=server.model.max_length,
    )
    rest = b'],"model":' + dumps(fields.model) + b',"usage":' + dumps(usage(request)) + b"}"
    return Pieces(b'{"object":"list","data":[', (rows, as_objects(fields.encoding_format or "float")), rest)


def usage(request: Request) -> dict[str, int]:
    """Tokens as the model counts them, prompts included; and texts that were cut, where some were."""
    tokens = request.asked_tokens
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return counts | ({"truncated": request.cut_texts} if request.cut_texts else {})


def dimensions_of(server: Server, value: int | None, param: str) -> int | None:
    """The length that vectors are to have, if the model was trained for it.

    Raises:
        Fault: 400, naming those that it was trained for.
    """
    if value is None:
        return None
    try:
        return check_dimensions(value, server.model.dimensions, server.name)
    except InputError as error:
        raise wrong(param, str(error).removeprefix("dimensions ")) from None


def place_in(param: str, *, alone: bool = False) -> Where:
    """What a client calls the text at a position of a field."""

    def where(position: int) -> str:
        return param if alone else f"{param}[{position}]"

    return where
