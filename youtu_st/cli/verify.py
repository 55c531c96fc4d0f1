"""``youtu-st verify``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from youtu_st.cli.console import (
    Checkpoint,
    EncoderName,
    TrustRemoteCode,
    UsageError,
    absolute_model,
    loading,
    print_json,
)
from youtu_st.cli.reading import Encoding, gathering, tell

EXAMPLE = (
    "Example: youtu-st verify minilm\n\n"
    "Example: youtu-st verify qwen3-embedding-0.6b --checkpoint DIR --engine http://localhost:8000/v1"
)


def verify(
    model: EncoderName,
    checkpoint: Checkpoint = None,
    engine: Annotated[
        str | None, typer.Option(metavar="URL", help="Compare with youtu-st serve, or another server.")
    ] = None,
    engine_model: Annotated[
        str | None,
        typer.Option(metavar="ID", help="What the server calls it.  [default: what it says, or the hub id]"),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data sets, for figures published on them.")
    ] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="FILE", help="Texts that its vocabulary must read, one a line.")
    ] = None,
    encoding: Encoding = None,
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
    if engine is not None and sample is not None:
        raise UsageError("--sample is for the model that runs here, without --engine")
    if data is not None and not data.is_dir():
        raise UsageError(f"there is no directory {str(data)!r}")
    texts = _sample(sample, encoding)
    loaded: dict[str, Any] = {"checkpoint": checkpoint, "trust_remote_code": trust_remote_code}
    if engine is None:
        good = _examine(name, data, texts, tokens=tokens, as_json=as_json, **loaded)
    else:
        good = _compare(name, engine, engine_model, as_json=as_json, **loaded)
    if not good:
        raise typer.Exit(1)


def _sample(sample: str | None, encoding: str | None) -> list[tuple[int, str]]:
    if sample is None:
        if encoding is not None:
            raise UsageError("--encoding goes with --sample")
        return []
    from youtu_st.corpus import read_numbered_texts

    reading, notes = gathering(encoding)
    texts = list(read_numbered_texts(sample, reading))
    tell(notes)
    return texts


def _embedding_model(model: str) -> str:
    """As :func:`absolute_model`, with a word about rerankers."""
    from youtu_st.spec.registry import names

    if model in names("rerankers"):
        raise UsageError(
            f"{model} is a reranker, and verify is for embedding models: youtu-st models lists them"
        )
    return absolute_model(model)


def _examine(
    name: str, data: Path | None, sample: list[tuple[int, str]], *, tokens: bool, as_json: bool, **loaded: Any
) -> bool:
    """Print what the doctor finds, and return whether nothing is off."""
    from youtu_st.cli.findings import print_examination

    called = loaded["checkpoint"] or name
    with loading(f"loading {called} ...") as spinner:
        from youtu_st.verification.doctor import examine
        from youtu_st.verification.subject import load_subject

        subject = load_subject(name, **loaded)
        spinner.update(f"examining {called} ...")
        found = examine(subject, data=data, sample=sample)
    if as_json:
        print_json(
            {
                "model": subject.name,
                "directory": str(subject.directory),
                "own_modules": subject.own_modules,
                "ok": not found.faults,
                "findings": [asdict(finding) for finding in found.findings],
                "scores": [asdict(score) | {"agrees": score.agrees} for score in found.scores],
                "samples": [asdict(sample) for sample in found.samples] if tokens else [],
            }
        )
    else:
        print_examination(found, tokens=tokens)
    return not found.faults


def _compare(name: str, url: str, served: str | None, *, as_json: bool, **loaded: Any) -> bool:
    """Print how a server's vectors compare, and return whether they are the same."""
    from youtu_st.cli.findings import print_comparison
    from youtu_st.engines import OpenAICompatibleEncoder

    with loading(f"loading {loaded['checkpoint'] or name} ...") as spinner:
        from youtu_st.encoder import Encoder
        from youtu_st.errors import InputError
        from youtu_st.spec.model import MODELS
        from youtu_st.verification import compare

        spec = MODELS.resolve(name, loaded["checkpoint"])
        # What the server makes of a prompt is what is looked at here.
        settings: dict[str, Any] = {"server_masks": True, "truncation": "ignore"}
        try:
            server = OpenAICompatibleEncoder(url, served, spec=spec, **settings)
            name_there = server.model_name  # before a model is loaded that nothing can be compared with
        except InputError as error:
            if spec is not None:
                raise
            raise UsageError(
                f"{name} is no model of a spec, which says what a server must be sent that is no youtu-st "
                f"serve: give its name, and --checkpoint {name}"
            ) from error
        encoder = Encoder(name, truncation="ignore", unknown="ignore", **loaded)
        spinner.update(f"comparing with {name_there} at {url} ...")
        found = compare(encoder, server)
    if as_json:
        figures = {"ok": found.agrees, "minimum": found.minimum, "mean": found.mean}
        print_json({"model": name, "engine": url, **figures, **asdict(found)})
    else:
        print_comparison(found, name, url)
    return found.agrees
