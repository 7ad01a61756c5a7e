# Everything runs from here: `make help` says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup server check test nightly mutation demo bench faults up down clean

PYTHON ?= python3
ARGS ?=

# uv from PATH if it is new enough, else one of our own in .tools.
UV_OLDEST := 0.9.0
UV_PINNED := 0.13.9
UV := $(shell found=$$(uv --version 2>/dev/null | cut -d' ' -f2); \
	if [ -n "$$found" ] && printf '%s\n' $(UV_OLDEST) "$$found" | sort -VC; then echo uv; \
	else echo .tools/bin/uv; fi)
RUN := $(UV) run --no-sync
ROOMS := schemas decisions protocols workflows activities client history cli simulation deploy worker.py starter.py

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Options are passed on with ARGS, such as: make test ARGS='-k postgres'"

# Byte code is compiled here: else the first start of each module takes that time, and where PYTHONDONTWRITEBYTECODE is
# set every start.
setup: $(filter .tools/%,$(UV)) ## Install what the project needs into .venv, as locked
	$(UV) sync --frozen --compile-bytecode
	$(RUN) python -m compileall -q $(ROOMS)

.tools/bin/uv:
	@echo "no uv $(UV_OLDEST) or newer on PATH: installing uv $(UV_PINNED) into .tools"
	"$(PYTHON)" -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_PINNED)"

server: setup ## Find the Temporal server, or build it once (minutes)
	$(RUN) python -m deploy.temporal_server

check: setup ## Format, lint, types, and which room imports which
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports

test: setup server check ## All checks and all tests (ARGS go to pytest)
	$(RUN) pytest -n 2 --dist loadfile --durations=15 $(ARGS)

nightly: setup server ## The tests that take minutes (ARGS go to pytest)
	$(RUN) pytest -v --durations=10 -m nightly $(ARGS)

mutation: setup ## Change the rules in small ways: do the tests notice? (minutes)
	$(RUN) python -m tests.mutation_score $(ARGS)

demo: setup server ## Run a simulated trial from consent to follow-up
	$(RUN) python -m simulation.demo $(ARGS)

bench: setup server ## Measure how much one machine carries
	$(RUN) python -m simulation.bench $(ARGS)

faults: setup server ## Kill worker, server and PostgreSQL in simulated trials: is anything lost? (minutes)
	$(RUN) python -m simulation.faults $(ARGS)

up: setup ## Start Temporal, Postgres and the worker, and leave them running
	$(RUN) trial up $(ARGS)

down: setup ## Stop what `make up` started; the data stay
	$(RUN) trial down $(ARGS)

clean: ## Remove the environment and the tools' caches (never data)
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
