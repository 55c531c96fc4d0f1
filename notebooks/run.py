"""Runs the notebooks from top to bottom, offline, and writes them back with their outputs.

python notebooks/run.py             # all of them
python notebooks/run.py 01_encoder  # this one
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
NOWHERE = "http://127.0.0.1:9"  # a download is an error at once
OFFLINE = {"HF_HUB_OFFLINE": "1", "http_proxy": NOWHERE, "https_proxy": NOWHERE}
NO_WEIGHTS = {"YOUTU_CHECKPOINT": "", "RERANKER": ""}  # of the user's own: outputs are the same for everyone
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "PYTHONWARNINGS": "ignore:IProgress not found"}


def read(path: Path) -> NotebookNode:
    """A notebook as its file has it."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call, no-any-return]  # nbformat has no types


def execute(notebook: NotebookNode, *, folder: Path = FOLDER) -> NotebookNode:
    """Run all cells in a fresh kernel, offline, and keep what is the same in every run.

    Args:
        notebook: The notebook; it gets the outputs.
        folder: The working directory.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    for cell in notebook.cells:
        cell.metadata = {}
    client = NotebookClient(
        notebook,
        timeout=300,
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, **OFFLINE, **NO_WEIGHTS, **QUIET})
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.ipynb")):
        if path.stem in sys.argv[1:] or not sys.argv[1:]:
            nbformat.write(execute(read(path)), path)  # type: ignore[no-untyped-call]  # likewise
            print(f"{path.name}: {path.stat().st_size // 1000} kB")
