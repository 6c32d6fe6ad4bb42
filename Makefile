# make setup   everything that development needs: .venv, node_modules of the client tests, and the browser client
# make run     migrate the database and serve; settings come from LONGSHORE_* and .env
# make test    the whole suite; ARGS="-k name" picks from its Python part
# make lint    formatting, style, types, and who may import whom
# make web-client   build the browser client into web/dist; needs Node.js
# make bench   Longshore beside other tus servers and beside the floor; ARGS="--help" tells what can be chosen;
#              make bench-servers installs the others into build/, where they are found
# make lock    write requirements.lock anew, with the newest versions that pyproject.toml allows

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=

# Stamps: what was installed is at least as new as what asked for it.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
JS := tests/e2e/js
ifneq ($(wildcard $(JS)/package.json),)
INSTALLED_JS := $(JS)/node_modules/.installed
endif

# Node.js, where it is new enough for what builds the browser client.
WEB := web
WEB_BUILD := $(WEB)/dist/index.html
WEB_SOURCES := $(WEB)/index.html $(WEB)/vite.config.ts $(WEB)/svelte.config.js $(shell find $(WEB)/src -type f -print)
NODE := $(shell node -p 'const [a, b] = process.versions.node.split(".").map(Number); a * 100 + b >= 2019 ? "yes" : ""' \
  2> /dev/null)

.PHONY: setup run web-client test bench bench-servers lint format lock clean
.DEFAULT_GOAL := setup

setup: $(INSTALLED_DEV) $(INSTALLED_JS) $(WEB_BUILD)

# exec, so that Ctrl-C reaches the server alone and its exit status is make's.
run: $(INSTALLED)
ifeq ($(NODE),)
	@test -e $(WEB_BUILD) || echo 'Without the browser client, which takes Node.js 20.19 or newer to build.'
else
	@$(MAKE) web-client || echo 'Without the newest browser client: it could not be built.'
endif
	@$(BIN)/longshore db upgrade; exec $(BIN)/longshore serve

web-client: $(WEB_BUILD)

# Four processes: more would make tests that measure time wait for each other.
# Many tests are about real faults and real clients, on machines that may be busy with something else: what fails is run
# once more, by itself. Both are shown; what fails again, fails.
test: setup
	$(if $(ARGS),,cd $(WEB) && npm run --silent check)
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(ARGS)$(if $(ARGS),, || \
	  { test $$? -eq 1; echo 'What failed, once more:'; $(BIN)/python -m pytest --last-failed --maxfail=1; })

bench: $(INSTALLED_DEV)
	$(BIN)/python -m tests.bench $(ARGS)

bench-servers:
	tests/bench/install-servers.sh build/bench-servers

lint: $(INSTALLED_DEV) $(WEB)/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src tests
	$(BIN)/lint-imports --no-logo
	cd $(WEB) && npm run --silent lint

format: $(INSTALLED_DEV)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# Resolved in an environment of its own, so that nothing that happens to be in .venv gets in.
lock: $(BIN)/python
	rm -rf build/lock
	$(BIN)/python -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check '.[client,dev,postgres]'
	{ echo '# Written by `make lock`: the versions that are tested together. A constraints file for pip.'; \
	  build/lock/bin/python -m pip freeze --disable-pip-version-check --exclude longshore; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf build/lock

clean:
	rm -rf $(VENV) $(JS)/node_modules $(WEB)/node_modules $(WEB)/dist build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo 'Longshore needs Python 3.11 or newer: there is none on the PATH.' >&2; exit 1; fi; \
	if ! $$found -m venv $(VENV); then rm -rf $(VENV); \
	  echo "$$found cannot make a virtual environment (on Debian: apt-get install python3-venv)." >&2; exit 1; fi

$(INSTALLED): pyproject.toml requirements.lock | $(BIN)/python
	$(PIP_INSTALL) --constraint requirements.lock --editable '.[client,postgres]'
	@touch $@

$(INSTALLED_DEV): pyproject.toml requirements.lock | $(BIN)/python
	$(PIP_INSTALL) --constraint requirements.lock --editable '.[client,dev,postgres]'
	@touch $(INSTALLED) $@

$(JS)/node_modules/.installed: $(JS)/package.json $(wildcard $(JS)/package-lock.json)
	@if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2> /dev/null; then \
	  echo 'The client tests need Node.js 20 or newer: there is none on the PATH.' >&2; exit 1; fi
	cd $(JS) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB)/node_modules/.installed: $(WEB)/package.json $(WEB)/package-lock.json
	@if [ -z '$(NODE)' ]; then \
	  echo 'The browser client needs Node.js 20.19 or newer: there is none on the PATH.' >&2; exit 1; fi
	cd $(WEB) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB_BUILD): $(WEB)/node_modules/.installed $(WEB_SOURCES)
	cd $(WEB) && npm run --silent build -- --logLevel=warn
	@touch $@
