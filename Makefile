# One line each; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
.DEFAULT_GOAL := help

.PHONY: help serve demo install test check format migrate migration soak bench bench-measuring bench-planner bench-decoding bench-binding bench-guide catalogue bench-dashboard bench-beside reference-models browser bundle vendor lock clean

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

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

demo: .venv/.serve  ## the same with a dashboard full of reports that the project has measured, in a data folder of its own
	@exec $(BIN)/tradespace demo

test: .venv/.dev browser  ## run every test that can run here; what is skipped is named
	$(BIN)/pytest -m "not soak" --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

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

.venv/.eval: .venv/.dev
	$(PIP) -e '.[worker,redis,postgres,dev,eval]'
	touch $@

soak: .venv/.eval browser  ## the long suite: kill loops, misbehaving programs, long histories, and what needs large extras
	$(BIN)/pytest tests/workers/catalog/evaluations/test_lm_eval.py
	$(BIN)/pytest -m soak --timeout 3600

bench: .venv/.dev  ## speed goals of the server
	$(BIN)/python -m benchmarks

reference-models: .venv/.serve  ## train the models that ship anew and compare their scores with the stored ones
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m reference_models

.venv-peers/.made: .venv/.dev benchmarks/peers.txt
	$(PYTHON) -m venv .venv-peers
	echo "import sys; sys.path += ['$(CURDIR)/.venv/lib/python' + '.'.join(map(str, sys.version_info[:2])) + '/site-packages']" \
	  > $$(echo .venv-peers/lib/python*/site-packages)/tradespace.pth
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt
	touch $@

bench-measuring: .venv-peers/.made  ## how far verdicts can be trusted: null tests alone and under load, a true slow-down, other tools beside ours
	$(BIN)/python -m benchmarks.measuring cost
	$(BIN)/python -m benchmarks.measuring study
	$(BIN)/python -m benchmarks.measuring precision
	$(BIN)/python -m benchmarks.measuring null
	$(BIN)/python -m benchmarks.measuring null --busy
	$(BIN)/python -m benchmarks.measuring slowed

bench-planner: .venv/.dev  ## the planner: its formulas against counts on fake tensors, those against the allocator, and how long an answer takes
	$(BIN)/python -m benchmarks.planner
	$(BIN)/python -m benchmarks.plans

bench-decoding: .venv/.dev  ## decoding time of this CPU predicted: two measured steps calibrate, five others are held against them
	$(BIN)/python -m benchmarks.decoding

bench-binding: .venv/.dev  ## what binds, as reports say it, against models whose work was changed from outside
	$(BIN)/python -m benchmarks.binding

bench-guide: .venv/.dev  ## measure the grid of stacks that the guide's choices are held against; half an hour
	$(BIN)/python -m benchmarks.grid

catalogue: .venv/.dev  ## every row of the catalogue on this machine's CPU, a few seconds each: what ran, and what it brought; half an hour
	$(BIN)/python -m benchmarks.catalogue

bench-dashboard: .venv/.dev browser  ## speed and weight of the pages and of questions about all results, at 1,000 to 100,000 invented ones
	$(BIN)/python -m benchmarks.dashboard

.venv-dashboards/.made: benchmarks/dashboards.txt
	$(PYTHON) -m venv .venv-dashboards
	.venv-dashboards/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/dashboards.txt
	touch $@

bench-beside: .venv/.dev browser .venv-dashboards/.made  ## the same with MLflow and optuna-dashboard beside it, on the same results
	$(BIN)/python -m benchmarks.dashboard --peers

browser: .venv/.dev  ## find or fetch the Chromium that the browser tests drive
	@scripts/get-browser

bundle: .venv/.serve  ## make one small file of each page's modules and of its style sheets; needs npm
	$(BIN)/python scripts/bundle.py

vendor: .venv/.serve  ## fetch the browser libraries that ship, at pinned versions, with licence, hash and smallest form; needs npm
	$(BIN)/python scripts/vendor.py

lock: .venv/.dev  ## write constraints.txt from what is installed
	$(BIN)/python scripts/lock.py

clean:  ## remove the virtual environment and caches; data stays
	rm -rf .venv .venv-peers .venv-dashboards .mypy_cache .ruff_cache .pytest_cache
