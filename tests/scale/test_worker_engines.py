"""An engine stands in for the model: a server of this package's own, as a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from index.tiny import TinyEncoder
from serving.served_process import Served, ready
from worker_jobs import assert_stored, begun, documents, numbers, texts

from youtu_st import Encoder, corpus
from youtu_st.errors import InputError
from youtu_st.scale.encoders import make
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.pools.events import Failed
from youtu_st.scale.settings import Columns, Cutting, Making, Task
from youtu_st.scale.work.preparing import prepare
from youtu_st.scale.work.worker import Worker

LONG = "word " * 600


@pytest.fixture(scope="module")
def served(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with ready(tmp_path_factory.mktemp("served"), tiny) as one:
        yield one


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> Encoder:
    return Encoder(tiny, truncation="ignore", unknown="ignore")


@pytest.mark.slow
def test_a_server_continues_what_a_model_has_begun(tmp_path: Path, served: Served, encoder: Encoder) -> None:
    rows = documents(900)
    for i in (0, 99, 100, 450):
        rows[i]["text"] = f"{i} {LONG}"
    job = begun(tmp_path, rows, encoder, task=Task("document", None, 16))
    model = Worker(tmp_path / "out", Making(), encoder=encoder)
    found = list(model.run(iter([0, 3])))
    model.close()
    engine = Worker(tmp_path / "out", Making(server=served.base_url, truncation="ignore"))
    found += engine.run(iter(set(range(len(job.shards))) - {0, 3}))
    engine.close()
    assert_stored(tmp_path / "out", rows, encoder.encode_document(texts(rows), dimensions=16))
    assert {event.shard: getattr(event, "cut", None) for event in found} == {
        n: {0: 2, 1: 1, 4: 1}.get(n, 0) for n in range(9)
    }


@pytest.mark.slow
def test_texts_that_a_server_refuses(tmp_path: Path, served: Served, encoder: Encoder) -> None:
    rows = documents(300)
    bad = (7, 150, 151)
    for i in bad:
        rows[i]["text"] = LONG
    making = Making(server=served.base_url, truncation="error")
    job = begun(tmp_path, rows, make(making), making=making)
    for rule in ("error", "skip"):
        worker = Worker(tmp_path / "out", making, bad_rows=rule)
        found = {event.shard: event for event in worker.run(numbers(job))}
        worker.close()
        if rule == "error":
            failed = found[0]
            assert isinstance(failed, Failed)
            assert (failed.kind, found[1].kind) == ("row", "row")  # type: ignore[union-attr]
            assert "corpus.jsonl, row 8: has 3,001 tokens" in failed.message
    good = [row for i, row in enumerate(rows) if i not in bad]
    assert_stored(tmp_path / "out", good, encoder.encode_document(texts(good)))
    rejected = [one for n in range(3) for one in JobFolder.open(tmp_path / "out").facts(n).rejected]
    assert [one.row - 1 for one in rejected] == list(bad)


@pytest.fixture
def plain() -> Iterator[str]:
    """A server that says nothing of itself: it answers every question with an error."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (None, r"all-MiniLM-L6-v2\); none is given"),
        ("minilm", r"\(--model sentence-transformers/all-MiniLM-L6-v2\); 'minilm' is none"),
        ("a/b", r"MiniLM-L6-v2\); 'a/b' is none"),
    ],
)
def test_a_server_of_others_needs_a_model_that_is_known(plain: str, model: str | None, told: str) -> None:
    with pytest.raises(InputError, match=rf"^{plain} is not youtu-st serve .*{told}$"):
        make(Making(model, server=plain))
    assert make(Making("BAAI/bge-m3", server=plain)).dimension == 1024


def test_documents_are_not_split_without_a_tokenizer(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\nSomething.\n")
    with pytest.raises(InputError, match=r"notes.md: a document is split into passages by the model's own"):
        prepare(
            tmp_path / "out",
            [str(tmp_path / "notes.md")],
            Making("x"),
            Task(),
            Columns(),
            Cutting(),
            encoder=TinyEncoder,
        )


def test_documents_are_split_as_for_an_index(tmp_path: Path, encoder: Encoder) -> None:
    (tmp_path / "notes.md").write_text(
        "# Notes\n\n" + "It's so sunny outside! He drove to the stadium. " * 200
    )
    job = prepare(
        tmp_path / "out",
        [str(tmp_path / "notes.md")],
        Making("x"),
        Task(),
        Columns(),
        Cutting(rows=2),
        encoder=lambda: encoder,
    )
    worker = Worker(tmp_path / "out", Making(), encoder=encoder)
    list(worker.run(numbers(job)))
    worker.close()
    splitter = corpus.Splitter(encoder.reader, corpus.passage_tokens(encoder))
    passages = list(splitter.split(corpus.read_documents([tmp_path / "notes.md"])))
    assert len(passages) > 4
    rows = [{"id": passage.id, "text": passage.text} for passage in passages]
    assert_stored(tmp_path / "out", rows, encoder.encode_document(texts(rows)))
