# Targets: install demo test test-long services test-services lint docs bench clean. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .make
# Modules of benchmarks/ that are run, not those that they share.
BENCHMARKS := statistics.coverage statistics.stopping statistics.stop_peers crossing reduction build dry_runs md throughput
PYTEST_ARGS ?=
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long services test-services lint docs bench clean
.DELETE_ON_ERROR:

help:
	@echo "make install  .venv with everything that developing needs"
	@echo "make demo     a small study with real LAMMPS, from recipe to result (add ARGS=--new to run it again)"
	@echo "make test     the test suite (PYTEST_ARGS are passed on to pytest)"
	@echo "make test-long  the tests that are long by nature; make test runs a sample of each kind"
	@echo "make services   install Slurm, PostgreSQL, RabbitMQ and sshd as packages of Debian (as root)"
	@echo "make test-services  a study on them, disturbed in every part; they run on loopback while the tests do"
	@echo "make lint     ruff, mypy and the import floors"
	@echo "make docs     the documentation as HTML in docs/_build/html"
	@echo "make bench    the benchmarks (BENCH_ARGS are passed on to each: --quick)"
	@echo "make clean    remove caches, stamps and built files (neither .venv nor .aiida)"

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "aiida-cse needs Python 3.10 or newer; $(PYTHON) is `$(PYTHON) --version`. Use make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# -qq leaves errors only: pip's warnings here are about the extras and releases of others.
$(STAMPS)/local: pyproject.toml | $(STAMPS)/venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[local]"
	@touch $@

$(STAMPS)/dev: pyproject.toml | $(STAMPS)/venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[dev]"
	@touch $(STAMPS)/local $@

$(STAMPS)/peers: pyproject.toml | $(STAMPS)/venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[dev,peers]"
	@touch $(STAMPS)/local $(STAMPS)/dev $@

$(STAMPS)/docs: pyproject.toml | $(STAMPS)/venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".[docs,local]"
	@touch $@

install: $(STAMPS)/dev

# An empty AIIDA_PATH per run keeps the tests away from the user's own profiles, and off HOME. Five processes, for two
# cores: each of them has a Python, a profile and now and then a LAMMPS, and waits for one or the other. The threads of
# a linear algebra of its own in each would only wait for each other. The tests start some hundred Pythons, each of
# which would compile the package again without the files that PYTHONDONTWRITEBYTECODE forbids.
test: MARKED := not long
test-long: MARKED := long
test test-long: $(STAMPS)/dev
	@folder=`mktemp -d` && trap 'rm -rf "$$folder"' EXIT && mkdir "$$folder/.aiida" && \
	  AIIDA_PATH="$$folder" OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "$(MARKED)" \
	  -n 5 --dist loadfile --no-loadscope-reorder \
	  --junitxml=$(STAMPS)/tests.xml $(PYTEST_ARGS)

services:
	@sh tests/services/install.sh

test-services: $(STAMPS)/dev
	@folder=`mktemp -d` && trap 'rm -rf "$$folder"' EXIT && mkdir "$$folder/.aiida" && \
	  AIIDA_PATH="$$folder" OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest tests/services -v -s -rs \
	  --junitxml=$(STAMPS)/services.xml $(PYTEST_ARGS)

lint: $(STAMPS)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

demo: $(STAMPS)/local
	AIIDA_PATH="$(CURDIR)/.aiida" $(BIN)/aiida-cse demo $(ARGS)

docs: $(STAMPS)/docs
	AIIDA_PATH="$(CURDIR)/$(STAMPS)/aiida" $(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@! grep -rnE '<script[^>]+src="https?://' docs/_build/html --include='*.html'  # the manual is read offline

bench: $(STAMPS)/peers
	@folder=`mktemp -d` && trap 'rm -rf "$$folder"' EXIT && mkdir "$$folder/.aiida" && \
	  for name in $(BENCHMARKS); do \
	    echo "== $$name"; AIIDA_PATH="$$folder" $(BIN)/python -m "benchmarks.$$name" $(BENCH_ARGS) || exit 1; \
	  done

clean:
	rm -rf $(STAMPS) build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find aiida_cse tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
