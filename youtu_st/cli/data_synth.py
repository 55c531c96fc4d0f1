"""``youtu-st data synth``: training data that a chat model writes, and an encoder looks at."""

from __future__ import annotations

import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from youtu_st.cli.console import (
    TrustRemoteCode,
    UsageError,
    absolute_model,
    count,
    echo,
    model_names,
    say,
    status,
)
from youtu_st.cli.loaded import load_encoder
from youtu_st.cli.reading import check_out

if TYPE_CHECKING:
    from youtu_st.training.synthesis.estimate import Estimate, Prices
    from youtu_st.training.synthesis.running import Made
    from youtu_st.training.synthesis.selection import Selection

EXAMPLE = (
    "Example: youtu-st data synth train.jsonl --mode paraphrase --chat chat.py:model --model minilm "
    "--out more.jsonl"
)


def mode_names(incomplete: str) -> list[str]:
    """Names of modes that begin so, for a shell that completes them."""
    from youtu_st.spec.registry import names

    return [name for name in names("synthesis") if name.startswith(incomplete)]


def synth(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows in CoDiEmb's format.")],
    mode: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="paraphrase, augment, hard-negatives, or a .yaml file.",
            autocompletion=mode_names,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Tells what is kept: a name, a directory, a hub id or a .yaml file.",
            autocompletion=model_names,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="JSONL", help="The file to write.")],
    chat: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="A chat model: chat.py:model, or openai:gpt-..."),
    ] = None,
    at_once: Annotated[int, typer.Option(metavar="N", help="Rows asked about at a time.")] = 1,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Rows that are asked about at most, the first.")
    ] = None,
    price_in: Annotated[float, typer.Option(metavar="X", help="Of a million tokens that it reads.")] = 0.0,
    price_out: Annotated[float, typer.Option(metavar="X", help="Of a million that it writes.")] = 0.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the estimate and the first prompt, and ask nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go on after the estimate without asking.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> int:
    """Let a chat model write more training data: 0 if it gave all, 1 if some rows are left as they were.

    Rows and answers are sent to that model. A run that was stopped goes on where it was.
    """
    from youtu_st.inputs import check_count
    from youtu_st.training.synthesis.estimate import Prices
    from youtu_st.training.synthesis.prompts import load_synthesis
    from youtu_st.training.synthesis.running import check_places
    from youtu_st.training.synthesis.selection import Selection

    check_count("--at-once", at_once)
    for option, price in (("--price-in", price_in), ("--price-out", price_out)):
        if not 0 <= price < math.inf:
            raise UsageError(f"{option} must be a number of at least 0, not {price}")
    if limit is not None:
        check_count("--limit", limit)
    name = absolute_model(model)
    selection = Selection(file, load_synthesis(mode), limit)
    check_out(out)
    if not dry_run:
        check_places(file, out, force=force)
    prices = Prices(price_in, price_out)
    if chat is None and not dry_run:
        raise UsageError("--chat must name the chat model: chat.py:model, or openai:gpt-...")
    if dry_run:
        _show(selection, out, chat, prices)
        return 0
    assert chat is not None
    again = ["youtu-st", "data", "synth", str(file), "--mode", mode, "--model", model, "--out", str(out)]
    again += ["--chat", chat, "--at-once", str(at_once)]
    again += ["--limit", str(limit)] if limit is not None else []
    flags = {"--yes": yes, "--force": force, "--trust-remote-code": trust_remote_code}
    again += [option for option, given in flags.items() if given]
    how = {"at_once": at_once, "force": force}
    return _run(
        selection,
        out,
        chat,
        name,
        prices,
        yes=yes,
        again=shlex.join(again),
        trust_remote_code=trust_remote_code,
        how=how,
    )


def _show(selection: Selection, out: Path, chat: str | None, prices: Prices) -> None:
    """Print the estimate, and the first prompt."""
    from youtu_st.cli.chat_model import load_chat_model
    from youtu_st.training.synthesis.prompts import messages

    model = "" if chat is None else load_chat_model(chat)[1]
    _print_estimate(_estimated(selection, out, model), prices)
    first = next(selection.asked(), None)
    if first is not None:
        echo(f"the first prompt, of {selection.source}, line {first.line}:")
        for message in messages(selection.synthesis, first.row):
            echo()
            echo(f"{message['role']}: {message['content']}")


def _run(
    selection: Selection,
    out: Path,
    chat: str,
    encoder_name: str,
    prices: Prices,
    *,
    yes: bool,
    again: str,
    trust_remote_code: bool,
    how: dict[str, Any],
) -> int:
    from youtu_st.cli.chat_model import load_chat_model
    from youtu_st.training.synthesis.running import SynthesisStopped, journal_of, synthesize

    chosen, model = load_chat_model(chat)
    estimated = _estimated(selection, out, model)
    _print_estimate(estimated, prices)
    if estimated.calls and not yes:
        if not sys.stdin.isatty():
            raise UsageError("nothing was asked: --yes goes on after the estimate")
        if not typer.confirm("Go on?", err=True):
            echo("nothing was asked")
            return 1
    encoder = load_encoder(encoder_name, trust_remote_code=trust_remote_code)
    try:
        with status("asking ...") as spinner:
            made = synthesize(
                selection,
                out,
                chosen,
                encoder,
                model=model,
                **how,
                report=spinner.update,
                notify=lambda message: say("note", message),
            )
    except (KeyboardInterrupt, SynthesisStopped):
        say("synth", f"what was answered is kept in {journal_of(out)}; go on with: {again}")
        raise
    _print_made(made, out, prices)
    return 1 if made.failed else 0


def _estimated(selection: Selection, out: Path, model: str) -> Estimate:
    from youtu_st.training.synthesis.estimate import estimate
    from youtu_st.training.synthesis.journal import Journal
    from youtu_st.training.synthesis.running import journal_of

    journal = Journal(journal_of(out), selection.synthesis, model)
    with status("reading ..."):
        return estimate(selection.synthesis, (one.row for one in selection.asked() if one.row not in journal))


def _print_estimate(found: Estimate, prices: Prices) -> None:
    line = f"{count(found.calls, 'call')}, about {found.read:,} tokens to read and {found.written:,} to write"
    if prices.read or prices.written:
        paid = prices.of(found.read, found.written)
        line += f": about {_money(paid)}, or {_money(found.tries * paid)} if each is made {found.tries} times"
    echo(line)


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.4f}"


def _print_made(made: Made, out: Path, prices: Prices) -> None:
    """Print what was kept, and what was not and why."""
    for reason, number in made.refused.items():
        echo(f"refused {count(number, 'answer')}: {reason}")
    for reason, number in made.rejected.items():
        echo(f"rejected {count(number, 'text')}: {reason}")
    for reason, number in made.alone.items():
        echo(f"not asked about {count(number, 'row')}: {reason}")
    for reason, number in made.failed.items():
        echo(
            f"left {count(number, 'row')} as it was: {reason}"
            if number == 1
            else f"left {count(number, 'row')} as they were: {reason}"
        )
    if made.read is not None and made.written is not None:
        paid = f": {_money(prices.of(made.read, made.written))}" if prices.read or prices.written else ""
        echo(f"{made.read:,} tokens read and {made.written:,} written{paid}")
    answered = f"{made.answered:,} of {count(made.asked, 'row')}, {count(made.calls, 'call')}"
    echo(f"{count(made.texts, 'new text')} for {answered} -> {out}")
