"""Figures on training rows, against loops over the encoder's own vectors; and the command around them."""

from __future__ import annotations

import json
from math import log2

import numpy as np
import pytest
from fusing import save_base, tuned
from scipy.stats import spearmanr
from settled import settled

import youtu_st
from youtu_st.cli import main
from youtu_st.errors import InputError
from youtu_st.training.data.rows import RowError
from youtu_st.training.fusion.figures import figures, read_tasks

QUERIES = ["capital of France", "red planet", "how to bake bread", "capital of Italy"]
DOCUMENTS = [
    "Paris is the capital of France.",
    "Mars is called the red planet.",
    "Mix flour, water and yeast, then bake.",
    "Rome is the capital of Italy.",
    "The stadium holds many people.",
    "It rains all day.",
]
IR = [
    {
        "task_type": "ir",
        "query": ["Find it", "", QUERIES[0]],
        "positives": [DOCUMENTS[0]],
        "negatives": DOCUMENTS[3:5],
    },
    {
        "task_type": "ir",
        "query": ["Find it", "", QUERIES[1]],
        "positives": [DOCUMENTS[1]],
        "negatives": DOCUMENTS[5:],
    },
    {"task_type": "ir", "query": QUERIES[2], "positives": [DOCUMENTS[4]], "negatives": [DOCUMENTS[2]]},
    {"task_type": "ir", "query": QUERIES[3], "positives": [DOCUMENTS[3], DOCUMENTS[0]]},
]
STS = [
    {
        "task_type": "sts",
        "query": ["Same?", "", QUERIES[0]],
        "positives": DOCUMENTS[:2],
        "positive_scores": [4, 0.5],
    },
    {
        "task_type": "sts",
        "query": QUERIES[1],
        "positives": DOCUMENTS[1:2],
        "positive_scores": [5],
        "negatives": DOCUMENTS[2:3],
        "negative_scores": [1],
    },
    {
        "task_type": "sts",
        "query": ["Same?", "", QUERIES[2]],
        "positives": DOCUMENTS[2:3],
        "positive_scores": [4.5],
    },
]
CLS = [
    {
        "task_type": "cls",
        "query": QUERIES[0],
        "positives": [DOCUMENTS[0]],
        "negatives": [DOCUMENTS[1]],
        "label": "city",
        "negative_labels": ["space"],
    },
    {
        "task_type": "cls",
        "query": QUERIES[1],
        "positives": [DOCUMENTS[4]],
        "negatives": [DOCUMENTS[3]],
        "label": "space",
        "negative_labels": ["city"],
    },
    {"task_type": "cls", "query": QUERIES[2], "positives": [DOCUMENTS[5]]},
]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    return [write_rows(tmp_path / "mixed.jsonl", [*STS, *IR]), write_rows(tmp_path / "classes.jsonl", CLS)]


@pytest.fixture
def saved(tmp_path, spec_file, checkpoint):
    return save_base(tmp_path / "base", spec_file(), checkpoint("bert", "wordpiece"))


def mean_gain(queries, documents, relevant):
    """nDCG@10 where fewer than ten documents are there, by hand."""
    found = []
    for vector, wanted in zip(queries, relevant, strict=True):
        cosines = documents @ vector
        places = [1 + int((cosines > cosines[i]).sum()) for i in wanted]
        found.append(sum(1 / log2(p + 1) for p in places) / sum(1 / log2(i + 2) for i in range(len(wanted))))
    return np.mean(found)


def expected(encoder, takes_instructions):
    def after(instruction):
        return instruction if takes_instructions else None

    corpus = encoder.encode_document(DOCUMENTS)
    asked = np.concatenate(
        [encoder.encode_query(QUERIES[:2], instruction=after("Find it")), encoder.encode_query(QUERIES[2:])]
    )
    ir = mean_gain(asked, corpus, [[0], [1], [4], [0, 3]])
    kept = [0, 1, 3, 4, 5]
    known = mean_gain(encoder.encode_query(QUERIES[:3]), corpus[kept], [[0, 2], [1, 3], [4]])
    cosines = []
    for query, other, with_instruction in [(0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 2, 0), (2, 2, 1)]:
        texts = [QUERIES[query], DOCUMENTS[other]]
        if with_instruction and takes_instructions:
            left, right = encoder.encode_query(texts, instruction="Same?")
        else:
            left, right = encoder.encode_document(texts)
        cosines.append(left @ right)
    return [ir, spearmanr(cosines, [4, 0.5, 5, 1, 4.5]).statistic, known]


@pytest.mark.parametrize("takes_instructions", [True, False])
def test_every_figure_is_the_loops(files, saved, takes_instructions):
    encoder = youtu_st.Encoder(saved if takes_instructions else "minilm", unknown="ignore")
    tasks = read_tasks(files)
    assert [part.title for part in tasks] == [
        "mixed.jsonl ir nDCG@10",
        "mixed.jsonl sts Spearman",
        "classes.jsonl cls nDCG@10",
    ]
    found = figures(encoder, tasks)
    assert found == pytest.approx(expected(encoder, takes_instructions), abs=1e-6)


@pytest.mark.slow
def test_many_queries_are_ranked_in_parts_and_one_query_of_two_rows_has_both_positives(tmp_path):
    encoder = youtu_st.Encoder("minilm")
    rows = [{"task_type": "ir", "query": f"number {i}", "positives": [f"number {i}"]} for i in range(600)]
    assert figures(encoder, read_tasks([write_rows(tmp_path / "many.jsonl", rows)])) == [1.0]
    rows = [{"task_type": "ir", "query": "red planet", "positives": [text]} for text in DOCUMENTS[:2]]
    rows += [{"task_type": "ir", "query": "red planet", "positives": [DOCUMENTS[1]]}]
    assert figures(encoder, read_tasks([write_rows(tmp_path / "twice.jsonl", rows)])) == [1.0]


def test_a_correlation_that_is_not_defined_is_none(tmp_path):
    path = write_rows(
        tmp_path / "flat.jsonl", [{**row, "positive_scores": [1] * len(row["positives"])} for row in STS[::2]]
    )
    assert figures(youtu_st.Encoder("minilm"), read_tasks([path])) == [None]


def test_files_of_other_things(tmp_path):
    path = write_rows(tmp_path / "bad.jsonl", [IR[0], {"task_type": "ir"}])
    with pytest.raises(RowError, match=r"bad.jsonl, line 2"):
        read_tasks([path])
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no rows"):
        read_tasks([tmp_path / "empty.jsonl"])
    with pytest.raises(InputError, match="absent"):
        read_tasks([tmp_path / "absent.jsonl"])


def run(capsys, *arguments):
    capsys.readouterr()
    code = main(["fuse", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, settled(said.err)


def test_the_command_fuses_and_compares(tmp_path, files, saved, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        tuned(tmp_path / f"tuned-{seed}", saved, seed)
    given = ["base", "tuned-1", "tuned-2", "--weight", 1, "--weight", 0.5, "--data", files[0]]
    code, out, err = run(capsys, *given, "--out", "out")
    assert code == 0, err
    first, titles, _, *rows = out.splitlines()
    assert first == "fused 2 checkpoints by delta -> out"
    assert titles.split() == ["model", "mixed.jsonl", "ir", "nDCG@10", "mixed.jsonl", "sts", "Spearman"]
    tasks = read_tasks(files[:1])
    names = [("base", "base"), ("checkpoint", "tuned-1"), ("checkpoint", "tuned-2"), ("result", "out")]
    values = {name: figures(youtu_st.Encoder(name, unknown="ignore"), tasks) for _, name in names}
    assert [row.split() for row in rows] == [
        [role, name, *(f"{value:.4f}" for value in values[name])] for role, name in names
    ]
    code, out, _ = run(capsys, *given, "--out", "again", "--json")
    found = json.loads(out)
    assert code == 0
    assert {key: found[key] for key in ("out", "method", "weights")} == {
        "out": "again",
        "method": "delta",
        "weights": [1.0, 0.5],
    }
    assert [row["role"] for row in found["figures"]] == [role for role, _ in names]
    for row, (_, name) in zip(found["figures"][:3], names, strict=False):
        assert [cell["value"] for cell in row["data"]] == pytest.approx(values[name])
        assert [(cell["task"], cell["measure"], cell["rows"]) for cell in row["data"]] == [
            ("ir", "nDCG@10", 4),
            ("sts", "Spearman", 3),
        ]


def test_the_command_without_data_loads_and_shows_no_model(tmp_path, saved, capsys):
    code, out, err = run(capsys, saved, saved, "--out", tmp_path / "out", "--method", "soup", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "out": str(tmp_path / "out"),
        "method": "soup",
        "weights": [1.0],
        "figures": [],
    }
    code, out, err = run(capsys, saved, saved, "--out", tmp_path / "more")
    assert (code, out, err) == (0, f"fused 1 checkpoint by delta -> {tmp_path / 'more'}\n", "")


def test_mistakes_of_the_command_are_one_line_and_code_2(tmp_path, saved, capsys):
    (tmp_path / "bad.jsonl").write_text('{"task_type": "\x1b[31m"}\n')
    for arguments, word in [
        ([saved, "--out", tmp_path / "out"], "Missing argument 'CHECKPOINT..."),
        ([saved, saved], "Missing option '--out'"),
        ([saved, saved, "--out", saved], "not an empty directory"),
        ([saved, saved, "--out", tmp_path / "out", "--method", "sup"], "did you mean 'soup'"),
        ([saved, saved, "--out", tmp_path / "out", "--weight", "-1"], "a weight must be a finite number"),
        ([saved, saved, "--out", tmp_path / "out", "--data", tmp_path / "bad.jsonl"], "bad.jsonl, line 1"),
    ]:
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert err.startswith("youtu-st: error: ")
        assert err.count("\n") == 1
        assert word in err
        assert "\x1b" not in err
        assert not (tmp_path / "out").exists()


def test_the_help_has_an_example_and_few_options(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "Example: youtu-st fuse minilm" in out
    assert sum(line.startswith("  --") for line in out.splitlines()) <= 8
