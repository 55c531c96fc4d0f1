"""The application: routes, who may ask, and what becomes of everything that goes wrong."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import youtu_st
from youtu_st.serving import about
from youtu_st.serving.body import BODIES, Room
from youtu_st.serving.call import Call
from youtu_st.serving.cohere import embed
from youtu_st.serving.embeddings import embeddings
from youtu_st.serving.faults import ClientGone, Fault, internal
from youtu_st.serving.fields import CohereFields, EmbeddingFields, Fields, RerankFields
from youtu_st.serving.output import Pieces, PiecesResponse, dumps
from youtu_st.serving.page import page
from youtu_st.serving.rerank import rerank

if TYPE_CHECKING:
    from youtu_st.serving.server import Server

OPEN = ("/health", "/ready")
"""What is answered without a key."""
COHERE = ("/v2/embed", "/v2/rerank", "/v1/rerank", "/rerank")
"""Routes of Cohere's shape, in their errors too."""
REFUSED = (401, 408, 413, 429, 503)
"""What is counted as a refusal, by its code: nothing of the request was computed."""
LEFT = 499
"""What is counted for a client that has left: nothing is sent to it."""
FINGERPRINT = "X-Model-Fingerprint"
"""Of what gave an answer: a client sees whether it is still the model that it asked about."""
_CALL = "youtu_st.call"

Answer = Callable[[Call], Awaitable[Pieces]]
Forward = Callable[[Call], Awaitable[Response]]


def app(server: Server, forward: Forward | None = None) -> FastAPI:
    """The application that answers for a server.

    Args:
        server: What is served; it may still be loading.
        forward: Answers requests for vectors and scores, where the models are elsewhere. None: they are here.
    """
    made = FastAPI(
        title="youtu-st",
        version=youtu_st.__version__,
        summary="Vectors of queries and documents, and scores, as the model's authors meant them.",
        docs_url=None,  # a page of a CDN's scripts
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _refused},
    )
    made.add_middleware(Edge, server=server)
    embedded = forward or _answered(embeddings, lambda: server.fingerprint)
    _post(made, "/v1/embeddings", embedded, EmbeddingFields)
    _post(made, "/v2/embed", forward or _answered(embed, lambda: server.fingerprint), CohereFields)
    reranked = forward or _answered(rerank, lambda: server.reranker_fingerprint)
    for path in ("/v1/rerank", "/v2/rerank", "/rerank"):
        _post(made, path, reranked, RerankFields)
    _get(made, "/health", lambda _: about.health(), "The process lives.")
    _get(made, "/ready", lambda _: about.ready(server), "Requests are taken: 200, else 503.")
    _get(made, "/info", lambda _: about.info(server), "What is served, and the limits.")
    _get(made, "/v1/models", lambda _: about.models(server), "The names that there are.")
    _get(made, "/v1/models/{name:path}", lambda asked: _model(server, asked), "One of them.", "name")

    async def metrics(request: Request) -> Response:
        content, media = await server.page()
        return Response(content, media_type=media)

    async def docs(request: Request) -> Response:
        return HTMLResponse(described)

    made.add_api_route("/metrics", metrics, summary="For Prometheus.")
    made.add_api_route("/docs", docs, include_in_schema=False)
    described = page(made.openapi())  # now, and not while others wait
    return made


def _model(server: Server, asked: Request) -> dict[str, Any]:
    return about.model(server, asked.path_params["name"])


def _answered(answer: Answer, fingerprint: Callable[[], str]) -> Forward:
    async def answered(call: Call) -> Response:
        return PiecesResponse(await answer(call), {FINGERPRINT: fingerprint()})

    return answered


def _post(made: FastAPI, path: str, answer: Forward, kind: type[Fields]) -> None:
    async def endpoint(request: Request) -> Response:
        return await answer(request.scope[_CALL])

    body = {"required": True, "content": {"application/json": {"schema": kind.model_json_schema()}}}
    made.add_api_route(
        path, endpoint, methods=["POST"], summary=kind.__doc__, openapi_extra={"requestBody": body}, name=path
    )


def _get(
    made: FastAPI, path: str, tell: Callable[[Request], dict[str, Any]], summary: str, *parts: str
) -> None:
    async def endpoint(request: Request) -> Response:
        return Response(dumps(tell(request)), media_type="application/json")

    schema = {"type": "string"}
    named = [{"name": part, "in": "path", "required": True, "schema": schema} for part in parts]
    extra = {"parameters": named} if named else None
    made.add_api_route(path, endpoint, methods=["GET"], summary=summary, name=path, openapi_extra=extra)
    made.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


async def _refused(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: a path that there is not, a method that a path has not."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow", "another method")
    message = {
        404: "there is no such path: GET /docs lists those there are",
        405: f"this path takes {allowed}",
    }
    fault = Fault(error.status_code, message.get(error.status_code, "the request cannot be answered"))
    return _response(fault, request.scope["path"], error.headers)


def _response(fault: Fault, path: str, headers: Mapping[str, str] | None = None) -> Response:
    content = dumps(fault.shape(cohere=path.startswith("/v2/") or path in COHERE))
    return Response(content, fault.status, {**(headers or {}), **fault.headers}, "application/json")


class Edge:
    """Around all routes: keys, errors, counts, and the ends of connections.

    Args:
        app: What answers.
        server: What it answers for.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        self._app = app
        self._server = server
        self._room = Room(BODIES * server.settings.max_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = scope[_CALL] = Call(self._server, scope, receive, self._room)
        status = LEFT

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                await call.body.discard()
                if not call.body.finished:  # nobody will read the rest of it
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            if scope["path"] not in OPEN:
                call.check_key()
            await self._app(scope, receive, reply)
        except ClientGone:
            status = LEFT
        except Exception as error:
            response = self._told(error, scope["path"])
            if status == LEFT:  # else half an answer is out already, and the server closes the connection
                await response(scope, receive, reply)
        finally:
            call.body.release()
            seconds = time.perf_counter() - call.began
            self._server.metrics.request(_route(scope["path"]), status, call.request, seconds)
            call.request = None  # its rows too: the collector, whose the rest is, may come late

    def _told(self, error: Exception, path: str) -> Response:
        fault = error if isinstance(error, Fault) else internal(error)
        if fault.status in REFUSED and path not in OPEN:
            self._server.metrics.refused(fault.code)
        return _response(fault, path)


def _route(path: str) -> str:
    """A path as it is counted: those of one route together."""
    return "/v1/models" if path.startswith("/v1/models/") else path
