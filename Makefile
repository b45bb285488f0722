# Each command does all its own set-up on a fresh machine; the first two are make demo, make test.
PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/installed
export DO_NOT_TRACK := 1
export GX_ANALYTICS_ENABLED := False
# Modules are compiled once: without this, where it is set, every command compiles them again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo airflow test test-airflow test-browser lint contracts released chaos bench \
	bench-airflow bench-compare bench-demo bench-estimate bench-landing bench-linkage bench-mock \
	bench-national bench-pages bench-postgres bench-refresh bench-studies \
	coverage lock prove-checks prove-disclosure prove-linkage sources clean

help:             ## List what can be made; make PYTHON=python3.12 … takes another Python
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(SETUP)    ## Mock registers to a released risk table, through the Airflow DAGs
	@$(BIN)/python -m etl.demo

test: $(SETUP)    ## The whole suite, on at most four cores
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-browser: $(SETUP) ## The pages in a headless Chromium; says so where there is none
	@$(BIN)/python -m pytest tests/test_browser.py $(ARGS)

airflow: $(SETUP) ## Airflow and its PostgreSQL on this machine until Ctrl-C; ARGS=--help says more
	@$(BIN)/python -m deployment $(ARGS)

test-airflow: $(SETUP) ## A real Airflow: roles, a refresh, what a kill leaves; some minutes
	@$(BIN)/python -m pytest --airflow tests/test_airflow_*.py $(ARGS)

lint: $(SETUP)    ## ruff, import-linter, data contracts and their versions, sqlfluff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@for contract in etl/registers/*.odcs.yaml; do \
		$(BIN)/datacontract lint $$contract > .venv/contract.log 2>&1 \
			|| { cat .venv/contract.log; exit 1; }; done; echo "Data contracts: all valid."
	@$(BIN)/python -m etl.registers.changes
	@$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests

contracts: $(SETUP) ## What has changed in the contracts since they were released
	@$(BIN)/python -m etl.registers.changes

released: $(SETUP) ## Make the present contracts the released ones
	@$(BIN)/python -m etl.registers.changes --release

bench: $(SETUP)   ## Time and memory of all that is measured, kept in benchmarks/ and the README
	@$(BIN)/python -m benchmarks.demo
	@$(BIN)/python -m benchmarks.rates
	@$(BIN)/python -m benchmarks.pages
	@$(BIN)/python -m benchmarks.airflow

bench-airflow bench-demo bench-estimate bench-landing bench-linkage bench-mock bench-pages bench-postgres bench-refresh bench-studies: $(SETUP) ## One of them alone
	@$(BIN)/python -m benchmarks.$(@:bench-%=%)

bench-national: $(SETUP) ## The whole road at 1/100 and 1/10 of ten million persons; SIZES="1/3 1" others
	@$(BIN)/python -m benchmarks.national $(SIZES:%=--size %) $(ARGS)

bench-compare: $(SETUP) ## What changed since the last bench-national but one; ARGS="--since COMMIT" another
	@$(BIN)/python -m benchmarks.compare $(ARGS)

coverage: $(SETUP) ## How often each interval holds the truth, kept in docs/methods.md
	@$(BIN)/python -m benchmarks.coverage

prove-linkage: $(SETUP) ## One million persons of whom it is known who is who: no merge, no split
	@$(BIN)/python -m benchmarks.linkage_truth

prove-checks: $(SETUP) ## Every check's fault planted in a clean mock: recall and false positives, in docs/checks.md
	@$(BIN)/python -m benchmarks.checks

prove-disclosure: $(SETUP) ## Thousands of studies exported twice, and an attacker with a solver: nothing small recovered
	@$(BIN)/python -m benchmarks.disclosure_attack

chaos: $(SETUP)   ## Refreshes broken off at random moments, held against undisturbed ones; ARGS="--refreshes 200"
	@$(BIN)/python -m benchmarks.chaos $(ARGS)

sources: $(SETUP) ## Write what follows from contracts, the language of studies and the SQL: sources, schema, crosswalk
	@$(BIN)/python -m etl.registers.dbt_sources
	@$(BIN)/python -m etl.studies.schema
	@$(BIN)/python -m etl.crosswalk.lineage
	@$(BIN)/python -m etl.crosswalk.page

lock: $(SETUP)    ## Resolve the dependencies anew
	@$(BIN)/uv pip compile pyproject.toml --extra dev --extra deployment --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -q -o requirements.lock

clean:            ## Remove the environment; the home stays
	rm -rf .venv

# The environment is made again when the lock changes, and counts only once it is whole.
$(SETUP): requirements.lock requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit("Kobling needs Python 3.11 or 3.12; this is " \
		+ sys.version.split()[0] + ". Try: make PYTHON=python3.12 demo") \
		if sys.version_info[:2] not in ((3, 11), (3, 12)) else None'
	@echo "Setting up .venv from requirements.lock (about 1.3 GB, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes \
		-r requirements-uv.lock
	@$(BIN)/uv pip install -q --system-certs --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install -q --system-certs --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(SETUP)
