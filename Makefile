# Each target sets up what it needs by itself: Python 3.10 or newer and a network are enough.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STANDARD = tests/adapters/langchain/test_langchain_standard_embeddings.py \
	tests/adapters/langchain/test_langchain_standard_store.py
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
EVERYWHERE = not openvino and not notebooks and not bench  # tests that need no extra but `test`

.PHONY: demo dev test test-slow test-long test-openvino test-notebooks test-bench eval-quick lint docs docs-figures bench notebooks clean
.DEFAULT_GOAL := demo
.NOTPARALLEL:

# One environment, and a stamp in it for each extra of pyproject.toml that it has: `make demo` installs `minilm`,
# `make test` adds `test`, and so on.
$(VENV)/.ready-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing youtu-st[$*] into $(VENV) (once; with PyTorch a few minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

demo: $(VENV)/.ready-minilm  ## search this project's own documentation
	@BIN=$(BIN) sh ./demo.sh

dev: $(VENV)/.ready-dev  ## all that the other targets need

test: $(VENV)/.ready-test  ## LangChain's own tests one by one, then ours, but for those that take minutes
	$(BIN)/python -m pytest $(STANDARD) --verbose
	$(PYTEST) $(STANDARD:%=--ignore=%) -m "not slow and $(strip $(EVERYWHERE))"

test-slow: $(VENV)/.ready-test $(VENV)/.ready-ray  ## those: published figures on whole data sets, a hundred kills, a cluster of Ray
	$(PYTEST) -m "slow and not long and not ray and $(strip $(EVERYWHERE))"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "ray and not long"

test-long: $(VENV)/.ready-test $(VENV)/.ready-ray $(VENV)/.ready-openvino  ## kills at dozens of moments, of jobs, copies, actors and nodes: half an hour and more
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long

test-openvino: $(VENV)/.ready-test $(VENV)/.ready-openvino  ## those that need OpenVINO
	$(PYTEST) -m "openvino and not long"

test-notebooks: $(VENV)/.ready-test $(VENV)/.ready-notebooks  ## the notebooks, run from top to bottom
	$(BIN)/python -m pytest -m notebooks

test-bench: $(VENV)/.ready-test $(VENV)/.ready-bench  ## a benchmark from end to end, and its plot
	$(BIN)/python -m pytest -m bench

eval-quick: $(VENV)/.ready-minilm $(VENV)/.ready-eval  ## five published figures of MiniLM, through mteb's evaluators
	test -d ../shared/data || { echo "../shared/data is not there: the public data sets are not part of this repository"; exit 1; }
	HF_HUB_OFFLINE=1 $(BIN)/youtu-st eval run --model minilm --data ../shared/data --languages eng,zho --out .eval-quick

lint: $(VENV)/.ready-lint  ## style, types, arrows between rooms, dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry youtu_st adapters

docs: $(VENV)/.ready-docs  ## the pages of docs/ and the API reference, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

docs-figures: $(VENV)/.ready-lint  ## the rooms, from the imports themselves; the mask, where Qwen3's tokenizer is
	$(BIN)/python tools/rooms.py
	test ! -d ../shared/data/qwen3_tokenizer || $(BIN)/python tools/mask.py ../shared/data/qwen3_tokenizer docs/mask.svg

bench: $(VENV)/.ready-bench  ## encoding, a start, the index, the adapters, reranking, serving and large corpora, each beside its peers
	$(BIN)/python benchmarks/encode.py --json docs/encode-speed.json --plot docs/encode-speed.png
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/index.py
	test ! -d ../shared/data || $(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/adapters.py
	$(BIN)/python benchmarks/rerank.py
	test ! -d ../shared/data/qwen3_tokenizer || $(BIN)/python benchmarks/tokens.py
	$(BIN)/python benchmarks/serve.py
	test ! -d ../shared/data || $(BIN)/python benchmarks/scale.py

notebooks: $(VENV)/.ready-notebooks  ## run them, and write them back with their outputs
	$(BIN)/python notebooks/run.py

clean:  ## everything that the other targets made
	rm -rf $(VENV) .demo .eval-quick site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
