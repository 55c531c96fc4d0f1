"""``youtu-st eval chunks``: how long passages should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from youtu_st.cli.console import (
    DEFAULT_MODEL,
    Checkpoint,
    Model,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    status,
)
from youtu_st.cli.loaded import load_encoder

if TYPE_CHECKING:
    from youtu_st.encoder import Encoder
    from youtu_st.evaluation.chunks import Chunk, Document, Setting

EXAMPLE = "Example: youtu-st eval chunks chunking_evaluation --tokens 64,128,254"

T = TypeVar("T", int, float)


def chunks(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder: questions_df.csv, and corpora/ID.md or ID.txt.")
    ],
    tokens: Annotated[
        str, typer.Option(metavar="N,...", help="Most tokens of a passage; the default is looked at too.")
    ],
    overlap: Annotated[
        str, typer.Option(metavar="SHARE,...", help="Of a passage, what the next one begins with.")
    ] = "0",
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    k: Annotated[int, typer.Option("-k", "--k", metavar="N", help="Passages that are read.")] = 5,
    budget: Annotated[
        str, typer.Option(metavar="N,...", help="Tokens that are read; the last passage is cut there.")
    ] = "600,1200",
    plain: Annotated[bool, typer.Option("--plain", help="Split Markdown as any text, too.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, with the values of every question.")
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Find the passages that hold the answers: how long should they be, and do they need to overlap?

    All documents are searched together. Long passages say more than as many short ones, so settings are
    compared at equal budgets of tokens too. The default of index build is marked, and all others are held
    against it.
    """
    from youtu_st.cli.evaluation.chunks_shown import as_values, print_judged
    from youtu_st.corpus import Lengths, passage_tokens
    from youtu_st.evaluation.chunks import Reach, Setting, judge, read_chunk_data

    wanted = _numbers("--tokens 64,128", tokens, int, "an int of at least 1", lambda n: n >= 1)
    shares = _numbers(
        "--overlap 0,0.25", overlap, float, "a number from 0 to less than 1", lambda share: 0 <= share < 1
    )
    budgets = _numbers("--budget 600,1200", budget, int, "an int of at least 1", lambda n: n >= 1)
    if k < 1:
        raise UsageError(f"--k must be an int of at least 1, not {k}")
    name = absolute_model(model)
    with status("reading ..."):
        read = read_chunk_data(data)
    encoder = load_encoder(name, checkpoint=checkpoint, trust_remote_code=trust_remote_code)
    lengths = Lengths.choose(encoder)
    default = Setting(lengths.tokens, lengths.overlap)
    for number in wanted:
        passage_tokens(encoder, number)
    settings = [
        Setting(number, int(number * share), as_text)
        for as_text in ((False, True) if plain else (False,))
        for share in shares
        for number in wanted
    ]
    settings = list(dict.fromkeys([*([] if default in settings else [default]), *settings]))
    reaches = [Reach("passages", k), *(Reach("tokens", number) for number in budgets)]
    with status("encoding ...") as spinner:
        judged = list(judge(encoder, read, settings, _split(encoder), reaches, report=spinner.update))
    if as_json:
        from youtu_st.cli.console import print_json

        print_json(as_values(read, judged, default, reaches, name))
    else:
        print_judged(read, judged, default, reaches, name)


def _numbers(
    example: str, text: str, kind: Callable[[str], T], valid: str, is_valid: Callable[[T], bool]
) -> list[T]:
    """Numbers between commas, each once.

    Raises:
        UsageError: Naming the first that is none, and the example.
    """
    found: dict[T, None] = {}
    for part in text.split(","):
        number: T | None
        try:
            number = kind(part)
        except ValueError:
            number = None
        if number is None or not is_valid(number):
            option = example.partition(" ")[0]
            raise UsageError(
                f"{option}: each must be {valid}, not {part.strip()!r}; write them as in {example}"
            )
        found[number] = None
    return list(found)


def _split(encoder: Encoder) -> Callable[[Document, Setting], Iterator[Chunk]]:
    from youtu_st.corpus import SourceDocument, Splitter
    from youtu_st.evaluation.chunks import Chunk

    def split(document: Document, setting: Setting) -> Iterator[Chunk]:
        splitter = Splitter(encoder.reader, setting.tokens, setting.overlap)
        source = document.name + (".txt" if setting.plain else document.suffix)
        for passage in splitter.split([SourceDocument(document.text, source)]):
            if ends := splitter.token_ends(passage):  # else the model reads nothing of it
                yield Chunk(passage.text, passage.start, ends)

    return split
