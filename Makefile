# Everything here works on a machine that has only python3 (3.11 or 3.12) and make.
#
#   make quickstart   from web pages to a published data set and a small model trained on it, in out/
#   make test         all tests          make check   ruff, mypy and the direction of imports
#   make bench        measurements beside peers; see bench/
#   make reproductions   slow proofs of what the documents claim; some fetch a package or train for an hour
.PHONY: quickstart test check bench reproductions constraints clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
TRAIN := $(VENV)/.train
TEST := $(VENV)/.test
# Threads of numeric libraries would fight with worker processes for the cores.
export OMP_NUM_THREADS ?= 1

$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "yisang needs Python 3.11 or 3.12; $(PYTHON) is another. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $(CORE)

$(TRAIN): $(CORE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@touch $(TRAIN)

$(TEST): $(CORE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,train]'
	@touch $(TEST)

quickstart: $(TRAIN)
	$(BIN)/yisang quickstart --out out/quickstart

check: $(TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p yisang
	$(BIN)/python -m pytest -q tests/test_imports.py

# Two processes; the tests of one file stay in one of them, and the files that take longest come first (tests/conftest.py).
test: check
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

bench: $(TEST)
	$(BIN)/python -m bench.overhead
	$(BIN)/python -m bench.thresholds
	$(BIN)/python -m bench.decontaminate
	$(BIN)/python -m bench.kills
	$(BIN)/python -m bench.chaos
	$(BIN)/python -m bench.tasks
	$(BIN)/python -m bench.translations
	$(BIN)/python -m bench.exams
	$(BIN)/python -m bench.sandbox
	$(BIN)/python -m bench.teacher
	$(BIN)/python -m bench.teacher --memory
	$(BIN)/python -m bench.teacher --tail
	$(BIN)/python -m bench.diff
	$(BIN)/python -m bench.robots
	$(BIN)/python -m bench.crawl
	$(BIN)/python -m bench.purge

reproductions: $(TEST)
	$(BIN)/python -m bench.grading
	$(BIN)/python -m bench.greedy
	$(BIN)/python -m bench.mini_base
	$(BIN)/python -m bench.mini_sft
	$(BIN)/python -m bench.yi_sang

constraints:
	$(PYTHON) scripts/make_constraints.py

clean:
	rm -rf $(VENV) build dist *.egg-info
