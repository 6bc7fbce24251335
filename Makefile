# Every target sets itself up: .venv is made once, and again only when the pins change.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3

.PHONY: demo test lint format check clean help

help:
	@echo "make demo    inspect real solar cells with a line enrolled on the spot"
	@echo "make test    lint, types and tests"
	@echo "make format  bring the code into shape"
	@echo "make clean   remove what the targets made"

$(READY): pyproject.toml constraints.txt experts/mllm/nano/requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r experts/mllm/nano/requirements.txt
	@touch $@

demo: $(READY)
	$(BIN)/echo-iad demo

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-report *.egg-info
