"""``youtu-st index search``: the passages that answer a question, or many."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.conditions import Where, parse_conditions
from youtu_st.cli.console import (
    Checkpoint,
    TrustRemoteCode,
    UsageError,
    check_question,
    reranker_names,
    say,
)
from youtu_st.cli.indexes.options import Directory, ModelOption
from youtu_st.cli.loaded import load_reranker
from youtu_st.cli.opening import (
    encoder_for,
    manifest_of,
    opened_index,
    recorded_encoder,
    splits_special_tokens,
)
from youtu_st.errors import InputError

if TYPE_CHECKING:
    from youtu_st.index.searching import Asked as How
    from youtu_st.protocol import TextEncoder

EXAMPLE = 'Example: youtu-st index search notes.index "How do I renew a passport?" -k 3'


def search(
    directory: Directory,
    question: Annotated[
        str | None, typer.Argument(metavar="[QUESTION]", help="What to look for.", show_default=False)
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="Number of passages.")] = 5,
    where: Where = None,
    queries: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Many questions: lines, or .jsonl with query and id; - for stdin."),
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the search is for; default: the models' own.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show passages whole.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Show passages as JSON.")] = False,
    model: ModelOption = None,
    checkpoint: Checkpoint = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="dense: by meaning; lexical: by words; hybrid: by both. Default: hybrid, or dense where the "
            "index has no words.",
            autocompletion=lambda: ["dense", "lexical", "hybrid"],
        ),
    ] = None,
    weight: Annotated[
        float, typer.Option(metavar="W", help="Share of meaning in a hybrid search, from 0 to 1.")
    ] = 0.5,
    rerank: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A reranker that puts the nearest passages into order.",
            autocompletion=reranker_names,
        ),
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Find the passages that answer a question."""
    from youtu_st.cli.hits import print_hits
    from youtu_st.cli.indexes.queries import asked_for, print_answers
    from youtu_st.index import without_records
    from youtu_st.retriever import Retriever

    asked = asked_for(question, queries)
    check_question("QUESTION", asked[0].question, k=k, reranker=rerank)
    how = _how(mode, weight, directory)
    condition = parse_conditions(where)
    manifest = manifest_of(directory)
    encoder: TextEncoder
    if how.needs_vectors:
        encoder = encoder_for(
            directory,
            manifest,
            model=model,
            checkpoint=checkpoint,
            trust_remote_code=trust_remote_code,
            exported="questions",
        )
    else:
        encoder = recorded_encoder(manifest, model)
    with opened_index(directory, encoder, checkpoint) as index:
        reranker = None
        if rerank is not None:  # it reads the passages as the encoder did
            split = splits_special_tokens(manifest)
            reranker = load_reranker(
                rerank,
                trust_remote_code=trust_remote_code,
                split_special_tokens=split,
                for_a_question=True,
            )
        retriever = Retriever(index, reranker, candidates=max(4 * k, 20))
        said: dict[str, Any] = {"instruction": instruction, "mode": how.mode, "weight": weight}
        if question is None:
            print_answers(retriever, asked, k, condition, full=full, as_json=as_json, **said)
            return
        hits = retriever.search(question, k, condition, show_progress=True, **said)
    if not hits and not as_json:
        say("note", "no passage matches")
    print_hits(
        hits,
        record=lambda hit: asdict(hit) | {"metadata": without_records(hit.metadata)},
        full=full,
        as_json=as_json,
    )


def _how(mode: str | None, weight: float, directory: Path) -> How:
    """How to search, checked before a model is loaded for it.

    Raises:
        UsageError: For another mode, or a weight that is none.
    """
    from youtu_st.index.searching import Asked as How

    if mode is None:
        mode = "hybrid" if manifest_of(directory).lexical else "dense"
    try:
        return How(mode, weight)  # type: ignore[arg-type]
    except InputError as error:
        raise UsageError(f"--{error}") from error
