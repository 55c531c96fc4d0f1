"""``youtu-st rerank``, and the second stage of ``youtu-st index search --rerank``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import TrustRemoteCode, UsageError, importing, quiet, status

if TYPE_CHECKING:
    from youtu_st.index import Hit
    from youtu_st.rerank import Reranker

DEFAULT_MODEL = "qwen3-reranker-0.6b"
EXAMPLE = 'Example: youtu-st rerank answers.txt --query "Which planet is red?" -k 3'


def rerank(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help=".txt (a text a line), .jsonl or .csv (field 'text'), or - for lines of standard input.",
        ),
    ],
    query: Annotated[str, typer.Option(metavar="TEXT", help="The question.")],
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A name, a directory, a hub id or a .yaml file.")
    ] = DEFAULT_MODEL,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="DIR", help="Weights for a name: a directory or a hub id.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", metavar="N", help="Number of texts; default: all.")] = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What a good answer is; default: the model's own.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show texts whole.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Show texts as JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Put texts into the order in which they answer a question, best first."""
    from youtu_st.cli.hits import print_hits
    from youtu_st.corpus import read_numbered_texts
    from youtu_st.corpus.readers import STANDARD_INPUT
    from youtu_st.index import Hit

    if k is not None and k < 1:
        raise UsageError(f"-k must be at least 1, not {k}")
    if not query.strip():
        raise UsageError("--query is blank")
    check_reranker(model)
    name = "standard input" if file == STANDARD_INPUT else file
    texts = [
        Hit(f"{name}:{line}", 0.0, text, {"source": name, "line": line})
        for line, text in read_numbered_texts(file)
    ]
    if not texts:
        raise UsageError(f"{name}: there are no texts in it")
    reranker = load_reranker(model, checkpoint=checkpoint, trust_remote_code=trust_remote_code)
    hits = reranked(texts, query, reranker, k=k, instruction=instruction)
    if as_json:
        records = [
            {"rank": rank, "line": hit.metadata["line"], "score": hit.score, "text": hit.text}
            for rank, hit in enumerate(hits, start=1)
        ]
        typer.echo(json.dumps(records, ensure_ascii=False, indent=2))
        return
    print_hits(hits, full=full)


def check_reranker(model: str) -> None:
    """Raise for a slip of the pen, before anything is loaded.

    Raises:
        UnknownModelError: If it is neither a known name, nor a path, nor the shape of a hub id.
        SpecError: If it is a spec's file with a mistake in it.
    """
    from youtu_st.spec.reranker import RERANKERS

    RERANKERS.resolve(model)


def candidates(k: int) -> int:
    """How many passages an index should give for the best ``k`` to be among them."""
    return max(4 * k, 20)


def load_reranker(model: str, *, checkpoint: str | None = None, trust_remote_code: bool = False) -> Reranker:
    """Load a reranker, quietly.

    Args:
        model: A name, a directory, a hub id or a spec's file.
        checkpoint: Weights for a name.
        trust_remote_code: Run code that the checkpoint brings.

    Raises:
        YoutuError: As for :class:`youtu_st.rerank.Reranker`.
    """
    with status(f"loading {model} ..."):
        with importing():
            from youtu_st.rerank import Reranker

            quiet()
        return Reranker(model, checkpoint=checkpoint, trust_remote_code=trust_remote_code)


def reranked(
    hits: Sequence[Hit], question: str, reranker: Reranker, *, k: int | None, instruction: str | None
) -> list[Hit]:
    """The ``k`` hits that answer a question best, with the reranker's scores.

    Raises:
        InputError: As for :meth:`youtu_st.rerank.Reranker.rank`.
    """
    texts = [hit.text for hit in hits]
    ranked = reranker.rank(question, texts, k=k, instruction=instruction, show_progress=True)
    return [replace(hits[one.index], score=one.score) for one in ranked]
