"""``youtu-st encode``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    DEFAULT_MODEL,
    Checkpoint,
    Fast,
    Model,
    Texts,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    count,
    echo,
)
from youtu_st.cli.loaded import SplitSpecialTokens, load_encoder
from youtu_st.cli.reading import Encoding, TextField, check_out, gathering, tell

if TYPE_CHECKING:
    from youtu_st.protocol import Vectors


ROLES = ("query", "document")
EXAMPLE = "Example: youtu-st encode questions.txt --role query --out questions.npy"


def encode(
    file: Texts,
    role: Annotated[str, typer.Option(metavar="query|document", help="What the texts are.")],
    out: Annotated[Path, typer.Option(metavar="NPY", help="Where to write the matrix, float32.")],
    model: Model = DEFAULT_MODEL,
    checkpoint: Checkpoint = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What queries are for; default: the model's own.")
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(metavar="N", help="Length to cut vectors to; default: the model's own.")
    ] = None,
    encoding: Encoding = None,
    text_field: TextField = None,
    fast: Fast = False,
    split_special_tokens: SplitSpecialTokens = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Encode texts, one row each, to a NumPy file."""
    from youtu_st.corpus import Spool, read_texts

    if role not in ROLES:
        raise UsageError(f"--role must be {' or '.join(ROLES)}, not {role!r}")
    if instruction is not None and role == "document":
        raise UsageError("--instruction goes with --role query: documents are encoded without one")
    name = absolute_model(model)
    check_out(out)
    reading, notes = gathering(encoding, text_field)
    with Spool() as texts:
        for text in read_texts(file, reading):
            texts.add(text)
        tell(notes)
        if not len(texts):
            raise UsageError(f"{file}: there are no texts in it")
        encoder = load_encoder(
            name,
            checkpoint=checkpoint,
            trust_remote_code=trust_remote_code,
            split_special_tokens=split_special_tokens,
            fast=fast,
            exported="documents",
        )
        how: dict[str, Any] = {"dimensions": dimensions, "show_progress": True, "total": len(texts)}
        if role == "query":
            blocks = encoder.iter_encode_query(texts, instruction=instruction, **how)
        else:
            blocks = encoder.iter_encode_document(texts, **how)
        dimension = dimensions or encoder.dimension
        write_matrix(out, blocks, (len(texts), dimension))
        rows = count(len(texts), "row")
    totals = encoder.totals
    echo(
        f"{rows} of {dimension} dimensions from {count(totals.tokens, 'token')} and "
        f"{totals.padding_waste:.1%} padding, model {model}, fingerprint {encoder.fingerprint} -> {out}"
    )


def write_matrix(out: Path, blocks: Iterable[Vectors], shape: tuple[int, int]) -> None:
    """Write blocks of rows, together of that shape, to a ``.npy`` file that is whole or not there at all."""
    from numpy.lib.format import open_memmap

    from youtu_st.disk import whole  # brings NumPy, which --help does without

    with whole(out) as written:
        matrix = open_memmap(written, mode="w+", dtype="<f4", shape=shape)
        start = 0
        for block in blocks:
            matrix[start : start + len(block)] = block
            start += len(block)
        matrix.flush()
        del matrix
