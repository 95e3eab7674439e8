# `make` alone lists the targets. Everything is put into .venv and .cache, nothing elsewhere.

PYTHON ?= python3
ARGS ?=
# Tests run in parallel; three on two cores, because those with real databases mostly wait.
JOBS ?= 3
# How many times as long `make fuzz` runs as the fuzz tests of `make test`, and its seed.
TIMES ?= 20
SEED ?= 1
# How many backfills `make kill` runs with each of its seeds; `make test` runs three.
ROUNDS ?= 20
SEEDS ?= 1 2 3
UV_VERSION := 0.13.9

VENV := .venv
BIN := $(VENV)/bin
LOCK_VENV := .cache/lock/.venv
DRAWING := tests/grafana/rendering
DRAWING_MADE := .cache/grafana-rendering

# Stamp files: an unchanged tree installs nothing again.
VENV_MADE := $(VENV)/.made
RUNTIME_INSTALLED := $(VENV)/.runtime-installed
DEV_INSTALLED := $(VENV)/.dev-installed
PROJECT_INSTALLED := $(VENV)/.project-installed
LOCK_TOOL_INSTALLED := $(LOCK_VENV)/.uv-$(UV_VERSION)
NPM_INSTALLED := $(DRAWING_MADE)/.npm-installed
BUNDLE := $(DRAWING_MADE)/bundle/page.js

PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
QUIET_INSTALL := install --quiet --require-hashes

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types unit fuzz kill benchmarks docs pictures programs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

demo: $(PROJECT_INSTALLED) ## start the exporter on a simulated portal (ARGS="--web.listen-address :9000")
	$(BIN)/smarthub-exporter demo $(ARGS)

test: lint types programs ## everything that must pass: lint, types and all tests (ARGS="-k dst")
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

lint: $(DEV_INSTALLED) ## style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(DEV_INSTALLED) ## mypy, strict
	$(BIN)/mypy

unit: $(DEV_INSTALLED) ## the quick tests, under a minute: no other processes, nothing slow (ARGS="-k dst")
	$(BIN)/python -m pytest -n $(JOBS) -m "not e2e and not process and not slow" $(ARGS)

fuzz: $(DEV_INSTALLED) ## damaged answers, state files and requests, for minutes (TIMES=50 SEED=7)
	FUZZ_TIMES=$(TIMES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -n $(JOBS) --timeout 0 tests/fuzz $(ARGS)

kill: $(DEV_INSTALLED) programs ## backfills amid random kills, for minutes (ROUNDS=50 SEEDS="7 8")
	KILL_ROUNDS=$(ROUNDS) KILL_SEEDS="$(SEEDS)" $(BIN)/python -m pytest --timeout 0 tests/e2e/test_backfill_kills.py $(ARGS)

benchmarks: $(DEV_INSTALLED) programs ## measure speed and size (ARGS=--json, ARGS="pages meters")
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(PROJECT_INSTALLED) ## write the tables of the documents that come from the code
	$(BIN)/python -m tools.reference

programs: $(BUNDLE) ## install the databases, scrapers and other programs that the tests start
	@.ci/debian-programs

pictures: $(DEV_INSTALLED) programs ## make the pictures in docs/ from demo data, in about a minute
	$(BIN)/python -m tests.pictures

clean: ## remove everything that make created
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Debian packages venv without ensurepip; root can install the missing package.
define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: install it, or name it: make PYTHON=python3.12' >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -q </dev/null || echo 'some package sources do not answer; going on with the others' >&2; \
		DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv </dev/null; \
	fi
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'Python cannot make a virtual environment: install the package python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(1)
endef

$(VENV_MADE):
	$(call make_venv,$(VENV))
	@touch $@

$(RUNTIME_INSTALLED): requirements.txt requirements-build.txt $(VENV_MADE)
	$(PIP) $(QUIET_INSTALL) -r requirements.txt -r requirements-build.txt
	@touch $@

# Without build isolation, pip uses the locked build backend instead of the newest one.
$(PROJECT_INSTALLED): pyproject.toml exporter/__init__.py $(RUNTIME_INSTALLED)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# After the project, so that only one pip changes the environment at a time, even with make -j.
$(DEV_INSTALLED): requirements-dev.txt $(RUNTIME_INSTALLED) | $(PROJECT_INSTALLED)
	$(PIP) $(QUIET_INSTALL) -r requirements-dev.txt
	@touch $@

$(NPM_INSTALLED): $(DRAWING)/package.json $(DRAWING)/package-lock.json $(DRAWING)/.npmrc
	@command -v npm >/dev/null || { echo 'npm is missing: install the packages nodejs and npm' >&2; exit 1; }
	@mkdir -p $(@D)
	@cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# Bundled from a copy, because node looks for libraries beside the importing file.
$(BUNDLE): $(wildcard $(DRAWING)/*.js $(DRAWING)/*.jsx $(DRAWING)/*.mjs) $(NPM_INSTALLED)
	@cp $(filter $(DRAWING)/%,$^) $(DRAWING_MADE)
	cd $(DRAWING_MADE) && node build.mjs bundle/page.js

# Keeps versions that still fit; ARGS=--upgrade takes the newest.
UV_COMPILE = $(LOCK_VENV)/bin/uv pip compile --quiet --no-config --python $(LOCK_VENV)/bin/python \
	--universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock' $(ARGS)
# The build backend needs `editables` for an editable install, which no file of this project names.
BUILD_REQUIREMENTS = $(LOCK_VENV)/bin/python -c 'import tomllib; \
	requires = tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"]; \
	print("\n".join([*requires, "editables~=0.3"]))'

lock: $(LOCK_TOOL_INSTALLED) ## update the lock files after a change of pyproject.toml (ARGS=--upgrade: newest versions)
	$(BUILD_REQUIREMENTS) >.cache/lock/build.in
	$(UV_COMPILE) pyproject.toml --output-file requirements.txt
	$(UV_COMPILE) - <.cache/lock/build.in --constraint requirements.txt --output-file requirements-build.txt
	$(UV_COMPILE) pyproject.toml - --group dev <.cache/lock/build.in \
		--constraint requirements.txt --constraint requirements-build.txt --output-file requirements-dev.txt

$(LOCK_TOOL_INSTALLED):
	$(call make_venv,$(LOCK_VENV))
	$(LOCK_VENV)/bin/python -m pip --disable-pip-version-check --no-input install --quiet uv==$(UV_VERSION)
	@touch $@
