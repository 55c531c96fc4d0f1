"""What a job is told: how its encoder is made, what is asked of it, and which columns are read and kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from youtu_st.protocol import Role

StoredDtype = Literal["float32", "float16"]
Truncation = Literal["warn", "error", "ignore"]
BadRows = Literal["error", "skip"]

SHARD_ROWS = 4096
"""Most rows of a shard."""
SHARD_TOKENS = 1 << 19
"""Tokens of a shard, about: 128 for each of its rows."""

_NOT_KEPT = ("trust_remote_code", "device", "batch_tokens")


@dataclass(frozen=True, slots=True)
class Making:
    """How a process makes its encoder; plain values, so that any process can be told.

    Attributes:
        model: What ``absolute_model`` gives, or what a server calls its model; None: what the server says.
        checkpoint: Weights for a name: a directory or a hub id.
        server: The address of an engine that stands in for the model. Its key comes from the environment.
        backend: As for :class:`~youtu_st.Encoder`, like all that follow.
        weights: Rounded weights.
        dtype: Of the network.
        device: One device of this process; None: the best there is.
        batch_tokens: Padded tokens that go through the network at once.
        max_length: Tokens to read, if fewer than the model's maximum.
        truncation: What happens to texts over the maximum length.
        split_special_tokens: Read special tokens that stand in a text as characters.
        trust_remote_code: Run code that a checkpoint brings. Never read from a job's folder.
    """

    model: str | None = None
    checkpoint: str | None = None
    server: str | None = None
    backend: str = "torch"
    weights: str | None = None
    dtype: str = "auto"
    device: str | None = None
    batch_tokens: int | None = None
    max_length: int | None = None
    truncation: Truncation = "warn"
    split_special_tokens: bool = False
    trust_remote_code: bool = False

    def kept(self) -> dict[str, Any]:
        """What a job's folder remembers of it: nothing that belongs to one machine or to one user's trust."""
        return {name: value for name, value in asdict(self).items() if name not in _NOT_KEPT}

    @classmethod
    def of(cls, kept: dict[str, Any], **further: Any) -> Making:
        """From what :meth:`kept` gave, and from what is said anew.

        Raises:
            ValueError: If a name is unknown.
        """
        known = {field.name for field in fields(cls)} - set(_NOT_KEPT)
        if unknown := set(kept) - known:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**{**kept, **further})


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of the encoder, and how.

    Attributes:
        role: What all texts are.
        instruction: One for all texts; None: the model's own, ``""``: none.
        dimensions: Length that vectors are cut to; None: the encoder's own.
        dtype: Of the vectors as they are stored.
    """

    role: Role = "document"
    instruction: str | None = None
    dimensions: int | None = None
    dtype: StoredDtype = "float32"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are read, and which are written beside the vectors.

    Attributes:
        text: The column of the texts; None: ``text``, or else ``content``.
        id: The column of the ids; None: the file and the row.
        keep: Further columns to write.
        keep_text: Write the texts too.
        encoding: Of files of text; None: UTF-8, or what a file plainly is.
    """

    text: str | None = None
    id: str | None = None
    keep: tuple[str, ...] = ()
    keep_text: bool = False
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Cutting:
    """How large a shard is: both bounds hold, but for a single row that has more tokens.

    Attributes:
        tokens: As estimated, see :mod:`youtu_st.scale.input.cutting`.
        rows: Rows.
    """

    tokens: int = SHARD_TOKENS
    rows: int = SHARD_ROWS
