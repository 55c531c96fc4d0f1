"""A checkpoint whose network meets trouble when a test says so, whatever process it runs in."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from checkpoints import remote_checkpoint, save_spec
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

FORWARD = """
    def forward(self, input_ids=None, **inputs):
        import time
        from pathlib import Path
        signs = Path({folder!r})
        while (signs / "wait").exists():
            (signs / "waits").touch()
            time.sleep(0.002)
        most = signs / "most"
        if most.exists() and input_ids.numel() > int(most.read_text()):
            raise MemoryError("out of memory")
        return super().forward(input_ids=input_ids, **inputs)
"""
POISON = "😀"
"""A text with it is one that the network gives no finite numbers for."""


class Troubled:
    """A tiny model in a folder, and the signs that its network goes by.

    While it is to wait, a batch stays in the network. Where it has memory for so many tokens, a larger batch
    is a ``MemoryError``.

    Args:
        folder: An empty one.
        batch_tokens: Of the server.
        **settings: Of the server.
    """

    def __init__(self, folder: Path, batch_tokens: int = 1024, **settings: object) -> None:
        self.spec = save_spec(folder / "tiny.yaml", prompts={"query": "", "document": ""})
        self.weights = remote_checkpoint(folder / "weights", FORWARD.format(folder=str(folder)))
        self.batch_tokens = batch_tokens
        self.config = folder / "serve.yaml"
        told = {"model": str(self.spec), "checkpoint": str(self.weights), "batch_tokens": batch_tokens}
        self.config.write_text(json.dumps({**told, "trust_remote_code": True, **settings}))
        self._wait, self._waits, self._most = (folder / name for name in ("wait", "waits", "most"))

    def poison(self) -> Troubled:
        """Let the vectors of the tokens that stand for :data:`POISON`, and for no other text here, be NaN."""
        file = self.weights / "model.safetensors"
        weights = load_file(file)
        (name,) = [name for name in weights if name.endswith("embed_tokens.weight")]
        tokens = PreTrainedTokenizerFast.from_pretrained(self.weights)(POISON, add_special_tokens=False)[
            "input_ids"
        ]
        weights[name][tokens] = torch.nan
        save_file(weights, file, {"format": "pt"})
        return self

    def wait(self) -> None:
        """Let batches that come wait inside the network."""
        self._waits.unlink(missing_ok=True)
        self._wait.touch()

    def go_on(self) -> None:
        """Let them go on."""
        self._wait.unlink()

    @property
    def waits(self) -> bool:
        """Whether a batch waits there."""
        return self._waits.exists()

    def remember(self, tokens: int) -> None:
        """Have memory for so many tokens, and no more."""
        self._most.write_text(str(tokens))
