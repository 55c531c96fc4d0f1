"""SQuAD's JSON as a data set of retrieval: paragraphs are documents, questions are queries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from youtu_st.disk import read_bounded
from youtu_st.errors import InputError, brief, in_one_line
from youtu_st.evaluation.data.retrieval import Document, Qrels, RetrievalData

_LARGEST = 1 << 30


def read_squad(path: Path, name: str | None = None) -> RetrievalData:
    """Paragraphs and questions of SQuAD, XQuAD, CMRC 2018 or a file like them.

    White space around them is left out, and so is what is there already, as mteb's XQuADRetrieval has it.
    Ids are ``p0``, ``p1``, ... and ``q0``, ``q1``, ..., in the order of the file. A question that is asked of
    several paragraphs is answered by each of them.

    Args:
        path: The file.
        name: What to call the data set; default: the file's name.

    Raises:
        InputError: If it cannot be read, or is no such JSON: the message says where.
    """
    paragraphs: dict[str, str] = {}
    questions: dict[str, str] = {}
    qrels: Qrels = {}
    for i, article in enumerate(_list(path, "data", _content(path), "data")):
        for j, paragraph in enumerate(_list(path, f"data[{i}].paragraphs", article, "paragraphs")):
            where = f"data[{i}].paragraphs[{j}]"
            context = _text(path, where, paragraph, "context")
            document = paragraphs.setdefault(context, f"p{len(paragraphs)}")
            for n, asked in enumerate(_list(path, f"{where}.qas", paragraph, "qas")):
                question = _text(path, f"{where}.qas[{n}]", asked, "question")
                query = questions.setdefault(question, f"q{len(questions)}")
                qrels.setdefault(query, {})[document] = 1
    if not qrels:
        raise InputError(f"{path}: there is no question in it")
    corpus = {key: Document("", text) for text, key in paragraphs.items()}
    return RetrievalData.of(name or path.stem, corpus, {key: text for text, key in questions.items()}, qrels)


def suits(path: Path) -> bool:
    """Whether a file is named as one of these."""
    return path.is_file() and path.suffix.lower() == ".json"


def _content(path: Path) -> Any:
    try:
        return json.loads(read_bounded(path, _LARGEST).decode())
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: must be UTF-8, and byte {error.start + 1} is not") from error
    except (ValueError, RecursionError) as error:
        raise InputError(in_one_line(f"{path}: not valid JSON", error)) from error


def _list(path: Path, where: str, value: Any, field: str) -> list[Any]:
    found = value.get(field) if isinstance(value, Mapping) else None
    if not isinstance(found, list):
        _fail(path, where, "must be a list, as SQuAD has it", found)
    return found


def _text(path: Path, where: str, value: Any, field: str) -> str:
    found = value.get(field) if isinstance(value, Mapping) else None
    if not isinstance(found, str) or not found.strip():
        _fail(path, f"{where}.{field}", "must be a text", found)
    try:
        found.encode()
    except UnicodeEncodeError:
        _fail(path, f"{where}.{field}", "holds half of a character, a lone surrogate,", found)
    return found.strip()


def _fail(path: Path, where: str, expected: str, found: object) -> NoReturn:
    raise InputError(f"{path}: {where} {expected}, not {brief(found)}")
