"""What is done once, before contestants start: texts, networks, exports, conversions, the best batch size.

In a process of its own, so that none of it counts in a contestant's memory.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from encoding import machine, workloads
from encoding.contestants import CONTESTANTS, EXPORTED, FILES, Skipped
from encoding.players import quiet
from encoding.workloads import Size, Workload

BATCH_SIZES = (8, 16, 32, 64, 128)
TEXTS, TEXTS_ON_GPU = 200, 8000


def prepare(
    folder: str, texts: int | None, quick: bool, wanted: dict[str, list[str]]
) -> tuple[dict[str, Any], list[Workload]]:
    """Make everything that contestants read.

    Args:
        folder: Where to write.
        texts: Number of paragraphs; the other texts go with it. None: what takes minutes on this machine.
        quick: Whether the decoders are tiny.
        wanted: Names of the contestants of each workload.

    Returns:
        The machine's description, and the workloads.
    """
    quiet()
    described = machine.describe()
    size = Size(texts or (TEXTS_ON_GPU if described["gpu"] else TEXTS), tiny=quick)
    made = []
    for name, names in wanted.items():
        own = Path(folder, name)
        own.mkdir()
        progress(f"{name}: making texts and network")
        make = getattr(workloads, name)
        workload: Workload = make(size) if name == "minilm" else make(own, size)
        if {"onnxruntime", "fastembed"} & set(names):
            workload = replace(workload, graph=export(workload, own / "graph"))
        if "sentence-transformers-tuned" in names:
            workload = replace(workload, tuned=tune(workload, described["native_dtypes"], quick=quick))
        convert(workload, names)
        made.append(workload)
    return described, made


def export(workload: Workload, out: Path) -> str:
    """Write the network as an ONNX graph, dynamic in batch and length, and its tokenizer beside it."""
    import torch
    from sentence_transformers import SentenceTransformer

    progress(f"{workload.name}: exporting to ONNX")
    model = SentenceTransformer(workload.stock, device="cpu")
    network: Any = model[0].model.eval()  # type: ignore[union-attr, operator]  # a Transformer's
    names = ["input_ids", "attention_mask", "token_type_ids"]

    class TokenVectors(torch.nn.Module):
        """The network's first output, whose other names an exported graph need not have."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            hidden: torch.Tensor = self.network(**dict(zip(names, inputs, strict=True))).last_hidden_state
            return hidden

    ids = torch.ones(2, 16, dtype=torch.int64)
    mask, types = ids.clone(), torch.zeros_like(ids)  # one tensor given twice would become one input
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=2, max=model.max_seq_length)}
    program: Any = torch.onnx.export(
        TokenVectors().eval(),
        (ids, mask, types),
        dynamo=True,
        dynamic_shapes={"inputs": (sizes,) * len(names)},
        input_names=names,
        output_names=["last_hidden_state"],
        verbose=False,
    )
    out.mkdir()
    program.save(str(out / FILES[0]))
    tokenizer: Any = model.tokenizer
    tokenizer.model_max_length = model.max_seq_length
    tokenizer.save_pretrained(out)
    # fastembed cuts to the smaller of the two, and this one is of how the checkpoint was trained.
    settings = json.loads((out / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("max_length", None)
    (out / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    network.config.save_pretrained(out)
    return str(out)


def tune(workload: Workload, dtypes: Sequence[str], *, quick: bool) -> tuple[int, str]:
    """The batch size and dtype that sentence-transformers is fastest with, on up to 128 texts."""
    from sentence_transformers import SentenceTransformer

    each = max(BATCH_SIZES) // len(workload.tasks)
    sample = [text for task in workload.tasks.values() for text in task.texts[:each]]
    taken: dict[tuple[int, str], float] = {}
    for dtype in dtypes:
        model = SentenceTransformer(workload.stock, model_kwargs={"dtype": dtype})
        model.encode_document(sample[: BATCH_SIZES[0]])
        for batch_size in BATCH_SIZES[2:3] if quick else BATCH_SIZES:
            start = time.perf_counter()
            model.encode_document(sample, batch_size=batch_size)
            taken[batch_size, dtype] = time.perf_counter() - start
            speed = len(sample) / taken[batch_size, dtype]
            progress(
                f"{workload.name}: sentence-transformers, {dtype}, batches of {batch_size}: {speed:.1f}/s"
            )
    return min(taken, key=lambda key: taken[key])


def convert(workload: Workload, names: Sequence[str]) -> None:
    """Fill the cache of exported networks: contestants start as they do from the second time on."""
    for name in names:
        if not name.startswith(EXPORTED):
            continue
        progress(f"{workload.name}: converting for {name}")
        try:
            CONTESTANTS[name](workload)
        except Skipped:
            pass  # and is again, in its own process, which reports it
        except Exception as error:
            progress(f"{workload.name}: {name} failed: {error}")


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
