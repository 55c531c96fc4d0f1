"""OpenAICompatibleEncoder: a model behind youtu-st serve, vLLM, TEI, or what else speaks OpenAI's shape."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from youtu_st.engines.answers import Row
from youtu_st.engines.client import Client, Failure
from youtu_st.engines.facts import Facts, facts_of
from youtu_st.engines.ours import SERVER, Other, Ours, ask, fields, is_away, text_refused
from youtu_st.engines.patience import Patience
from youtu_st.engines.prefixed import check_can, spec_for, why_not
from youtu_st.engines.process import Asking
from youtu_st.engines.remote import Instruction, RemoteEncoder
from youtu_st.engines.sending import Plan, Refused
from youtu_st.engines.wire import BYTES_BESIDE, answer_limit
from youtu_st.errors import EngineError, InputError
from youtu_st.inference.truncation import Truncation
from youtu_st.inputs import check_count, check_seconds
from youtu_st.protocol import Role, TextEncoder, canonical
from youtu_st.spec.model import ModelSpec
from youtu_st.spec.prompts import each_instruction

TOO_MUCH = (400, 413, 422)
"""What servers answer when a request holds more texts, or more tokens, than they take."""


class OpenAICompatibleEncoder(RemoteEncoder):
    """A model behind ``POST {base_url}/embeddings``, sent what :class:`~youtu_st.Encoder` gives the network.

    The server is asked once what it is, by ``GET /info``: when its answer is first needed.

    **Behind** ``youtu-st serve`` role and instruction are fields of their own, beside the bare text: the
    server puts the prompt before it, and leaves it out of the mean where the model does. The engine takes
    over identity and fingerprint, so that an index built with an :class:`~youtu_st.Encoder` of the model
    opens with it, and the other way round. Every answer names the fingerprint; another one is an error. While
    the server is away, or loads its model, it is waited for up to ``timeout`` seconds, unless
    ``max_attempts`` is 1.

    **Behind any other server** the spec's prompt is put before each text here, and vectors are checked, cut
    and scaled here, so that the server need know of neither. How it pools, and whether it adds an EOS, is its
    own affair: ``youtu-st verify MODEL --engine URL`` compares.

    A request that times out, breaks off, or is answered by 408, 409, 429 or 5xx is repeated: after what
    ``Retry-After`` says (up to two minutes), else after about half a second and twice as long each time, up
    to 8 seconds. A request that the server refuses as too large is sent in halves.

    Args:
        base_url: Where the server is; usually ends with ``/v1``.
        model: What the server calls the model. None: what ``youtu-st serve`` says; elsewhere the spec's hub
            id.
        spec: A shipped spec's name, a YAML file, or a spec. None: what ``youtu-st serve`` says; elsewhere the
            shipped one whose hub id is ``model``.
        api_key: None: the environment's ``OPENAI_API_KEY``, or a placeholder where that is not set either.
        dimensions: Length that vectors are cut to by default, see :meth:`encode_query`.
        server_masks: Another server leaves the prompt out of the mean itself. Without that, a spec that masks
            its prompt (``masked_mean``) is refused: the server would average the prompt in.
        truncation: What happens to texts over ``max_characters``, and behind ``youtu-st serve`` to those over
            the model's length: ``warn`` (cut, with one :class:`~youtu_st.errors.TruncationWarning` a call),
            ``error`` or ``ignore``.
        max_characters: Characters of a text to send. None: all of them; what is too long for the model is
            then cut or refused by the server, as it was told to.
        batch_size: Texts of a request. TEI takes 32 unless told otherwise.
        concurrency: Requests under way at once, of all threads together.
        timeout: Seconds for one attempt at a request: from connecting, over redirects, to the last byte of
            the answer. With all its attempts a request takes ``max_attempts`` times as long at most, and the
            pauses between them; ``GET /info`` takes 5 seconds at most. Looking up the server's name is the
            system's affair; its time comes on top.
        max_attempts: Times that a request is sent at most.
        extra_body: Sent along with every request, for what a server takes beside the standard, such as
            ``{"priority": 1}`` for vLLM.
        same_as: An encoder whose vectors these are, such as an :class:`~youtu_st.Encoder` of the same
            weights. The texts of :mod:`youtu_st.probes` are encoded by both; if the lowest cosine is at
            least 0.999, the engine takes over its identity and fingerprint, so that an index
            built with one opens with the other.

    Raises:
        InputError: If an argument is none of what it may be; here or at the first use, as soon as it is known
            that another server is there, if there is no spec, or a prefix cannot reproduce its pooling.
        EngineError: If ``same_as`` gives other vectors.
        MissingDependencyError: If the ``openai`` package is not installed.
    """

    backend = "openai-compatible"
    one_prompt = False

    def __init__(
        self,
        base_url: str,
        model: str | None = None,
        *,
        spec: str | Path | ModelSpec | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        server_masks: bool = False,
        truncation: Truncation = "warn",
        max_characters: int | None = None,
        batch_size: int = 32,
        concurrency: int = 4,
        timeout: float = 60.0,
        max_attempts: int = 5,
        extra_body: Mapping[str, Any] | None = None,
        same_as: TextEncoder | None = None,
    ) -> None:
        known = spec_for(spec, model)
        self._base_url = base_url
        self._timeout = check_seconds("timeout", timeout)
        self._max_attempts = check_count("max_attempts", max_attempts)
        self._extra_body = dict(extra_body or {})
        self._server_masks = server_masks
        self._named = model
        self._found: Ours | Other | None = None
        super().__init__(
            model or (known.hub_id if known else ""),
            known,
            server=_origin(base_url),
            secret=api_key,
            dimensions=dimensions,
            truncation=truncation,
            max_characters=max_characters,
            batch_size=batch_size,
            concurrency=concurrency,
        )
        if why_not(known, model, masks=server_masks):
            # Now, and once: what cannot be is better said here. A server of ours may still be on its way.
            self._look(Patience(1, self._timeout))
        if same_as is not None:
            self._take_over(same_as)

    def _open(self, secret: str | None) -> _Here:
        spec = self._found.facts if isinstance(self._found, Ours) else self._spec
        limit = BYTES_BESIDE if spec is None else answer_limit(self.batch_size, max(spec.lengths))
        client = Client(
            self._base_url,
            self._server,
            key=secret or os.environ.get("OPENAI_API_KEY"),
            timeout=self._timeout,
            attempts=self._max_attempts,
            limit=limit,
        )
        return _Here(client, Asking())

    @property
    def model_name(self) -> str:
        """What the server calls the model."""
        found = self._found if self._named else self._server_is()
        return found.facts.name if isinstance(found, Ours) else self._model

    def __repr__(self) -> str:
        if self._found is None:
            spec = "" if self._spec is None else f", spec {self._spec.name}"
            return f"{type(self).__name__}({self._model!r} at {self._server}{spec}, not asked yet)"
        return super().__repr__()

    def _server_is(self) -> Ours | Other:
        """What is behind the address: asked once, or again where the answer was none.

        Raises:
            EngineError: If there is nobody, or what it says cannot be.
            InputError: If it is another server, and what to send it is not known.
        """
        if self._found is not None:
            return self._found
        asking: Asking[Ours | Other] = self._client.asking
        return asking.once(lambda: self._found, self._find)

    def _find(self) -> Ours | Other:
        found = self._look(self._patience)
        if isinstance(found, Failure):
            raise EngineError(found.line(1))
        if isinstance(found, Other) and why_not(self._spec, self._named, masks=self._server_masks):
            raise EngineError(f"without knowing what it is there is no telling what to send: {found.unsure}")
        return found

    def _look(self, patience: Patience) -> Ours | Other | Failure:
        client: Client = self._client.client
        found = ask(client, self._server, patience)
        if isinstance(found, Ours):
            found.check_model(self._named, self._spec, self._server)
            self._size(found.facts, None)
            client.wire.limit = answer_limit(self.batch_size, max(found.facts.lengths))
        elif isinstance(found, Other) and not found.unsure:
            check_can(self._spec, self._named, masks=self._server_masks)
        if isinstance(found, Ours) or (isinstance(found, Other) and not found.unsure):
            self._found = found
        return found

    def _facts(self) -> Facts:
        found = self._server_is()
        if isinstance(found, Ours):
            return found.facts
        return self._by(check_can(self._spec, self._named, masks=self._server_masks))

    def _by(self, spec: ModelSpec) -> Facts:
        more = {
            "engine": self.backend,
            "model": self._model,
            "max_characters": str(self.max_characters),
            "server_masks": canonical(self._server_masks),
            "extra_body": canonical(self._extra_body),
        }
        return facts_of(spec, more)

    def _check_prompts(self, role: Role, prompts: Sequence[str]) -> None:
        """Any prompt can be put before a text."""

    def _plan(
        self, role: Role, instruction: Instruction, n: int, dimensions: int | None, *, raw: bool
    ) -> Plan:
        if self._spec is not None:
            self._prompts(self._spec, role, instruction, n)
        found = self._server_is()
        if not isinstance(found, Ours):
            spec = check_can(self._spec, self._named, masks=self._server_masks)
            return self._prefixed(self._by(spec), spec, role, instruction, n, dimensions, raw=raw)
        facts, each = found.facts, each_instruction(instruction, n)
        found.check_instructions(each)
        size = facts.dimension if raw else self._size(facts, dimensions)
        cut: list[int] = []
        return Plan(
            [canonical(one) for one in each],
            [found.prompt(role, one) for one in each],
            partial(self._ask_ours, found, role, size, cut),
            facts.name,
            size,
            None if raw else size,
            min(self.batch_size, found.texts),
            cut,
        )

    def _ask(self, role: Role, texts: list[str], prompts: list[str]) -> list[Row]:
        full = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        sent = self._client.client.embed(self._model, full, self._extra_body)
        if isinstance(sent, Failure):
            raise (Refused if sent.status in TOO_MUCH else EngineError)(sent.line(self._max_attempts))
        if sent.fingerprint is not None:
            raise EngineError(
                f"{self._server} is a {SERVER} server, and was none when it was asked: it has put prompts of "
                "its own before texts that had theirs. Make a new engine"
            )
        self._found = self._found or Other()
        rows: list[Row] = sent.content
        return rows

    def _ask_ours(
        self, ours: Ours, role: Role, size: int, cut: list[int], texts: list[str], beside: list[str]
    ) -> list[Row]:
        told = fields(
            role,
            [json.loads(one) for one in beside],
            truncate=self.truncation != "error",
            size=None if size == ours.facts.dimension else size,
        )
        client, more = self._client.client, {**self._extra_body, **told}
        sent, times = self._patience.answer(
            lambda: client.embed(ours.facts.name, texts, more, once=True), is_away
        )
        if isinstance(sent, Failure):
            refused = text_refused(sent)
            if refused is not None:
                raise refused
            kind = {400: InputError, 413: Refused}.get(sent.status or 0, EngineError)
            raise kind(sent.line(times))
        ours.check_answer(sent.fingerprint, self._server)
        if sent.cut:
            cut.append(sent.cut)
        rows: list[Row] = sent.content
        return rows

    @property
    def _patience(self) -> Patience:
        return Patience(self._max_attempts, self._timeout)


class _Here(NamedTuple):
    client: Client
    asking: Asking[Ours | Other]


def _origin(base_url: str) -> str:
    """Scheme, host and port, for messages.

    Raises:
        InputError: If it is no address, or carries a password.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"base_url must be like 'http://localhost:8000/v1', not {base_url!r}")
    if parts.username is not None or parts.password is not None:
        raise InputError("base_url must not carry a password: pass api_key=, or set OPENAI_API_KEY")
    return f"{parts.scheme}://{parts.netloc}"
