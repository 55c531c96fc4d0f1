"""``youtu-st embed``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import DEFAULT_MODEL, Checkpoint, model_names
from youtu_st.cli.embed_asked import Asked
from youtu_st.cli.reading import check_folder
from youtu_st.errors import require

if TYPE_CHECKING:
    from youtu_st.scale.running.telling import Summary
    from youtu_st.scale.running.watching import Watch

EXAMPLE = "Example: youtu-st embed corpus/ --model minilm --out vectors/ --workers 2"


def embed(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="CORPUS|OUT",
            help="Files (.parquet .jsonl .csv .tsv .txt, each .gz too, .md .rst .html .pdf .docx .pptx "
            ".ipynb) and folders of them; or the "
            "folder of a job to go on with.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The job's folder: a new one, or to go on with.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"A name, a directory, a hub id or a .yaml file; default: {DEFAULT_MODEL}.",
            autocompletion=model_names,
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    role: Annotated[
        str | None, typer.Option(metavar="query|document", help="What the texts are; default: document.")
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What queries are for; default: the model's own.")
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(metavar="N", help="Length to cut vectors to; default: the model's own.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="float32|float16", help="Of the stored vectors; default: float32.")
    ] = None,
    text_field: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What holds the text; default: text, or else content."),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="What holds the id; default: FILE:ROW.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Write this column too; may be given several times."),
    ] = None,
    keep_text: Annotated[bool, typer.Option("--keep-text", help="Write the texts too.")] = False,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; default: one for each device.")
    ] = None,
    devices: Annotated[
        str | None, typer.Option(metavar="cuda:0,cuda:1", help="Default: all GPUs, or else the CPU.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="ray", help="Let a Ray cluster do it; default: this machine.")
    ] = None,
    bad_rows: Annotated[
        str | None,
        typer.Option(
            metavar="error|skip", help="End at the first, or list them in rejected.jsonl; default: error."
        ),
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Say how far the job in OUT is.")] = False,
    verify: Annotated[
        int | None, typer.Option(metavar="N", help="Encode N random rows of OUT again, and compare.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
    server: Annotated[str | None, typer.Option(hidden=True)] = None,
    shard_tokens: Annotated[int | None, typer.Option(hidden=True)] = None,
    shard: Annotated[str | None, typer.Option(hidden=True)] = None,
    shard_timeout: Annotated[float | None, typer.Option(hidden=True)] = None,
    truncation: Annotated[str | None, typer.Option(hidden=True)] = None,
    encoding: Annotated[str | None, typer.Option(hidden=True)] = None,
    extend: Annotated[bool, typer.Option("--extend", hidden=True)] = False,
    address: Annotated[str | None, typer.Option(hidden=True)] = None,
    cpus_per_worker: Annotated[float | None, typer.Option(hidden=True)] = None,
    gpus_per_worker: Annotated[float | None, typer.Option(hidden=True)] = None,
    split_special_tokens: Annotated[bool, typer.Option("--split-special-tokens", hidden=True)] = False,
    trust_remote_code: Annotated[bool, typer.Option("--trust-remote-code", hidden=True)] = False,
) -> None:
    """Turn a corpus of any size into Parquet with vectors; started again, go on where it was left.

    Whatever ends it, the same line goes on, and so does youtu-st embed OUT. Rows that are left out stand in
    OUT/rejected.jsonl. Further options: --shard-tokens N, --shard I/N (every N-th shard, in an array of
    jobs), --shard-timeout SECONDS, --extend (plan new files), --server URL (an engine encodes), --truncation
    error, --encoding NAME, --split-special-tokens, --trust-remote-code; --json with --status; for Ray,
    --address ADDRESS, --cpus-per-worker N, --gpus-per-worker N.
    """
    given: dict[str, Any] = {
        "--model": model,
        "--checkpoint": checkpoint,
        "--role": role,
        "--instruction": instruction,
        "--dimensions": dimensions,
        "--dtype": dtype,
        "--text-field": text_field,
        "--id": id_column,
        "--keep": tuple(keep or ()) or None,
        "--keep-text": keep_text or None,
        "--workers": workers,
        "--devices": devices,
        "--engine": engine,
        "--bad-rows": bad_rows,
        "--verify": verify,
        "--server": server,
        "--shard-tokens": shard_tokens,
        "--shard": shard,
        "--shard-timeout": shard_timeout,
        "--truncation": truncation,
        "--encoding": encoding,
        "--extend": extend or None,
        "--address": address,
        "--cpus-per-worker": cpus_per_worker,
        "--gpus-per-worker": gpus_per_worker,
        "--split-special-tokens": split_special_tokens or None,
        "--trust-remote-code": trust_remote_code or None,
    }
    debug = bool(context.find_root().params.get("debug"))
    asked = Asked({name: value for name, value in given.items() if value is not None}, debug=debug)
    asked.check(paths, out, status=status, as_json=as_json)
    for module, extra in (("pyarrow", "scale"), ("ray", "ray")):
        if module != "ray" or asked.uses_ray:
            require(module, extra)
    if asked.uses_ray:
        from youtu_st.scale.cluster.connection import check_cluster

        check_cluster(address)  # before a model is loaded
    if out is not None:
        check_folder(out)
    from youtu_st.cli.embed_shown import show_status, show_verified, shown

    if status:
        code = show_status(paths[0], as_json=as_json)
    elif verify is not None:
        code = show_verified(paths[0], verify, asked.elsewhere(), asked.devices)
    else:
        code = shown(lambda watch: _run(paths, out, asked, watch))
    raise typer.Exit(code)


def _run(paths: list[Path], out: Path | None, asked: Asked, watch: Watch) -> Summary:
    from youtu_st.scale.running.embed import embed, resume

    if out is None:
        return resume(paths[0], watch=watch, **asked.elsewhere(), **asked.running())
    making, task, columns, cutting = asked.making(), asked.task(), asked.columns(), asked.cutting()
    extend = "--extend" in asked.given
    return embed(paths, out, making, task, columns, cutting, extend=extend, watch=watch, **asked.running())
