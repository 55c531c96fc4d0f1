"""What clients call the model, and the role that they say with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from youtu_st.protocol import Role
from youtu_st.serving.faults import Fault

if TYPE_CHECKING:
    from youtu_st.serving.server import Server

ROLES: tuple[Role, ...] = ("query", "document")


def names_of(name: str) -> dict[str, Role | None]:
    """The names that a model goes by, and the role that each of them says."""
    return {name: None, **{f"{name}:{role}": role for role in ROLES}}


def roles_differ(server: Server) -> bool:
    """Whether the served model puts one thing before queries and another before documents."""
    own = server.model.prompts
    return own["query"] != own["document"]


def role_of(server: Server, name: str, said: Role | None, ways: str) -> Role:
    """What the texts of a request are.

    Args:
        server: What is served.
        name: What the request calls the model.
        said: The role that the request gives beside it.
        ways: How a request gives it, for the message.

    Raises:
        Fault: 404 for another model; 400 if two roles are said, or none where it matters.
    """
    names = names_of(server.name)
    if name not in names:
        message = f"there is no such model: the names are {', '.join(names)}"
        raise Fault(404, message, param="model", code="model_not_found")
    named = names[name]
    if said and named and said != named:
        message = f"input_type says {said}, and the model's name says {named}: say one role"
        raise Fault(400, message, param="input_type", code="two_roles")
    role = said or named or server.default_role
    if role is not None:
        return role
    if not roles_differ(server):
        return "query"
    message = (
        f"the model reads queries and documents differently, and nothing says which these are: {ways}, set "
        f"model to {server.name}:query or {server.name}:document, or start the server with --default-role"
    )
    raise Fault(400, message, param="input_type", code="role_missing")


def check_reranker(server: Server, name: str | None) -> None:
    """Raise unless a reranker is served, by the name that a request gives, if it gives one.

    Raises:
        Fault: 404, with the name that there is, or with what would serve one.
    """
    if server.reranker_name is None:
        message = "this server has no reranker: start it with --reranker NAME"
        raise Fault(404, message, code="no_reranker")
    if name not in (None, server.reranker_name):
        message = f"there is no such reranker: its name is {server.reranker_name}"
        raise Fault(404, message, param="model", code="model_not_found")
