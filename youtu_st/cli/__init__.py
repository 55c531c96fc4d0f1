"""The command ``youtu-st``: thin commands over functions that are tested without it."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, takewhile
from typing import Annotated, Any

import typer

import youtu_st
from youtu_st.cli import (
    compare,
    data,
    embed,
    encode,
    evaluation,
    export,
    fuse,
    indexes,
    models,
    rerank,
    serve,
    tokens,
    train,
    verify,
)
from youtu_st.cli.console import DEBUGGING, UsageError, echo, one_line, say
from youtu_st.errors import TrainingError, YoutuError, brief, printable

OK, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130
LONGEST_NAME = 4096
"""Characters of a file's name that are shown: longer ones are no system's."""

app = typer.Typer(
    name="youtu-st",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=indexes.EXAMPLE,
)
app.command("models", epilog=models.LIST_EXAMPLE)(models.models)
app.command("convert", epilog=models.CONVERT_EXAMPLE)(models.convert)
app.command("export", epilog=export.EXAMPLE)(export.export)
app.command("encode", epilog=encode.EXAMPLE)(encode.encode)
app.command("embed", epilog=embed.EXAMPLE)(embed.embed)
app.command("rerank", epilog=rerank.EXAMPLE)(rerank.rerank)
app.command("compare", epilog=compare.EXAMPLE)(compare.compare)
app.command("tokens", epilog=tokens.EXAMPLE)(tokens.tokens)
app.command("serve", epilog=serve.EXAMPLE)(serve.serve)
app.command("train", epilog=train.EXAMPLE)(train.train)
app.command("verify", epilog=verify.EXAMPLE)(verify.verify)
app.command("fuse", epilog=fuse.EXAMPLE)(fuse.fuse)
app.add_typer(indexes.app, name="index")
app.add_typer(data.app, name="data")
app.add_typer(evaluation.app, name="eval")


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"youtu-st {youtu_st.__version__}")
        raise typer.Exit


@app.callback()
def youtu(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Instruction-tuned embedding models: encode texts, and search files by meaning."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command on what follows ``youtu-st``; None: on what the process was started with.

    Returns:
        The exit code: 0; 2 for a user's mistake; 1 for a fault of the program, or a training run that was
        stopped; 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in takewhile(lambda argument: argument.startswith("-"), arguments)
    DEBUGGING.set(debug)
    with warnings.catch_warnings(), _printable_logs():
        _show_warnings_as_lines()
        try:
            _check_given(arguments)
            code = app(arguments, prog_name="youtu-st", standalone_mode=False)
            sys.stdout.flush()
            if code == INTERRUPTED:  # typer makes this of Ctrl-C; older releases raise Abort
                raise KeyboardInterrupt
            return code if isinstance(code, int) else OK
        except SystemExit as stop:  # typer leaves this way where standard output was closed
            return stop.code if isinstance(stop.code, int) else FAULT
        except BaseException as error:
            return _report(error, debug)


def _check_given(arguments: Sequence[str]) -> None:
    """Raise for an argument that is empty, as a variable of a shell is that was never set.

    Nothing but an instruction means anything when it is empty: that there is to be none.
    """
    for before, argument in pairwise(["youtu-st", *arguments]):
        name, _, value = argument.partition("=")
        if name.startswith("--") and "=" in argument and not value and name != "--instruction":
            raise UsageError(f"{name} must not be empty: give it a value, or leave it out")
        if not argument and before.startswith("-") and before != "--instruction":
            raise UsageError(f"{before} must not be empty: give it a value, or leave it out")
        if not argument and not before.startswith("-"):
            raise UsageError(f"an argument is empty, the one after {before[:200]!r}: give it a value")


def _report(error: BaseException, debug: bool) -> int:
    """Say in one line what went wrong, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        # The reader has had enough (``| head``). Without this, Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAULT
    if debug:
        print(printable("".join(traceback.format_exception(error)), whole=True), file=sys.stderr, end="")
    code, message = FAULT if isinstance(error, TrainingError) else MISTAKE, str(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        code, message = INTERRUPTED, "interrupted"
    elif hasattr(error, "format_message"):  # wrong usage, as typer tells it
        context = getattr(error, "ctx", None)
        hint = f". See: {context.command_path} --help" if context else ""
        message = error.format_message().rstrip(".") + hint
    elif isinstance(error, OSError) and not isinstance(error, YoutuError):
        name = f"{_short(error.filename)}: " if error.filename else ""
        message = name + (error.strerror or str(error)).lower()
    elif not isinstance(error, YoutuError):
        hint = "" if debug else " (a fault of the program: 'youtu-st --debug ...' shows where)"
        code, message = FAULT, f"unexpected {type(error).__name__}: {str(error)[:300]}{hint}"
    say("error", message)
    return code


def _short(name: object) -> str:
    return str(name) if len(str(name)) <= LONGEST_NAME else brief(str(name))


class _PrintableRecord(logging.LogRecord):
    """A record of any library, whoever handles it."""

    def __init__(self, *arguments: Any, **further: Any) -> None:
        super().__init__(*arguments, **further)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = printable("".join(traceback.format_exception(*self.exc_info)), whole=True)

    def getMessage(self) -> str:
        """The message in one line."""
        return printable(one_line(super().getMessage()))


@contextmanager
def _printable_logs() -> Iterator[None]:
    """Logs of libraries reach standard error by handlers of their own: what these are handed is made fit."""
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(_PrintableRecord)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)


def _show_warnings_as_lines() -> None:
    def show(message: Warning | str, *where: object, **further: object) -> None:
        say("warning", message)

    warnings.showwarning = show
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", UserWarning)
    logging.getLogger("pypdf").setLevel(logging.ERROR)
