# `make` prints the targets. Logic of more than a line lives in packaging/.
BIN = .venv/bin
STAGE = @sh packaging/stage.sh
PYTEST = $(BIN)/pytest
# A file of tests at a time on each core.
PARALLEL = $(PYTEST) -n auto --dist loadfile
# One more than there are cores, for tests that wait; in the order of the files, whose small ones come last and end together.
CROWDED = $(PYTEST) -n $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder

.NOTPARALLEL:
.PHONY: help setup setup-test setup-servers run test test-fast test-unit test-servers test-browser test-fuzz lint types laws bench texts lock clean

help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv/bin/gatepost
	@sh packaging/setup.sh run

run: setup ## set up, and show a guard at work: gatepost demo
	@$(BIN)/gatepost demo

test: lint types laws test-unit test-servers test-browser test-fuzz ## set up, and run everything

test-fast: setup-test ## the inner loop: unit tests, up to the first failure
	@$(PYTEST) -x -q -m "not servers and not browser" --ignore tests/laws

test-unit: setup-test ## unit tests, stories and properties
	$(STAGE) unit $(CROWDED) -m "not servers and not browser" --ignore tests/laws

test-servers: setup-test setup-servers ## tests against the real mail servers
	$(STAGE) servers $(PARALLEL) -m servers

test-browser: setup-test setup-servers ## the console, used by a real browser
	$(STAGE) browser $(PYTEST) -m browser

test-fuzz: setup-test ## every codec, fed what reaches new branches
	$(STAGE) fuzz $(BIN)/python bench/fuzz.py

lint: setup-test ## ruff
	$(STAGE) lint $(BIN)/ruff check

types: setup-test ## mypy, strict
	$(STAGE) types $(BIN)/mypy

laws: setup-test ## import contracts and the other laws of the house
	$(STAGE) laws $(PYTEST) tests/laws

bench: setup-test ## measure
	@$(BIN)/python bench/run.py

texts: setup-test ## collect the console's texts for translators; NEW=de begins a language
	@$(BIN)/python docs/texts/make.py $(NEW)

lock: setup ## write the lock files anew (needs a network)
	@sh packaging/lock.sh

clean: ## remove all that was made
	rm -rf --one-file-system .venv build dist .hypothesis .mypy_cache .ruff_cache .import_linter_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

setup-test:
	@sh packaging/setup.sh test

setup-servers:
	@sh packaging/debian-test-packages.sh
