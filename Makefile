# One line each; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
.DEFAULT_GOAL := help

.PHONY: help serve install test check format migrate migration soak bench browser lock clean

help:  ## list what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/.made:
	$(PYTHON) -m venv .venv
	touch $@

.venv/.serve: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e '.[worker,redis,postgres]'
	touch $@

.venv/.dev: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e '.[worker,redis,postgres,dev]'
	touch $@ .venv/.serve

install: .venv/.serve  ## install into .venv what serving and measuring need

serve: .venv/.serve  ## start the server and one worker for each device; prints the address and a sign-in link
	@exec $(BIN)/tradespace serve

test: .venv/.dev browser  ## run every test that can run here; what is skipped is named
	$(BIN)/pytest -m "not soak"

check: .venv/.dev  ## static checks: lint, format, types, import contracts, migrations equal tables
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/app/db/test_migrations.py

format: .venv/.dev  ## format and sort
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migrate: .venv/.serve  ## bring the database of the data folder to the newest tables
	$(BIN)/python -m app.db.migrate

soak: .venv/.dev browser  ## the long suite: kill loops on every database and broker
	$(BIN)/pytest -m soak --timeout 1800

bench: .venv/.dev  ## speed goals: the harness against itself and against other timers
	$(BIN)/python -m benchmarks

browser: .venv/.dev  ## find or fetch the Chromium that the browser tests drive
	@scripts/get-browser

lock: .venv/.dev  ## write constraints.txt from what is installed
	$(BIN)/python scripts/lock.py

clean:  ## remove the virtual environment and caches; data stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
