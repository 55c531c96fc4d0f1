"""Names of benchmarks, tasks, languages and splits: what they select, and what is near a slip of the pen."""

from __future__ import annotations

import pytest

pytest.importorskip("mteb")

from youtu_st.errors import InputError
from youtu_st.evaluation.benchmark.tasks import languages_of, load_benchmark, load_task, select

CMN, MULTI = "MTEB(cmn, v1)", "MTEB(Multilingual, v2)"


def named(tasks):
    return [task.metadata.name for task in tasks]


def test_in_the_benchmarks_order():
    assert len(select(CMN)) == 31
    assert named(select(CMN, ["STSB", "T2Retrieval"])) == ["T2Retrieval", "STSB"]
    assert named(select(None, ["STS12", "SciFact"])) == ["STS12", "SciFact"]


def test_languages_keep_the_benchmarks_own_parts():
    whole = {task.metadata.name: set(task.hf_subsets) for task in load_benchmark(MULTI)}
    chosen = select(MULTI, languages=["deu", "pol-Latn"])
    assert 0 < len(chosen) < len(whole)
    for task in chosen:
        assert set(task.hf_subsets) <= whole[task.metadata.name]
        by_subset = task.metadata.hf_subsets_to_langscripts
        for subset in whole[task.metadata.name]:
            has = any(code.startswith("deu-") or code == "pol-Latn" for code in by_subset[subset])
            assert has == (subset in task.hf_subsets)
    assert set(languages_of(select(None, ["STS12"])[0])) == {"eng-Latn"}


def test_splits_of_all_and_of_one():
    (task,) = select(CMN, ["MultilingualSentiment"], splits=["validation"])
    assert list(task.eval_splits) == ["validation"]
    first, second = select(None, ["MultilingualSentiment", "STS12"], splits=["MultilingualSentiment=test"])
    assert (list(first.eval_splits), list(second.eval_splits)) == (["test"], ["test"])


def test_nothing_of_mteb_is_changed():
    select(CMN, ["MultilingualSentiment"], splits=["validation"])
    select(MULTI, languages=["deu"])
    assert set(
        load_benchmark(CMN)[named(load_benchmark(CMN)).index("MultilingualSentiment")].eval_splits
    ) == {
        "validation",
        "test",
    }
    assert any("fra-Latn" in languages_of(task) for task in load_benchmark(MULTI))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "say what to run: a benchmark, or names of tasks"),
        ({"benchmark": "MTEB(cmn, v2)"}, r"no benchmark 'MTEB\(cmn, v2\)'. Did you mean .*'MTEB\(cmn, v1\)'"),
        ({"benchmark": "\x1b"}, "There are: BEIR, "),
        ({"tasks": ["SciFakt"]}, "no task 'SciFakt'. Did you mean .*'SciFact'"),
        ({"benchmark": CMN, "tasks": ["T2Retrieva"]}, r"MTEB\(cmn, v1\) has no task .*'T2Retrieval'"),
        ({"benchmark": CMN, "languages": ["zh"]}, "in the language 'zh', a code such as 'eng'"),
        (
            {"benchmark": CMN, "splits": ["tests"]},
            "no task is evaluated on a split 'tests'. Did you mean 'test'",
        ),
        ({"benchmark": CMN, "splits": ["dev"]}, r"tasks have no split dev: .*\. Leave them out, or give .*="),
        ({"benchmark": CMN, "splits": ["STSb=test"]}, "no task 'STSb' is to be run. Did you mean 'STSB'"),
        ({"tasks": ["STS12"], "splits": ["STS12=tset"]}, "STS12 is not evaluated on a split 'tset'. Did you"),
    ],
)
def test_what_is_not_there(arguments, message):
    with pytest.raises(InputError, match=message) as told:
        select(**arguments)
    assert "\n" not in str(told.value)


def test_names_to_the_letter():
    with pytest.raises(InputError, match="Did you mean .*'STS12'"):
        load_task("sts12")
