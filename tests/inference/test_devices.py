"""Memory that runs out, several devices, and what a device computes natively."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import TEXTS

import youtu_st
from youtu_st import Encoder
from youtu_st.backends import device as devices
from youtu_st.backends.device import batch_tokens, is_native
from youtu_st.errors import InputError, ModelLoadError


@pytest.mark.slow
def test_out_of_memory_halves_the_batches(tiny, tmp_path):
    """For real: the process may have 40 MiB more than it has when the model is loaded."""
    script = textwrap.dedent(
        """
        import logging, resource, sys
        import numpy as np
        from youtu_st import Encoder

        logging.basicConfig(format="%(levelname)s %(message)s")
        encoder = Encoder(sys.argv[1], batch_tokens=2_000_000)
        texts = [f"{i} " + "some words " * 40 for i in range(150)]
        texts += [f"{i} few" for i in range(50)]
        small = Encoder(sys.argv[1], batch_tokens=4096)
        expected = small.encode_document(texts)
        held = int(next(line for line in open("/proc/self/status") if "VmSize" in line).split()[1]) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (held + 40 * 2**20, -1))
        vectors = encoder.encode_document(texts)
        print("largest difference", np.abs(vectors - expected).max(), flush=True)
        print("budget", encoder.batch_tokens, "texts", encoder.totals.texts, flush=True)
        assert np.abs(vectors - expected).max() < 1e-5
        assert encoder.batch_tokens < 100_000  # how far depends on what else the process holds
        assert encoder.totals.encoded_texts == len(texts)
        """
    )
    # One thread: each has an arena of its own, which takes address space whenever it likes.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", script, str(tiny)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING out of memory in a batch of" in done.stderr


class Full(torch.nn.Module):
    """A real module before the pooling that asks for more memory than there is, from some size on."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, features):
        if features["input_ids"].numel() > self.tokens:
            torch.empty(1 << 60)
        return features


def crowded(tiny, tokens: int, **settings) -> Encoder:
    encoder = Encoder(tiny, **settings)
    encoder.model.insert(1, Full(tokens))
    return encoder


def test_a_budget_that_is_too_large_is_halved_as_often_as_needed(tiny, caplog):
    expected = Encoder(tiny).encode_document(TEXTS)
    encoder = crowded(tiny, 64, batch_tokens=1000)
    with caplog.at_level(logging.WARNING, "youtu_st"):
        np.testing.assert_allclose(encoder.encode_document(TEXTS), expected, atol=1e-5)
    assert encoder.batch_tokens <= 64
    assert len(caplog.records) >= 2
    assert "out of memory in a batch of" in caplog.records[0].message
    caplog.clear()
    encoder.encode_document(TEXTS)
    assert not caplog.records


def test_one_text_that_is_too_large_is_named(tiny):
    encoder = crowded(tiny, 30)
    long = "many words " * 60
    with pytest.raises(
        MemoryError, match=r"text 2 with its \d+ tokens is more than the memory of cpu"
    ) as caught:
        encoder.encode_document(["a", "b", long, "c"])
    assert "max_length" in str(caught.value)


def test_another_error_is_not_taken_for_a_full_memory(tiny):
    encoder = Encoder(tiny)
    encoder.model.insert(1, torch.nn.Linear(3, 3))
    with pytest.raises(Exception, match="linear"):
        encoder.encode_document(["a", "b"])


def test_several_devices_give_the_same_vectors(tiny):
    one, two = Encoder(tiny, batch_tokens=32), Encoder(tiny, device=["cpu", "cpu"], batch_tokens=32)
    texts = [f"{i} {text}" for i in range(8) for text in TEXTS]
    np.testing.assert_allclose(two.encode_document(texts), one.encode_document(texts), atol=1e-6)
    assert two.totals == one.totals
    assert two.totals.batches > 8
    np.testing.assert_allclose(two.encode_query(["one"]), one.encode_query(["one"]), atol=1e-6)
    first, second = two._runner.pool.networks
    assert first.model is two.model
    assert first.model is not second.model
    assert "float32 on cpu, cpu" in repr(two)
    assert two.fingerprint == one.fingerprint


def test_an_error_on_one_of_several_devices_ends_the_call(tiny):
    encoder = Encoder(tiny, device=["cpu", "cpu"], batch_tokens=16)
    encoder._runner.pool.networks[1].model.insert(1, torch.nn.Linear(3, 3))
    with pytest.raises(Exception, match="linear"):
        encoder.encode_document([f"{i} {text}" for i in range(8) for text in TEXTS])


@pytest.mark.parametrize("device", [[], [None], 3])
def test_devices_that_are_none(tiny, device):
    with pytest.raises((InputError, ModelLoadError), match="device must be"):
        Encoder(tiny, device=device)


def test_dtypes_that_a_device_has_instructions_for(monkeypatch):
    assert is_native(torch.float32, "cpu")
    for flags, bfloat16, float16 in [
        ({"avx512_bf16": True}, True, False),
        ({"amx_bf16": True, "amx_fp16": True}, True, True),
        ({"avx2": True, "f16c": True}, False, False),
        ({}, False, False),
    ]:
        monkeypatch.setattr(devices, "_cpu_capabilities", lambda flags=flags: flags)
        is_native.cache_clear()
        assert is_native(torch.bfloat16, "cpu") is bfloat16
        assert is_native(torch.float16, "cpu") is float16
    is_native.cache_clear()


def test_the_machine_agrees_with_its_processor():
    """Linux says itself what the processor can do."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        pytest.skip("no /proc/cpuinfo")
    words = cpuinfo.read_text("utf-8").split()
    assert is_native(torch.bfloat16, "cpu") is bool({"avx512_bf16", "amx_bf16", "bf16"} & set(words))


def test_half_precision_weights_run_in_float32_where_that_is_not_native(tiny, tmp_path):
    model = Encoder(tiny).model
    halved = tmp_path / "half"
    saved = youtu_st.load(tiny).to(torch.bfloat16)
    saved.save_pretrained(str(halved))
    encoder = Encoder(halved)
    native = is_native(torch.bfloat16, "cpu")
    assert encoder.runtime["dtype"] == ("bfloat16" if native else "float32")
    exact = Encoder(halved, dtype="float32")
    assert encoder.fingerprint == exact.fingerprint
    assert Encoder(halved, dtype="checkpoint").runtime["dtype"] == "bfloat16"
    assert model.dtype == torch.float32
    lowest = (encoder.encode_document(TEXTS) * exact.encode_document(TEXTS)).sum(axis=1).min()
    assert lowest > (0.999 if native else 1 - 1e-6)


def test_the_budget_follows_the_processor_and_can_be_set(tiny):
    threads = torch.get_num_threads()
    try:
        for count, expected in [(1, 2048), (2, 2048), (4, 4096), (64, 16384)]:
            torch.set_num_threads(count)
            assert batch_tokens(torch.device("cpu"), None) == expected
    finally:
        torch.set_num_threads(threads)
    assert Encoder(tiny, batch_tokens=77).batch_tokens == 77
    assert Encoder(tiny).batch_tokens == batch_tokens(torch.device("cpu"), None)


def test_a_dtype_that_is_worked_out_in_software_warns(tiny, recwarn):
    native = is_native(torch.float16, "cpu")
    Encoder(tiny, dtype="float16")
    told = [str(warning.message) for warning in recwarn if "in software" in str(warning.message)]
    assert len(told) == (0 if native else 1)
    assert native or "this cpu has no instructions for torch.float16" in told[0]
