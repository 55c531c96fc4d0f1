"""Who goes on with a folder that somebody else has made decides where texts are sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from job_folders import job, write

from youtu_st.errors import InputError
from youtu_st.scale.input.files import find_inputs
from youtu_st.scale.input.planning import plan_input
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.running.embed import resume, verify
from youtu_st.scale.settings import Columns, Cutting, Making

ADDRESS = "http://203.0.113.7/v1"  # of a block that is nobody's


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    file = tmp_path / "corpus.txt"
    file.write_text("one\ntwo\n")
    plan = plan_input(find_inputs([str(file)]), Columns(), Cutting())
    made = replace(
        job(schema=plan.schema, making=Making(server=ADDRESS), columns=Columns(), paths=(str(file),)),
        files=plan.files,
        shards=plan.shards,
    )
    return JobFolder.create(tmp_path / "out", made)


def test_a_folder_does_not_say_where_texts_are_sent(folder: JobFolder) -> None:
    with pytest.raises(
        InputError, match=rf"was begun with a server, {ADDRESS}: say where it is, --server URL"
    ):
        resume(folder.path)
    with pytest.raises(InputError, match="--server URL"):
        verify(folder.path, 1)


def test_what_is_done_needs_no_server(folder: JobFolder) -> None:
    write(folder, 0, 2)
    assert resume(folder.path).rows == 2
    folder.shard_path(0).write_bytes(b"cut short")
    with pytest.raises(InputError, match="--server URL"):
        resume(folder.path)
