"""Vectors by hand: one text at a time, no padding, the mask from characters; nothing of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoModel, AutoTokenizer


def _byte_of() -> dict[str, int]:
    """Byte-level tokenizers write each byte as one character; this undoes it (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table |= {chr(256 + i): byte for i, byte in enumerate(others)}
    assert set(table) == set(ByteLevel.alphabet())
    return table


BYTE_OF = _byte_of()


class Oracle:
    """The procedure of the design, spelled out for one checkpoint."""

    def __init__(self, directory: Path, *, bidirectional: bool = True) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory)
        self.model = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
        self.model.config.is_causal = not bidirectional

    def ids(self, text: str, limit: int | None = None) -> list[int]:
        ids = self.tokenizer(text)["input_ids"]
        tail = [2] if ids and ids[-1] == self.tokenizer.eos_token_id else []
        tail = [self.tokenizer.sep_token_id] if self.tokenizer.sep_token_id is not None else tail
        if limit is not None and len(ids) > limit:
            ids = ids[: limit - len(tail)] + tail
        return ids

    def ends(self, text: str) -> list[int | None]:
        """End of each token in characters of ``text``; None for tokens that the tokenizer added."""
        encoded = self.tokenizer(text, return_special_tokens_mask=True, return_offsets_mapping=True)
        ids, added = encoded["input_ids"], encoded["special_tokens_mask"]
        if (
            self.tokenizer.sep_token_id is not None
        ):  # WordPiece drops characters: its offsets are all there is
            return [None if a else end for a, (_, end) in zip(added, encoded["offset_mapping"], strict=True)]
        starts = np.cumsum([0, *(len(c.encode()) for c in text)])[:-1]  # first byte of each character
        ends: list[int | None] = []
        seen = 0
        for token_id, is_added in zip(ids, added, strict=True):
            if is_added:
                ends.append(None)
                continue
            token = self.tokenizer.convert_ids_to_tokens(token_id)
            written_out = token_id in self.tokenizer.all_special_ids
            seen += len(token.encode() if written_out else [BYTE_OF[c] for c in token])
            ends.append(int((starts < seen).sum()))
        assert seen == len(text.encode())
        return ends

    def hidden(self, ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            output = self.model(
                input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=int)
            )
        return output.last_hidden_state[0].double().numpy()

    def by_offsets(
        self, instruction: str, text: str, *, include_special: bool = False, limit: int | None = None
    ) -> np.ndarray:
        """Mean over the tokens that end after the instruction, unit length."""
        full = instruction + text
        ids, ends = self.ids(full, limit), self.ends(full)
        if len(ids) < len(ends):  # cut: the tail of added tokens stays
            tail = len(ends) - max((i for i, end in enumerate(ends) if end is not None), default=-1) - 1
            ends = ends[: len(ids) - tail] + ends[len(ends) - tail :]
        keep = [include_special if end is None else end > len(instruction) for end in ends]
        return unit(self.hidden(ids)[keep or slice(None)].mean(axis=0))

    def by_token_count(self, instruction: str, text: str, *, limit: int | None = None) -> np.ndarray:
        """The published script: drop as many leading positions as the instruction alone has ids."""
        ids = self.ids(instruction + text, limit)
        return unit(self.hidden(ids)[len(self.tokenizer(instruction)["input_ids"]) :].mean(axis=0))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
