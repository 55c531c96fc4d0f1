"""What benchmarks/search.py measures: quality of the three modes, kinds of words, and speed."""
