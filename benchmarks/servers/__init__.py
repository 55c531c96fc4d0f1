"""The parts of the serving benchmark, `benchmarks/serve.py`."""
