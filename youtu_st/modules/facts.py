"""What transformers adds to what ``tokenizer.json`` says of a tokenizer."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from youtu_st.spec.registry import Declared

TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]


class Facts(Declared):
    """As they were written down, so that ``tokenizer.json`` and these make the whole tokenizer.

    Attributes:
        pad_id: The token that short rows are padded with; None: it has none.
        pad_type_id: The segment of padding.
        unknown_id: The token that is named for what the vocabulary does not have; None: none is.
        special_ids: Ids of the tokens that have a task.
        gives_type_ids: Whether the network takes segment ids.
        splits_special_tokens: Whether special tokens that stand in a text are read as its characters.
        truncation_side: Side that long texts are cut on: ``right``, where it is this package that cuts.
    """

    pad_id: TokenId | None = None
    pad_type_id: TokenId = 0
    unknown_id: TokenId | None = None
    special_ids: tuple[TokenId, ...] = ()
    gives_type_ids: bool = False
    splits_special_tokens: bool = False
    truncation_side: Annotated[str, Field(pattern="^(left|right)$")] = "right"

    def now(self) -> Facts:
        """These."""
        return self


class HostFacts:
    """The same of a tokenizer of transformers, as it is whenever they are asked for.

    Args:
        tokenizer: The tokenizer, fast or slow.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def pad_id(self) -> int | None:
        """As of :class:`Facts`."""
        found: int | None = self.tokenizer.pad_token_id
        return found

    @property
    def pad_type_id(self) -> int:
        """As of :class:`Facts`."""
        found: int = self.tokenizer.pad_token_type_id
        return found

    @property
    def unknown_id(self) -> int | None:
        """As of :class:`Facts`."""
        found: int | None = getattr(self.tokenizer, "unk_token_id", None)
        return found

    @property
    def special_ids(self) -> tuple[int, ...]:
        """As of :class:`Facts`."""
        return tuple(i for i in self.tokenizer.all_special_ids if i is not None)

    @property
    def gives_type_ids(self) -> bool:
        """As of :class:`Facts`."""
        return "token_type_ids" in self.tokenizer.model_input_names

    @property
    def splits_special_tokens(self) -> bool:
        """As of :class:`Facts`."""
        return getattr(self.tokenizer, "split_special_tokens", False) is True

    @property
    def truncation_side(self) -> str:
        """As of :class:`Facts`."""
        return "left" if getattr(self.tokenizer, "truncation_side", "right") == "left" else "right"

    def now(self) -> Facts:
        """What they are now, to be written down: ``facts.now().model_dump(mode="json")``."""
        return Facts(**{name: getattr(self, name) for name in Facts.model_fields})
