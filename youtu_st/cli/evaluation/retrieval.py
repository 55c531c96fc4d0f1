"""``youtu-st eval retrieval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from youtu_st.cli.console import Checkpoint, TrustRemoteCode, UsageError, count, model_names, print_json, say
from youtu_st.errors import brief

if TYPE_CHECKING:
    from youtu_st.evaluation.data.retrieval import RetrievalData

EXAMPLE = "Example: youtu-st eval retrieval scifact --model minilm --compare dimensions=128 factory=HNSW32"

_File = typer.Option(metavar="FILE")


def retrieval(
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="A folder as BEIR has it, or SQuAD's JSON.")
    ] = None,
    further: Annotated[
        list[str] | None, typer.Argument(metavar="[SYSTEM]...", help="More to --compare.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A name, a directory, a hub id or a .yaml file.",
            autocompletion=model_names,
        ),
    ] = None,
    index: Annotated[Path | None, typer.Option(metavar="DIR", help="An index that is in use.")] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYSTEM",
            help="Models, indexes, saved results, or settings on the model: rerank=NAME, factory=HNSW32, "
            "weights=int8, dimensions=128, chunk_tokens=128.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Documents of your own: _id, title, text.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(metavar="FILE", help="Their questions: _id, text.")] = None,
    qrels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Tab separated: query-id, corpus-id, score.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a folder's judgements; default: test.")
    ] = None,
    document_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The metadata of an index's passages that names their document."),
    ] = None,
    ignore_identical_ids: Annotated[
        bool | None,
        typer.Option(
            "--ignore-identical-ids/--keep-identical-ids",
            help="Whether a query that is a document may find itself.",
            show_default=False,
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count judged documents that are not there as not found.")
    ] = False,
    instruction: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the search is for; default: the models' own.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For results, and the measures of each query.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    checkpoint: Checkpoint = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Judge retrieval on your own data, with error bars, and say which of two systems is better."""
    from youtu_st.cli.evaluation import judged
    from youtu_st.cli.evaluation.systems import Options, System, Systems
    from youtu_st.errors import require
    from youtu_st.evaluation.retrieval.comparison import Judged
    from youtu_st.evaluation.retrieval.comparison import compare as compared_with

    words = [*(compare or []), *(further or [])]
    if data is not None and corpus is not None:  # three files stand for the folder
        words, data = [*(compare or []), str(data), *(further or [])], None
    if words and not compare:
        raise UsageError(f"{brief(words[0])} is a second argument: what to compare follows --compare")
    if model is not None and index is not None:
        raise UsageError("--model and --index are two systems: give one of them to --compare")
    named = [System.index(index)] if index is not None else [] if model is None else [System.of(model)]
    named += map(System.of, words)
    if not named or named[0].kind == "setting":
        raise UsageError("say what to judge: --model NAME, or --index DIR")
    base, *others = named
    require("ir_measures", "eval")
    if out is not None:
        judged.check_out(out)
    found = _data(data, corpus, queries, qrels, split, allow_missing)
    ignore = _ignores(found, ignore_identical_ids)
    systems = Systems(found, base, Options(checkpoint, trust_remote_code, instruction, document_key, ignore))
    systems.check(others)
    results = [Judged.of(found, systems.run(each)) for each in (base, *others)]
    comparisons = compared_with(found, results[0], results[1:])
    if out is not None:
        judged.write(out, found, results, comparisons)
    if as_json:
        print_json(judged.as_json(found, results, comparisons))
        return
    judged.show(found, results, comparisons)
    if out is not None:
        say("note", f"results, and the measures of each query: {out}")


def _data(
    folder: Path | None,
    corpus: Path | None,
    queries: Path | None,
    qrels: Path | None,
    split: str | None,
    allow_missing: bool,
) -> RetrievalData:
    from youtu_st.evaluation.data import squad
    from youtu_st.evaluation.data.beir import Files, read_beir

    files = {"--corpus": corpus, "--queries": queries, "--qrels": qrels}
    if absent := [name for name, path in files.items() if path is None]:
        if folder is None or len(absent) < len(files):
            raise UsageError(
                f"the data must be a folder as BEIR has it, or three files: {', '.join(absent)} is missing"
            )
        if not folder.exists():
            raise UsageError(f"{folder}: there is no such folder or file")
        if squad.suits(folder):
            if split is not None:
                raise UsageError(f"--split is for a folder: {folder} has no splits")
            return squad.read_squad(folder)
        return read_beir(Files.in_folder(folder, split or "test"), allow_missing=allow_missing)
    if split is not None:
        raise UsageError("--split is for a folder: --qrels names the judgements")
    if corpus is None or queries is None or qrels is None:
        raise UsageError("--corpus, --queries and --qrels go together")
    return read_beir(Files(corpus, queries, qrels, corpus.stem), allow_missing=allow_missing)


def _ignores(data: RetrievalData, wanted: bool | None) -> bool:
    """Whether a query's own document is left out; a question where there is one."""
    from youtu_st.evaluation.retrieval.searching import identical

    if wanted is None and (same := identical(data)):
        raise UsageError(
            f"{count(len(same), 'query').replace('querys', 'queries')} of {data.name} "
            f"{'are' if len(same) > 1 else 'is'} also a document, with the same id and text "
            f"({', '.join(map(brief, same[:3]))}): --ignore-identical-ids leaves a query's own document out, "
            "--keep-identical-ids counts it"
        )
    return bool(wanted)
