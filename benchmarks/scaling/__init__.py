"""The parts of the benchmark of large corpora, `benchmarks/scale.py`."""
