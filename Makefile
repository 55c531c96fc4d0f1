# `make demo` and `make test` set everything up by themselves: Python 3.10 or newer and a network are enough.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
STANDARD = tests/adapters/langchain/test_langchain_standard_embeddings.py \
	tests/adapters/langchain/test_langchain_standard_store.py

.PHONY: demo test test-slow lint bench notebooks clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; a few minutes, mostly PyTorch) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)  ## search this project's own documentation
	@BIN=$(BIN) sh ./demo.sh

test: $(READY)  ## LangChain's own tests one by one, then ours, but for those that take minutes
	$(BIN)/python -m pytest $(STANDARD) --verbose
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal \
		$(STANDARD:%=--ignore=%) -m "not slow"

test-slow: $(READY)  ## those: published figures on whole data sets, a hundred kills, a benchmark from end to end
	$(BIN)/python -m pytest -m slow

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## encoding, the index, the adapters and reranking, each beside its peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/encode.py --json docs/encode-speed.json --plot docs/encode-speed.png
	$(BIN)/python benchmarks/index.py
	$(BIN)/python benchmarks/adapters.py
	$(BIN)/python benchmarks/rerank.py

notebooks: $(READY)  ## run them, and write them back with their outputs
	$(BIN)/python notebooks/run.py

clean:  ## everything that the other targets made
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
