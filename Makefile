# The two commands are `make run` and `make test`; the rest serves them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DAYS ?= 14

.PHONY: run test advance update generate lint types lock clean help
.DEFAULT_GOAL := help

help: ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked dependencies into $(VENV) (a minute or two, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(VENV)/.installed ## sandbox, warehouse, Dagster UI on loopback; Ctrl-C stops all
	@exec $(BIN)/dreamclass-intel up

test: $(VENV)/.installed ## lint, types, definitions, all tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/dg check defs
	@$(BIN)/dagster definitions validate 2>/dev/null
	@$(BIN)/python -m pytest -n 3 --dist loadfile  # one worker waits for the daemon in e2e, two work

advance: $(VENV)/.installed ## move the running sandbox on: make advance DAYS=14
	@$(BIN)/dreamclass-intel advance --days $(DAYS)

update: $(VENV)/.installed ## load what is missing, headless
	@$(BIN)/dreamclass-intel update $(ALERTS)

generate: $(VENV)/.installed ## write the files that follow from contracts and registry
	@$(BIN)/dreamclass-intel generate

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	@uv pip compile --quiet --extra dev --no-header --no-emit-index-url --no-annotate --python-version 3.11 pyproject.toml -o requirements.lock

clean: ## forget warehouse, runs and the sandbox's clock
	@rm -rf .state dbt/target dbt/logs
