# Needs Python 3.11 and make; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*##.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

.venv/embedded: requirements-embedded.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-embedded.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .  # .venv/bin/quality-award
	@touch $@

.venv/dev: requirements-dev.lock .venv/embedded
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.venv/bench: requirements-bench.lock .venv/dev
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

run: .venv/embedded  ## serve the award on 127.0.0.1:8000 with embedded PostgreSQL (PORT=…, DATA=…, BACKUPS=…)
	@$(PY) -m embedded run --port $(or $(PORT),8000) --data $(or $(DATA),data) $(if $(BACKUPS),--backups $(BACKUPS))

demo: .venv/embedded  ## drive one award year through HTTP; writes demo-result.json (UNTIL='a scene', KEEP=1 serves on, with accounts)
	@$(PY) -m embedded demo $(if $(UNTIL),--until "$(UNTIL)") $(if $(KEEP),--keep)

test: .venv/dev  ## all tests but the slow fault and load runs
	@$(PY) -m coverage erase
	$(PY) -m coverage run -m pytest -q -m "not full" tests/regulation
	@$(PY) -m coverage report --skip-covered
	$(PY) -m pytest -q -m "not full" -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/regulation --ignore=tests/fuzz

bench: .venv/bench  ## measure speeds beside their references; writes bench/results.json
	@$(PY) -m bench

full: .venv/dev  ## the tests that are too long for make test
	$(PY) -m pytest -q -m full

check: .venv/dev  ## lint, format, types, import contracts
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .
	.venv/bin/lint-imports

format: .venv/dev  ## format the code
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

fuzz: .venv/dev  ## hostile requests by hand and by the OpenAPI document (EXAMPLES=…, EACH=…): no answer of 5xx
	FUZZ_EXAMPLES=$(or $(EXAMPLES),25) FUZZ_OPERATIONS_EACH=$(or $(EACH),12) $(PY) -m pytest -q -s --timeout 3600 tests/fuzz

client-check: .venv/embedded  ## lint the API's document, compile a typed client from it and drive the door with it (needs Node.js)
	@$(PY) -m tests.client

authorization: .venv/dev  ## who sees what, cell by cell, then every check taken out in turn: each is missed (SAMPLE=… for so many)
	@$(PY) -m tests.authorization.mutants $(if $(SAMPLE),--sample $(SAMPLE))

attack: .venv/dev  ## over 500 forged tokens at every service; ends with its figures
	@$(PY) -m tests.attack

platform-check: .venv/dev  ## load the results into DuckDB with dlt, incrementally; ends with its figures
	@$(PY) -m pytest -q -s -m full tests/platform

verify-demo: .venv/dev  ## verify a demo year's bundles, then flip 1,000 bits and forge every kind of value: all found; ends with its figures
	@$(PY) -m tests.verify

docs: .venv/dev  ## build the documents into ./site; they read with no network; ends with its figures
	@NO_MKDOCS_2_WARNING=1 $(PY) -m docs.site

faults: .venv/dev  ## kill, stop, cut and fill the real programs under load (ROUNDS=…, SECONDS=…, SEED=…): nothing acknowledged is lost
	@ROUNDS=$(ROUNDS) FAULT_SECONDS=$(SECONDS) SEED=$(SEED) $(PY) -m tests.faults

clauses: .venv/embedded  ## print every clause of the regulation and what holds it
	@$(PY) -m regulation

COMPILE = $(PY) -m uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header pyproject.toml

lock: .venv/dev  ## resolve pyproject.toml into the four lock files; UPGRADE=--upgrade takes the newest versions
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra embedded -c requirements.lock -o requirements-embedded.lock
	$(COMPILE) --extra embedded --group dev -c requirements-embedded.lock -o requirements-dev.lock
	$(COMPILE) --extra embedded --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock

revision: .venv/dev  ## write a schema's next revision from its tables: make revision SCHEMA=intake WORDS='a second opinion'
	$(PY) -m migrations revision $(SCHEMA) "$(WORDS)"

secrets:  ## write random secrets for docker compose into ./secrets, once
	@sh deploy/secrets.sh

backup:  ## back up the compose deployment: a base backup beside the archived log, then the attachments (KEEP=…: how many stay)
	@docker compose run --rm -T operations backup $(if $(KEEP),--keep $(KEEP))

restore:  ## bring the compose deployment back to the end of the archived log, or to a moment (UNTIL=2026-05-04T09:30:00+08:00)
	@UNTIL=$(UNTIL) sh deploy/restore.sh

restore-drill: .venv/dev  ## destroy a database under load and restore it, to the newest and to a chosen moment; ends with its figures
	@$(PY) -m tests.operations

compose-test: .venv/embedded  ## build, start, drive the demo year through the edge, restart every service under load, restore, leave nothing
	@$(PY) -m tests.compose
