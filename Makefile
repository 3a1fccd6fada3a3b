# Every target is one visible command. `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
INSTALLED := $(VENV)/.installed

.PHONY: demo test check format docs benchmark cards clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lesionseg needs Python 3.11 or newer; make PYTHON=python3.12 ...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	$(BIN)/python -c "open('$(INSTALLED)', 'w').close()"

demo: $(INSTALLED)  ## every stage on the phantom cohort; prints the table by lesion size
	$(BIN)/lesionseg demo output=demo

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile

check: $(INSTALLED)  ## format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(INSTALLED)  ## the site, in site/; a warning is an error, and nothing is fetched
	$(BIN)/mkdocs build --strict

benchmark: $(INSTALLED)  ## prints measurements; nothing depends on them
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/prediction.py

cards: $(INSTALLED)  ## docs/reference/data_cards.md and its JSON schema, from the fields of a data card
	$(BIN)/python -m lesionseg.datasets.cards.docs docs/reference

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('$(VENV)', 'demo', 'build', 'dist', 'site')]"
