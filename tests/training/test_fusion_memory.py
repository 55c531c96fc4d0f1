"""Memory of a fusion: it does not grow with the checkpoints, neither in number nor in size."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch
from fusing import save_base, write

MEASURE = """
import os, sys
from pathlib import Path
from youtu_st.training.fusion import fuse, METHODS
import youtu_st.training.fusion.hosts

def status(name):
    (line,) = (l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith(name))
    return int(line.split()[1]) * 1024

base, out, *checkpoints = sys.argv[1:]
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = status("VmRSS")
for method in METHODS:
    fuse(base, checkpoints, out=f"{out}-{method}", method=method)
print(status("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="the peak is Linux's to tell")
@pytest.mark.parametrize(("count", "dtype"), [(1, torch.float32), (5, torch.bfloat16)])
def test_the_peak_is_far_below_one_checkpoint(tmp_path, spec_file, checkpoint, count, dtype):
    """About 200 MB: one table is half of it, and many matrices are the rest."""
    base = save_base(tmp_path / "base", spec_file(), checkpoint("bert", "wordpiece"))
    rows = 100_000_000 // dtype.itemsize // 512
    shapes = {"table": (rows, 512), **{f"layer.{i}.weight": (rows // 24, 512) for i in range(24)}}
    for seed in range(count + 1):
        generator = torch.Generator().manual_seed(seed)
        weights = {
            name: torch.rand(shape, generator=generator, dtype=torch.float32).to(dtype)
            for name, shape in shapes.items()
        }
        write(base if not seed else shutil.copytree(base, tmp_path / f"tuned-{seed}"), weights)
    del weights
    size = (base / "model.safetensors").stat().st_size
    assert 190e6 < size < 210e6
    checkpoints = [str(tmp_path / f"tuned-{seed}") for seed in range(1, count + 1)]
    command = [sys.executable, "-c", MEASURE, str(base), str(tmp_path / "out"), *checkpoints]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(f"{int(done.stdout) / size:.2f} of a checkpoint")
    assert int(done.stdout) < size
    assert (tmp_path / "out-delta" / "model.safetensors").stat().st_size == size
