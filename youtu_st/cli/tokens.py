"""``youtu-st tokens``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from youtu_st.verification.sample import Sample

EXAMPLE = 'Example: youtu-st tokens minilm "Which planet is red?"'


def tokens(
    model: EncoderName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to read.")],
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the query is for; default: the model's own.")
    ] = None,
    document: Annotated[bool, typer.Option("--document", help="Read it as a document.")] = False,
    checkpoint: Checkpoint = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Show a text as a model reads it, token by token, and which of them enter its vector.

    Of a name or a .yaml file, the tokenizer alone is loaded: DIR needs no weights.
    """
    from youtu_st.cli.findings import print_sample
    from youtu_st.inputs import check_unicode

    if document and instruction is not None:
        raise UsageError("--instruction is for queries: leave out --document")
    check_unicode("TEXT", text)
    check_unicode("--instruction", instruction or "")
    name, role = absolute_model(model), "document" if document else "query"
    with loading(f"loading the tokenizer of {checkpoint or name} ..."):
        sample = _sample(name, checkpoint, role, text, instruction, trust_remote_code)
    if as_json:
        print_json(asdict(sample))
    else:
        print_sample(sample)


def _sample(
    name: str, checkpoint: str | None, role: str, text: str, instruction: str | None, trust: bool
) -> Sample:
    from youtu_st.loading.loader import load
    from youtu_st.loading.tokenizer import load_tokenizer
    from youtu_st.modules.settings import prompts_for as prompts_of
    from youtu_st.spec.model import MODELS
    from youtu_st.spec.prompts import prompts_for
    from youtu_st.verification.sample import sample_by_spec, sample_of

    spec: Any = MODELS.resolve(name, checkpoint)
    if spec is None:
        model = load(name, trust_remote_code=trust)
        (prompt,) = prompts_of(model, role, instruction, 1)
        return sample_of(model, role, text, prompt)
    (prompt,) = prompts_for(spec.prompts.of(role), spec.template, instruction, 1)
    tokenizer = load_tokenizer(spec, checkpoint, trust_remote_code=trust)
    return sample_by_spec(tokenizer, spec, role, text, prompt)
