# Two commands do everything on a machine that has Python 3.11 to 3.13, pip and make:
#   make demo    and    make test
# Both keep to the folder .venv; the stamps in it make a second call instant.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
WORKERS ?= 2
LAKE ?= lake
# The first Python that fits, unless the caller names one: make PYTHON=/path/to/python3.12 demo
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)

say = @printf '\033[1m==> %s\033[0m\n'

.PHONY: help
help: ## these lines
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.demo ## a quarter synthesised, computed, evaluated, reported and served; ARGS="--no-serve" and the like
	@$(BIN)/playhead demo $(ARGS)

.PHONY: test
test: lint types unit ## everything a change must pass; needs no server and no browser

.PHONY: lint
lint: $(VENV)/.dev ## ruff and the import contracts
	$(say) 'ruff check'
	@$(BIN)/ruff check
	$(say) 'ruff format --check'
	@$(BIN)/ruff format --check
	$(say) 'import contracts'
	@$(BIN)/lint-imports

.PHONY: types
types: $(VENV)/.dev ## mypy, strict
	$(say) 'mypy'
	@$(BIN)/mypy

.PHONY: unit
unit: $(VENV)/.dev ## pytest without the integration tests; ARGS="tests/alerts -x" and the like
	$(say) 'pytest'
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope $(ARGS)

.PHONY: integration
integration: $(VENV)/.spark $(VENV)/.focus ## the tests that need promtool, Java with Spark, LibreOffice or a browser
	$(say) 'pytest -m integration'
	@$(BIN)/python -m pytest -m integration $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev ## measure beside peers, print one table, write docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(ARGS)

# No index address is written: whoever regenerates uses the index their own client is set up for.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'
.PHONY: lock
lock: $(VENV)/.dev ## resolve the dependencies anew; ARGS="--upgrade" for the newest
	@$(COMPILE) pyproject.toml --group build -o requirements.lock $(ARGS)
	@$(COMPILE) pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock $(ARGS)
	@$(COMPILE) --group spark -c requirements-dev.lock -o requirements-spark.lock $(ARGS)
	@$(subst 3.11,3.12,$(COMPILE)) --group focus -o requirements-focus.lock $(ARGS)

.PHONY: screenshots
screenshots: $(VENV)/.dev ## the README's pictures of a demo's lake, made in Chromium; LAKE=lake
	@PLAYHEAD_SHOWN=$(abspath $(LAKE)) PLAYHEAD_SCREENSHOTS=$(abspath docs/screenshots) $(BIN)/python -m pytest -n 0 \
	  -m integration tests/dashboards/test_browser.py -k pictures

.PHONY: validation
validation: $(VENV)/.dev ## the emulated service beside the field, docs/validation.md; ARGS="--lake lake --traces DIR"
	@$(BIN)/python -m benchmarks.validation $(ARGS)

.PHONY: clean
clean: ## remove the environment, caches and builds; a lake is left alone
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment -------------------------------------------------------------------------------

# Some distributions split ensurepip off; the machine's own pip then serves the environment.
$(VENV)/.created:
	@test -n '$(PYTHON)' || { echo 'make: no Python 3.11 to 3.13 found; install one, or name it: \
	make PYTHON=/path/to/python3.12' >&2; exit 1; }
	$(say) 'environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || $(PYTHON) -m venv --without-pip --clear $(VENV)
	@touch $@

PIP = $(shell $(BIN)/python -m pip --version >/dev/null 2>&1 && echo $(BIN)/python -m pip \
  || echo $(PYTHON) -m pip --python $(BIN)/python)
PIP_QUIETLY := --no-input --disable-pip-version-check

# Every wheel is checked against its hash; wheels only, so that no package is built here.
define install
	$(say) 'packages of $(1)'
	@$(PIP) install $(PIP_QUIETLY) --only-binary :all: --require-hashes -r $(1)
	$(say) 'playhead itself'
	@$(PIP) install $(PIP_QUIETLY) --quiet --no-deps --no-build-isolation -e .
endef

$(VENV)/.demo: requirements.lock pyproject.toml | $(VENV)/.created
	$(call install,requirements.lock)
	@touch $@

# The development lock holds the runtime lock's packages at the same versions, so it serves `make demo` too.
$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml | $(VENV)/.created
	$(call install,requirements-dev.lock)
	@touch $(VENV)/.demo $@

# Spark is published as a source archive alone (450 MB, ready-made jars: packed here, nothing compiled).
$(VENV)/.spark: requirements-spark.lock $(VENV)/.dev
	$(say) 'packages of $<'
	@$(PIP) install $(PIP_QUIETLY) --only-binary :all: --no-binary pyspark --no-build-isolation \
	  --require-hashes -r $<
	@touch $@

# The FOCUS validator in an environment of its own; without a Python 3.12 or 3.13 its test is skipped.
# pyenv's python3.12 runs only where 3.12 is its chosen version, so its other versions are called by their prefix.
FOCUS_PYTHON ?= $(shell for p in python3.12 python3.13 python3 $(PYTHON) \
  $$(for v in $$(pyenv versions --bare 2>/dev/null); do echo "$$(pyenv prefix $$v)/bin/python"; done); do \
  $$p -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
$(VENV)/.focus: requirements-focus.lock | $(VENV)/.created
	$(say) 'packages of $<'
	@python='$(FOCUS_PYTHON)'; \
	  if test -z "$$python"; then echo 'no Python 3.12 or 3.13: the FOCUS validator is left out'; exit 0; fi; \
	  "$$python" -m venv --clear $(VENV)/focus && \
	  $(VENV)/focus/bin/python -m pip install $(PIP_QUIETLY) --quiet --require-hashes -r $< && touch $@
