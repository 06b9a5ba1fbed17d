# The commands of the house. `make help` prints this list.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
UV := .uv/bin/uv
PY := .venv/bin/python
PY211 := .venv-2.11/bin/python
SOURCES := airflow_provider_kaltura example_dags tests scripts
# Unit tests that know Airflow; suites about whole libraries; those that start a whole Airflow; and those that compare rates.
AIRFLOW := tests/unit/airflow tests/unit/docs
LIBRARIES := tests/sandbox tests/sync tests/batches tests/listing tests/catalog
ALONE := tests/e2e tests/triggerer
MEASURED := tests/stores/test_throughput.py

.PHONY: help venv system-packages check test test-all demo sandbox lock format clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet uv==0.13.9

.venv/.ready: requirements/airflow-3.3.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(PY) requirements/airflow-3.3.lock
	$(UV) pip install --quiet --python $(PY) --no-deps --editable .
	touch $@

.venv-2.11/.ready: requirements/airflow-2.11.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-2.11
	$(UV) pip sync --quiet --python $(PY211) requirements/airflow-2.11.lock
	$(UV) pip install --quiet --python $(PY211) --no-deps --editable .
	touch $@

venv: .venv/.ready ## Make .venv: the newest Airflow and all tools

lock: | $(UV) ## Compile the lock of each Airflow version again
	$(UV) pip compile --quiet --python-version 3.11 --no-annotate --generate-hashes --extra sandbox --extra s3 --extra gcs --extra azure --extra captions --extra catalog --group test \
	  --group lint pyproject.toml requirements/airflow-3.3.in -o requirements/airflow-3.3.lock
	$(UV) pip compile --quiet --python-version 3.11 --no-annotate --generate-hashes --extra sandbox --extra s3 --extra gcs --extra azure --extra captions --extra catalog --group test \
	  pyproject.toml requirements/airflow-2.11.in -o requirements/airflow-2.11.lock

format: .venv/.ready ## Format the code and apply safe fixes
	.venv/bin/ruff check --fix $(SOURCES)
	.venv/bin/ruff format $(SOURCES)

check: .venv/.ready ## Lint, types, layers, docstrings, unit tests (<= 3 minutes)
	.venv/bin/ruff check $(SOURCES)
	.venv/bin/ruff format --check $(SOURCES)
	.venv/bin/codespell $(SOURCES) docs *.md
	.venv/bin/validate-pyproject pyproject.toml
	.venv/bin/mypy
	.venv/bin/lint-imports
	@# In an environment of its own: another package's docstring_parser takes the place of the one that it needs.
	$(UV) tool run --quiet --python $(PY) pydoclint@0.12.0 --quiet airflow_provider_kaltura
	@# Two halves of the unit tests side by side, one per core.
	@mkdir -p .test-runs
	@$(PY) -m pytest -q -m "not all" tests/unit/airflow tests/unit/docs > .test-runs/half.log 2>&1 & half=$$!; \
	  $(PY) -m pytest -q -m "not all" tests/unit --ignore=tests/unit/airflow --ignore=tests/unit/docs; status=$$?; \
	  wait $$half || status=1; cat .test-runs/half.log; exit $$status

system-packages: ## Install what the tests need from the system (sshd), or say which command does
	@bash scripts/system_packages.sh

test: check .venv-2.11/.ready system-packages ## What a change must pass, on both Airflow versions (<= 20 minutes)
	@# Two lanes side by side, one per core: 2.11 and whole libraries, stores and DAGs. Then what starts a whole Airflow.
	@mkdir -p .test-runs
	@($(PY211) -m pytest -q -m "not all" $(AIRFLOW); status=$$?; \
	  $(PY211) -m pytest -q -m "not all" tests/dags || status=1; \
	  $(PY) -m pytest -q -m "not all" $(LIBRARIES) || status=1; exit $$status) > .test-runs/lane.log 2>&1 & lane=$$!; \
	  $(PY) -m pytest -q -m "not all" tests/servers tests/stores tests/kills tests/dags; status=$$?; \
	  wait $$lane || status=1; cat .test-runs/lane.log; exit $$status
	$(PY) -m pytest -q -m "not all" $(ALONE)

test-all: test ## All of it, long tests included (<= 75 minutes)
	@# What measures has the machine for itself.
	$(PY) -m pytest -q -m all $(MEASURED)
	@($(PY211) -m pytest -q -m "not all" tests/unit $(AIRFLOW:%=--ignore=%); status=$$?; \
	  $(PY) -m pytest -q -m all tests --ignore=tests/stores --ignore=tests/kills $(ALONE:%=--ignore=%) || status=1; \
	  exit $$status) > .test-runs/lane.log 2>&1 & lane=$$!; \
	  $(PY) -m pytest -q -m all tests/stores tests/kills --ignore=$(MEASURED); status=$$?; \
	  wait $$lane || status=1; cat .test-runs/lane.log; exit $$status
	$(PY) -m pytest -q -m all $(ALONE)

demo: .venv/.ready ## The main job from end to end: sandbox, a real Airflow, files compared
	@$(PY) -m scripts.demo

sandbox: .venv/.ready ## Serve the sandbox on port 8010 to develop DAGs against
	$(PY) -m airflow_provider_kaltura.sandbox --port 8010

clean: ## Remove what the commands above made
	rm -rf .uv .venv .venv-2.11 .demo .test-runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
