"""What travels with the vectors: whose they are, and how far a copy has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from youtu_st import disk
from youtu_st.errors import InputError, StoreError, brief
from youtu_st.probes import EncoderRecord

NAME = "youtu-st"
"""What a store's own metadata has it under."""

FORMAT, VERSION = "youtu-st-copy", 1


@dataclass(frozen=True, slots=True)
class CopyRecord:
    """Written when a copy begins, and once more when it is done.

    Attributes:
        encoder: Of the vectors.
        rows: How many there are to be.
        ids: A checksum over their ids, in whatever order.
        finished: Whether all of them were there once.
        settings: What the index that they come from remembers of how its documents were made.
    """

    encoder: EncoderRecord
    rows: int
    ids: int
    finished: bool = False
    settings: Mapping[str, int] = field(default_factory=dict)

    def done(self) -> CopyRecord:
        """The same, finished."""
        return replace(self, finished=True)

    def text(self) -> str:
        """The record as JSON text that a store keeps."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "encoder": self.encoder.values(),
            "rows": self.rows,
            "ids": self.ids,
            "finished": self.finished,
            "settings": dict(self.settings),
        }
        return json.dumps(json.loads(disk.sealed(content)), ensure_ascii=False)

    @classmethod
    def of(cls, text: str, where: str) -> CopyRecord:
        """The record in what :meth:`text` gave.

        Raises:
            StoreError: If it is damaged, or of a later release.
        """
        try:
            content = disk.unsealed(text.encode())
            if content["format"] != FORMAT:
                raise ValueError("it is of another format")
            if content["version"] != VERSION:
                raise StoreError(
                    f"{where} was written by a later release, in version {brief(content['version'])} of the "
                    "format: upgrade youtu-st"
                )
            return cls(
                encoder=EncoderRecord.parse(content["encoder"]),
                rows=int(content["rows"]),
                ids=int(content["ids"]),
                finished=content["finished"] is True,
                settings={str(name): int(value) for name, value in content["settings"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"the record of the encoder in {where} is damaged: {str(error)[:200]}"
            ) from error


def same_encoder(stored: EncoderRecord, source: EncoderRecord, what: str) -> None:
    """Refuse to put one encoder's vectors beside another's.

    Raises:
        InputError: With a line for each difference.
    """
    mine, theirs = dict(stored.identity), dict(source.identity)
    lines = [
        f"{part}: {what} has {mine.get(part, 'none')}, the source has {theirs.get(part, 'none')}"
        for part in sorted(mine.keys() | theirs.keys())
        if mine.get(part) != theirs.get(part)
    ]
    for name, one, other in (
        ("dimension", stored.dimension, source.dimension),
        ("fingerprint", stored.fingerprint, source.fingerprint),
    ):
        if one != other:
            lines.append(f"{name}: {what} has {one}, the source has {other}")
    if lines:
        listed = "\n".join(f"  {line}" for line in lines)
        raise InputError(
            f"{what} holds vectors of another encoder ({stored.model}, the source's are of {source.model}):\n"
            f"{listed}\nchoose another destination"
        )
