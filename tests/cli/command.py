"""Running ``youtu-st`` as a process of its own, and what its tests read."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from settled import settled

COMMAND = Path(sys.executable).with_name("youtu-st")

PASSPORT = """\
# Passports

How to travel.

## Renewal

To renew a passport, fill in form DS-82 and send it with two photographs.
"""
FACTS = """\
{"_id": "d1", "title": "Paris", "text": "Paris is the capital of France.", "lang": "en", "year": 2020}
{"_id": "d2", "text": "巴黎是法国的首都。", "lang": "zh"}
"""


@dataclass
class Result:
    """What a command gave back."""

    code: int
    out: str
    err: str


def spawn_on_a_terminal(
    *arguments: object, cwd: Path, whole: bool = False, **environment: str
) -> tuple[int, str]:
    """The installed command on a terminal: the exit code, and all that was sent there, byte for byte.

    Args:
        *arguments: Of the command.
        cwd: Where it runs.
        whole: All three streams are on the terminal; otherwise standard error alone.
        **environment: Further variables.
    """
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [str(COMMAND), *map(str, arguments)],
        cwd=cwd,
        stdin=secondary if whole else None,
        stdout=secondary if whole else subprocess.DEVNULL,
        stderr=secondary,
        env={**os.environ, **environment},
    )
    os.close(secondary)
    shown = b""
    try:
        while part := os.read(primary, 4096):
            shown += part
    except OSError:  # the other end is closed: the process is done
        pass
    os.close(primary)
    return process.wait(), shown.decode("utf-8", "surrogateescape")


def spawn(*arguments: object, cwd: Path, stdin: str = "", **environment: str) -> Result:
    """The installed command, as a user starts it."""
    done = subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        cwd=cwd,
        input=stdin.encode(),
        capture_output=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    return Result(done.returncode, done.stdout.decode(), settled(done.stderr.decode()))
