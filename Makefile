# The one way to do things here, the same by hand and in CI. `make help` says what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-development
PEERS := .venv-peers/.installed
LOWEST := .venv-lowest/.installed
UV := $(BIN)/uv
ARGS ?=
WORKERS ?= 2
KEYS := PYTHONPATH=include $(PYTHON) -m perennial_stack.keys
# A run of the tests that is killed, under another executor.
KILLED := tests/killed/test_killed_runs.py::test_a_killed_run_with_two_workers_leaves_neither_their_servers_nor_airflow
# What stays up; the rest ends when its work is done, and is waited for by these.
SERVICES := api-server scheduler dag-processor triggerer mlflow worker

# Without compiled bytecode every import takes three times as long; other people's paths have no business in here.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help run stop test test-celery test-kubernetes test-lowest lint faults bench clean lock setup browser pooler screenshots
.PHONY: secrets compose-up compose-down compose-test compose-backup compose-restore

help:  ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

run: $(RUNTIME)  ## Start everything and play the demonstration (ARGS=--demo-until=2013-12-31 for the whole year)
	@$(BIN)/python -m perennial_local run $(ARGS)

stop:  ## Stop what `make run` started
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m perennial_local stop; else echo "Nothing is installed."; fi

test: $(DEVELOPMENT)  ## Run all tests (ARGS=tests/unit for some of them)
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-celery: $(DEVELOPMENT)  ## Play the end-to-end story with Celery workers on a real queue (ARGS=tests/e2e for all of it)
	@TEST_EXECUTOR=celery $(BIN)/python -m pytest $(or $(ARGS),tests/e2e/test_main_job.py $(KILLED))

test-kubernetes: $(DEVELOPMENT)  ## The same with a pod for each task, on a stand-in for a cluster, and how pods fail
	@TEST_EXECUTOR=kubernetes $(BIN)/python -m pytest $(or $(ARGS),tests/executors tests/e2e/test_main_job.py $(KILLED))

test-lowest: $(LOWEST)  ## Run unit, contract, DAG and upgrade tests on the lowest versions that pyproject.toml allows
	@.venv-lowest/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(or $(ARGS),tests/unit tests/contract tests/dags tests/upgrade)

lint: $(DEVELOPMENT)  ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy include/perennial include/perennial_local include/perennial_stack plugins/perennial_airflow

faults: $(DEVELOPMENT)  ## Kill, stop, race and break everything, and count the damage (ARGS="--seed 1 --scale 0.1"; half an hour)
	@$(BIN)/python -m tests.faults $(ARGS)

bench: $(DEVELOPMENT) $(PEERS)  ## Measure speed, memory, calibration and power, also against Evidently and NannyML
	@status=0; for script in tests/bench/*.py; do echo "== $$script"; $(BIN)/python $$script || status=1; done; exit $$status

secrets:  ## Make the secrets of the team's stack in .env; those that are there stay
	@$(KEYS) make .env

compose-up:  ## Start the team's stack with Docker, and wait until it is well (WORKERS=4 for more workers)
	@$(KEYS) check .env
	@docker compose up --build --detach --wait --scale worker=$(WORKERS) $(SERVICES)

compose-down:  ## Stop the team's stack; its data stays
	@docker compose --profile observe down

compose-backup:  ## Save the team's stack (BACKUP=folder)
	@sh compose/backup.sh $(or $(BACKUP),backups/$(shell date -u +%Y%m%dT%H%M%SZ))

compose-restore:  ## Bring a backup into an empty stack (BACKUP=folder)
	@[ -n "$(BACKUP)" ] || { echo "Say which: make compose-restore BACKUP=backups/…"; exit 1; }
	@$(KEYS) check .env
	@sh compose/restore.sh $(BACKUP)

compose-test: $(DEVELOPMENT)  ## Build, start, use, break, save and restore the team's stack (some 20 to 25 minutes, wants Docker)
	@$(BIN)/python -m tests.compose $(ARGS)

screenshots: $(DEVELOPMENT)  ## Photograph the web interface of a running `make run` for the README
	@$(BIN)/python -m tests.e2e.screenshots

clean:  ## Remove the local system's data and all caches (the virtual environment stays)
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m perennial_local clean; fi
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist
	@find dags include plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(RUNTIME)  ## Install what `make run` needs (it does so by itself)

lock: $(UV)  ## Bring the locks in line with pyproject.toml, for Python 3.11 to 3.13 (ARGS=--upgrade for the newest of everything)
	@for target in "requirements.txt --extra local" "requirements-dev.txt --extra local --extra onnx --extra pmml --extra server --extra kubernetes --extra lineage --extra dev --constraint requirements.txt" \
	    "requirements-server.txt --extra server --extra kubernetes --extra lineage --constraint requirements-dev.txt"; do \
	    set -- $$target; output=$$1; shift; \
	    $(UV) pip compile pyproject.toml "$$@" --universal --python-version 3.11 --generate-hashes $(ARGS) \
	        --no-header --no-emit-index-url --no-emit-find-links --quiet --output-file $$output || exit 1; \
	done
	@echo uv | $(UV) pip compile - --universal --python-version 3.11 --generate-hashes $(ARGS) \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file requirements-uv.txt
	@$(UV) pip compile tests/bench/peers/requirements.in --python-version 3.11 --generate-hashes $(ARGS) \
	    --no-header --no-emit-index-url --no-emit-find-links --quiet --output-file tests/bench/peers/requirements.txt
	@# The lowest versions are run by the tools of the development lock: those that are not needed at run time.
	@grep -E '^[a-z0-9].*==' requirements-dev.txt | grep -vxFf requirements.txt | sed 's/ \\$$//' | \
	    $(UV) pip compile pyproject.toml --extra local --extra onnx --extra pmml --extra server --extra kubernetes --extra lineage --extra dev --constraint - --resolution lowest-direct \
	        --python-version 3.11 --generate-hashes --upgrade \
	        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet --output-file requirements-lowest.txt

# The peers that the bench measures against want another pandas.
$(PEERS): $(UV) tests/bench/peers/requirements.txt
	@echo "Installing the peers …"
	@$(UV) venv --quiet --clear --python $(BIN)/python .venv-peers
	@$(UV) pip sync --quiet --python .venv-peers/bin/python --require-hashes tests/bench/peers/requirements.txt
	@touch $@

$(LOWEST): $(UV) requirements-lowest.txt pyproject.toml
	@echo "Installing the lowest versions …"
	@$(UV) venv --quiet --clear --python $(BIN)/python .venv-lowest
	@$(UV) pip sync --quiet --python .venv-lowest/bin/python --require-hashes --compile-bytecode requirements-lowest.txt
	@$(UV) pip install --quiet --python .venv-lowest/bin/python --no-deps --editable .
	@touch $@

browser:  ## Install Chromium for the screenshots, in CI on Debian as root only
	@if command -v chromium >/dev/null; then :; \
	elif [ -n "$$CI" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
	else echo "Chromium is not installed; what needs it is done without it."; fi

pooler:  ## Install PgBouncer for its tests, in CI on Debian as root only
	@if command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ]; then :; \
	elif [ -n "$$CI" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends pgbouncer; \
	else echo "PgBouncer is not installed; its tests are skipped."; fi

$(UV): requirements-uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Install Python 3.11, 3.12 or 3.13, or say PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "$(PYTHON) is $$($(PYTHON) --version). Perennial runs on Python 3.11 to 3.13: say PYTHON=python3.11, for one."; exit 1; }
	@[ -x $(BIN)/python ] || { echo "Making a virtual environment in $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-uv.txt
	@touch $@

# What is installed for development holds what is needed at run time, in the same versions: it is not taken away.
$(RUNTIME): $(UV) requirements.txt pyproject.toml
	@if [ -e $(DEVELOPMENT) ]; then wanted=requirements-dev.txt; else wanted=requirements.txt; fi; $(install)
	@touch $@

$(DEVELOPMENT): $(UV) requirements-dev.txt pyproject.toml
	@wanted=requirements-dev.txt; $(install)
	@touch $@

define install
echo "Installing what $$wanted says …" && \
$(UV) pip sync --python $(BIN)/python --require-hashes --compile-bytecode --quiet $$wanted && \
$(UV) pip install --python $(BIN)/python --no-deps --compile-bytecode --quiet --editable .
endef
