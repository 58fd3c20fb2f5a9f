# Dialpost: every command a newcomer needs. Bare `make` prints this list.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILED := $(VENV)/.tests-compiled
ARGS ?=
MINUTES ?= 10
SEED ?= 1
# In several processes (ARGS=-n0: in this one). The tests start hundreds of interpreters, which are slow without byte code.
PARALLEL := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n auto --dist worksteal

.PHONY: help setup run test test-release fuzz lint check format test-system test-line test-crash system-deps image image-deps test-image release bench lock clean

help: ## Print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with the locked packages; the command is then .venv/bin/dialpost

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Dialpost needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv (about a minute the first time) ..."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## The main job with a simulated line, provider and panel (ARGS="--once --outbound 20 ...")
	@$(BIN)/dialpost simulate $(ARGS)

# Once, by one process. Those that run the tests would each compile them all, at the same time.
$(COMPILED): $(STAMP)
	@echo "Compiling the tests (some ten seconds, once) ..."
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --collect-only -q >$(COMPILED) 2>&1 || true

test: setup $(COMPILED) ## All tests that need only Python, in parallel (ARGS="-n0 --pdb": one by one)
	$(PARALLEL) -m "not system and not release" $(ARGS)

test-release: setup ## Test the output of `make release` without root, and its wheel, installed alone in a fresh venv: boards, modems, a simulated call (needs the network)
	$(BIN)/pytest tests/release $(ARGS)

fuzz: setup ## Feed new input to all readers of foreign bytes for MINUTES (10), and count it; failures stay in .hypothesis
	FUZZ_MINUTES=$(MINUTES) $(BIN)/pytest -q tests/fuzz $(ARGS)

cover: setup ## Run the core's own tests; fails if they leave a line of the core unrun
	@core=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")'); \
	  COVERAGE_CORE=$$core $(BIN)/coverage run -m pytest -q tests/core $(ARGS)
	@$(BIN)/coverage report

mutants: setup ## Change the core in small ways for MINUTES (10), a sample by SEED (1), and list the changes that no test notices
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutants.lock
	DIALPOST_TEST_INPUTS=all PYTHONPATH=tests $(BIN)/python -m mutants.run --minutes $(MINUTES) --seed $(SEED) $(ARGS)

lint: setup ## Format, lint, types (the tests' too), import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## Lint, and the quick tests
	$(PARALLEL) -q -m "not system and not release and not slow" $(ARGS)

system-deps: ## Install the programs for `test-system` and `bench` (lists them first; needs root)
	@tests/system/servers/install

test-system: setup ## Real Postfix, Exim, Dovecot, swaks, pppd and kills under load (first: make system-deps)
	$(BIN)/pytest tests/system --ignore=tests/system/image $(ARGS)

test-line: setup ## The part of test-system with two guests, real pppd and a simulated telephone line between them
	$(BIN)/pytest tests/system/line $(ARGS)

test-crash: setup ## The crash proof in full: every sequence, 1,000 kills, killed at each call of a start (root; many hours)
	DIALPOST_CRASH_SECONDS=all DIALPOST_TEST_KILLS=1000 DIALPOST_EVERY_CALL=KILL $(BIN)/pytest \
	  tests/system/card/test_crash_proof.py tests/system/card/test_kill.py tests/system/card/test_every_call.py $(ARGS)

image-deps: ## Install the programs for `image` and `test-image` (lists them first; needs root)
	@image-build/deps

image: setup ## The SD-card image, in .cache/image/out; 20 to 45 minutes the first time (first: make image-deps; root)
	@image-build/build $(ARGS)

test-image: setup ## Start the image in an emulated board and use it as an operator does (first: make image; its call needs make system-deps)
	$(BIN)/pytest tests/system/image $(ARGS)

release: setup ## Build all files to publish for this version, in dist/ (root, for image and bundle; ARGS=--wheel: without them)
	@$(BIN)/python release/build.py $(ARGS)

bench: setup ## Measure the promised speed, beside Postfix (ARGS=--quick for a first look)
	@PYTHONPATH=tests:tests/system $(BIN)/python bench/run.py $(ARGS)

format: setup ## Let ruff format and fix the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup ## Resolve pyproject.toml again into the lock files (needs the network)
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra dev -o requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra dev --extra mutants -c requirements-dev.lock -o requirements-mutants.lock pyproject.toml

clean: ## Remove all output of `make` (not your mail, nor the update keys in .cache/image/keys)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache firmware/*.egg-info
	[ ! -d .cache ] || find .cache -depth -mindepth 1 ! -path .cache/image ! -path '.cache/image/keys*' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
