"""What the authors' own code computes, with transformers and PyTorch alone; nothing of the package.

Tokens and padding are the tokenizer's, batches are padded, and nothing is done about what the procedures leave
undefined: the Youtu script gives NaN for a text without a token of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

LIMIT = 96
"""Tokens that the tiny models read: more than any prompt, less than the longest of ``TEXTS``."""

_PIECES = ["sunny ", "weather ", "今天", "天气", "12 ", ":) ", "stadium.\n", "法国", "The ", "😀"]
TEXTS = [
    "b",
    "他",
    *("".join(_PIECES[(3 * n + k) % len(_PIECES)] for k in range(1 + n)).strip() for n in range(62)),
]
"""64 texts, Chinese and English, from one token to more than ``LIMIT``."""


class Script:
    """A checkpoint as a script opens it: a tokenizer that pads and cuts, and a network in float32.

    Args:
        directory: The checkpoint.
        causal: Whether the published network attends causally.
        side: Side that batches are padded on.
        trust_remote_code: Run the checkpoint's own code.
        max_length: Tokens to read.
    """

    def __init__(
        self,
        directory: Path,
        *,
        causal: bool,
        side: str = "right",
        trust_remote_code: bool = False,
        max_length: int = LIMIT,
    ) -> None:
        trust = {"trust_remote_code": trust_remote_code}
        self.tokenizer: Any = AutoTokenizer.from_pretrained(directory, padding_side=side, **trust)
        self.model: Any = AutoModel.from_pretrained(directory, dtype=torch.float32, **trust).eval()
        self.model.config.is_causal = causal
        self.max_length = max_length

    def tokens(self, texts: list[str], **options: Any) -> Any:
        return self.tokenizer(
            texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt", **options
        )

    def states(self, inputs: Any) -> Tensor:
        names = ("input_ids", "attention_mask")
        with torch.inference_mode():
            return self.model(**{name: inputs[name] for name in names}).last_hidden_state

    def batches(self, procedure: Procedure, texts: Sequence[str], prompt: str, size: int) -> np.ndarray:
        """Unit vectors of a procedure, ``size`` texts at a time."""
        parts = [procedure(self, list(texts[i : i + size]), prompt) for i in range(0, len(texts), size)]
        return F.normalize(torch.cat(parts), p=2, dim=1).numpy()


Procedure = Callable[[Script, list[str], str], Tensor]


def youtu_offsets(script: Script, texts: list[str], prompt: str) -> Tensor:
    """Youtu-Embedding's training: mean over the tokens that end, in characters, after the instruction."""
    inputs = script.tokens([prompt + text for text in texts], return_offsets_mapping=True)
    mask = (inputs["attention_mask"].bool() & (inputs["offset_mapping"][:, :, 1] > len(prompt))).float()
    return (script.states(inputs) * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def youtu_script(script: Script, texts: list[str], prompt: str) -> Tensor:
    """Youtu-Embedding's inference: the first attended positions, as many as the prompt has ids, are dropped."""
    inputs = script.tokens([prompt + text for text in texts])
    states, count = script.states(inputs), len(script.tokenizer(prompt)["input_ids"])
    rows = zip(states, inputs["attention_mask"].bool(), strict=True)
    return torch.stack([row[attended][count:].mean(dim=0) for row, attended in rows])


def qzhou(script: Script, texts: list[str], prompt: str) -> Tensor:
    """QZhou-Embedding: mean over the last n positions of a batch padded on the left, instruction included."""
    inputs = script.tokens([prompt + text for text in texts])
    left = script.tokenizer.padding_side == "left"
    rows = zip(script.states(inputs), inputs["attention_mask"].sum(dim=1).tolist(), strict=True)
    return torch.stack([(row[-n:, :] if left else row[:n, :]).mean(dim=0) for row, n in rows])


def qwen3(script: Script, texts: list[str], prompt: str) -> Tensor:
    """Qwen3-Embedding: ``last_token_pool`` of its model card."""
    inputs = script.tokens([prompt + text for text in texts])
    states, attention_mask = script.states(inputs), inputs["attention_mask"]
    left_padding = attention_mask[:, -1].sum() == attention_mask.shape[0]
    if left_padding:
        return states[:, -1]
    sequence_lengths = attention_mask.sum(dim=1) - 1
    return states[torch.arange(states.shape[0]), sequence_lengths]


class LLMEmbeddingModel:
    """The class of Youtu-Embedding's ``usage/infer_llm_embedding.py``, on the CPU.

    Where the class encodes all texts at once, so does this; ``batch_size`` is read by nothing.
    """

    def __init__(
        self, model_name_or_path: str | Path, batch_size: int = 128, max_length: int = 1024, gpu_id: int = 0
    ) -> None:
        script = Script(Path(model_name_or_path), causal=False, max_length=max_length)
        self.model, self.tokenizer = script.model, script.tokenizer
        self.device = torch.device("cpu")
        self.batch_size, self.max_length = batch_size, max_length
        task = "Given a search query, retrieve passages that answer the question"
        self.query_instruction = f"Instruction: {task} \nQuery: "
        self.doc_instruction = ""

    def mean_pooling(self, hidden_state: Tensor, attention_mask: Tensor) -> Tensor:
        total = torch.sum(hidden_state * attention_mask.unsqueeze(-1).float(), dim=1)
        return total / attention_mask.sum(dim=1, keepdim=True).float()

    @torch.no_grad()
    def encode(self, sentences_batch: list[str], instruction: str | list[str]) -> Tensor:
        inputs = self.tokenizer(
            sentences_batch, padding=True, truncation=True, return_tensors="pt", max_length=self.max_length
        )
        last_hidden_state = self.model(**inputs)[0]
        ids = self.tokenizer(instruction, padding=False, truncation=True, max_length=self.max_length)[
            "input_ids"
        ]
        if isinstance(instruction, str):
            inputs["attention_mask"][:, : len(ids)] = 0
        else:
            for row, length in enumerate(map(len, ids)):
                inputs["attention_mask"][row, :length] = 0
        return F.normalize(self.mean_pooling(last_hidden_state, inputs["attention_mask"]), dim=-1)

    def encode_queries(self, queries: str | list[str]) -> Tensor:
        queries = queries if isinstance(queries, list) else [queries]
        return self.encode([f"{self.query_instruction}{query}" for query in queries], self.query_instruction)

    def encode_passages(self, passages: str | list[str]) -> Tensor:
        passages = passages if isinstance(passages, list) else [passages]
        return self.encode([f"{self.doc_instruction}{passage}" for passage in passages], self.doc_instruction)

    def compute_similarity_for_vectors(self, q_reps: Tensor, p_reps: Tensor) -> Tensor:
        return torch.matmul(q_reps, p_reps.transpose(-2, -1))

    def compute_similarity(self, queries: str | list[str], passages: str | list[str]) -> list[list[float]]:
        scores = self.compute_similarity_for_vectors(
            self.encode_queries(queries), self.encode_passages(passages)
        )
        return scores.detach().cpu().tolist()


@dataclass(frozen=True)
class Family:
    """A way in which a family's checkpoints are published, and what its authors compute.

    Attributes:
        spec: The shipped spec's name.
        architecture: For readers.
        procedure: What the authors compute.
        network: What transformers calls the architecture.
        tokenizer: Key of ``checkpoints.TOKENIZERS``.
        causal: Whether the network attends causally.
        code: Arguments of ``checkpoints.add_code``, for a checkpoint with code of its own.
        trust_remote_code: Run that code.
    """

    spec: str
    architecture: str
    procedure: Procedure
    network: str
    tokenizer: str
    causal: bool = False
    code: tuple[Any, ...] = ()
    trust_remote_code: bool = False

    def checkpoint(self, directory: Path, *, hidden: int = checkpoints.HIDDEN) -> Path:
        """Write a tiny random checkpoint."""
        checkpoints.save_checkpoint(directory, self.network, self.tokenizer, hidden=hidden)
        return checkpoints.add_code(directory, *self.code) if self.code else directory

    def script(self, directory: Path, side: str, **options: Any) -> Script:
        """The authors' way into a checkpoint."""
        trust = self.trust_remote_code
        return Script(directory, causal=self.causal, side=side, trust_remote_code=trust, **options)


_UTU = ("Youtu", {"AutoConfig": "UTUConfig", "AutoModel": "UTUModel"}, "", "utu")
_BIDIRECTIONAL = (
    "    def __init__(self, config):\n        super().__init__(config)\n        config.is_causal = False\n"
)
_QZHOU = ("Qwen2", {"AutoModel": "QZhouModel"}, _BIDIRECTIONAL)

FAMILIES = {
    "youtu": Family("youtu-embedding", "`youtu`", youtu_offsets, "youtu", "bpe-bos"),
    "utu": Family("youtu-embedding", "`utu`, own code", youtu_offsets, "youtu", "bpe-bos", False, _UTU, True),
    "script": Family("youtu-embedding-script", "`youtu`", youtu_script, "youtu", "bpe-bos"),
    "utu-script": Family(
        "youtu-embedding-script", "`utu`, own code", youtu_script, "youtu", "bpe-bos", False, _UTU, True
    ),
    "qwen2": Family("qzhou-embedding", "`qwen2`", qzhou, "qwen2", "bpe"),
    "qzhou": Family("qzhou-embedding", "`qwen2`, own code unused", qzhou, "qwen2", "bpe", False, _QZHOU),
    "qzhou-code": Family("qzhou-embedding", "`qwen2`, own code", qzhou, "qwen2", "bpe", False, _QZHOU, True),
    "qwen3": Family("qwen3-embedding-0.6b", "`qwen3`", qwen3, "qwen3", "bpe-eos", True),
}
