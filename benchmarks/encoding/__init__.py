"""The parts of the encoding benchmark, `benchmarks/encode.py`."""
