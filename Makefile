# What a newcomer types: `make demo`, `make test`. Each makes its own environment the first time.

PYTHON ?= python3
DEMO_ENV := .venv-demo
TEST_ENV := .venv
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
# One BLAS thread a process: on a few cores, two test processes with two threads each stand in their own way.
PINNED := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test test-slow check lint types contracts format wheel bench reliability clean

demo: $(DEMO_ENV)/.installed  ## tune a real model; two to four minutes the first time, at once later
	@$(DEMO_ENV)/bin/python tutorials/demo.py

test: $(TEST_ENV)/.installed  ## all default tests
	$(PINNED) $(TEST_ENV)/bin/python -m pytest -n 2 -q

test-slow: $(TEST_ENV)/.installed  ## the tests that take minutes, the regrets of the torture list among them
	$(PINNED) $(TEST_ENV)/bin/python -m pytest -n 2 -q -m slow

check: lint types contracts  ## what CI looks at before the tests

lint: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/ruff check
	$(TEST_ENV)/bin/ruff format --check

types: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/python -m mypy bbopt

contracts: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/lint-imports

format: $(TEST_ENV)/.installed
	$(TEST_ENV)/bin/ruff check --fix
	$(TEST_ENV)/bin/ruff format

bench: $(TEST_ENV)/.installed  ## everything measured; an hour or more. gpu.py says so where there is no GPU
	@missed=; for script in speed scaling quality efficiency crash footprint blocks parts approximations gpu \
	    'speed --busy'; do echo "--- $$script"; \
	    set -- $$script; $(TEST_ENV)/bin/python benchmarks/$$1.py $$2 || missed="$$missed, $$script"; done; \
	    [ -z "$$missed" ] || { echo "failed, or missed a target: $${missed#, }"; exit 1; }

reliability: $(TEST_ENV)/.installed  ## every crash, crowd and torture script, in full; an hour
	@failed=; for name in resume kill_storm crowd exhaustion torture affine fuzz_tells; do echo "--- $$name"; \
	    $(TEST_ENV)/bin/python reliability/$$name.py || failed="$$failed, $$name"; done; \
	    [ -z "$$failed" ] || { echo "failed: $${failed#, }"; exit 1; }

wheel: $(TEST_ENV)/.installed  ## build a wheel and try it in an empty environment outside the tree
	PYTHON=$(TEST_ENV)/bin/python .ci/try-wheel

clean:
	rm -rf $(DEMO_ENV) $(TEST_ENV) build dist *.egg-info demo-out

$(DEMO_ENV)/.installed: pyproject.toml constraints.txt
	@echo "Making the environment $(DEMO_ENV) (once) ..."
	@$(PYTHON) -m venv $(DEMO_ENV)
	@$(DEMO_ENV)/bin/python $(PIP_INSTALL) -e '.[sklearn,plot]'
	@touch $@

$(TEST_ENV)/.installed: pyproject.toml constraints.txt
	@echo "Making the environment $(TEST_ENV) (once) ..."
	@$(PYTHON) -m venv $(TEST_ENV)
	@$(TEST_ENV)/bin/python $(PIP_INSTALL) -e '.[all,dev]'
	@touch $@
