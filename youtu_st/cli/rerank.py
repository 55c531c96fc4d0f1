"""``youtu-st rerank``."""

from __future__ import annotations

from typing import Annotated

import typer

from youtu_st.cli.console import (
    Checkpoint,
    Texts,
    TrustRemoteCode,
    UsageError,
    check_question,
    reranker_names,
)
from youtu_st.cli.loaded import SplitSpecialTokens, load_reranker
from youtu_st.cli.reading import Encoding, gathering, tell

DEFAULT_MODEL = "qwen3-reranker-0.6b"
EXAMPLE = 'Example: youtu-st rerank answers.txt --query "Which planet is red?" -k 3'


def rerank(
    file: Texts,
    query: Annotated[str, typer.Option(metavar="TEXT", help="The question.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name, a directory, a hub id or a .yaml file.",
            autocompletion=reranker_names,
        ),
    ] = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    k: Annotated[int | None, typer.Option("-k", metavar="N", help="Number of texts; default: all.")] = None,
    encoding: Encoding = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What a good answer is; default: the model's own.")
    ] = None,
    as_json: Annotated[
        bool | None, typer.Option("--json/--full", help="Show texts as JSON; or whole.", show_default=False)
    ] = None,
    split_special_tokens: SplitSpecialTokens = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Put texts into the order in which they answer a question, best first."""
    from youtu_st.cli.hits import print_hits
    from youtu_st.corpus import read_numbered_texts
    from youtu_st.corpus.reading.readers import STANDARD_INPUT
    from youtu_st.index import Hit

    check_question("--query", query, k=k, reranker=model)
    name = "standard input" if file == STANDARD_INPUT else file
    reading, notes = gathering(encoding)
    lines = list(read_numbered_texts(file, reading))
    tell(notes)
    if not lines:
        raise UsageError(f"{name}: there are no texts in it")
    reranker = load_reranker(
        model,
        checkpoint=checkpoint,
        trust_remote_code=trust_remote_code,
        split_special_tokens=split_special_tokens,
        for_a_question=True,
    )
    texts = [text for _, text in lines]
    ranked = reranker.rank(query, texts, k=k, instruction=instruction, show_progress=True)
    places = [{"source": name, "line": number} for number, _ in lines]
    print_hits(
        [Hit("", one.score, one.document, places[one.index]) for one in ranked],  # a line has no id
        record=lambda hit: {"line": hit.metadata["line"], "score": hit.score, "text": hit.text},
        full=as_json is False,
        as_json=bool(as_json),
    )
