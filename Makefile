# Two commands do everything on a fresh machine: `make noise_ablation` and `make test`.
# Needed beforehand: Python 3.11 or newer with pip, make and git.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help noise_ablation replication test test-slow lint format benchmark benchmark-gpu clean

help: ## this list
	@grep -E '^[a-z_-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

noise_ablation: .venv/installed ## run the main study at laptop scale; says where the report is
	$(BIN)/python -m sweep.launch noise_ablation

# Into reports/ while it runs: a changed file of the checkout would be a mark on each trial's commit.
replication: .venv/installed ## the paper at its own scale (IMAGES=folder of cifar10.npz, svhn.npz)
	$(BIN)/python -m sweep.replicate $(or $(IMAGES),$(error give IMAGES=FOLDER)) \
	  $(addprefix --only ,$(ONLY)) $(addprefix --gpus-per-trial ,$(GPUS)) $(if $(DOWNLOAD),--download)
	$(BIN)/python -m sweep.replicate $(IMAGES) --page --out docs

test: .venv/installed ## the tests, without the slow ones, two files at a time
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/installed ## proofs of minutes: kill -9 in mid-study, CIFAR-10 (REAL_IMAGES=folder)
	$(BIN)/python -m pytest -m slow --timeout 5400

lint: .venv/installed ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/installed ## every table of benchmarks/README.md anew
	@for part in machine life fused study startup memory many_trials report intervals sequential networks take_home; do \
	  echo; echo "benchmarks.$$part"; $(BIN)/python -m benchmarks.$$part || exit 1; \
	done

benchmark-gpu: .venv/installed ## on a GPU: is it right, how fast, what limits it (SECONDS=600, IMAGES=file.npz)
	$(BIN)/python -m benchmarks.gpu --seconds $(or $(SECONDS),600) $(if $(IMAGES),--images $(IMAGES))

clean: ## remove the environment and caches; results stay
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
