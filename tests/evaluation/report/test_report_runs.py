"""Folders as mteb keeps them; what is damaged, of two revisions, or partial is named."""

from __future__ import annotations

import json
import math

import pytest
from results_of import write_result, write_run

from youtu_st.errors import InputError
from youtu_st.evaluation.report.about import About, Prompt, TaskAbout, read_about
from youtu_st.evaluation.report.prompts import PromptsDiffer, differing, sources
from youtu_st.evaluation.report.runs import find_runs

ONE = {"ATEC": {"test": {"default": 0.25}}}


def test_a_tree_as_mteb_keeps_it(tmp_path):
    root = tmp_path / "results"
    write_run(root / "a__b" / "rev1", ONE, model="a/b", revision="rev1")
    write_run(root / "a__b" / "rev1" / "experiments" / "dimensions_64", ONE, model="a/b", revision="rev1")
    write_run(root / "c__d" / "rev2", ONE, model="c/d", revision="rev2")
    (root / "a__b" / "rev1" / "run_settings.jsonl").write_text("{}\n")
    (root / "a__b" / "rev1" / "notes.json").write_text('{"other": 1}')
    for place in (tmp_path, root):
        first, second = find_runs([str(place)])
        assert (first.name, first.model, first.revision) == ("a/b", "a/b", "rev1")
        assert first.results["ATEC"].scores == {"test": {"default": 0.25}}
        assert [path.name for path in first.experiments] == ["dimensions_64"]
        assert first.others == ("notes.json",)
        assert (second.name, second.experiments) == ("c/d", ())
    (run,) = find_runs([str(root / "a__b" / "rev1" / "experiments" / "dimensions_64")])
    assert run.name == "a/b (dimensions_64)"


def test_names(tmp_path):
    """A flat folder goes by its own name; a label by the label; the same model twice by its revisions."""
    write_run(tmp_path / "flat", ONE)
    write_run(tmp_path / "r1", ONE, model="a/b", revision="111111119")
    write_run(tmp_path / "r2", ONE, model="a/b", revision="222222229")
    named = [str(tmp_path / "flat"), f"mine={tmp_path / 'flat'}", str(tmp_path / "r1"), str(tmp_path / "r2")]
    assert [run.name for run in find_runs(named)] == ["flat", "mine", "a/b (11111111)", "a/b (22222222)"]
    with pytest.raises(
        InputError, match=r"two runs are called 'mine \(.*: name each folder once, or NAME=DIR"
    ):
        find_runs([f"mine={tmp_path / 'flat'}", f"mine={tmp_path / 'flat'}"])
    odd = write_run(tmp_path / "a=b", ONE)
    assert [run.name for run in find_runs([str(odd)])] == ["a=b"]


def test_two_revisions_make_no_average(tmp_path):
    for revision in ("old", "new"):
        write_run(tmp_path / "a__b" / revision, ONE, model="a/b", revision=revision)
    with pytest.raises(
        InputError, match=r"2 revisions of a/b, .* name one of .*a__b/new, .*a__b/old, or each"
    ):
        find_runs([str(tmp_path)])
    assert len(find_runs([str(tmp_path / "a__b" / "old"), str(tmp_path / "a__b" / "new")])) == 2


def test_two_revisions_of_which_one_says_less(tmp_path):
    """A run that failed whole has no model_meta.json; one that has just begun is no run yet."""
    write_run(tmp_path / "a__b" / "old", ONE, model="a/b", revision="old", run={"model": "b"})
    (tmp_path / "a__b" / "new").mkdir()
    (tmp_path / "a__b" / "new" / "run").mkdir(exist_ok=True)
    (tmp_path / "a__b" / "new" / "run" / "run.json").write_text('{"model": "b", "tasks": {}}')
    (tmp_path / "a__b" / "new" / "run" / "holder.json").write_text("{}")
    assert [run.revision for run in find_runs([str(tmp_path)])] == ["old"]
    with pytest.raises(InputError, match="there are no results in it"):
        find_runs([str(tmp_path / "a__b" / "new")])
    (tmp_path / "a__b" / "new" / "run").mkdir(exist_ok=True)
    (tmp_path / "a__b" / "new" / "run" / "run.json").write_text(
        '{"model": "b", "tasks": {"ATEC": {"error": "no"}}}'
    )
    with pytest.raises(InputError, match="2 revisions of b"):
        find_runs([str(tmp_path)])


def test_two_revisions_in_one_folder(tmp_path):
    write_run(tmp_path, ONE, model="a/b", revision="one", run={"revision": "two"})
    with pytest.raises(InputError, match=r"model_meta.json says 'one', run/run.json 'two'"):
        find_runs([str(tmp_path)])


@pytest.mark.parametrize(
    "run",
    [
        {"partial": True},
        {"partial": 100},
        {"limit": 100},
        {"partial": True, "settings": {"limit": 100}},
    ],
)
def test_partial_results_enter_no_average(tmp_path, run):
    write_run(tmp_path, ONE, run=run)
    with pytest.raises(
        InputError, match=rf"{tmp_path}: results of a part of the data \(.*run it without --limit"
    ):
        find_runs([str(tmp_path)])


@pytest.mark.parametrize(
    "run",
    [{"partial": False}, {"partial": None, "limit": None, "settings": {"dimensions": 64}}, {"limit": 0}],
)
def test_whole_results_are_not_partial(tmp_path, run):
    assert len(find_runs([str(write_run(tmp_path, ONE, run=run))])) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"task_name": "ATEC", "sco', "damaged: Unterminated string"),
        (b"\xff\xfe", "damaged"),
        (b"[]", "damaged: it holds no JSON object"),
        (b"[" * 100_000, "damaged: it is nested too deeply"),
        (b'{"task_name": 3, "scores": {}}', "task_name must be a name, not 3"),
        (b'{"task_name": "ATEC"}', "scores must be an object, not None"),
        (b'{"task_name": "ATEC", "scores": {"test": {}}}', "the scores of 'test' must be a list"),
        (
            b'{"task_name": "ATEC", "scores": {"test": [{"main_score": 1}]}}',
            "a score of 'test' has no hf_subset",
        ),
        (b'{"task_name": "ATEC", "scores": {"test": [3]}}', "a score of 'test' has no hf_subset"),
        (b'{"mteb_dataset_name": "ATEC", "test": {}}', "mteb before 1.11 wrote it"),
        (
            b'{"task_name": "A", "scores": {"test": [{"hf_subset": "d"}, {"hf_subset": "d"}]}}',
            "'test' has two scores of 'd'",
        ),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(tmp_path, content, message):
    (tmp_path / "ATEC.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        find_runs([str(tmp_path)])
    assert str(caught.value).startswith(str(tmp_path / "ATEC.json"))
    assert message in str(caught.value)
    assert "run that task again" in str(caught.value) or "save it again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_files_of_one_task(tmp_path):
    content = write_result(tmp_path, "ATEC", ONE["ATEC"]).read_text()
    (tmp_path / "copy.json").write_text(content)
    with pytest.raises(InputError, match=r"ATEC.json and copy.json are both results of 'ATEC'"):
        find_runs([str(tmp_path)])


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="there is no such folder: name a folder of TASK.json files"):
        find_runs([str(tmp_path / "none")])
    with pytest.raises(InputError, match="there are no results in it"):
        find_runs([str(tmp_path)])
    write_run(tmp_path / "a", ONE)
    write_run(tmp_path / "b", ONE)
    with pytest.raises(InputError, match="'x' must name one run, and .* holds 2"):
        find_runs([f"x={tmp_path}"])


def test_what_a_run_wrote_of_itself(tmp_path):
    run = {
        "model": "minilm",
        "revision": "1",
        "profile": "published",
        "runtime": {"dtype": "float32", "cores": 2, "odd": []},
        "differences": ["float32 and not float16", 3],
        "tasks": {
            "ATEC": {
                "prompts": {"both": {"prompt": "Q: ", "source": "the authors"}},
                "seconds": 2.5,
                "encoded": 10,
                "cut": True,
            },
            "CC": {"error": "CC: no such data"},
            "BQ": {
                "seconds": 1,
                "encoded": "many",
                "prompts": {"query": {"prompt": "P", "source": "mteb"}, "document": 3},
            },
            "odd": None,
        },
    }
    about = read_about(write_run(tmp_path, ONE, run=run))
    assert about.tasks["ATEC"] == TaskAbout({"both": Prompt("Q: ", "the authors")}, 2.5, 10)
    assert (about.total("seconds"), about.total("encoded"), about.total("cut")) == (3.5, 10, None)
    assert about.runtime == {"dtype": "float32", "cores": "2"}
    assert about.differences == ("float32 and not float16",)
    assert about.tasks["CC"].error == "no such data"
    assert sources(about) == [("the authors", 1), ("mteb", 1)]


@pytest.mark.parametrize(
    "content", ["{}", '{"tasks": []}', '{"tasks": {"ATEC": 3}, "runtime": 5, "model": null}']
)
def test_what_is_absent_or_odd_is_fine(tmp_path, content):
    write_run(tmp_path, ONE)
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "run.json").write_text(content)
    about = read_about(tmp_path)
    assert (about.model, about.runtime, about.partial) == ("", {}, "")
    assert read_about(tmp_path / "nowhere") == About()
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "run.json").write_text(content[:-1])
    with pytest.raises(InputError, match=r"run.json: damaged.*move it away"):
        read_about(tmp_path)


def test_a_run_that_has_failed_whole_is_a_run(tmp_path):
    tmp_path.joinpath("run").mkdir()
    tmp_path.joinpath("run/run.json").write_text(json.dumps({"tasks": {"ATEC": {"error": "no"}}}))
    (run,) = find_runs([str(tmp_path)])
    assert run.results == {}


def test_prompts_that_differ(tmp_path):
    def told(query: str, document: str | None = None) -> dict[str, object]:
        sides = {"query": query, "document": document} if document is not None else {"both": query}
        return {"prompts": {side: {"prompt": text, "source": ""} for side, text in sides.items()}}

    write_run(
        tmp_path / "a", ONE, run={"tasks": {"R": told("q", "d"), "S": told("s"), "T": told("t"), "U": {}}}
    )
    write_run(
        tmp_path / "b",
        ONE,
        run={"tasks": {"R": told("q", "e"), "S": told("s "), "U": told("u"), "V": told("v")}},
    )
    write_run(tmp_path / "c", ONE)
    runs = find_runs([str(tmp_path / name) for name in "abc"])
    assert differing(runs) == [
        PromptsDiffer("R", "document", "a", "b", "d", "e"),
        PromptsDiffer("S", "query", "a", "b", "s", "s "),
        PromptsDiffer("S", "document", "a", "b", "s", "s "),
    ]


def test_a_number_beyond_all_floats_is_none(tmp_path):
    write_run(tmp_path, {"STSBenchmark": {"test": {"default": 10**400}}})
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"tasks": {"STSBenchmark": {"seconds": 10**400}}}))
    (run,) = find_runs([str(tmp_path)])
    assert math.isnan(run.results["STSBenchmark"].scores["test"]["default"])
    assert run.about.tasks["STSBenchmark"].seconds is None
