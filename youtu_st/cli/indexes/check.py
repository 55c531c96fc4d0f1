"""``youtu-st index check``: is an index whole, and if not, save what can be saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    Checkpoint,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    count,
    echo,
    model_names,
    print_json,
    say,
    status,
)
from youtu_st.cli.loaded import load_encoder

if TYPE_CHECKING:
    from youtu_st.index import Condition, Manifest
    from youtu_st.protocol import TextEncoder

EXAMPLE = "Example: youtu-st index check notes.index --repair"


def check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index.")],
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Put what can be saved in its place; the damaged one is kept."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Encodes what lost its vectors; default: the index's own model.",
            autocompletion=model_names,
        ),
    ] = None,
    checkpoint: Checkpoint = None,
    trust_remote_code: TrustRemoteCode = False,
) -> int:
    """Look at every byte of an index: 0 if it is whole, 1 if something is damaged."""
    from youtu_st.index import check_index, repair_index
    from youtu_st.protocol import settings_of

    with status(f"reading {directory} ..."):
        found = check_index(directory)
    done = {}
    if repair and found.damage:

        def encoder(manifest: Manifest | None) -> TextEncoder:
            name = model or (manifest.model if manifest else None)
            if name is None:
                raise UsageError(
                    f"the manifest of {directory} is lost: say with --model which model it is for"
                )
            settings: dict[str, Any] = {} if manifest is None else settings_of(manifest.identity)
            return load_encoder(
                absolute_model(name),
                checkpoint=checkpoint,
                trust_remote_code=trust_remote_code,
                **settings,
            )

        repaired = repair_index(directory, encoder)
        done = {"encoded": repaired.encoded, "kept": str(repaired.kept)}
    if as_json:
        print_json(
            {
                "passages": found.documents,
                "with vectors": found.vectors,
                "damage": list(found.damage),
                "repaired": bool(done),
                **done,
            }
        )
    else:
        _tell(directory, found)
        if done:
            encoded = f"{count(found.documents, 'passage')}, {done['encoded']:,} of them encoded again"
            echo(f"repaired: {encoded}; the damaged index is {done['kept']}")
        elif found.damage:
            say("note", f"youtu-st index check {directory} --repair saves what can be saved")
    return 1 if found.damage and not done else 0


def _tell(directory: Path, found: Condition) -> None:
    missing = found.documents - found.vectors
    vectors = f", {missing:,} of them without vectors" if missing else ""
    state = "damaged" if found.damage else "whole"
    echo(f"{directory} is {state}: {count(found.documents, 'passage')}{vectors}")
    for line in found.damage:
        echo(f"  {line}")
