"""The same checkpoint in every framework: which vectors, how many models, how fast.

MiniLM, saved with a query prompt, and 200 texts: English with line breaks, Chinese, and long ones. Each
contestant is a process of its own, as a user would build it, twice over. In turns they encode the 200 texts
as documents in one call, then 200 questions one at a time, then all questions at once, as tasks of an event
loop; medians of five turns. Cosines are the lowest to ``encode_query`` and ``encode_document`` of
sentence-transformers.

    python benchmarks/adapters.py [--json PATH] [--write]      --write: the table in docs/why.md
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "why.md"
BEGIN, END = "<!-- table: python benchmarks/adapters.py --write -->", "<!-- /table -->"
PROMPT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
TEXTS, TURNS = 200, 5
SPEEDS = ("texts_per_second", "queries_per_second", "concurrent_queries_per_second")

Methods = tuple[Callable[[list[str]], Any], Callable[[str], Any], Callable[[str], Awaitable[Any]] | None]


def sentence_transformers(directory: str) -> Methods:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(directory)
    return model.encode_document, model.encode_query, None


def stock_langchain(directory: str) -> Methods:
    from langchain_huggingface import HuggingFaceEmbeddings

    embeddings = HuggingFaceEmbeddings(model_name=directory)
    return embeddings.embed_documents, embeddings.embed_query, embeddings.aembed_query


def stock_llama_index(directory: str) -> Methods:
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    model = HuggingFaceEmbedding(model_name=directory)
    return model.get_text_embedding_batch, model.get_query_embedding, model.aget_query_embedding


def encoder(directory: str) -> Methods:
    from youtu_st import Encoder

    encoder = Encoder.shared(directory, truncation="ignore")
    return encoder.encode_document, lambda text: encoder.encode_query([text])[0], None


def youtu_langchain(directory: str) -> Methods:
    from langchain_youtu import YoutuEmbeddings

    embeddings = YoutuEmbeddings(model=directory, truncation="ignore")
    return embeddings.embed_documents, embeddings.embed_query, embeddings.aembed_query


def youtu_llama_index(directory: str) -> Methods:
    from llama_index.embeddings.youtu import YoutuEmbedding

    model = YoutuEmbedding(model_name=directory, truncation="ignore")
    return model.get_text_embedding_batch, model.get_query_embedding, model.aget_query_embedding


CONTESTANTS = {
    "`SentenceTransformer`, `encode_query` and `encode_document`": sentence_transformers,
    "LangChain `HuggingFaceEmbeddings`": stock_langchain,
    "LlamaIndex `HuggingFaceEmbedding`": stock_llama_index,
    "`youtu_st.Encoder`": encoder,
    "`langchain_youtu.YoutuEmbeddings`": youtu_langchain,
    "`llama_index.embeddings.youtu.YoutuEmbedding`": youtu_llama_index,
}


def texts() -> list[str]:
    """Public data where it is, this project's own pages where it is not."""
    pages = [path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    english = [part for page in pages for part in page.split("\n\n") if len(part) > 80]
    chinese = [
        f"第{i}段：{text}" for i, text in enumerate(["向量索引保存文档的向量。", "今天天气很好。"] * 40)
    ]
    long = pages
    if DATA.is_dir():
        lines = (DATA / "scifact" / "corpus.jsonl").read_text("utf-8").splitlines()[:200]
        english = [f"{(row := json.loads(line))['title']}\n{row['text']}" for line in lines]
        documents = json.loads((DATA / "cmrc2018" / "cmrc2018_dev.json").read_text("utf-8"))["data"]
        chinese = [document["paragraphs"][0]["context"] for document in documents]
        long = ["\n".join(english[i : i + 3]) for i in range(0, 120, 3)]
    wanted = [(english, 100), (chinese, 60), (long, 40)]
    return [(some * count)[i] for some, count in wanted for i in range(count)]


def questions(documents: list[str]) -> list[str]:
    """The beginnings of the texts, cut at forty characters: some with line breaks, some Chinese."""
    return [f"{text[:40].strip()}?" for text in documents]


def contestant(make: Callable[[str], Methods], directory: str, pipe: Connection) -> None:
    """Runs in a process of its own: builds twice, then does a turn whenever told to."""
    warnings.simplefilter("ignore")
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    held = [make(directory), make(directory)]
    document, query, concurrent = held[0]
    count = sum(isinstance(thing, SentenceTransformer) for thing in gc.get_objects())
    documents = texts()
    asked = questions(documents)
    document(documents[:8])
    query(asked[0])
    pipe.send(
        (
            count,
            np.array(document(documents), dtype=np.float64),
            np.array([query(text) for text in asked], dtype=np.float64),
        )
    )
    while pipe.recv():
        times = [time.perf_counter()]
        document(documents)
        times.append(time.perf_counter())
        for text in asked:
            query(text)
        times.append(time.perf_counter())
        if concurrent is not None:
            asyncio.run(all_at_once(concurrent, asked))
        times.append(time.perf_counter())
        speeds = [TEXTS / (end - start) for start, end in itertools.pairwise(times)]
        pipe.send(speeds if concurrent is not None else speeds[:2])


async def all_at_once(query: Callable[[str], Awaitable[Any]], asked: list[str]) -> None:
    await asyncio.gather(*map(query, asked))


def cosine(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
    return np.einsum("ij,ij->i", rows, others) / norms


def save_checkpoint(directory: Path) -> None:
    """MiniLM as its authors saved it, with Qwen3-Embedding's query prompt."""
    from sentence_transformers import SentenceTransformer

    import youtu_st

    own = youtu_st.load("minilm")[0].model.name_or_path
    model = SentenceTransformer(own, prompts={"query": PROMPT, "document": ""}, device="cpu")
    model.save_pretrained(str(directory))


def measure(turns: int) -> dict[str, dict[str, Any]]:
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "minilm-with-a-prompt"
        save_checkpoint(directory)
        pipes, processes, first = {}, [], {}
        for name, make in CONTESTANTS.items():
            pipes[name], theirs = spawn.Pipe()
            processes.append(spawn.Process(target=contestant, args=(make, str(directory), theirs)))
            processes[-1].start()
            theirs.close()  # so that a contestant that fails is an error here, and no endless wait
            first[name] = pipes[name].recv()  # one works at a time
        speeds: dict[str, list[list[float]]] = {name: [] for name in pipes}
        for turn in range(turns):
            for name in list(pipes) if turn % 2 == 0 else list(pipes)[::-1]:
                pipes[name].send(True)
                speeds[name].append(pipes[name].recv())
        for pipe in pipes.values():
            pipe.send(False)
        for process in processes:
            process.join()
    _, documents, queries = first[next(iter(first))]
    return {
        name: {
            "document_cosine": [float(f(cosine(mine, documents))) for f in (np.min, np.mean)],
            "query_cosine": [float(f(cosine(asked, queries))) for f in (np.min, np.mean)],
            "models": count,
            **dict(zip(SPEEDS, map(statistics.median, zip(*speeds[name], strict=True)), strict=False)),
        }
        for name, (count, mine, asked) in first.items()
    }


def overhead(turns: int) -> dict[str, dict[str, float]]:
    """What an adapter adds to ``Encoder``: in one process, call by call, so that noise hits all alike."""
    ours = list(CONTESTANTS)[3:]
    documents = texts()
    blocks = [documents[start::20] for start in range(20)]  # ten texts, of all lengths
    ratios: dict[str, dict[str, list[float]]] = {name: {"documents": [], "query": []} for name in ours[1:]}
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(Path(folder, "model"))
        made = {name: CONTESTANTS[name](str(Path(folder, "model"))) for name in ours}
        for turn in range(turns):
            for kind, calls in (("documents", blocks), ("query", questions(documents))):
                for number, call in enumerate(calls):
                    took = {}
                    for name in ours if (turn + number) % 2 else ours[::-1]:
                        start = time.perf_counter()
                        made[name][kind == "query"](call)  # type: ignore[misc, operator]  # a pair of calls
                        took[name] = time.perf_counter() - start
                    for name in ours[1:]:
                        ratios[name][kind].append(took[name] / took[ours[0]])
    return {name: {k: statistics.median(v) for k, v in both.items()} for name, both in ratios.items()}


def sentence(ratios: dict[str, dict[str, float]]) -> str:
    parts = [f"{name} {r['documents']:.2f} and {r['query']:.2f}" for name, r in ratios.items()]
    return (
        "Time of a call over the time of the same call of `Encoder`, one after the other in one process, for "
        f"ten texts and for one question, medians: {', '.join(parts)}."
    )


def table(figures: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| built twice in one process | cosine, documents | cosine, queries | models | texts/s | queries/s "
        "| queries/s, all at once |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        cosines = (f"{row[key][0]:.6f}" for key in ("document_cosine", "query_cosine"))
        speeds = (f"{row[key]:.0f}" if key in row else "" for key in SPEEDS)
        lines.append(f"| {name} | {' | '.join(cosines)} | {row['models']} | {' | '.join(speeds)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--write", action="store_true", help="write the table into docs/why.md")
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    figures = measure(arguments.turns)
    ratios = overhead(arguments.turns)
    report = f"{table(figures)}\n\n{sentence(ratios)}"
    print(report)
    if arguments.json:
        arguments.json.write_text(json.dumps({"figures": figures, "overhead": ratios}, indent=2) + "\n")
    if arguments.write:
        write(report)


def write(report: str) -> None:
    page = PAGE.read_text("utf-8")
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{report}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
