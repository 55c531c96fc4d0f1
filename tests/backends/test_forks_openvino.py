"""backend="openvino" in forked children: what was compiled in the parent has threads of its own there."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from checkpoints import TEXTS
from forked import busy, in_child

from youtu_st import Encoder

pytestmark = [
    pytest.mark.openvino,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]
if importlib.util.find_spec("openvino") is None:  # importing it here would start its telemetry
    pytest.skip("the extra openvino is not installed", allow_module_level=True)


@pytest.fixture(scope="module", params=["minilm", "tiny"])
def encoder(request, tiny) -> Encoder:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield Encoder("minilm" if request.param == "minilm" else tiny, backend="openvino", dtype="float32")
    torch.set_num_threads(threads)


def same(rows, expected) -> None:
    np.testing.assert_allclose(rows, expected, atol=1e-6, rtol=0)


def test_at_rest(encoder):
    expected = encoder.encode_document(TEXTS)
    same(in_child(lambda: encoder.encode_document(TEXTS)), expected)
    same(in_child(lambda: in_child(lambda: encoder.encode_document(TEXTS))), expected)
    same(encoder.encode_document(TEXTS), expected)


def test_while_threads_of_the_parent_encode(encoder):
    """What another thread was running is busy for good in the child, which compiles it anew."""
    expected = encoder.encode_document(TEXTS)
    with busy(lambda: encoder.encode_document(TEXTS * 3), lambda: encoder.encode_query(TEXTS * 3)):
        for i in range(10):
            time.sleep(0.003 * i)
            same(in_child(lambda: encoder.encode_document(TEXTS)), expected)
    same(encoder.encode_document(TEXTS), expected)


@pytest.mark.parametrize("work", ["encoder.encode_document(['a text'])", "del encoder", "None"])
def test_the_child_ends(work, tiny):
    """As a worker does, which runs Python to its end: OpenVINO would wait there for the parent's threads."""
    script = f"""
import os, sys, signal
from youtu_st import Encoder
encoder = Encoder(sys.argv[1], backend="openvino", dtype="float32")
encoder.encode_document(["a text"])
child = os.fork()
{work}
if child:
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    print("done")
"""
    command = [sys.executable, "-c", script, str(tiny)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        try:
            out, _ = running.communicate(timeout=60)
        finally:
            os.killpg(running.pid, signal.SIGKILL) if running.poll() is None else None
    assert (running.returncode, out) == (0, "done\n")
