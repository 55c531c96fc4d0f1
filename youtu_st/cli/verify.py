"""``youtu-st verify``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import Checkpoint, TrustRemoteCode, UsageError, absolute_model, loading, print_json

if TYPE_CHECKING:
    from youtu_st.verification import Comparison, Examination

EXAMPLE = (
    "Example: youtu-st verify minilm\n\n"
    "Example: youtu-st verify qwen3-embedding-0.6b --checkpoint DIR --engine http://localhost:8000/v1"
)


def verify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A name, directory, hub id or .yaml file.")],
    checkpoint: Checkpoint = None,
    engine: Annotated[
        str | None, typer.Option(metavar="URL", help="Compare with an OpenAI-compatible server.")
    ] = None,
    engine_model: Annotated[
        str | None, typer.Option(metavar="ID", help="What the server calls the model.  [default: the hub id]")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data sets, for figures published on them.")
    ] = None,
    tokens: Annotated[bool, typer.Option(help="Show sample texts token by token.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="All that was found, as JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Check that a model does what is known about it, or that a server gives its vectors.

    The exit code is 1 where anything is off.
    """
    name = _embedding_model(model)
    if engine is None and engine_model is not None:
        raise UsageError("--engine-model goes with --engine URL")
    if engine is not None and data is not None:
        raise UsageError("--data is for the model that runs here, without --engine")
    if data is not None and not data.is_dir():
        raise UsageError(f"there is no directory {str(data)!r}")
    if engine is not None:
        compared = _compare(
            name, engine, checkpoint=checkpoint, served=engine_model, trust_remote_code=trust_remote_code
        )
        _tell_comparison(compared, name, engine, as_json=as_json)
        good = compared.agrees
    else:
        examination = _examine(name, checkpoint=checkpoint, data=data, trust_remote_code=trust_remote_code)
        _tell_examination(examination, tokens=tokens, as_json=as_json)
        good = not examination.faults
    if not good:
        raise typer.Exit(1)


def _embedding_model(model: str) -> str:
    """As :func:`absolute_model`, with a word about rerankers.

    Raises:
        UsageError: For a reranker's name.
    """
    from youtu_st.spec.registry import names

    if model in names("rerankers"):
        raise UsageError(
            f"{model} is a reranker, and verify is for embedding models: youtu-st models lists them"
        )
    return absolute_model(model)


def _examine(name: str, *, checkpoint: str | None, data: Path | None, trust_remote_code: bool) -> Examination:
    with loading(f"loading {checkpoint or name} ...") as spinner:
        from youtu_st.verification.doctor import examine
        from youtu_st.verification.subject import load_subject

        subject = load_subject(name, checkpoint=checkpoint, trust_remote_code=trust_remote_code)
        spinner.update(f"examining {checkpoint or name} ...")
        return examine(subject, data=data)


def _compare(
    name: str, url: str, *, checkpoint: str | None, served: str | None, trust_remote_code: bool
) -> Comparison:
    from youtu_st.engines import OpenAICompatibleEncoder

    with loading(f"loading {checkpoint or name} ...") as spinner:
        from youtu_st.encoder import Encoder
        from youtu_st.spec.model import MODELS
        from youtu_st.verification import compare

        spec = MODELS.resolve(name, checkpoint)
        if spec is None:
            raise UsageError(
                f"{name} is no model of a spec, which says what a server must be sent: give its name, and "
                f"--checkpoint {name}"
            )
        # What the server makes of a prompt is what is looked at here.
        server = OpenAICompatibleEncoder(url, served or spec.hub_id, spec=spec, server_masks=True)
        encoder = Encoder(
            name, checkpoint=checkpoint, truncation="ignore", trust_remote_code=trust_remote_code
        )
        spinner.update(f"comparing with {url} ...")
        return compare(encoder, server)


def _tell_examination(examination: Examination, *, tokens: bool, as_json: bool) -> None:
    from youtu_st.cli.findings import print_examination

    if not as_json:
        print_examination(examination, tokens=tokens)
        return
    subject = examination.subject
    record = {
        "model": subject.name,
        "directory": str(subject.directory),
        "own_modules": subject.own_modules,
        "ok": not examination.faults,
        "findings": [asdict(finding) for finding in examination.findings],
        "scores": [asdict(score) | {"agrees": score.agrees} for score in examination.scores],
        "samples": [asdict(sample) for sample in examination.samples] if tokens else [],
    }
    print_json(record)


def _tell_comparison(comparison: Comparison, name: str, url: str, *, as_json: bool) -> None:
    from youtu_st.cli.findings import print_comparison

    if not as_json:
        print_comparison(comparison, name, url)
        return
    figures = {"ok": comparison.agrees, "minimum": comparison.minimum, "mean": comparison.mean}
    record = {"model": name, "engine": url, **figures, **asdict(comparison)}
    print_json(record)
