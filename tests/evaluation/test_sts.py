"""Figures of sentence pairs, against scipy's."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from youtu_st.evaluation.sts import spearman


@pytest.mark.parametrize("distinct", [3, 20, 10_000])
def test_spearman_is_scipys(distinct):
    rng = np.random.default_rng(7)
    for _ in range(20):
        left = rng.integers(0, distinct, 60) / distinct
        right = left + rng.integers(0, distinct, 60) / distinct
        assert spearman(left, right) == pytest.approx(spearmanr(left, right).statistic, abs=1e-12)


def test_measures_load_no_torch():
    code = "import sys, youtu_st.evaluation.sts; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
