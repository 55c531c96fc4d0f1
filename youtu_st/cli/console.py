"""What the commands share: one line for an error, a sign of life while something takes long, the encoder."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.errors import YoutuError

if TYPE_CHECKING:
    from rich.status import Status

    from youtu_st.encoder import Encoder

DEFAULT_MODEL = "minilm"

TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.")
]

Fast = Annotated[bool, typer.Option("--fast", help="The fastest way that keeps the vectors, measured once.")]


class UsageError(YoutuError, ValueError):
    """The command was called wrongly: the message says how to call it."""


def say(kind: str, message: object) -> None:
    """Write one line to standard error."""
    print(f"youtu-st: {kind}: {one_line(str(message))}", file=sys.stderr, flush=True)


def one_line(message: str) -> str:
    """Join the lines of a message: after a colon or a full stop as they are, else with a semicolon."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return "".join(
        line + ("" if last else " " if line.endswith((":", ".", "?", "!", ";", ",")) else "; ")
        for line, last in zip(lines, [False] * (len(lines) - 1) + [True], strict=True)
    )


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``1,024 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def status(message: str) -> Status:
    """A spinner on the terminal while something takes long; where standard error is none, nothing."""
    from rich.console import Console

    return Console(stderr=True).status(message)


@contextmanager
def importing() -> Iterator[None]:
    """For importing the libraries, which takes longer than all that most commands do with them.

    The garbage collector rests meanwhile, and never looks at what was imported: it would walk over a million
    objects again and again, and once more when the process ends, and find nothing.
    """
    fresh = "torch" not in sys.modules and gc.isenabled()
    if fresh:
        gc.disable()
    try:
        yield
    finally:
        if fresh:
            gc.freeze()
            gc.enable()


def load_encoder(model: str, *, trust_remote_code: bool = False, fast: bool = False) -> Encoder:
    """Load an encoder, quietly.

    Args:
        model: A name, a directory, a hub id or a spec's file.
        trust_remote_code: Run code that the checkpoint brings.
        fast: Run it the fastest way, see :meth:`youtu_st.Encoder.fastest`, and say which that is.

    Raises:
        YoutuError: As for :class:`youtu_st.Encoder`.
    """
    name = absolute_model(model)
    with status(f"loading {model} ...") as spinner:
        with importing():
            from youtu_st.backends.fastest import fastest
            from youtu_st.encoder import Encoder

            quiet()
        if not fast:
            return Encoder(name, trust_remote_code=trust_remote_code)
        encoder, choice = fastest(Encoder, name, {"trust_remote_code": trust_remote_code}, spinner.update)
    say("fast", choice)
    return encoder


def absolute_model(model: str) -> str:
    """The model's name, or its absolute path where it is one, so that an index finds it from anywhere.

    Loads nothing, so that a slip of the pen is found at once.

    Raises:
        UnknownModelError: If it is neither a known name, nor a path, nor the shape of a hub id.
        SpecError: If it is a spec's file with a mistake in it.
    """
    from youtu_st.spec.model import MODELS, load_spec
    from youtu_st.spec.registry import is_hub_id, is_yaml

    path = Path(model).expanduser()
    if is_yaml(model):
        load_spec(path)
    if path.is_dir() or is_yaml(model):
        return MODELS.canonical_name(model)
    return model if is_hub_id(model) else load_spec(model).name


def quiet() -> None:
    """Keep the libraries' own messages and bars off the terminal; downloads keep theirs."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped in the host
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped in the host
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
