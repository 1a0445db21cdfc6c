# Each target works as the first command on a machine with only Python 3.11 (or 3.12) and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: help demo test lint types unit format kill-test calibration clean

help:
	@echo "make demo         a synthetic campaign, from its definition to a verdict, a report and MLflow runs"
	@echo "make test         lint, format check, strict types, every test"
	@echo "make format       format the code"
	@echo "make kill-test    assign killed at 50 random moments, and run again, on files and on PostgreSQL"
	@echo "make calibration  error rates and coverage of every method, by simulation (long)"
	@echo "make clean        remove the virtual environment and everything that was generated"

demo: $(VENV)/.runtime
	$(BIN)/offerwise demo demo

test: lint types unit

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

kill-test: $(VENV)/.dev
	$(BIN)/python -m benchmarks.kill

calibration: $(VENV)/.dev
	$(BIN)/python -m benchmarks.calibration --runs 20000 --page docs/calibration.md

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 13), "Offerwise needs Python 3.11 or 3.12; name one with make PYTHON=..."'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) benchmarks/.venvs demo runs build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
