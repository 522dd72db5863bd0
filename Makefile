# Every target is one line to a real command; `setup` runs first where something must be installed.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test lint bench bench-scale clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup
	$(BIN)/fedenv evaluate --envs webshop --agent keyword --clients 0-99 --episodes 5 --out runs/demo

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/run.py

bench-scale: setup
	$(BIN)/python benchmarks/bench_scale.py

clean:
	rm -rf .venv runs build dist
