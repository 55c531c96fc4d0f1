"""How often a call moves from file to file, and from room to room, on its way through the package.

A move: a function of one file is entered after a function of another file was, with nothing of the package
entered in between. Functions with a name count, in the calling thread, once all late imports are done. Tiny
checkpoints are made for it; MiniLM is the one of the extra ``minilm``.

    PYTHONPATH=tests python benchmarks/moves.py
    PYTHONPATH=tests python benchmarks/moves.py --house    lines, files, depth and circles of the imports

An earlier checkout is measured by the same script: ``PYTHONPATH=tests:EARLIER python benchmarks/moves.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import FrameType

import youtu_st

PACKAGE = Path(youtu_st.__file__).parent
DOCUMENTS = ["a cat sat", "on the mat, in the sun", "a long text about neither of the two"]
QUESTION = "Where is the cat?"
Imports = dict[str, set[str]]


def moves(call: Callable[[], object]) -> tuple[int, int]:
    """The moves of a call between files, and those between rooms."""
    files: list[Path] = []

    def enter(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(f"{PACKAGE}{os.sep}") and code.co_name[0] != "<":
            files.append(Path(code.co_filename).relative_to(PACKAGE))

    sys.setprofile(enter)
    try:
        call()
    finally:
        sys.setprofile(None)
    between = [(one, other) for one, other in pairwise(files) if one != other]
    return len(between), sum(one.parts[0] != other.parts[0] for one, other in between)


def calls(directory: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """The calls that are counted; each may be made again."""
    import checkpoints  # of tests/

    from youtu_st.cli import main
    from youtu_st.index import VectorIndex
    from youtu_st.rerank import Reranker

    encoder = youtu_st.Encoder("minilm", device="cpu")
    checkpoint = checkpoints.reranker_checkpoint(directory / "reranker")
    reranker = Reranker("qwen3-reranker-0.6b", checkpoint=checkpoint, device="cpu")
    with VectorIndex.create(directory / "index", encoder) as index:
        index.add(DOCUMENTS)
    yield "load", lambda: youtu_st.load("minilm", device="cpu")
    yield "encode_query", lambda: encoder.encode_query([QUESTION])
    yield "rank", lambda: reranker.rank(QUESTION, DOCUMENTS)
    yield "index search", lambda: main(["index", "search", str(directory / "index"), QUESTION, "-k", "2"])


def count() -> None:
    """Print the moves of each call, after one that imports and remembers what it does only once."""
    print(f"{'moves between':15}{'files':>7}{'rooms':>7}")
    with tempfile.TemporaryDirectory() as directory:
        os.environ["YOUTU_ST_CACHE"] = directory
        for name, call in calls(Path(directory)):
            with contextlib.redirect_stdout(io.StringIO()):
                call()
                files, rooms = moves(call)
            print(f"{name:15}{files:7}{rooms:7}")


def house() -> None:
    """Print how the package is built."""
    import grimp  # comes with import-linter

    def imports(*, types_too: bool) -> Imports:
        graph = grimp.build_graph("youtu_st", exclude_type_checking_imports=not types_too, cache_dir=None)
        return {name: graph.find_modules_directly_imported_by(name) - {name} for name in graph.modules}

    circles = circles_of(imports(types_too=True))  # a reader follows those as well
    lines: Counter[str] = Counter()
    for file in PACKAGE.rglob("*.py"):
        lines[file.relative_to(PACKAGE).parts[0]] += len(file.read_text(encoding="utf-8").splitlines())
    print(f"{'files on the top level':25}{len(list(PACKAGE.glob('*.py'))):7}")
    print(f"{'depth of imports':25}{depth(imports(types_too=False)):7}")
    print(f"{'circles':25}{len(circles):7}   {'; '.join(', '.join(sorted(circle)) for circle in circles)}")
    for room, count in [*lines.most_common(), ("all", lines.total())]:
        print(f"{room:25}{count:7,}")


def circles_of(imports: Imports) -> list[frozenset[str]]:
    """Groups of modules that reach each other."""

    @cache
    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        stack = [name]
        while stack:
            new = imports[stack.pop()] - seen
            seen |= new
            stack += new
        return seen

    groups = {frozenset(b for b in reached(a) if a in reached(b)) for a in imports if a in reached(a)}
    return sorted(groups, key=sorted)


def depth(imports: Imports) -> int:
    """The imports of the longest chain; a circle is one link of it."""
    of = {name: min(circle) for circle in circles_of(imports) for name in circle}

    @cache
    def height(name: str) -> int:
        members = [one for one in imports if of.get(one, one) == name]
        below = {of.get(one, one) for member in members for one in imports[member]} - {name}
        return max((1 + height(one) for one in below), default=0)

    return max(height(of.get(name, name)) for name in imports)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--house", action="store_true", help="how the package is built")
    warnings.simplefilter("ignore")
    house() if parser.parse_args().house else count()
