# Everything a person needs: `make lab` and `make test`. See README.md.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
INVENTORY := inventories/lab.py
# Three workers, each with a lab of its own, keep two cores busy; a file's tests stay together.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
# One file of tests, in one process: make test FILE=tests/lab/test_lock.py
FILE :=
TESTS := $(or $(FILE),$(SIDE_BY_SIDE) tests/unit tests/cases tests/lab)

.PHONY: help deps lab deploy state test test-fast unit lint clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

deps: $(VENV)/.installed lab/.packages-checked  ## install what the project needs on this machine

# The lab needs programs of the distribution; asked for only where one is missing.
.PHONY: lab/.packages-checked
lab/.packages-checked:
	@missing=$$(for p in $$(grep -v '^\#' lab/packages.txt); do \
	    dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    echo "Installing" $$missing; \
	    $(SUDO) apt-get -q update && \
	    $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $$missing; \
	fi

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, this is " + sys.version) if sys.version_info < (3, 10) else None'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	    { $(SUDO) apt-get -q update && $(SUDO) apt-get -q -y install python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lab: deps  ## start two simulated GPU servers and deploy to them
	$(BIN)/python -m lab up
	$(BIN)/torchrack lock $(INVENTORY)
	$(BIN)/pyinfra -y $(INVENTORY) deploy.py

deploy: deps  ## run the deploy against the lab again
	$(BIN)/pyinfra -y $(INVENTORY) deploy.py

state: deps  ## check the state of the lab's servers
	$(BIN)/pytest tests/state --inventory $(INVENTORY)

unit: deps  ## run the tests that need no server
	$(BIN)/pytest $(SIDE_BY_SIDE) tests/unit tests/cases -m "not lab"

lint: deps  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: deps $(if $(FILE),,lint)  ## run all tests, or those of FILE; they start a lab of their own and remove it
	$(BIN)/pytest $(TESTS)

test-fast: deps lint  ## run the unit tests, and one server of the lab from bare to done
	$(BIN)/pytest $(SIDE_BY_SIDE) tests/unit tests/cases tests/fast -m "not lab"

clean: deps  ## remove the lab
	$(BIN)/python -m lab destroy
