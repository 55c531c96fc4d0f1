"""mteb's tasks over data that lies here: no hub is asked, and the data's digest stands for its revision."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from youtu_st.disk import open_plain
from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.parts import RETRIEVAL, Part, read_parts
from youtu_st.evaluation.data.classes import ClassData
from youtu_st.evaluation.data.pairs import PairData
from youtu_st.evaluation.data.record import listed
from youtu_st.protocol import canonical, digest
from youtu_st.spec.registry import hint

KNOWN: Mapping[str, str] = {
    "scifact": "SciFact",
    "stsbenchmark": "STSBenchmark",
    "banking77": "Banking77Classification",
    "xquad": "XQuADRetrieval",
}
"""Folders that go by a name of their own, and the task over each."""
FORM = "--data NAME=PATH"


@dataclass(frozen=True, slots=True)
class LocalData:
    """The data of a task.

    Attributes:
        task: The task's name.
        path: Where the data is.
        parts: By subset and split. None: a folder of Parquet files as the hub has it, which mteb reads.
        digest: Sixteen digits over the content.
    """

    task: str
    path: Path
    parts: Mapping[str, Mapping[str, Part]] | None
    digest: str

    def attach(self, task: Any) -> None:
        """Have a task take its data from here: its revision is the digest.

        Args:
            task: mteb's, not loaded yet. Its subsets become those that are here.

        Raises:
            InputError: If there are none.
        """
        path = str(self.path.resolve()) if self.parts is None else f"local/{self.task}"
        source = {"path": path, "revision": self.digest}
        task.metadata = task.metadata.model_copy(update={"dataset": source})
        if self.parts is not None:
            subsets = [subset for subset in task.hf_subsets if subset in self.parts]
            if not subsets:
                raise InputError(
                    f"{self.path}: holds {listed(list(self.parts))} of {self.task}, and what is to be run is "
                    f"{listed(list(task.hf_subsets))}"
                )
            task.hf_subsets = subsets

    def load(self, task: Any) -> None:
        """Hand a task its data, in the shape that its evaluators read."""
        if self.parts is None:
            task.load_data()
            return
        from datasets import DatasetDict

        loaded: dict[str, Any] = {}
        every = [part for splits in self.parts.values() for part in splits.values()]
        labels = sorted({label for part in every if isinstance(part, ClassData) for label in part.labels})
        classes = {label: number for number, label in enumerate(labels)}
        for subset, splits in self.parts.items():
            made = {split: _dataset(task, part, classes) for split, part in splits.items()}
            loaded[subset] = made if task.metadata.type in RETRIEVAL else DatasetDict(made)
        is_one = list(loaded) == ["default"] and task.metadata.type not in RETRIEVAL
        task.dataset = loaded["default"] if is_one else loaded
        task.data_loaded = True


def data_of(
    given: Iterable[str], types: Mapping[str, Any], *, allow_missing: bool = False
) -> dict[str, LocalData]:
    """What was given as ``--data``, by the names of the tasks.

    Args:
        given: ``NAME=PATH`` each, or a folder with folders of :data:`KNOWN` names, of which those of other
            tasks are left out.
        types: mteb's metadata of each task that is to be run, by its name.
        allow_missing: Count judged documents that are not there as not found.

    Raises:
        InputError: If something is not there, has no name, or is none of what its task reads.
    """
    found: dict[str, LocalData] = {}
    pairs = [(form, name, path) for form in given for name, path in _named(form)]
    for form, name, path in pairs:
        if name not in types:
            if form.startswith(f"{name}="):
                raise InputError(f"{FORM}: no task {name!r} is to be run.{hint(name, types)}")
            continue
        if name in found:
            raise InputError(f"{FORM}: {name} is given twice, as {found[name].path} and {path}")
        found[name] = read(name, path, types[name], allow_missing=allow_missing)
    return found


def names_of(given: Iterable[str]) -> list[str]:
    """Names of the tasks that were given as ``--data``, in their order; nothing is read.

    Raises:
        InputError: As for :func:`data_of`.
    """
    return list(dict.fromkeys(name for each in given for name, _ in _named(each)))


def _named(given: str) -> list[tuple[str, Path]]:
    name, equals, rest = given.partition("=")
    if equals and not Path(given).exists():
        if not name or not rest:
            raise InputError(f"{FORM}: {given!r} has no {'path' if name else 'name'}")
        path = _expanded(rest)
        if not path.exists():
            raise InputError(f"{FORM}: {path} is not there")
        return [(name, path)]
    path = _expanded(given)
    if not path.exists():
        raise InputError(f"{FORM}: {path} is not there")
    if path.name.lower() in KNOWN:
        return [(KNOWN[path.name.lower()], path)]
    inside = [(task, path / folder) for folder, task in KNOWN.items() if (path / folder).is_dir()]
    if not inside:
        raise InputError(
            f"{FORM}: {path} has none of the folders that go by a name ({listed(list(KNOWN))}): say "
            f"which task it is, as in --data SciFact={path}"
        )
    return inside


def _expanded(path: str) -> Path:
    """With the home directory for ``~``; a user who is not known leaves it as it is."""
    return Path(os.path.expanduser(path))


def read(name: str, path: Path, metadata: Any, *, allow_missing: bool = False) -> LocalData:
    """Read the data of a task.

    Args:
        name: The task's name.
        path: A file or a folder.
        metadata: mteb's, of the task.
        allow_missing: As for :func:`data_of`.

    Raises:
        InputError: If it is none of what a task of this type reads, or malformed: file and line.
    """
    if path.is_dir() and _parquet(path):
        return LocalData(name, path, None, _files_digest(path))
    parts = read_parts(path, metadata, allow_missing=allow_missing)
    digests = {
        subset: {split: part.digest for split, part in splits.items()} for subset, splits in parts.items()
    }
    return LocalData(name, path, parts, digest(canonical(digests).encode()))


def _dataset(task: Any, part: Part, classes: Mapping[str, int]) -> Any:
    from datasets import Dataset

    if isinstance(part, PairData):
        left, right = task.column_names
        return Dataset.from_dict({left: part.left, right: part.right, "score": part.scores})
    if isinstance(part, ClassData):
        labels = [classes[label] for label in part.labels]
        return Dataset.from_dict({task.input_column_name: part.texts, task.label_column_name: labels})
    corpus = part.corpus.values()
    documents = {
        "id": list(part.corpus),
        "title": [one.title for one in corpus],
        "text": [one.text for one in corpus],
    }
    return {
        "corpus": Dataset.from_dict(documents),
        "queries": Dataset.from_dict({"id": list(part.queries), "text": list(part.queries.values())}),
        "relevant_docs": {
            query: dict(judged) for query, judged in part.qrels.items() if query in part.queries
        },
        "top_ranked": None,
    }


def _parquet(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*.parquet") if file.is_file())


def _files_digest(folder: Path) -> str:
    """Over the names and the content of all files of a folder, hidden ones apart.

    The README says which of them are data, and of which split: it counts as they do.
    """
    whole = xxhash.xxh3_128()
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = path.relative_to(folder)
        if any(part.startswith(".") for part in name.parts):
            continue
        with open_plain(path) as file:
            whole.update(os.fsencode(f"{name.as_posix()}\0{os.fstat(file.fileno()).st_size}\0"))
            while part := file.read(1 << 22):
                whole.update(part)
    return digest(whole.digest())
