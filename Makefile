# Everything that a developer or a newcomer runs. `make help` lists it.
# ARGS="..." is passed on: make up ARGS="--port 9000", make test ARGS="-k ledger".

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMPS := $(VENV)/stamps
CPP_BUILD := build/cpp
CPP_INPUTS := $(shell find engine_ext -name '*.cpp' -o -name '*.hpp' -o -name CMakeLists.txt)
CPP_FILES = $$(git ls-files '*.cpp' '*.hpp')
COMPILE_LOCK := $(BIN)/pip-compile --quiet --strip-extras --no-annotate --no-header --allow-unsafe \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

.PHONY: up
up: $(STAMPS)/built ## Install what is missing, start a whole exchange and serve until Ctrl-C
	@exec $(BIN)/tradepit up $(ARGS)

.PHONY: build
build: $(STAMPS)/built ## Install what is missing and build the C++ module

# Several tests at once; each file's tests run in one process, which has servers of its own.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: test
test: $(STAMPS)/built $(STAMPS)/dev cpp-test ## Run every test but those of test-builds (ARGS="-k name" for some of them)
	@$(PYTEST) --ignore tests/builds tests $(ARGS)

.PHONY: test-builds
test-builds: $(STAMPS)/built $(STAMPS)/dev ## Compile the C++ code in every way, with sanitizers and planted bugs, and test that
	@$(PYTEST) tests/builds $(ARGS)

.PHONY: cpp-test
cpp-test: cpp ## Run the C++ tests alone
	@if [ -x $(CPP_BUILD)/engine_tests ]; then $(CPP_BUILD)/engine_tests; fi

.PHONY: cpp
cpp: $(STAMPS)/run ## Build the C++ tests and benchmarks
	@PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S engine_ext -B $(CPP_BUILD) -G Ninja --log-level=WARNING \
		-DCMAKE_BUILD_TYPE=Release -DTRADEPIT_PYTHON=OFF -DTRADEPIT_TESTS=ON
	@PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build $(CPP_BUILD) -- --quiet

.PHONY: image
image: ## Build the container image
	@docker build --quiet --file ops/docker/Dockerfile --tag tradepit:$${TRADEPIT_TAG:-latest} \
		--build-arg VERSION="$${TRADEPIT_VERSION:-}" \
		--build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" .

.PHONY: test-containers
test-containers: $(STAMPS)/built $(STAMPS)/dev image ## Run the image and docker-compose.yml, and tests/integration on containers
	@$(BIN)/python -m pytest --servers containers --timeout 900 -n 2 --dist loadfile \
		tests/containers tests/integration $(ARGS)

.PHONY: lint
lint: $(STAMPS)/built $(STAMPS)/dev ## Check style, types and generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)
	$(BIN)/python engine_ext/protocol/generate.py --check
	$(BIN)/python ops/settings_page.py --check
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/python ops/grafana/generate.py --check

.PHONY: format
format: $(STAMPS)/dev ## Bring every file into the house's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CPP_FILES)

.PHONY: docs
docs: $(STAMPS)/docs ## Build the pages into build/site
	@$(BIN)/python ops/site.py

.PHONY: bench
bench: $(STAMPS)/built $(STAMPS)/dev cpp ## Measure, and write docs/performance.md
	@$(BIN)/python tests/bench/run.py $(ARGS)

.PHONY: fuzz
fuzz: $(STAMPS)/built $(STAMPS)/dev ## Hunt for bugs in the engine for ten minutes (ARGS="--minutes 60 --seed 7")
	@$(BIN)/python -m tests.fuzz.run $(ARGS)

.PHONY: simulate
simulate: $(STAMPS)/built $(STAMPS)/dev ## Run one shard through every failure, seed after seed (ARGS="--minutes 60" or "--seed 7")
	@$(BIN)/python -m tests.simulation.run $(ARGS)

.PHONY: mutants
mutants: $(STAMPS)/built $(STAMPS)/dev ## Plant known bugs in the engine and show that a test finds each
	@$(BIN)/python -m tests.mutation.run $(ARGS)

.PHONY: chaos
chaos: $(STAMPS)/built ## Inject 200 random faults into a running exchange and count what it loses (ARGS="--seed 7")
	@$(BIN)/tradepit drill chaos $(ARGS)

.PHONY: doctor
doctor: $(STAMPS)/built ## Say what is wrong with this machine and how to mend it
	@$(BIN)/tradepit doctor $(ARGS)

.PHONY: lock
lock: $(STAMPS)/dev ## Bring the lock files in line with pyproject.toml, changing as little as possible
	$(BIN)/python ops/requirements.py run | $(COMPILE_LOCK) -o requirements.lock -
	$(BIN)/python ops/requirements.py dev | $(COMPILE_LOCK) -c requirements.lock -o requirements-dev.lock -
	$(BIN)/python ops/requirements.py docs | $(COMPILE_LOCK) -c requirements-dev.lock -o requirements-docs.lock -
	@for lock in requirements.lock requirements-dev.lock requirements-docs.lock; do \
		grep -E '^[a-z0-9]' $$lock > $(STAMPS)/lock && cat $(STAMPS)/lock > $$lock; done

.PHONY: upgrade
upgrade: COMPILE_LOCK += --upgrade
upgrade: lock ## Move every dependency to its newest release

.PHONY: clean
clean: ## Remove what was built (neither .venv nor data)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis $(STAMPS)
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Each stamp is as old as the last time its step was done: a second `make up` does none of them.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Tradepit needs Python 3.11 or newer; make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python cannot make a virtual environment: install its venv and pip packages" >&2; exit 1; }

$(STAMPS)/run: requirements.lock | $(BIN)/python
	@echo "== installing the packages that Tradepit needs"
	@$(PIP) install --no-input -r requirements.lock
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements.lock requirements-dev.lock $(STAMPS)/run
	@echo "== installing the tools for tests and checks"
	@$(PIP) install --no-input -c requirements.lock -r requirements-dev.lock
	@touch $@

$(STAMPS)/docs: requirements-docs.lock $(STAMPS)/run
	@echo "== installing the tools for the pages"
	@$(PIP) install --no-input -c requirements.lock -r requirements-docs.lock
	@touch $@

$(STAMPS)/built: pyproject.toml $(CPP_INPUTS) $(STAMPS)/run
	@echo "== building the C++ module"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-input --no-build-isolation --no-deps -e .
	@touch $@
