"""A worker that is a process of its own: ``python -m youtu_st.scale.work.process``.

What it is told and what it tells are lines, see :mod:`youtu_st.scale.pools.messages`. It ends at once when
its standard input closes, whatever it does at that moment: whoever drove it is gone.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from youtu_st.errors import InputError, TruncationWarning, YoutuError, in_one_line, printable
from youtu_st.scale.pools import messages
from youtu_st.scale.pools.events import UNABLE, Failed
from youtu_st.scale.settings import Making

if TYPE_CHECKING:
    from youtu_st.protocol import TextEncoder

ORPHANED = 3
"""Exit code of a process whose driver is gone."""

_FIRST_PATIENCE = 0.05
_PATIENCE = 0.5
_BETWEEN_REPORTS = 0.2


class Wire(Protocol):
    """Messages in and out."""

    def take(self, seconds: float | None = None) -> messages.Message | None:
        """The next message; None, if there is none within so many seconds."""

    def send(self, kind: str, content: Any = True) -> None:
        """Tell the driver something."""


class Lines:
    """Messages in and out, over what were standard input and output: libraries get others."""

    def __init__(self) -> None:
        self._in, self._out = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._heard: queue.SimpleQueue[messages.Message] = queue.SimpleQueue()
        self._sending = threading.Lock()
        threading.Thread(target=self._listen, name="youtu-st-lines", daemon=True).start()

    def take(self, seconds: float | None = None) -> messages.Message | None:
        """The next message; None, if there is none within so many seconds."""
        try:
            return self._heard.get(timeout=seconds)
        except queue.Empty:
            return None

    def send(self, kind: str, content: Any = True) -> None:
        """Tell the driver something."""
        line = json.dumps({kind: content}).encode() + b"\n"
        with self._sending:
            try:
                while line:
                    line = line[os.write(self._out, line) :]
            except OSError:
                os._exit(ORPHANED)

    def _listen(self) -> None:
        with open(self._in, "rb") as lines:
            for line in lines:
                self._heard.put(json.loads(line))
        os._exit(ORPHANED)


class Process:
    """Does what it is told, one after the other; keeps the encoder that it has made.

    Args:
        lines: To and from the driver.
    """

    def __init__(self, lines: Wire) -> None:
        self._lines = lines
        self._made: tuple[Making, TextEncoder] | None = None
        self._noticed: set[str] = set()
        self._ends = False

    def run(self) -> None:
        """Until it is told to end."""
        while not self._ends:
            ((kind, content),) = (self._lines.take() or {}).items()
            if kind == "end":
                return
            if kind == "open":
                self._work(content)
            elif kind == "make":
                with suppress(Exception):  # it comes again when the job is opened, and is told then
                    self._encoder(messages.making_of(content))
            else:
                self._answer(self._prepare if kind == "prepare" else self._verify, content)

    def _answer(self, do: Callable[[messages.Message], messages.Message], content: messages.Message) -> None:
        try:
            answer = do(content)
        except YoutuError as error:
            self._lines.send("refused", messages.refusal(error))
        except Exception as error:
            line = in_one_line(type(error).__name__, error)
            self._lines.send("refused", messages.refusal(InputError(line)))
        else:
            self._lines.send("answer", answer)

    def _prepare(self, content: messages.Message) -> messages.Message:
        from youtu_st.scale.work.preparing import Telling, prepare

        making = messages.making_of(content["making"])
        job = prepare(
            Path(content["folder"]),
            content["paths"],
            making,
            messages.task_of(content["task"]),
            messages.columns_of(content["columns"]),
            messages.cutting_of(content["cutting"]),
            bad_rows=content["bad_rows"],
            extend=content["extend"],
            report=self._reporter(),
            notes=Telling(lambda line: self._lines.send("noticed", line)),
            encoder=lambda: self._encoder(making),
        )
        return {"shards": len(job.shards), "rows": job.rows}

    def _verify(self, content: messages.Message) -> messages.Message:
        from youtu_st.scale.job.folder import JobFolder
        from youtu_st.scale.job.verifying import verify

        encoder = self._encoder(messages.making_of(content["making"]))
        return asdict(verify(JobFolder.open(content["folder"]), encoder, content["rows"], content["seed"]))

    def _work(self, content: messages.Message) -> None:
        try:
            from youtu_st.scale.work.worker import Worker

            making = messages.making_of(content["making"])
            folder, encoder = Path(content["folder"]), self._encoder(making)
            worker = Worker(folder, making, bad_rows=content["bad_rows"], encoder=encoder)
        except Exception as error:
            told = str(error) if isinstance(error, YoutuError) else in_one_line(type(error).__name__, error)
            self._lines.send(*messages.told(Failed(None, UNABLE, printable(told))))
            self._ends = True
            return
        self._lines.send("opened")
        for event in worker.run(self._shards(), lambda shard: self._lines.send("began", shard)):
            self._lines.send(*messages.told(event))
        worker.close()
        self._ends = True

    def _shards(self) -> Iterator[int | None]:
        """Numbers of shards, as the driver gives them; None where it has none now."""
        patience, asked = _FIRST_PATIENCE, False
        while True:
            if not asked:
                self._lines.send("want")
                asked = True
            message = self._lines.take(patience)
            if message is None:
                yield None
                patience = _PATIENCE
                continue
            if "end" in message:
                return
            shard = message["shard"]
            if shard["alone"]:  # what is under way is finished before, and this one before the next
                yield None
            yield shard["number"]
            if shard["alone"]:
                yield None
            patience, asked = _FIRST_PATIENCE, False

    def _encoder(self, making: Making) -> TextEncoder:
        """The encoder, made once."""
        from youtu_st.scale.encoders import make

        if self._made is None or self._made[0] != making:
            self._made = making, make(making)
        return self._made[1]

    def _reporter(self) -> Callable[[int, str], None]:
        """Tells how far the planning is, some times a second."""
        last = 0.0

        def report(rows: int, file: str) -> None:
            nonlocal last
            if time.monotonic() - last > _BETWEEN_REPORTS:
                last = time.monotonic()
                self._lines.send("progress", {"rows": rows, "file": file})

        return report

    def notice(self, message: Warning | str, category: type[Warning], *others: Any, **further: Any) -> None:
        """Tell what the encoder warns of, once for each kind; texts that were cut are counted."""
        if issubclass(category, TruncationWarning) or category.__name__ in self._noticed:
            return
        if category.__module__ == TruncationWarning.__module__:
            self._noticed.add(category.__name__)
            self._lines.send("noticed", printable(str(message)))


def main() -> NoReturn:
    """Work until told to end, or until nobody is there to tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which says what comes of it
    process = Process(Lines())
    warnings.showwarning = process.notice
    try:
        process.run()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    # Everything is in its place, and what libraries do at their end takes them a second.
    os._exit(0)


if __name__ == "__main__":
    main()
