"""A real Ray cluster of two nodes on this machine, each in a network of its own where that is allowed."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

PYTHON = sys.executable
RAY = str(Path(sys.executable).with_name("ray"))
ROOT = Path(__file__).parents[2]
PORT = 6390
STORE = 100_000_000
"""Bytes of a node's object store."""
FAR = 180.0
"""Seconds after which what should have happened never does."""
ENVIRONMENT = {
    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'adapters'}{os.pathsep}{ROOT / 'tests'}",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # else it depends on what is in the user's home
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


def until(what: Callable[[], Any], seconds: float = FAR, every: float = 0.1) -> Any:
    """Wait for something that is to happen, and return what it is."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it has not happened"
        time.sleep(every)
    return found


def networks_are_allowed() -> bool:
    """Whether this user may make network namespaces and a cable between two of them."""
    if shutil.which("ip") is None:
        return False
    name = f"yst{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return made


class Node:
    """One node: its processes are all that live in its network.

    Args:
        name: Of its network namespace.
        address: Its own, of IPv4.
        cable: Its end of the cable.
    """

    def __init__(self, name: str, address: str, cable: str) -> None:
        self.name, self.address, self.cable = name, address, cable
        self._temporary = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
        self._log = self._temporary / "start.log"
        self._ip("netns", "add", name)
        self._ip("-n", name, "link", "set", "lo", "up")

    def _ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def plug_in(self) -> None:
        """Put its end of the cable in, and give it the address."""
        self._ip("link", "set", self.cable, "netns", self.name)
        self._ip("-n", self.name, "addr", "add", f"{self.address}/24", "dev", self.cable)
        self.join()

    def cut_off(self) -> None:
        """Nothing comes through any more; nobody is told."""
        self._ip("-n", self.name, "link", "set", self.cable, "down")

    def join(self) -> None:
        """All comes through again."""
        self._ip("-n", self.name, "link", "set", self.cable, "up")

    def popen(self, command: Sequence[object], **how: Any) -> subprocess.Popen[Any]:
        """A process on this node."""
        environment = {**os.environ, **ENVIRONMENT, **how.pop("env", {})}
        line = ["ip", "netns", "exec", self.name, *map(str, command)]
        return subprocess.Popen(line, env=environment, start_new_session=True, **how)

    def start(self, head: Node | None = None, *, cpus: int = 1) -> None:
        """Start Ray: the head node, or one of its nodes."""
        where = (
            ["--head", f"--port={PORT}", "--include-dashboard=false"]
            if head is None
            else [f"--address={head.address}:{PORT}"]
        )
        command = [RAY, "start", *where, f"--node-ip-address={self.address}", f"--num-cpus={cpus}"]
        command += [f"--object-store-memory={STORE}", f"--temp-dir={self._temporary}", "--block"]
        with self._log.open("wb") as log:
            started = self.popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def is_there() -> bool:
            assert started.poll() is None, self._log.read_text()
            return "Ray runtime started" in self._log.read_text()

        until(is_there)

    def processes(self) -> list[psutil.Process]:
        """All that live here now."""
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        found = []
        for pid in listed.stdout.split():
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(int(pid)))
        return found

    def named(self, part: str) -> list[psutil.Process]:
        """Those whose title or command line has a part."""
        found = []
        for one in self.processes():
            with suppress(psutil.Error):
                if part in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def kill_raylet(self) -> None:
        """The node is gone: what its raylet has started ends with it."""
        raylets = [one for one in self.processes() if one.name() == "raylet"]
        assert len(raylets) == 1, raylets
        raylets[0].kill()

    def stop(self) -> None:
        """End everything that lives here."""
        for _ in range(50):
            there = self.processes()
            for one in there:
                with suppress(psutil.Error):
                    one.send_signal(signal.SIGKILL)
            if not there:
                break
            time.sleep(0.1)

    def end(self) -> None:
        """As :meth:`stop`; and the network is gone."""
        self.stop()
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)
        shutil.rmtree(self._temporary, ignore_errors=True)


class Nodes:
    """A head node and another one, with a cable between them.

    Attributes:
        head, other: The nodes.
        address: Of the cluster.
    """

    def __init__(self) -> None:
        mark = secrets.token_hex(2)
        third = secrets.randbelow(200) + 20
        self.head = Node(f"ysth{mark}", f"10.77.{third}.1", f"vh{mark}")
        self.other = Node(f"ysto{mark}", f"10.77.{third}.2", f"vo{mark}")
        self.address = f"{self.head.address}:{PORT}"

    def start(self) -> None:
        cable = ["ip", "link", "add", self.head.cable, "type", "veth", "peer", "name", self.other.cable]
        subprocess.run(cable, check=True, capture_output=True)
        for node in (self.head, self.other):
            node.plug_in()
        self.head.start()
        self.other.start(self.head)

    def renew(self) -> None:
        """The other node as it was at first: after it was killed, or cut off."""
        self.other.stop()
        self.other.join()
        self.other.start(self.head)

    def driver(self, *command: object, **how: Any) -> subprocess.Popen[Any]:
        """A process on the head node that knows the cluster's address."""
        return self.head.popen(command, **{**how, "env": {**how.get("env", {}), "RAY_ADDRESS": self.address}})

    def end(self) -> None:
        for node in (self.other, self.head):
            node.end()


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Two nodes with one CPU each; everything is gone afterwards, whatever happens."""
    nodes = Nodes()
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.end()
