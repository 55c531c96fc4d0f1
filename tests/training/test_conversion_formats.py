"""Each format of others, row by row, and what is said of what is left out."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from youtu_st.errors import InputError
from youtu_st.training.data.conversion import FORMATS, convert, detect
from youtu_st.training.data.formats.classes import NEGATIVES, POSITIVES
from youtu_st.training.data.rows import Row, RowError, Text, read_rows
from youtu_st.training.data.tally import MOST, MOST_OF_A_REASON, Tally
from youtu_st.training.data.wanted import Wanted


def write(path: Path, *records: Any) -> Path:
    """Records, or lines, as a ``.jsonl`` file."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(path: Path, header: list[str], *rows: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([header, *rows])
    return path


def parquet(path: Path, **columns: list[Any]) -> Path:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path


def rows_of(source: Path, **how: Any) -> list[Row]:
    """What the file that is written holds."""
    tally, options = how.pop("tally", None) or Tally(), {"force": True, "format": how.pop("format", None)}
    skip = how.pop("skip_errors", False)
    out = source.parent / "converted.jsonl"
    convert(source, out, wanted=Wanted(**how), tally=tally, skip_errors=skip, **options)
    rows = [row for _, row in read_rows(out)]
    assert not [row for row in rows if isinstance(row, RowError)]
    return rows


def ir(
    query: str, *positives: str, negatives: tuple[str, ...] = (), instruction: str = "", **more: Any
) -> Row:
    texts = tuple(map(Text, positives)), tuple(map(Text, negatives))
    return Row("ir", Text(query, instruction), *texts, **more)


def sts(first: str, second: str, score: float, instruction: str = "") -> Row:
    return Row("sts", Text(first, instruction), (Text(second, instruction),), positive_scores=(score,))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path


class TestColumns:
    def test_pairs_triplets_and_numbered_or_listed_negatives(self, there: Path) -> None:
        source = write(
            there / "a.jsonl",
            {"anchor": " q\n", "positive": "p  "},
            {"anchor": "q", "positive": "p", "negative": "n"},
            {"anchor": "q", "positive": "p", "negative_1": "n1", "negative_2": None, "negative_3": "n3"},
            {"anchor": "q", "positive": ["p1", "p2"], "negative": ["n1", "n2"]},
        )
        assert detect(source) == "sentence-transformers"
        assert rows_of(source, instruction="Find") == [
            ir(" q\n", "p  ", instruction="Find"),
            ir("q", "p", negatives=("n",), instruction="Find"),
            ir("q", "p", negatives=("n1", "n3"), instruction="Find"),
            ir("q", "p1", "p2", negatives=("n1", "n2"), instruction="Find"),
        ]

    def test_a_teachers_scores(self, there: Path) -> None:
        record = {"query": "q", "positive": "p", "negative_1": "a", "negative_2": "b", "scores": [3, 2, 1.5]}
        assert rows_of(write(there / "a.jsonl", record)) == [
            ir("q", "p", negatives=("a", "b"), positive_scores=(3.0,), negative_scores=(2.0, 1.5))
        ]

    @pytest.mark.parametrize("names", [("question", "answer"), ("query", "passage"), ("anchor", "positive")])
    def test_other_names(self, there: Path, names: tuple[str, str]) -> None:
        assert rows_of(table(there / "a.csv", list(names), ["q", "p"])) == [ir("q", "p")]

    def test_a_table_keeps_line_ends_quotes_and_blanks(self, there: Path) -> None:
        cells = ['a "b"\r\nc\rd', " e,\tf ", ""]
        for name in ("a.csv", "a.tsv"):
            source = table(there / name, ["anchor", "positive", "negative"], cells)
            assert rows_of(source) == [ir(cells[0], cells[1])]

    def test_a_spreadsheets_semicolons_and_mark(self, there: Path) -> None:
        (there / "a.csv").write_bytes("\ufeffanchor;positive\r\nä;b,c\r\n".encode())
        assert rows_of(there / "a.csv") == [ir("ä", "b,c")]

    @pytest.mark.parametrize("score", ["score", "similarity_score", "label"])
    def test_pairs_with_a_score(self, there: Path, score: str) -> None:
        source = table(there / "a.csv", ["sentence1", "sentence2", score], ["a", "b", "0.5"], ["c", "d", "1"])
        assert rows_of(source, instruction="Alike?") == [
            sts("a", "b", 0.5, "Alike?"),
            sts("c", "d", 1, "Alike?"),
        ]

    def test_pairs_that_belong_together_or_not(self, there: Path) -> None:
        source = table(there / "a.csv", ["text1", "text2", "label"], ["a", "b", "1"], ["c", "d", "0"])
        with pytest.raises(
            InputError, match="its format is plainly none, by its columns text1, text2, label"
        ):
            convert(source, there / "out.jsonl")
        how = {"format": "sentence-transformers"}
        assert rows_of(source, task="sts", **how) == [sts("a", "b", 1), sts("c", "d", 0)]
        tally = Tally()
        assert rows_of(source, task="ir", tally=tally, **how) == [ir("a", "b")]
        assert tally.notes == [f"{source}, line 3: left out: field 'label' is 0: the pair is no positive"]

    def test_parquet(self, there: Path) -> None:
        source = parquet(there / "a.parquet", anchor=["q", "r"], positive=["p", "s"], negative=[["n"], None])
        assert rows_of(source) == [ir("q", "p", negatives=("n",)), ir("r", "s")]
        scored = parquet(there / "b.parquet", sentence1=["q"], sentence2=["p"], score=[0.25])
        assert rows_of(scored) == [sts("q", "p", 0.25)]

    def test_columns_that_are_not_used_are_told_once(self, there: Path) -> None:
        tally = Tally()
        records = [{"id": i, "anchor": "q", "positive": "p", "source": "x"} for i in range(3)]
        assert len(rows_of(write(there / "a.jsonl", *records), tally=tally)) == 3
        assert tally.notes == [f"{there / 'a.jsonl'}, line 1: not used: id, source"]

    def test_two_columns_for_one_side_are_told(self, there: Path) -> None:
        source = write(there / "a.jsonl", {"query": "q", "question": "q", "positive": "p"})
        with pytest.raises(InputError, match="the query may be any of the columns query, question: keep one"):
            convert(source, there / "out.jsonl")


class TestBeir:
    def make(self, there: Path, *judgements: str) -> Path:
        folder = there / "beir"
        (folder / "qrels").mkdir(parents=True)
        write(
            folder / "corpus.jsonl",
            {"_id": "d1", "title": "T ", "text": " x"},
            {"_id": "d2", "title": "", "text": "only text"},
            {"_id": "d3", "title": "only title", "text": ""},
            {"_id": 4, "text": "no title"},
            "",
            {"_id": "unjudged", "title": "", "text": ""},
        )
        write(folder / "queries.jsonl", {"_id": "q1", "text": "one?"}, {"_id": "q2", "text": "two?"})
        (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judgements))
        return folder

    def test_titles_negatives_and_the_order_of_judgements(self, there: Path) -> None:
        folder = self.make(there, "q2\td2\t1", "q1\td1\t1", "q1\td3\t0", "q2\t4\t2", "q1\td2\t1")
        tally = Tally()
        assert detect(folder) == "beir"
        assert rows_of(folder, tally=tally, instruction="Find") == [
            ir("two?", "only text", "no title", instruction="Find"),
            ir("one?", "T   x", "only text", negatives=("only title",), instruction="Find"),
        ]
        name = folder / "qrels" / "train.tsv"
        assert tally.notes == [f"{name}: grades above 1 are positives as 1 is: the task 'ir' knows no grades"]

    def test_ids_that_are_missing(self, there: Path) -> None:
        folder = self.make(there, "q1\td1\t1", "q1\tnone\t1", "nobody\td1\t1", "q2\td1\t0", "q1\td1\t1")
        with pytest.raises(
            InputError, match=r"train.tsv, line 3: field 'corpus-id' must be the _id of a line of"
        ):
            convert(folder, there / "out.jsonl")
        assert not (there / "out.jsonl").exists()
        tally, name = Tally(), folder / "qrels" / "train.tsv"
        assert rows_of(folder, tally=tally, skip_errors=True) == [ir("one?", "T   x")]
        assert tally.lines == [
            f"{name}, line 3: field 'corpus-id' must be the _id of a line of corpus.jsonl, not 'none'",
            f"{name}, line 4: field 'query-id' must be the _id of a line of queries.jsonl, not 'nobody'",
        ]
        assert tally.notes == [
            f"{name}, line 6: left out: a query and a document that are judged above",
            f"{name}, line 5: left out: a query without a positive",
        ]

    def test_a_split_that_is_not_there(self, there: Path) -> None:
        with pytest.raises(InputError, match=r"dev.tsv: there is no such split; there are: train"):
            convert(self.make(there, "q1\td1\t1"), there / "out.jsonl", wanted=Wanted(split="dev"))

    def test_a_folder_of_something_else(self, there: Path) -> None:
        with pytest.raises(InputError, match=r"a folder must have corpus.jsonl and queries.jsonl, as BEIR's"):
            convert(there, there / "out.jsonl")


class TestFlagEmbedding:
    def test_prompt_type_and_scores(self, there: Path) -> None:
        source = write(
            there / "a.jsonl",
            {"query": "q", "pos": ["p"], "neg": ["n", "m"], "prompt": "Find", "type": "normal"},
            {"query": "q", "pos": ["p"], "neg": ["n"], "pos_scores": [5], "neg_scores": [-1.5], "id": 1},
            {"query": "q", "pos": ["p"], "neg": ["n"], "type": "symmetric_class", "prompt": "Classify"},
            {"query": "q", "pos": ["p"], "neg": [], "type": "symmetric_clustering"},
            {"query": "q", "pos": ["p"], "type": "symmetric_sts", "pos_scores": [0.5], "prompt": "Alike?"},
            {"query": "q", "pos": ["p"], "neg": ["n"], "type": "symmetric_sts"},
        )
        tally = Tally()
        assert detect(source) == "flagembedding"
        classes = Row("cls", Text("q", "Classify"), (Text("p"),), (Text("n"),))
        assert rows_of(source, tally=tally) == [
            ir("q", "p", negatives=("n", "m"), instruction="Find"),
            ir("q", "p", negatives=("n",), positive_scores=(5.0,), negative_scores=(-1.5,)),
            classes,
            Row("cls", Text("q"), (Text("p"),)),
            sts("q", "p", 0.5, "Alike?"),
            ir("q", "p", negatives=("n",)),
        ]
        assert tally.notes == [
            f"{source}, line 2: not used: id",
            f"{source}, line 6: of type symmetric_sts without scores: such rows become the task 'ir'",
        ]

    def test_the_callers_word_comes_first(self, there: Path) -> None:
        record = {"query": "q", "pos": ["p"], "prompt": "Theirs", "type": "symmetric_class"}
        source = write(there / "a.jsonl", record)
        assert rows_of(source, task="ir", instruction="Mine") == [ir("q", "p", instruction="Mine")]
        assert rows_of(source, task="ir", instruction="") == [ir("q", "p")]

    def test_a_type_that_nobody_knows(self, there: Path) -> None:
        source = write(there / "a.jsonl", {"query": "q", "pos": ["p"], "type": "other"})
        told = (
            r"line 1: field 'type' must be one of normal, retrieval, symmetric_class, symmetric_clustering, "
            r"symmetric_sts, not 'other'"
        )
        with pytest.raises(InputError, match=told):
            convert(source, there / "out.jsonl")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


class TestSwift:
    def test_messages(self, there: Path) -> None:
        system = {"role": "system", "content": "Find"}
        source = write(
            there / "a.jsonl",
            {"messages": [system, user("q")], "positive_messages": [[user("p")]]},
            {
                "messages": [user("q")],
                "positive_messages": [[system, user("p")]],
                "negative_messages": [[user("n")], [user("m")]],
            },
        )
        tally = Tally()
        assert detect(source) == "ms-swift"
        assert rows_of(source, tally=tally) == [
            ir("q", "p", instruction="Find"),
            ir("q", "p", negatives=("n", "m")),
        ]
        (note,) = tally.notes
        assert note.startswith(f"{source}, line 2: field 'positive_messages' has messages of the role system")

    def test_older_rows(self, there: Path) -> None:
        source = write(
            there / "a.jsonl",
            {"query": "q", "response": "p", "rejected_response": ["n", "m"]},
            {"system": "Find", "query": "q", "response": "p"},
        )
        assert rows_of(source) == [ir("q", "p", negatives=("n", "m")), ir("q", "p", instruction="Find")]

    def test_scores(self, there: Path) -> None:
        records = [{"query": "a", "response": "b", "label": score} for score in (0.8, 0, 1)]
        source = write(there / "a.jsonl", *records)
        assert rows_of(source) == [sts("a", "b", 0.8), sts("a", "b", 0), sts("a", "b", 1)]

    def test_labels_of_which_nobody_knows_what_they_say(self, there: Path) -> None:
        record = {"messages": [user("a")], "positive_messages": [[user("b")]]}
        source = write(there / "a.jsonl", {**record, "label": 1}, {**record, "label": 0})
        with pytest.raises(InputError, match="say which with --task sts or --task ir"):
            convert(source, there / "out.jsonl")
        assert rows_of(source, task="ir") == [ir("a", "b")]
        assert rows_of(source, task="sts") == [sts("a", "b", 1), sts("a", "b", 0)]

    @pytest.mark.parametrize(
        ("record", "told"),
        [
            ({"images": ["a.png"]}, "field 'images' must be absent: only texts are converted"),
            (
                {"messages": [user("a"), user("b")]},
                "field 'messages' must be messages with one of the role user",
            ),
            ({"messages": "a"}, "field 'messages' must be messages with one of the role user"),
            ({"messages": [user("")]}, r"field 'messages\[0\].content' must be a text, and is empty"),
            ({"positive_messages": []}, "field 'positive_messages' must hold a text, and has none"),
            ({"positive_messages": [user("b")]}, r"field 'positive_messages\[0\]' must be messages with one"),
            (
                {"label": 0.5, "negative_messages": [[user("n")]]},
                "field 'label' must be absent where there are",
            ),
        ],
    )
    def test_what_cannot_be_read(self, there: Path, record: Any, told: str) -> None:
        good = {"messages": [user("q")], "positive_messages": [[user("p")]]}
        source = write(there / "a.jsonl", good, {**good, **record})
        with pytest.raises(InputError, match=f"line 2: {told}"):
            convert(source, there / "out.jsonl", format="ms-swift")


class TestNli:
    def test_premises_in_order_with_what_follows_and_what_contradicts(self, there: Path) -> None:
        source = table(
            there / "a.tsv",
            ["premise", "hypothesis", "label"],
            ["P", "e1", "entailment"],
            ["Q", "c", "contradiction"],
            ["P", "c1", "2"],
            ["P", "n", "neutral"],
            ["R", "e", "0"],
            ["P", "e2", "entailment"],
            ["P", "e1", "entailment"],
            ["P", "e2", "contradiction"],
            ["R", "u", "-"],
        )
        tally = Tally()
        assert detect(source) == "nli"
        assert rows_of(source, tally=tally) == [ir("P", "e1", "e2", negatives=("c1",)), ir("R", "e")]
        assert tally.notes == [
            f"{source}, line 5: left out: neutral",
            f"{source}, line 10: left out: without a label",
            f"{source}, line 8: left out: the same premise, hypothesis and label again",
            f"{source}, line 9: left out: a contradiction that also follows",
            f"{source}, line 3: left out: a contradiction of a premise from which nothing follows",
        ]

    def test_numbers_and_other_names(self, there: Path) -> None:
        source = parquet(there / "a.parquet", premise=["P", "P"], hypothesis=["e", "c"], label=[0, 2])
        assert rows_of(source) == [ir("P", "e", negatives=("c",))]
        named = {"gold_label": "entailment", "sentence1": "P", "sentence2": "e"}
        assert rows_of(write(there / "a.jsonl", named)) == [ir("P", "e")]

    def test_a_label_that_is_none(self, there: Path) -> None:
        source = table(there / "a.csv", ["premise", "hypothesis", "label"], ["P", "h", "maybe"])
        told = "line 2: field 'label' must be entailment, neutral, contradiction, or 0, 1, 2, not 'maybe'"
        with pytest.raises(InputError, match=told):
            convert(source, there / "out.jsonl")


class TestClasses:
    def test_others_of_the_class_and_of_other_classes(self, there: Path) -> None:
        texts = [(f"{name} {i}", name) for i in range(7) for name in ("a", "b", "c")]
        source = table(there / "a.csv", ["text", "category"], *map(list, texts))
        classes = dict(texts)
        rows = rows_of(source, instruction="Classify")
        assert [(row.query, row.label) for row in rows] == [(Text(t, "Classify"), c) for t, c in texts]
        for row in rows:
            chosen = [text.text for text in (*row.positives, *row.negatives)]
            assert len(row.positives) == POSITIVES
            assert len(row.negatives) == NEGATIVES
            assert len({*chosen, row.query.text}) == len(chosen) + 1
            assert {classes[text.text] for text in row.positives} == {row.label}
            assert row.negative_labels == tuple(classes[text.text] for text in row.negatives)
            assert row.label not in row.negative_labels
            assert {text.instruction for text in (*row.positives, *row.negatives)} == {""}
        assert rows == rows_of(source, instruction="Classify")
        assert rows != rows_of(source, instruction="Classify", seed=1)

    def test_each_text_of_a_class_is_chosen_about_as_often(self, there: Path) -> None:
        size = 12
        source = table(there / "a.csv", ["text", "label"], *([f"{i}", f"{i % 2}"] for i in range(2 * size)))
        chosen = {f"{i}": 0 for i in range(2 * size)}
        runs = 40
        for seed in range(runs):
            for row in rows_of(source, seed=seed):
                for text in row.positives:
                    chosen[text.text] += 1
        # Each of 11 others chooses 4 of 11 in every run: the mean is 4 a run, the variance 4 * 7 / 11.
        deviation = (runs * 4 * 7 / 11) ** 0.5
        assert all(abs(number - 4 * runs) < 4.5 * deviation for number in chosen.values())

    def test_equal_texts_and_the_only_one_of_a_class(self, there: Path) -> None:
        source = table(
            there / "a.csv", ["text", "label"], ["x", "a"], ["x", "a"], ["y", "a"], ["x", "b"], ["z", "c"]
        )
        tally = Tally()
        rows = rows_of(source, tally=tally)
        found = [(r.query.text, [t.text for t in r.positives], {t.text for t in r.negatives}) for r in rows]
        assert found == [("x", ["y"], {"z"}), ("x", ["y"], {"z"}), ("y", ["x"], {"z"})]
        assert tally.notes == [
            f"{source}, line {line}: left out: the only text of its class" for line in (5, 6)
        ]

    def test_names_come_before_numbers(self, there: Path) -> None:
        source = parquet(there / "a.parquet", text=["x", "y"], label=[3, 3], label_text=["l", "l"])
        assert [row.label for row in rows_of(source)] == ["l", "l"]
        source = parquet(there / "b.parquet", text=["x", "y"], label=[3, 3])
        assert [row.label for row in rows_of(source)] == ["3", "3"]


class TestStsBenchmark:
    def test_tabs_without_quotes(self, there: Path) -> None:
        source = there / "sts-dev.csv"
        line = 'main-news\theadlines\t2016\t0001\t{}\t"a" b\tc "\t{}'
        source.write_text(line.format("2.5", "x\ty") + "\n" + line.format("5", "").rstrip("\t") + "\n")
        assert detect(source) == "stsbenchmark"
        assert rows_of(source) == [sts('"a" b', 'c "', 2.5), sts('"a" b', 'c "', 5)]

    def test_a_line_without_its_sentences(self, there: Path) -> None:
        source = there / "sts-dev.csv"
        source.write_text("g\tf\t2016\t1\t5\ta\tb\ng\tf\t2016\t1\tfive\ta\tb\ng\tf\n")
        tally = Tally()
        with pytest.raises(InputError):
            convert(source, there / "out.jsonl", tally=tally)
        assert tally.lines == [
            f"{source}, line 2: field 'score' must be a finite number, not 'five'",
            f"{source}, line 3: must have the fields genre, file, year, id, score, sentence1, sentence2, not 2 fields",
        ]


class TestCodiemb:
    def test_as_it_is_or_as_wanted(self, there: Path) -> None:
        record = {
            "task_type": "sts",
            "query": ["I", "pre", "a"],
            "positives": [["I", "", "b"]],
            "positive_scores": [1],
        }
        source = write(there / "a.jsonl", record)
        row = Row("sts", Text("a", "I", "pre"), (Text("b", "I"),), positive_scores=(1.0,))
        assert rows_of(source) == [row]
        told = Row("sts", Text("a", "J", "pre"), (Text("b", "J"),), positive_scores=(1.0,))
        assert rows_of(source, instruction="J") == [told]

    def test_without_scores_it_is_no_sts(self, there: Path) -> None:
        source = write(there / "a.jsonl", {"task_type": "ir", "query": "a", "positives": ["b"]})
        with pytest.raises(InputError, match="line 1: must have a score for each text, for the task 'sts'"):
            convert(source, there / "out.jsonl", wanted=Wanted(task="sts"))


class TestAnyFormat:
    GOOD = {"anchor": "q", "positive": "p"}

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("{", "must be a JSON object: Expecting property name enclosed in double quotes, column 2"),
            ("[" * 100_000, "must be a JSON object: it is nested too deeply"),
            ("[1]", "must be a JSON object, one a line, not a list of them"),
            ("3", "must be a JSON object, not 3"),
            ('{"a": 1, "a": 2}', "must be a JSON object: the field 'a' is there twice"),
            ({"positive": "p"}, "field 'anchor' must be a text, and is missing"),
            ({"anchor": "q"}, "field 'positive' must be a text, and is missing"),
            ({"anchor": "", "positive": "p"}, "field 'anchor' must be a text, and is empty"),
            ({"anchor": " \t", "positive": "p"}, "field 'anchor' must be a text, and is blank"),
            ({"anchor": 3, "positive": "p"}, "field 'anchor' must be a text, not 3"),
            ({"anchor": "q", "positive": ["p", None]}, "field 'positive[1]' must be a text, not None"),
            (
                '{"anchor": "\\ud800", "positive": "p"}',
                "field 'anchor' must be a text, and holds half of a character, a lone surrogate, not '\\ud800'",
            ),
            (
                {"anchor": "q", "positive": "p", "scores": [1, 2]},
                "field 'scores' must be a list of 1 finite numbers, not [1, 2]",
            ),
        ],
    )
    def test_a_malformed_row_is_told_and_nothing_is_written(self, there: Path, line: Any, told: str) -> None:
        source, out = write(there / "a.jsonl", self.GOOD, line, self.GOOD), there / "out.jsonl"
        with pytest.raises(InputError) as raised:
            convert(source, out)
        way = "nothing was written: mend this, or go on without it: --skip-errors"
        assert str(raised.value) == f"{source}, line 2: {told}; {way}"
        assert list(there.iterdir()) == [source]
        made = convert(source, out, skip_errors=True)
        assert (made.rows, sum(made.errors.values()), made.left_out) == ({"ir": 2}, 1, {})

    def test_a_table_with_another_number_of_cells_or_an_open_quote(self, there: Path) -> None:
        source = there / "a.csv"
        source.write_text('anchor,positive\nq,p\nq\nq,"a"b\nr,s\nq,"open\nq,p\n')
        tally = Tally()
        assert rows_of(source, tally=tally, skip_errors=True) == [ir("q", "p"), ir("r", "s")]
        assert tally.lines == [
            f"{source}, line 3: must have 2 fields, as the header, not 1",
            f"{source}, line 4: must be CSV: ',' expected after '\"'",
            f"{source}, line 6: must be CSV: unexpected end of data",
        ]

    def test_what_is_no_utf8(self, there: Path) -> None:
        source = there / "a.jsonl"
        source.write_bytes(b'{"anchor": "q", "positive": "p"}\n{"anchor": "\xff", "positive": "p"}\n')
        with pytest.raises(InputError, match="line 2: must be UTF-8, and byte 13 is not"):
            convert(source, there / "out.jsonl")
        (there / "a.csv").write_bytes(b"anchor,positive\nq,p\xff\n")
        with pytest.raises(InputError, match=r"a.csv, line 2: must be UTF-8, and byte 4 is not"):
            convert(there / "a.csv", there / "out.jsonl")
        (there / "a.parquet").write_bytes(b"PAR1 not")
        with pytest.raises(InputError, match=r"a.parquet: not a Parquet file that can be read"):
            convert(there / "a.parquet", there / "out.jsonl")

    def test_many_are_counted_by_reason(self, there: Path) -> None:
        bad = [{"anchor": "q", "positive": i} for i in range(50)] + [{"positive": "p"}] * 2
        source, tally = write(there / "a.jsonl", self.GOOD, *bad), Tally()
        with pytest.raises(InputError, match=r"line 2: .*; 51 more are malformed; nothing was written"):
            convert(source, there / "out.jsonl", tally=tally)
        assert tally.errors == {
            "field 'positive' must be a text": 50,
            "field 'anchor' must be a text, and is missing": 2,
        }
        assert len(tally.lines) == MOST_OF_A_REASON + 2 <= MOST

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("", "there is no row in it that can be read$"),
            ("[\n1,\n]", r"there is no row in it that can be read: .*a.jsonl, line 1: must be a JSON object"),
            ('{"a": 1, "b": 2}', "its format is plainly none, by its columns a, b: name it with --from"),
        ],
    )
    def test_an_unknown_format(self, there: Path, content: str, told: str) -> None:
        (there / "a.jsonl").write_text(content)
        with pytest.raises(InputError, match=told) as raised:
            convert(there / "a.jsonl", there / "out.jsonl")
        assert "plainly none" not in told or all(name in str(raised.value) for name in FORMATS)

    def test_a_format_by_a_name_that_there_is_not(self, there: Path) -> None:
        source = write(there / "a.jsonl", self.GOOD)
        with pytest.raises(
            InputError, match=r"the format must be one of .*, not 'bier': did you mean 'beir'\?"
        ):
            convert(source, there / "out.jsonl", format="bier")

    def test_files_that_are_not_to_be_read(self, there: Path) -> None:
        for name, told in (("none.jsonl", "no such file"), ("a.txt", "must be a file of the kind .jsonl")):
            (there / "a.txt").write_text("x")
            with pytest.raises(InputError, match=told):
                convert(there / name, there / "out.jsonl")

    def test_a_file_that_is_there_stays(self, there: Path) -> None:
        source, out = write(there / "a.jsonl", self.GOOD), there / "out.jsonl"
        out.write_text("mine")
        with pytest.raises(InputError, match="is there already: --force writes over it"):
            convert(source, out)
        assert out.read_text() == "mine"
        convert(source, out, force=True)
        assert [row for _, row in read_rows(out)] == [ir("q", "p")]

    def test_rows_all_of_which_are_left_out(self, there: Path) -> None:
        source = table(there / "a.csv", ["premise", "hypothesis", "label"], ["P", "h", "neutral"])
        with pytest.raises(InputError, match="it has no row that can be trained on, and nothing was written"):
            convert(source, there / "out.jsonl")
        assert not (there / "out.jsonl").exists()
