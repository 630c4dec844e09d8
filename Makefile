# make run            an archive's whole way on this machine; IMAGE=path.tar takes your own
# make test           the tests that pin behaviour
# make check          what takes longer: real clients, large archives, conformance
# make bench|lint|types|fuzz|differential|pins|docs|clean

# The distribution's own where it will do (docs/decisions/0027-the-distributions-python.md).
DISTRIBUTIONS := /usr/bin/python3
WILL_DO := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell $(DISTRIBUTIONS) -c '$(WILL_DO)' 2>/dev/null && echo $(DISTRIBUTIONS) || echo python3)
IMAGE ?=
ARCHIVE ?=
WORKERS ?= 2
FUZZ_SECONDS ?= 600
EXAMPLES ?= 200000

BIN := .venv/bin
# pip is silent unless it fails, and leaves compiling to the first import: most modules are never imported.
PIP := PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip --quiet --disable-pip-version-check
# In pieces, and each worker in order: the slowest tests come first, and one AWS of a process ends where another begins.
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --maxschedchunk 30

.DEFAULT_GOAL := run
.PHONY: run test check bench lint types fuzz differential pins docs clean
.DELETE_ON_ERROR:

run: .venv/installed-local
	@$(BIN)/transship local push $(IMAGE)

test: .venv/installed-dev
	@$(PYTEST) -m "not check"

check: .venv/installed-dev
	@$(PYTEST) -m check

bench: .venv/installed-dev
	@$(BIN)/python -m transship.bench $(ARCHIVE)
	@$(BIN)/python -m transship.bench.local_aws

lint: .venv/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/installed-dev
	@$(BIN)/mypy

fuzz: .venv/installed-dev
	@mkdir -p build/fuzz/found build/fuzz/seeds
	@PYTHONPATH=. $(BIN)/python tests/fuzz/seeds.py build/fuzz/seeds
	@PYTHONPATH=. $(BIN)/python tests/fuzz/target.py -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=512 \
		-artifact_prefix=build/fuzz/ build/fuzz/found build/fuzz/seeds

# The tar walk against other readers, for as long as it takes.
differential: .venv/installed-dev
	@TRANSSHIP_EXAMPLES=$(EXAMPLES) $(PYTEST) tests/fuzz

# requirements.txt and constraints.txt, from pyproject.toml and what is installed here.
pins: .venv/installed-dev
	@$(BIN)/python -m transship.deploy.pins

# The tables of README.md, from the code.
docs: .venv/installed-dev
	@$(BIN)/python -m transship.docs

clean:
	@rm -rf .venv .chalice/deployments .chalice/deployed build dist *.egg-info
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .local-aws
	@find chalicelib transship tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -m venv .venv

.venv/installed-local: .venv/bin/python pyproject.toml constraints.txt
	@$(PIP) install --no-compile --editable '.[local]'
	@touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt
	@$(PIP) install --no-compile --editable '.[local,dev]'
	@touch $@ .venv/installed-local
