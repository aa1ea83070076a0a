# `make help` lists the targets. All need only Python 3.11 or later; everything else goes into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The Python to build .venv with; `make install PYTHON=python3.12` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
TESTS ?= tests
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Servers that tests start, and workers, would each compile all that they load where Python is told to keep nothing.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help assets messages calibration pictures explore fuzz install lock demo test long check lint format crash bench receipts clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

install: $(STAMP) ## make .venv with kaskad and the locked development dependencies
	@$(BIN)/python frontend/build.py

# The stamp holds where and with what .venv was made: a copied or moved one is made anew.
$(STAMP): pyproject.toml requirements-dev.lock hatch_build.py $(wildcard frontend/*.js*) frontend/build.py
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		echo "Kaskad needs Python 3.11 or later, and '$(or $(PYTHON),python3)' is none." \
		     "Install one, or name it: make install PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear .venv \
		|| { echo "'$(PYTHON) -m venv' failed; Debian and Ubuntu keep it in the package python3-venv." >&2; exit 1; }
	$(BIN)/python -m pip install -q "$$(grep '^pip==' requirements-dev.lock)"
	$(BIN)/python -m pip install -q --constraint requirements-dev.lock \
		--build-constraint requirements-dev.lock --editable . --group dev
	@touch $@

lock: ## renew requirements-dev.lock from pyproject.toml
	rm -rf .venv/lock
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install -q --upgrade pip
	.venv/lock/bin/python -m pip install -q --editable . --group dev hatchling
	{ echo "# Versions for development and tests; 'make lock' renews them."; \
	  .venv/lock/bin/python -m pip freeze --all --exclude-editable | grep -v '^setuptools=='; } \
		> requirements-dev.lock
	rm -rf .venv/lock

assets: ## make again what pages run in the browser, after an icon was added
	$(BIN)/python frontend/build.py

messages: install ## add to locale/ru what the pages say there in English only
	@$(BIN)/python frontend/messages.py

demo: install ## watch cascades at work: a shop, 2 000 people, ten channels, nothing real
	@$(BIN)/kaskad demo

# The tests of a file stay together and in order: an installation that they share is made once, and its story told forwards.
test: install ## run the tests; `make test TESTS=tests/domain` runs some
	$(BIN)/python -m compileall -q src tests
	$(BIN)/python -m pytest -n 4 --dist loadfile -q -m "not long" $(TESTS)

long: install ## run the tests that `make test` leaves out: each takes up to a minute
	$(BIN)/python -m pytest -n 4 --dist worksteal -q -m long $(TESTS)

calibration: install ## hold ranges of forecasts and intervals of reports against thousands of made worlds (an hour and more)
	KASKAD_TRIALS=1000 $(BIN)/python -m pytest -q -n 2 --dist worksteal --timeout 7200 -k eight_of_ten \
		tests/planning/test_ageing.py tests/planning/test_dates.py tests/planning/test_edges.py \
		tests/planning/test_ending.py tests/planning/test_forecast.py tests/planning/test_entries.py
	KASKAD_TRIALS=10000 $(BIN)/python -m pytest -q --timeout 7200 tests/analytics/test_intervals.py

pictures: install ## take the pictures of the guide and the README again from the running product (minutes)
	PYTHONPATH=tests $(BIN)/python docs/guide/make.py
	$(BIN)/python docs/pictures/make.py

explore: install ## try all properties with examples that no run has seen (minutes)
	KASKAD_TEST_EXPLORE=1 $(BIN)/python -m pytest -n 3 --dist worksteal -q -m hypothesis

fuzz: install ## send the API 200 examples of everything, wrong ones too (long)
	KASKAD_TEST_FUZZ=200 $(BIN)/python -m pytest -n 3 -q tests/api/test_schema.py

check: lint ## ruff, mypy --strict and the direction of imports
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo --no-cache

lint: install ## ruff only
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: install ## put the code into its one form
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

crash: install ## kill the server 200 times under load and count what was sent (long)
	PYTHONPATH=tests $(BIN)/python -m crash

bench: install ## the benchmark of 200 000 contacts, figures as JSON
	$(BIN)/kaskad bench --contacts 200000 --json

receipts: install ## how many receipts a second each provider's code reads
	@PYTHONPATH=tests $(BIN)/python -m providers.speed

clean: ## remove .venv and caches
	rm -rf .venv frontend/node_modules src/kaskad/web/static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis
