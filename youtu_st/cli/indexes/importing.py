"""``youtu-st index import``: an index of what another library has encoded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from youtu_st.cli.console import (
    DEFAULT_MODEL,
    Checkpoint,
    TrustRemoteCode,
    absolute_model,
    count,
    echo,
    model_names,
    say,
    status,
)
from youtu_st.cli.loaded import SplitSpecialTokens, export_for_searches, load_encoder

EXAMPLE = (
    "Example: youtu-st index import faiss_index/ --out notes.index --model minilm\n\n"
    "FROM is a folder that LangChain's FAISS store, LlamaIndex or Chroma has written, Parquet (a file or a "
    "folder of files), .jsonl, or .npy with its .jsonl."
)


def import_documents(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="What to import: see below.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The index, new.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"What encoded FROM, and encodes questions; default: what FROM names, or {DEFAULT_MODEL}.",
            autocompletion=model_names,
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    encode: Annotated[
        bool, typer.Option("--encode", help="Encode all texts again, and take no vectors over.")
    ] = False,
    collection: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a Chroma directory that has several.")
    ] = None,
    text_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a table; default: text, or else content.")
    ] = None,
    vector_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a table; default: vector, or else embedding.")
    ] = None,
    id_field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of a table; default: id, or _id, or else file and row."),
    ] = None,
    factory: Annotated[
        str, typer.Option(metavar="STRING", help="FAISS factory, such as HNSW32; Flat is exact.")
    ] = "Flat",
    split_special_tokens: SplitSpecialTokens = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Make an index of what another library has encoded, if the vectors are the model's.

    Twenty texts are encoded again to see that. Nothing of a pickle is run.
    """
    name = None if model is None else absolute_model(model)
    from youtu_st.index.exchange import Fields, import_index, open_source
    from youtu_st.index.exchange.place import check_empty
    from youtu_st.probes import PROBE_COSINE

    check_empty(out)
    with status(f"opening {source} ...") as spinner:
        opened = open_source(
            source,
            fields=Fields(text_field, vector_field, id_field),
            collection=collection,
            vectors=not encode,
        )
    try:
        for note in opened.notes:
            say("note", f"{source}: {note}")
        if name is None and opened.model is not None:
            say("note", f"{source} names the model {opened.model}")
        encoder = load_encoder(
            name or absolute_model(opened.model or DEFAULT_MODEL),
            checkpoint=checkpoint,
            split_special_tokens=split_special_tokens,
            trust_remote_code=trust_remote_code,
            exported="documents",
        )
        with status(f"reading {source} ...") as spinner:
            done = import_index(
                opened,
                out,
                encoder,
                encode=encode,
                factory=factory,
                report=lambda what, through, total: spinner.update(
                    f"{what}: {through:,} of {count(total, 'text')}"
                ),
            )
    finally:
        opened.close()
    echo(f"imported {count(done.documents, 'text')} from {opened.kind} -> {out}")
    if not done.documents:
        say("note", f"there are no documents in {source}: the index is empty")
    elif done.agreement is None:
        echo("vectors   all encoded here")
    else:
        echo(
            f"vectors   taken over: {count(done.agreement.count, 'text')} encoded again, "
            f"least cosine {done.agreement.least:.6f}, at least {PROBE_COSINE} is needed"
        )
    export_for_searches(
        encoder.model_name, {"checkpoint": checkpoint, "trust_remote_code": trust_remote_code}
    )
