# Two commands: `make run` and `make test`. Both set up whatever is missing.
VENV ?= .venv
BIN := $(VENV)/bin
export TELEDECK_VENV := $(VENV)
export OMP_NUM_THREADS ?= 1
.DEFAULT_GOAL := help
.PHONY: help run test lint setup setup-test bench screenshots clean

help:
	@echo "make run          the window on a live scene (headless takes where there is no display)"
	@echo "make test         lint, types, import contracts, all tests"
	@echo "make bench        the measurements, one table and raw JSON"
	@echo "make screenshots  drive the window through every place and write the pictures of the docs"
	@echo "make clean        remove the virtual environment and caches"

setup:
	@.ci/setup

setup-test:
	@.ci/setup test

run: setup
	@$(BIN)/teledeck run

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# No window, no station: two files at a time. The rest waits for clocks and screens, and goes alone.
SIDE_BY_SIDE := $(addprefix tests/,data devices driving evaluation gelsight operators policies scenes sim)

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest $(addprefix --ignore=,$(SIDE_BY_SIDE))

bench: setup-test
	$(BIN)/python -m tests.benchmarks

screenshots: setup-test
	$(BIN)/teledeck screenshots --out docs/images

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist *.egg-info
