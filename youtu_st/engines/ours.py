"""What a youtu-st server tells of itself, and how it is asked for vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from youtu_st.engines.client import Client, Failure, Sent
from youtu_st.engines.facts import Facts
from youtu_st.engines.patience import Patience
from youtu_st.engines.sending import TextRefused
from youtu_st.errors import EngineError, brief, printable
from youtu_st.protocol import Role
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.prompts import fill, prompts_for
from youtu_st.spec.registry import with_tuples

SERVER = "youtu-st"
MOST_TOLD = 1 << 16
"""Characters that it tells of itself at most."""
MOST_DIMENSIONS = 1 << 16

UNSAID = (401, 403, 408, 429, 502, 503, 504)
"""Statuses that say nothing of what the server is: there is no key, or somebody is in between."""


@dataclass(frozen=True, slots=True)
class Ours:
    """A server of this package, as it tells of itself. Nothing of it is taken for more than a word.

    Attributes:
        facts: Of its model.
        names: What clients may call it; ``NAME:query`` and ``NAME:document`` too.
        texts: Of a request, at most.
        prompts: Before a query, before a document; as far as it tells them.
        template: Around an instruction; None: it takes none, or does not tell.
        instructions: Whether it takes instructions.
    """

    facts: Facts
    names: tuple[str, ...]
    texts: int
    prompts: Mapping[str, str]
    template: str | None
    instructions: bool

    def check_model(self, model: str | None, spec: ModelSpec | None, server: str) -> None:
        """Raise unless it serves ``model``, and ``spec`` may be its.

        Raises:
            EngineError: Naming what it serves.
        """
        name, length = self.facts.name, max(self.facts.lengths)
        if model is not None and model not in self.names:
            raise EngineError(f"{server} serves {name!r}, and no {model!r}")
        if spec is not None and spec.dimension != length:
            raise EngineError(
                f"{server} serves {name!r} with vectors of {length} dimensions, and {spec.name} has "
                f"{spec.dimension}: it is another model"
            )

    def check_instructions(self, each: Sequence[str | None]) -> None:
        """Raise for an instruction that its model does not take, or that is a whole prompt.

        Raises:
            InputError: As for the model itself.
        """
        if self.template is not None or not self.instructions:
            prompts_for("", self.template, each, len(each))

    def prompt(self, role: Role, instruction: str | None) -> str:
        """What it puts before a text, as far as it tells that; ``""`` where it does not."""
        if instruction is None:
            return self.prompts.get(role, "")
        return fill(self.template, instruction) if instruction and self.template else ""

    def check_answer(self, fingerprint: str | None, server: str) -> None:
        """Raise unless an answer is of the model that it told of.

        Raises:
            EngineError: Naming both.
        """
        if fingerprint is None:
            raise EngineError(
                f"{server} was a {SERVER} server, and its answer names no model in X-Model-Fingerprint: is "
                "it another server now, or does a proxy leave headers out? Make a new engine"
            )
        if fingerprint != self.facts.fingerprint:
            raise EngineError(
                f"{server} serves another model now: its fingerprint was {self.facts.fingerprint}, and is "
                f"{printable(fingerprint[:40])}. Vectors of both do not go together; make a new engine"
            )


def fields(role: Role, each: Sequence[str | None], *, truncate: bool, size: int | None) -> dict[str, Any]:
    """What a request says beside its texts.

    Args:
        role: Of all texts.
        each: Their instructions.
        truncate: Whether texts over the model's length are cut; said in any case, as servers differ.
        size: Length of the vectors; None: as the server has it.
    """
    told: dict[str, Any] = {"input_type": role, "truncate": truncate}
    if any(one is not None for one in each):
        told["instruction"] = each[0] if len(set(each)) == 1 else list(each)
    return told if size is None else {**told, "dimensions": size}


def text_refused(failure: Failure) -> TextRefused | None:
    """Which text a refusal is about, where it says so: it begins with ``input[3]``."""
    found = re.match(r"input\[(\d{1,6})\] ", failure.told) if failure.status == 400 else None
    return TextRefused(int(found[1]), failure.told[found.end() :]) if found else None


@dataclass(frozen=True, slots=True)
class Other:
    """Another server.

    Attributes:
        unsure: Why that is not sure, and it is to be asked again; ``""``: it is.
    """

    unsure: str = ""


def ask(client: Client, server: str, patience: Patience) -> Ours | Other | Failure:
    """What is behind an address.

    Returns:
        A failure where there is nobody.

    Raises:
        EngineError: If it is a server of this package, and says of itself what cannot be.
    """
    found, times = patience.answer(client.info, is_starting, lambda failure: failure.refused)
    if isinstance(found, Sent):
        told = found.content
        if not isinstance(told, dict) or told.get("server") != SERVER:
            return Other()
        return _read(told, server, client)
    if found.refused or is_starting(found):
        return Failure(found.line(times))
    sure = found.status not in UNSAID and not found.late and not found.broken
    return Other() if sure else Other(found.line(times))


def is_starting(failure: Failure) -> bool:
    """Whether a server says that it will be ready."""
    return failure.status == 503 and failure.pause is not None


def is_away(failure: Failure) -> bool:
    """Whether a server that is known to be one of this package's is not there, or not yet."""
    return failure.broken or failure.status == 503


def _read(told: Mapping[str, Any], server: str, client: Client) -> Ours:
    """What it tells, if it can be.

    Raises:
        EngineError: Naming the part that cannot.
    """
    try:
        whole = json.dumps(told)
        if len(whole) > MOST_TOLD:
            raise ValueError(f"it tells more than {MOST_TOLD:,} characters")
        if client.redact.finds(whole):
            raise ValueError("it repeats the key")
        return _ours(_part(told, "model"), _part(told, "limits"))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else client.redact(error)
        raise EngineError(
            f"{server} says that it is a {SERVER} server, and of itself what cannot be: {reason}"
        ) from None


def _ours(model: Mapping[str, Any], limits: Mapping[str, Any]) -> Ours:
    identity = _part(model, "identity")
    parts = {_line("a name in identity", name): _line(name, part) for name, part in identity.items()}
    if not 1 <= len(parts) <= 64:
        raise ValueError("identity has no parts, or too many")
    name, spec = _line("name", model["name"]), _spec(model.get("spec"))
    prompts, template = _part(model, "prompts"), None if spec is None else spec.template
    return Ours(
        Facts(
            name=name,
            dimension=_count("dimension", model["dimension"]),
            lengths=_lengths(_list(model, "dimensions")),
            identity=parts,
            fingerprint=_line("fingerprint", model["fingerprint"]),
            spec=spec,
        ),
        names=tuple(_line("a name in names", one) for one in (name, *_list(model, "names"))),
        texts=_count("limits.texts", limits["texts"]),
        # For a warning about texts that bring them along; they are put before texts over there.
        prompts={role: text for role, text in prompts.items() if isinstance(text, str)},
        template=template,
        instructions=model.get("takes_instructions") is not False,
    )


def _part(told: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = told[name]
    if not isinstance(part, dict):
        raise TypeError(f"{name} is no object")
    return part


def _list(told: Mapping[str, Any], name: str) -> list[Any]:
    found = told[name]
    if not isinstance(found, list):
        raise TypeError(f"{name} is no list")
    return found


def _line(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value or printable(value) != value:
        raise ValueError(f"{name} is {brief(value)}, and no line of text")
    return value


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MOST_DIMENSIONS:
        raise ValueError(f"{name} is {brief(value)}, and no int from 1 to {MOST_DIMENSIONS:,}")
    return value


def _lengths(value: list[Any]) -> Sequence[int]:
    if not value:
        raise ValueError("dimensions has none")
    found = [_count("a length in dimensions", one) for one in value]
    if found != sorted(set(found)):
        raise ValueError("dimensions do not ascend")
    every = range(found[0], found[-1] + 1)
    return every if len(found) == len(every) else found


def _spec(told: Any) -> ModelSpec | None:
    """The spec, where it is one that this release can read."""
    try:
        return ModelSpec.model_validate(with_tuples(told)) if isinstance(told, dict) else None
    except ValidationError:
        return None
