# make up     install and start everything here: broker, worker, server
# make test   install what tests need and run the whole suite
# make check  format, lint, types, layers
# make bench  every figure of benchmarks/README.md
# --no-compile below: Python compiles what it imports, which is a small part of what is installed, and keeps it
PYTHON ?= python3
PORT ?= 8050
VENV := .venv
BIN := $(VENV)/bin
# as containers often set it: everything would be compiled at every start, which then takes twice as long
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up test check bench clean

up: $(VENV)/server
	@exec $(BIN)/sigmascope up --home .sigmascope --port $(PORT)

# tests that start the service and a browser take half of the time, most of which they wait
PROCESSES := tests/browser tests/service tests/commands
test: $(VENV)/test $(VENV)/browser
	@# two halves side by side, on one thread each: more would wait for each other
	@export OMP_NUM_THREADS=1; $(BIN)/python -m pytest $(PROCESSES) & \
	half=$$!; $(BIN)/python -m pytest $(PROCESSES:%=--ignore=%) -p no:cacheprovider; \
	rest=$$?; wait $$half && exit $$rest

check: $(VENV)/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy sigmascope backend worker
	$(BIN)/lint-imports

bench: $(VENV)/test $(VENV)/browser
	@for name in laws sde claims spectra tracker training forecast storage player; do $(BIN)/python -m benchmarks.$$name --json || exit 1; done

$(VENV)/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sigmascope needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/server: $(VENV)/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[server]'
	@touch $@

$(VENV)/test: $(VENV)/server pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[server,test]'
	@touch $@

$(VENV)/browser: $(VENV)/test
	$(BIN)/python tools/find_browser.py --install
	@touch $@

clean:
	rm -rf $(VENV)
