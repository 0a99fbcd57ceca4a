# Every target sets up first; that costs nothing when it is done. `make help` lists them.
PYTHON ?= python3
PY := .venv/bin/python
RUNTIME := $(PY) -m swiftex.runtime
STAMP := .venv/.installed
REQUIREMENTS := requirements.txt requirements-dev.txt
TEST_DATA := .swiftex/test

.PHONY: help setup demo run services stop test lint check bench
.DEFAULT_GOAL := help

help: ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1|\2/' | while IFS='|' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

setup: ## make the virtual environment in .venv with the pinned packages
	@PYTHON="$(PYTHON)" STAMP="$(STAMP)" sh .ci/setup $(REQUIREMENTS)

demo: setup ## start everything with the sandbox, greet sample leads, keep serving (ONCE=1: end after the samples)
	@exec $(RUNTIME) demo $(if $(filter-out 0,$(ONCE)),--once)

run: setup ## run all processes for real use, reading the environment; Ctrl-C ends them
	@exec $(RUNTIME) run $(ARGS)

services: setup ## run the embedded PostgreSQL and Redis alone
	@exec $(RUNTIME) services

stop: setup ## end what `make run`, `make services` or `make demo` started
	@exec $(RUNTIME) stop

test: setup ## run the whole test suite on embedded services (ARGS=tests/unit for a part)
	@exec $(RUNTIME) with-services --data-dir $(TEST_DATA) -- $(PY) -m pytest $(ARGS)

lint: setup ## check style, types and import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports
	@.venv/bin/mypy .

check: lint test ## lint and test: what CI runs

bench: setup ## run all benchmarks, one after the other
	@failed=0; for name in $$(grep -l '^def main' benchmarks/*.py | sed -E 's,benchmarks/(.*)\.py,\1,'); do \
		echo "== benchmarks.$$name"; $(PY) -m benchmarks.$$name || failed=1; \
	done; exit $$failed
