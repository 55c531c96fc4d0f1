"""The model card of Qwen3-Reranker, with transformers only: what every score here is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


class Card:
    """The card's own functions, in its own order of steps."""

    def __init__(self, directory: Path, *, max_length: int = 8192) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory, padding_side="left")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        self.yes = self.tokenizer.convert_tokens_to_ids("yes")
        self.no = self.tokenizer.convert_tokens_to_ids("no")
        self.max_length = max_length
        self.prefix = self.tokenizer.encode(PREFIX, add_special_tokens=False)
        self.suffix = self.tokenizer.encode(SUFFIX, add_special_tokens=False)

    def ids(self, query: str, document: str, instruction: str | None = None) -> list[int]:
        body = f"<Instruct>: {instruction or INSTRUCTION}\n<Query>: {query}\n<Document>: {document}"
        room = self.max_length - len(self.prefix) - len(self.suffix)
        encoded = self.tokenizer(
            [body],
            padding=False,
            truncation="longest_first",
            return_attention_mask=False,
            max_length=room,
        )
        return self.prefix + encoded["input_ids"][0] + self.suffix

    def scores(
        self, pairs: list[tuple[str, str]], *, instruction: str | None = None, batch_size: int = 1
    ) -> list[float]:
        scores: list[float] = []
        rows = [self.ids(query, document, instruction) for query, document in pairs]
        for start in range(0, len(rows), batch_size):
            batch = self.tokenizer.pad(
                {"input_ids": rows[start : start + batch_size]}, padding=True, return_tensors="pt"
            )
            with torch.no_grad():
                logits = self.model(**batch).logits[:, -1, :]
            both = torch.stack([logits[:, self.no], logits[:, self.yes]], dim=1)
            scores += torch.nn.functional.log_softmax(both, dim=1)[:, 1].exp().tolist()
        return scores
