"""What is measured: each scenario takes its turns, and gives the figures of each turn by contestant."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from servers import contestants, library, texts
from servers.client import Load, Result, Stream, post
from servers.contestants import FIRST_COME, OURS, PATH, TEI, Contestant
from servers.workers import Failed, Server, Worker, free_port

Figures = dict[str, Any]
LIBRARY, LIBRARY_LISTS = "encode_query, one by one", "encode_query, lists of 32"
FULL_BATCH, ONE, MANY = "one full batch", "one instruction", "32 instructions"
ALONE, STUB, EMPTY = "the model alone", "stub encoder, one row", "an empty route"
AFTER_FEW, AFTER_MANY = 1_000, 20_000
LARGE = 512


@dataclass
class Stage:
    """What all scenarios play on.

    Attributes:
        client: The process that sends loads.
        library: The process that encodes for itself.
        folder: For logs and specs.
        turns: How many.
        seconds: Of each load.
        questions: What is asked.
        abstracts: What is sent at once.
        running: Contestants and their servers.
        failed: Why one is out, by its name.
        others: During each load, the share of the processor that was neither the server's nor the client's.
    """

    client: Worker
    library: Worker
    folder: Path
    turns: int
    seconds: float
    questions: Sequence[str]
    abstracts: Sequence[str]
    running: dict[str, tuple[Contestant, Server]]
    failed: dict[str, str]
    others: list[float] = field(default_factory=list)

    def start(self, contestant: Contestant, *, ready: str | None = None) -> Server:
        """Its server on a free port, ready."""
        port, log = free_port(), self.folder / f"{contestant.name}.log"
        command = contestant.command(port)
        return Server(command, port, ready or contestant.ready, log, contestant.environment)

    def load(self, server: Server, **streams: Stream) -> tuple[Result, float]:
        """What comes back, after a question that finds the server idle; and the server's CPU seconds."""
        (one, *_), *_ = (stream.requests for stream in streams.values() if not stream.background)
        self.client.ask("run", Load(server.port, {"settle": Stream([one], 1)}, count=1))
        cpu, busy = server.cpu(), busy_seconds()
        result = self.client.ask("run", Load(server.port, streams, self.seconds, lead=self.seconds / 10))
        cpu, busy = server.cpu() - cpu, busy_seconds() - busy
        cores = psutil.cpu_count() or 1
        self.others.append(max(busy - cpu - result.client_cpu, 0.0) / (result.seconds * cores))
        for name, answers in result.answers.items():
            if bad := {status: many for status, many in answers.statuses.items() if status != 200}:
                raise Failed(f"{name}: {bad}, the first: {answers.first_failure}")
        return result, cpu

    def take_turns(self, players: dict[str, Callable[[], Figures]]) -> dict[str, list[Figures]]:
        """Each player's figures of each turn; one that fails is out, and the report says why."""
        taken: dict[str, list[Figures]] = {name: [] for name in players}
        for number in range(self.turns):
            for name in list(players) if number % 2 == 0 else list(players)[::-1]:
                if name not in self.failed:
                    try:
                        taken[name].append(players[name]())
                    except Failed as error:
                        self.failed[name] = str(error)
            progress(f"turn {number + 1} of {self.turns}")
        return {name: figures for name, figures in taken.items() if name not in self.failed}


def busy_seconds() -> float:
    """Of all cores, in all processes, so far."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def speed(result: Result, cpu: float, seconds: float, name: str = "questions") -> Figures:
    """Of one stream."""
    answers = result.answers[name]
    p50, p99 = np.percentile(answers.taken, [50, 99]) * 1000
    return {
        "per_second": answers.in_time / seconds,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "cpu_ms": 1000 * cpu / answers.all,
        "requests": answers.all,
        "client_cpu_ms": 1000 * result.client_cpu / answers.all,
    }


def asking(stage: Stage, connections: int) -> dict[str, Callable[[], Figures]]:
    """Every contestant, asked single questions over so many connections."""

    def play(contestant: Contestant, server: Server) -> Figures:
        stream = Stream([contestant.ask(text) for text in stage.questions], connections)
        return speed(*stage.load(server, questions=stream), stage.seconds)

    return {name: partial(play, *pair) for name, pair in stage.running.items()}


def questions(stage: Stage) -> dict[str, list[Figures]]:
    """32 connections, one question each, beside ``encode_query`` in lists of 32."""

    def lists() -> Figures:
        per_second, cpu = stage.library.ask("lists", stage.seconds)
        return {"per_second": per_second, "cpu_ms": 1000 * cpu}

    return stage.take_turns({LIBRARY_LISTS: lists, **asking(stage, 32)})


def one(stage: Stage) -> dict[str, list[Figures]]:
    """One connection, one question, beside ``encode_query`` of one."""

    def single() -> Figures:
        taken, cpu = stage.library.ask("single", stage.seconds)
        p50, p99 = np.percentile(taken, [50, 99]) * 1000
        per_second = len(taken) / sum(taken)
        return {
            "per_second": per_second,
            "p50_ms": float(p50),
            "p99_ms": float(p99),
            "cpu_ms": 1000 * cpu,
            "requests": len(taken),
        }

    return stage.take_turns({LIBRARY: single, **asking(stage, 1)})


def mixed(stage: Stage) -> dict[str, list[Figures]]:
    """16 connections with questions while another sends 512 abstracts a request, back to back."""

    def play(contestant: Contestant, server: Server) -> Figures:
        blocks = range(0, len(stage.abstracts) - LARGE + 1, LARGE)
        sent = [contestant.send(stage.abstracts[start : start + LARGE]) for start in blocks]
        asked = [contestant.ask(text) for text in stage.questions]
        result, cpu = stage.load(
            server, abstracts=Stream(sent, 1, background=True), questions=Stream(asked, 16)
        )
        return {**speed(result, cpu, stage.seconds), "cpu_ms": None}

    def full_batch() -> Figures:
        milliseconds = 1000 * statistics.median(stage.library.ask("full_batch") for _ in range(5))
        return {"p50_ms": milliseconds}

    players: dict[str, Callable[[], Figures]] = {FULL_BATCH: full_batch}
    for name, pair in stage.running.items():
        if name in (OURS, FIRST_COME, TEI):
            players[name] = partial(play, *pair)
    return stage.take_turns(players)


def instructions(stage: Stage) -> dict[str, list[Figures]]:
    """32 connections with an instruction each, beside all with the same one."""
    spec = texts.write_instruction_spec(stage.folder / "instructed.yaml")
    contestant = contestants.ours("--checkpoint", texts.stock_directory(), model=str(spec))

    def play(server: Server, several: Sequence[str]) -> Figures:
        asked = [
            contestant.ask(text, model=texts.INSTRUCTED, instruction=several[i % len(several)])
            for i, text in enumerate(stage.questions)
        ]
        return speed(*stage.load(server, questions=Stream(asked, 32)), stage.seconds)

    with stage.start(contestant) as server:
        many = partial(play, server, texts.INSTRUCTIONS)
        return stage.take_turns({ONE: partial(play, server, texts.INSTRUCTIONS[:1]), MANY: many})


def stub(stage: Stage) -> dict[str, list[Figures]]:
    """What a request costs without the network: one row as base64, and an empty route beside it."""
    asked = [post(PATH, {"input": text, **contestants.USUAL}) for text in stage.questions]
    served = contestants.module("stub", shown=STUB, ready="/ready")
    empty = contestants.module("plain", "nothing", shown=EMPTY)
    with stage.start(served) as own, stage.start(empty) as other:

        def play(server: Server, requests: Sequence[bytes]) -> Figures:
            return speed(*stage.load(server, questions=Stream(requests, 32)), stage.seconds)

        nothing = [post("/nothing", {})]
        return stage.take_turns({EMPTY: partial(play, other, nothing), STUB: partial(play, own, asked)})


def memory(stage: Stage) -> dict[str, list[Figures]]:
    """This server's memory after 20,000 short questions, beside that after 1,000; one turn."""
    contestant = contestants.ours()
    short = [contestant.ask(" ".join(text.split()[:4])) for text in stage.questions]
    found = {}
    with stage.start(contestant) as server:
        done = 0
        for count in (AFTER_FEW, AFTER_MANY):
            load = Load(server.port, {"questions": Stream(short, 32)}, count=count - done)
            statuses = stage.client.ask("run", load).answers["questions"].statuses
            if set(statuses) != {200}:
                raise Failed(f"memory: {dict(statuses)}")
            done = count
            found[f"after {count:,} requests"] = [{"memory_mb": server.memory() / 1e6}]
            progress(f"{count:,} requests")
    return found


def start(stage: Stage) -> dict[str, list[Figures]]:
    """Seconds to the first answers after the start, beside the model loaded alone."""

    def alone() -> Figures:
        return {"ready_s": library.load_alone()}

    def play() -> Figures:
        with stage.start(contestants.ours(), ready="/health") as server:
            return {"health_s": server.ready_after, "ready_s": server.wait("/ready")}

    return stage.take_turns({ALONE: alone, OURS: play})


SHARED = {"questions": questions, "one": one, "mixed": mixed}
"""Those over all contestants' servers."""
OWN = {"instructions": instructions, "stub": stub, "memory": memory, "start": start}
"""Those that start what they measure."""


def medians(taken: dict[str, list[Figures]]) -> dict[str, Figures]:
    """Of each figure over the turns."""
    return {
        name: {
            key: None if turns[0][key] is None else statistics.median(turn[key] for turn in turns)
            for key in turns[0]
        }
        for name, turns in taken.items()
        if turns
    }


def check_vectors(stage: Stage) -> None:
    """Every contestant gives the library's vectors; one that does not is out."""
    questions, abstracts = list(stage.questions[:8]), list(stage.abstracts[:8])
    right = np.asarray(stage.library.ask("vectors", [*questions, *abstracts]))
    for name, (contestant, server) in list(stage.running.items()):
        requests = [*(contestant.ask(text) for text in questions), contestant.send(abstracts)]
        bodies = stage.client.ask("bodies", server.port, requests)
        rows = [row for body in bodies for row in rows_of(body)]
        cosine = lowest_cosine(rows, right) if len(rows) == len(right) else -1.0
        progress(f"{name}: lowest cosine to the library's vectors {cosine:.6f}")
        if cosine < 0.9999:
            stage.failed[name] = f"other vectors than the library's: a cosine of {cosine:.4f}"


def rows_of(body: Any) -> list[np.ndarray]:
    """The vectors of an answer; none of an error."""
    import base64

    if not isinstance(body, dict) or "data" not in body:
        return []
    return [
        np.frombuffer(base64.b64decode(each["embedding"]), dtype=np.float32)
        if isinstance(each["embedding"], str)
        else np.asarray(each["embedding"], dtype=np.float32)
        for each in body["data"]
    ]


def lowest_cosine(rows: Iterable[np.ndarray], right: np.ndarray) -> float:
    made = np.stack(list(rows))
    lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(right, axis=1)
    return float(((made * right).sum(axis=1) / lengths).min())
