# `make demo` and `make test` set everything up by themselves: Python 3.10 or newer and a network are enough.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test lint bench clean
.DEFAULT_GOAL := demo

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once; a few minutes, mostly PyTorch) ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: $(READY)  ## search this project's own documentation
	@BIN=$(BIN) sh ./demo.sh

test: $(READY)  ## the whole suite
	$(BIN)/python -m pytest

lint: $(READY)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## the index beside raw FAISS and SQLite
	$(BIN)/python benchmarks/index.py

clean:  ## everything that the other targets made
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
