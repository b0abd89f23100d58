# make quickstart: from a fresh clone to a comparison of four action heads.  make test: everything CI runs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# The Python that makes the environment: 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
# Extra package index for torch: PyTorch serves builds without CUDA, a much smaller download, from one of its own.
TORCH_INDEX ?=
# Options of pytest, e.g. PYTEST_ARGS="--cov --durations=25"
PYTEST_ARGS ?= --durations=10
# Options of `vla quickstart`, e.g. ARGS=--smoke
ARGS ?=

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PACKAGING := pyproject.toml setup.py constraints.txt

.PHONY: help quickstart test test-fast lint format types stubs wheel-smoke pytest docs gl bench clean

help:
	@echo "make quickstart   install into $(VENV), record, train four heads, compare them, write a report"
	@echo "make test         install into $(VENV), then lint, types, wheel smoke test and pytest"
	@echo "make test-fast    lint, and the tests that are not marked slow"
	@echo "make docs         build the documentation site into build/docs"
	@echo "make format       ruff format and ruff's automatic fixes"
	@echo "make stubs        regenerate the type stubs of MuJoCo in typings/"
	@echo "make lint | types | pytest | wheel-smoke | bench | clean"
	@echo "Variables: PYTHON=$(PYTHON) VENV=$(VENV) TORCH_INDEX=$(TORCH_INDEX)"

quickstart: $(VENV)/.installed gl
	$(BIN)/vla quickstart $(ARGS)

test: $(VENV)/.installed-dev gl lint types wheel-smoke docs pytest

test-fast: $(VENV)/.installed-dev gl lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow"

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "No '$(PYTHON)' found: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "vlasandbox needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V). Name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Cure: sudo apt-get install -y python3-venv" >&2; exit 1; }

$(VENV)/.installed: $(PACKAGING) | $(VENV)/bin/python
	@echo "Installing vlasandbox into $(VENV) (a few minutes the first time) ..."
	@$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(PACKAGING) | $(VENV)/bin/python
	@echo "Installing vlasandbox with its developer tools into $(VENV) (a few minutes the first time) ..."
	@$(PIP_INSTALL) -e '.[dev,docs]'
	@touch $@ $(VENV)/.installed

gl:
	@$(BIN)/vla doctor --gl

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.installed-dev
	$(BIN)/pyright --pythonpath $(BIN)/python

# Types of MuJoCo's compiled modules, after a new version of it.
stubs: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet "pybind11-stubgen>=3"
	$(BIN)/python typings/generate_mujoco_stubs.py

# The wheel (built from the sdist), installed where nothing of the checkout is importable, run from a folder whose own files carry our names.
wheel-smoke: $(VENV)/.installed-dev
	rm -rf build && mkdir -p build
	$(BIN)/python -m build --outdir build/smoke/dist . > build/smoke.log || { cat build/smoke.log; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps --target build/smoke/site build/smoke/dist/*.whl
	$(BIN)/python tests/smoke_test.py build/smoke/site

# One torch thread in each of two workers: two threads each on two cores are slower than one.
pytest: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

# Warnings are errors: a broken link, a page that nothing leads to, a docstring that cannot be read.
docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html"

bench: $(VENV)/.installed-dev
	for script in benchmarks/*.py; do OMP_NUM_THREADS=1 $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
