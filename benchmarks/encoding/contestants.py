"""The ways to encode that are compared: each as a user would build it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from encoding import machine
from encoding.workloads import Task, Workload

BATCH = 32  # what sentence-transformers takes by default
FILES = ("model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json", "special_tokens_map.json")


class Skipped(Exception):
    """This contestant cannot run here, and why."""


@dataclass(frozen=True)
class Built:
    """One contestant, ready.

    Attributes:
        documents: Encodes a call's texts: rows of any float type, of any length.
        query: Encodes one query.
        dtype: What its matrix products compute in.
        waste: Share of padding, from 0 to 1, in a task that has just been encoded; None: not known.
    """

    documents: Callable[[list[str]], Any]
    query: Callable[[str], Any]
    dtype: str
    waste: Callable[[Task], float | None]


def by_length(texts: Sequence[str]) -> list[int]:
    """Positions as sentence-transformers sorts them: by characters, longest first."""
    return sorted(range(len(texts)), key=lambda i: -len(texts[i]))


def as_given(texts: Sequence[str]) -> list[int]:
    return list(range(len(texts)))


def fixed_waste(task: Task, *, size: int, order: Callable[[Sequence[str]], list[int]]) -> float:
    """Share of padding in batches of so many texts, each padded to its longest, in each call's own order."""
    padded = start = 0
    for call in task.calls():
        lengths = [task.lengths[start + i] for i in order(call)]
        batches = (lengths[first : first + size] for first in range(0, len(lengths), size))
        padded += sum(len(batch) * max(batch) for batch in batches)
        start += len(call)
    return 1 - sum(task.lengths) / padded


def sentence_transformers(
    workload: Workload, *, dtype: str | None = None, batch_size: int | None = None
) -> Built:
    """As it comes, or with a dtype and a batch size."""
    from sentence_transformers import SentenceTransformer

    if dtype is not None:
        require_native(dtype)
    model = SentenceTransformer(workload.stock, model_kwargs={} if dtype is None else {"dtype": dtype})
    sized = {} if batch_size is None else {"batch_size": batch_size}
    if workload.prompt is None:
        documents = partial(model.encode_document, **sized)
    else:
        documents = partial(model.encode, prompt=workload.prompt, **sized)
    waste = partial(fixed_waste, size=batch_size or BATCH, order=by_length)
    return Built(documents, model.encode_query, str(model.dtype).removeprefix("torch."), waste)


def tuned(workload: Workload) -> Built:
    batch_size, dtype = workload.tuned
    return sentence_transformers(workload, dtype=dtype, batch_size=batch_size)


def langchain(workload: Workload) -> Built:
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(model_name=workload.stock)
    waste = partial(fixed_waste, size=BATCH, order=by_length)
    return Built(embeddings.embed_documents, embeddings.embed_query, "float32", waste)


def llama_index(workload: Workload) -> Built:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    model = HuggingFaceEmbedding(model_name=workload.stock)
    waste = partial(fixed_waste, size=model.embed_batch_size, order=as_given)
    return Built(model.get_text_embedding_batch, model.get_query_embedding, "float32", waste)


def fastembed(workload: Workload) -> Built:
    """The exported graph as a model of its own; fastembed takes texts as they come, 256 at a time."""
    try:
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType
    except ImportError as error:
        raise Skipped(f"fastembed is not installed ({error})") from error
    if workload.shape is None:
        raise Skipped("the network's dimension is not known")
    name = f"local/{workload.name}"
    try:
        TextEmbedding.add_custom_model(
            model=name,
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf=name),
            dim=workload.shape.products[0][0],
            model_file=FILES[0],
        )
        model = TextEmbedding(name, specific_model_path=workload.graph, local_files_only=True)
    except (AttributeError, TypeError, ValueError, OSError) as error:
        raise Skipped(f"fastembed cannot load the graph: {error}") from error
    waste = partial(fixed_waste, size=256, order=as_given)
    return Built(
        lambda texts: np.array(list(model.embed(texts))),
        lambda text: next(iter(model.query_embed(text))),
        "float32",
        waste,
    )


def onnx_runtime(workload: Workload) -> Built:
    """The exported graph, sorted and batched as sentence-transformers does, mean and norm in numpy."""
    try:
        import onnxruntime
    except ImportError as error:
        raise Skipped(f"onnxruntime is not installed ({error})") from error
    from transformers import AutoTokenizer

    graph = Path(workload.graph, FILES[0])
    session = onnxruntime.InferenceSession(graph, providers=onnxruntime.get_available_providers())
    tokenizer: Any = AutoTokenizer.from_pretrained(workload.graph)
    names = [each.name for each in session.get_inputs()]

    def documents(texts: list[str]) -> np.ndarray:
        order, rows = by_length(texts), []
        for start in range(0, len(order), BATCH):
            batch = [texts[i] for i in order[start : start + BATCH]]
            made = tokenizer(batch, padding=True, truncation=True, return_tensors="np")
            tokens = session.run(None, {name: made[name].astype(np.int64) for name in names})[0]
            mask = made["attention_mask"][:, :, None].astype(np.float32)
            vectors = (tokens * mask).sum(axis=1) / mask.sum(axis=1)
            rows.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        return np.concatenate(rows)[np.argsort(order)]

    waste = partial(fixed_waste, size=BATCH, order=by_length)
    return Built(documents, lambda text: documents([text])[0], "float32", waste)


def encoder(workload: Workload, *, reuse: bool = True, **settings: Any) -> Built:
    """``youtu_st.Encoder``. ``reuse=False``: over the stock modules, which compute every text whole."""
    from youtu_st import Encoder

    require(settings)
    model, checkpoint = (workload.model, workload.checkpoint) if reuse else (workload.stock, None)
    made = Encoder(model, checkpoint=checkpoint, truncation="ignore", **settings)
    seen = made.totals

    def waste(task: Task) -> float | None:
        nonlocal seen
        before, seen = seen, made.totals
        padded = seen.padded_tokens - before.padded_tokens
        return 1 - (seen.tokens - before.tokens) / padded if padded else None

    prompt = workload.prompt
    documents: Callable[[list[str]], Any] = made.encode_document if prompt is None else made.encode_query
    if prompt is not None and not reuse:

        def documents(texts: list[str]) -> Any:
            return made.encode_document([prompt + text for text in texts])

    return Built(documents, lambda text: made.encode_query([text])[0], made.runtime["dtype"], waste)


def require(settings: dict[str, Any]) -> None:
    """Skip what would run here, and slower than float32."""
    backend = settings.get("backend", "torch")
    if backend == "torch":
        require_native(settings["dtype"])
        return
    if backend == "onnx":
        if machine.version_of("onnxruntime") is None:
            raise Skipped("onnxruntime is not installed")
        return
    if machine.version_of("openvino") is None:
        raise Skipped("openvino is not installed")
    capabilities = machine.openvino_capabilities()
    if settings["dtype"] == "bfloat16" and "BF16" not in capabilities:
        raise Skipped(f"OpenVINO computes no bfloat16 on this processor: {', '.join(capabilities)}")


def require_native(dtype: str) -> None:
    import torch

    from youtu_st.backends.device import is_native

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not is_native(getattr(torch, dtype), device):
        raise Skipped(f"this machine's {device} has no instructions for {dtype}")


CONTESTANTS: dict[str, Callable[[Workload], Built]] = {
    "sentence-transformers": sentence_transformers,
    "sentence-transformers-bfloat16": partial(sentence_transformers, dtype="bfloat16"),
    "sentence-transformers-tuned": tuned,
    "langchain": langchain,
    "llama-index": llama_index,
    "fastembed": fastembed,
    "onnxruntime": onnx_runtime,
    "encoder-plain-float32": partial(encoder, dtype="float32", reuse=False),
    "encoder-plain-bfloat16": partial(encoder, dtype="bfloat16", reuse=False),
    "encoder-float32": partial(encoder, dtype="float32"),
    "encoder-bfloat16": partial(encoder, dtype="bfloat16"),
    "encoder-openvino-float32": partial(encoder, backend="openvino", dtype="float32"),
    "encoder-openvino-bfloat16": partial(encoder, backend="openvino", dtype="bfloat16"),
    "encoder-openvino-int8": partial(encoder, backend="openvino", dtype="float32", weights="int8"),
    "encoder-onnx-float32": partial(encoder, backend="onnx", dtype="float32"),
    "encoder-onnx-int8-dynamic": partial(encoder, backend="onnx", dtype="float32", weights="int8-dynamic"),
}
BASELINE, *REST = CONTESTANTS
OURS = [name for name in REST if name.startswith("encoder")]
EXPORTED = ("encoder-openvino", "encoder-onnx")
HALF_BASELINE = "sentence-transformers-bfloat16"
RUNS = {
    "minilm": [name for name in CONTESTANTS if "plain" not in name and name != HALF_BASELINE],
    "decoder": [BASELINE, HALF_BASELINE, *(name for name in OURS if "plain" not in name)],
    "instruction": [BASELINE, HALF_BASELINE, *(name for name in OURS if not name.startswith(EXPORTED))],
}
