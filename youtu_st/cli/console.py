"""What the commands share: options, all that is shown, models with a sign of life.

Whatever a command shows goes through :func:`youtu_st.errors.printable`, in one of these: :func:`echo`,
:func:`say`, :func:`print_json`, and :func:`cell` for what rich lays out.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.errors import MissingDependencyError, YoutuError, counted, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status
    from rich.table import Table
    from rich.text import Text


DEFAULT_MODEL = "minilm"
WIDE = 200

Texts = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help=".txt (a text a line), .jsonl or .csv (field 'text'), or - for lines of standard input.",
    ),
]


def model_names(incomplete: str) -> list[str]:
    """Names of embedding models that begin so, for a shell that completes them."""
    return _names("models", incomplete)


def reranker_names(incomplete: str) -> list[str]:
    """As :func:`model_names`, of rerankers."""
    return _names("rerankers", incomplete)


def _names(kind: str, incomplete: str) -> list[str]:
    from youtu_st.spec.registry import names

    return [name for name in names(kind) if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="A name, a directory, a hub id or a .yaml file.", autocompletion=model_names
    ),
]
EncoderName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name, directory, hub id or .yaml file.", autocompletion=model_names
    ),
]
Checkpoint = Annotated[
    str | None, typer.Option(metavar="DIR", help="Weights for a name: a directory or a hub id.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that the checkpoint brings.")
]
Fast = Annotated[bool, typer.Option("--fast", help="The fastest way that keeps the vectors, measured once.")]
Rounded = Annotated[
    bool,
    typer.Option("--rounded", help="With --fast: measure rounded weights, too, and say what they cost."),
]


class UsageError(YoutuError, ValueError):
    """The command was called wrongly: the message says how to call it."""


def say(kind: str, message: object) -> None:
    """Write one line to standard error."""
    print(f"youtu-st: {printable(f'{kind}: {one_line(str(message))}')}", file=sys.stderr, flush=True)


DEBUGGING: ContextVar[bool] = ContextVar("DEBUGGING", default=False)
"""Whether ``--debug`` was given."""


def say_debug(kind: str, message: object) -> None:
    """As :func:`say`, under ``--debug`` alone."""
    if DEBUGGING.get():
        say(kind, message)


def echo(line: object = "", *, err: bool = False) -> None:
    """Write one line to standard output, or to standard error, as below what :func:`say` has said."""
    typer.echo(printable(str(line)), err=err)


def one_line(message: str) -> str:
    """Join the lines of a message: after a colon or a full stop as they are, else with a semicolon."""
    *lines, last = [line.strip() for line in message.splitlines() if line.strip()] or [""]
    return "".join(f"{line} " if line.endswith(tuple(":.?!;,")) else f"{line}; " for line in lines) + last


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``1,024 files``."""
    return counted(number, noun)


def print_json(value: Any) -> None:
    """Write a value to standard output as JSON, for people and programs alike.

    JSON has escapes of its own for what a terminal may not be sent, so that a program reads the value itself.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2)
    typer.echo(printable(text, whole=True, escape=lambda character: json.dumps(character)[1:-1]))


def cell(text: object, style: str = "", *, whole: bool = False) -> Text:
    """A text for rich to lay out: what looks like its markup is not, and the rest is :func:`printable`."""
    from rich.text import Text

    return Text(printable(str(text), whole=whole), style=style)


def narrow_console() -> Console:
    """Standard output, as wide as its terminal; the usual one where that has no columns (``COLUMNS=0``)."""
    from rich.console import Console

    console = Console(highlight=False)
    if console.width < 1:  # on which nothing at all would be printed
        console.width = 80
    return console


def wide_console() -> Console:
    """Standard output, as wide as its terminal; piped, a row is one line, however long."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


def plain_table(titles: Sequence[str], *, right: Sequence[str] = (), wrap: bool = True) -> Table:
    """An empty table; numbers stand on the right of their columns, and are never wrapped."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        if title in right:
            made.add_column(cell(title), justify="right", no_wrap=True)
        else:
            made.add_column(cell(title), no_wrap=not wrap, overflow="fold" if wrap else "ellipsis")
    return made


EVERY = 10.0
"""Seconds between the lines that say how far one is, where there is no terminal."""


class Spinner:
    """A line on the terminal that turns while something takes long; elsewhere a line now and then.

    Args:
        shown: What turns. None: there is no terminal.
        clock: Gives seconds.
    """

    def __init__(self, shown: Status | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._shown, self._clock = shown, clock
        self._said = clock()

    def update(self, message: str) -> None:
        """Say what is done now."""
        if self._shown is not None:
            self._shown.update(cell(one_line(message)))
        elif self._clock() - self._said >= EVERY:
            say("progress", message)
            self._said = self._clock()


@contextmanager
def status(message: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Spinner]:
    """A spinner while something takes long; where there is no terminal, a line now and then."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Spinner(None, clock)
        return
    with console.status(cell(one_line(message))) as shown:
        yield Spinner(shown, clock)


@contextmanager
def loading(message: str, *, hosts: bool = True) -> Iterator[Spinner]:
    """A spinner over :func:`import_libraries`, and over what is then done with them.

    Args:
        message: What it says.
        hosts: Whether they are needed at all: what was exported opens without them.
    """
    with status(message) as spinner:
        if hosts:
            import_libraries()
        yield spinner


def import_libraries() -> None:
    """Import the libraries, and keep them quiet.

    The garbage collector rests during the import, which takes longer than all that most commands do with the
    libraries, and never looks at what was imported: it would walk over a million objects again and again, and
    once more when the process ends, and find nothing.

    Raises:
        MissingDependencyError: If they are not installed, as where exported models alone are run.
    """
    fresh = "torch" not in sys.modules and gc.isenabled()
    if fresh:
        gc.disable()
    try:
        from transformers.utils import logging as host

        import youtu_st.inference.hosted  # noqa: F401 - with it come all of them

        # Their own messages and bars stay off the terminal; downloads keep theirs.
        host.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped in the host
        host.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped in the host
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("torch", "transformers", "sentence_transformers"):
            raise
        raise MissingDependencyError(
            f"this needs {missing}: pip install torch sentence-transformers; or name a directory that "
            "'youtu-st export' wrote, which runs without"
        ) from error
    finally:
        if fresh:
            gc.freeze()
            gc.enable()


def check_question(what: str, question: str, *, k: int | None, reranker: str | None) -> None:
    """Raise for a slip of the pen in what is asked for, before anything is loaded.

    Raises:
        UsageError: If the question is blank, naming its option.
        InputError: If the number of results is none.
        UnknownModelError: If the reranker is neither a known name, nor a path, nor the shape of a hub id.
        SpecError: If the reranker is a spec's file with a mistake in it.
    """
    from youtu_st.inputs import check_count
    from youtu_st.spec.reranker import RERANKERS

    if k is not None:
        check_count("-k", k)
    if not question.strip():
        raise UsageError(f"{what} must be a question, not blank")
    if reranker is not None:
        RERANKERS.resolve(reranker)


def absolute_model(model: str) -> str:
    """The model's name, or its absolute path where it is one, so that an index finds it from anywhere.

    Loads nothing, so that a slip of the pen is found at once.

    Raises:
        UnknownModelError: If it is neither a known name, nor a path, nor the shape of a hub id.
        SpecError: If it is a spec's file with a mistake in it.
    """
    from youtu_st.spec.model import MODELS, load_spec
    from youtu_st.spec.registry import expanded, is_directory, is_hub_id, is_yaml

    if is_yaml(model):
        load_spec(expanded(model))
    elif not is_directory(model):
        return model if is_hub_id(model) else load_spec(model).name
    return MODELS.canonical_name(model)
