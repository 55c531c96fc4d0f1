"""Embedder: an encoder as frameworks call it: lists of Python floats, from threads and from event loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from youtu_st.encoder import Encoder
from youtu_st.errors import InputError
from youtu_st.frameworks.arguments import check_encode_arguments, refuse_settings
from youtu_st.frameworks.calls import CallLane
from youtu_st.inference.scheduler import Scheduler
from youtu_st.inputs import check_texts
from youtu_st.loading.hosts import is_hosts
from youtu_st.protocol import Role as Role
from youtu_st.protocol import TextEncoder, Vectors

Rows = list[list[float]]

_INSTRUCTIONS: dict[str, Role] = {"query_instruction": "query", "text_instruction": "document"}
_ENCODE: dict[str, Role] = {"query_encode_kwargs": "query", "encode_kwargs": "document"}
CHECKED = (*_INSTRUCTIONS, *_ENCODE, "normalize")
"""Fields of adapters that :meth:`Embedder.check` knows; others are not looked at."""


class Embedder:
    """What every framework's adapter calls, so that none has logic of its own.

    An instruction of None is the model's own prompt, ``""`` is none, anything else goes through the model's
    template. Pickling keeps the encoder's settings, not its weights.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        if not hasattr(encoder, "encode_query") or is_hosts(encoder, "SentenceTransformer"):
            raise InputError(
                f"encoder must be an Encoder or another TextEncoder, not {type(encoder).__name__}; "
                "for a SentenceTransformer pass Encoder(model)"
            )
        self.encoder = encoder
        self._calls = CallLane(self._encode, encoder.dimension)
        self._scheduler = Scheduler(workers=getattr(encoder, "concurrency", 1))

    @classmethod
    def of(cls, model: str, *, encoder: TextEncoder | None, settings: Mapping[str, Any]) -> Embedder:
        """For an encoder that is there, or for this process's one for a model and settings.

        Raises:
            InputError: If both an encoder and settings are given.
            YoutuError: As for :class:`~youtu_st.Encoder`.
        """
        if encoder is None:
            return cls(Encoder.shared(model, **settings))
        refuse_settings(settings, Encoder)
        return cls(encoder)

    def __reduce__(self) -> tuple[Any, ...]:
        return Embedder, (self.encoder,)

    def check(self, **fields: Any) -> None:
        """Raise for what a field of an adapter must not be, before the first text comes.

        Raises:
            InputError: As for :meth:`youtu_st.Encoder.encode_query`, or naming the argument of ``encode``.
        """
        for name, value in fields.items():
            if name in _INSTRUCTIONS and isinstance(self.encoder, Encoder):
                self.encoder.prompt_for(_INSTRUCTIONS[name], value)
            elif name == "normalize":
                check_encode_arguments({name: value}, self.encoder, "query")
            elif name in _ENCODE:
                check_encode_arguments(value, self.encoder, _ENCODE[name])

    def embed(
        self, role: Role, texts: Sequence[str], *, instruction: str | None = None, show_progress: bool = False
    ) -> Rows:
        """One list of floats per text, of unit length, in order; raises as the encoder does."""
        rows: Rows = self._encode(role, check_texts(texts), instruction, show_progress=show_progress).tolist()
        return rows

    async def aembed(self, role: Role, texts: Sequence[str], *, instruction: str | None = None) -> Rows:
        """As :meth:`embed`, without blocking the event loop; concurrent calls share batches."""
        if isinstance(self.encoder, Encoder):
            encode = self.encoder.aencode_query if role == "query" else self.encoder.aencode_document
            vectors = await encode(texts, instruction=instruction)
        else:
            request = self._calls.request(role, check_texts(texts), instruction)
            vectors = await self._scheduler.run(request)
        rows: Rows = vectors.tolist()
        return rows

    def _encode(
        self, role: Role, texts: Sequence[str], instruction: str | None, *, show_progress: bool = False
    ) -> Vectors:
        encode = self.encoder.encode_query if role == "query" else self.encoder.encode_document
        # Only what was asked for, so that an encoder of the user's own may leave an argument out.
        options: dict[str, Any] = {} if instruction is None else {"instruction": instruction}
        if show_progress:
            options["show_progress"] = True
        return encode(texts, **options)


class Embeds:
    """What the adapters of all frameworks have before their framework's own class.

    A subclass has the field ``query_instruction``, the field ``text_instruction`` and an ``_embedder``.
    """

    if TYPE_CHECKING:  # pydantic would take them for fields of its own
        query_instruction: str | None
        text_instruction: str | None
        _embedder: Embedder

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field, if it is what the constructor would take."""
        if name in CHECKED:
            self._embedder.check(**{name: value})
        super().__setattr__(name, value)

    @property
    def encoder(self) -> TextEncoder:
        """What encodes; ``encoder.model`` is the ``SentenceTransformer``."""
        return self._embedder.encoder

    def __repr__(self) -> str:  # the fields may hold a token
        return f"{type(self).__name__}({self.encoder!r})"

    __str__ = __repr__

    def _instruction(self, role: Role) -> str | None:
        return self.query_instruction if role == "query" else self.text_instruction

    def _vectors(self, role: Role, texts: Sequence[str], *, show_progress: bool) -> Rows:
        told = self._instruction(role)
        return self._embedder.embed(role, texts, instruction=told, show_progress=show_progress)

    async def _avectors(self, role: Role, texts: Sequence[str]) -> Rows:
        return await self._embedder.aembed(role, texts, instruction=self._instruction(role))
