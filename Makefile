# Needs python3 (3.11 or newer) and make; everything else is installed into .venv by the first target that needs it.
#   PYTHON=python3.12     the Python that makes .venv
#   TORCH_INDEX=URL       where the first set-up takes torch from (a CPU build is a tenth of the size of a CUDA build)
#   WORKERS=4             processes that `make test` uses
#   KILLS=20              random moments for each command of `make faults`
#   MINUTES=10            what `make gpu` may take
#   OPTIONS="--resume"    further options, which go to `make gpu` as they are; --force is one of assignments and course

PYTHON ?= python3
TORCH_INDEX ?=
WORKERS ?= 2
MINUTES ?= 10
KILLS ?= 20
OPTIONS ?=

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
COURSE := $(VENV)/.course
SITE := $(VENV)/.site
BROWSER := $(VENV)/.browser
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

# Notebooks and scripts find `vinpaint`, `jupyter` and `python` without activating anything.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# Each test process has one thread: processes that all use every core are slower than one alone.
ONE_THREAD := OMP_NUM_THREADS=1 OPENCV_FOR_THREADS_NUM=1

# News and update dialogs are off, and a first start has the table of contents open; a reader's own settings come first.
LAB := JUPYTER_CONFIG_PATH=notebooks/lab JUPYTERLAB_WORKSPACES_DIR=work/.lab $(PY) -m jupyter lab

.PHONY: help setup demo test quick faults lab check bench gpu notebooks tables assignments course handout browser trial clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "Options: PYTHON=python3.12 chooses the Python (3.11 or newer), TORCH_INDEX=URL another index for torch"
	@echo "(pytorch.org/get-started shows the one with small CPU builds), WORKERS=4 the number of test processes, MINUTES=10 what make gpu may take."

setup: $(STAMP) ## make .venv and install everything (the other targets do this by themselves)

# The stamp is written last, so an interrupted set-up starts again; the checks come first, so that nothing is half made.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null 2>&1 || \
	  { echo "There is no $(PYTHON) on this machine: install Python 3.11 or newer, or name one with PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$$($(PYTHON) --version) is too old: vinpaint needs Python 3.11 or newer; name one with PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@echo "Setting up $(VENV): about 2 GB of packages and one to a few minutes, once."
	@rm -f $(STAMP)
	@if [ -d $(VENV) ] && $(PY) -c 'import pip' 2>/dev/null; then :; else $(PYTHON) -m venv --clear $(VENV); fi
	@if [ -n "$(TORCH_INDEX)" ]; then \
	  $(PY) -m pip install --disable-pip-version-check -c constraints.txt --index-url "$(TORCH_INDEX)" torch; fi
	@$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

# nbgrader and what it brings: six packages, 80 MB, and none that a lesson uses.
$(COURSE): $(STAMP)
	@$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[course]'
	@touch $(COURSE)

# Sphinx, its theme and MathJax: fifteen packages, 60 MB.
$(SITE): $(STAMP)
	@$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[site]'
	@touch $(SITE)

# What drives the system's Chromium, 165 MB; it brings no browser of its own.
$(BROWSER): $(STAMP)
	@$(PY) -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[browser]'
	@touch $(BROWSER)

demo: $(STAMP) ## fill the holes of a clip with the shipped TGF-Net; leaves runs/demo/
	@$(PY) -m vinpaint_lib.rerun demo

test: $(STAMP) $(COURSE) $(SITE) $(BROWSER) ## all tests, every notebook against its stored outputs, then two minutes of `make gpu` on the CPU
	$(ONE_THREAD) $(PY) -m pytest -q -n $(WORKERS) --dist loadscope tests
	$(if $(NOTEBOOKS),$(ONE_THREAD) $(PY) -m pytest -q -n $(WORKERS) --dist loadfile -o addopts= --nbval --nbval-current-env \
	  --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout=300 $(NOTEBOOKS),@echo "no notebooks yet")
	@rm -rf build/gpu
	$(ONE_THREAD) $(PY) -m vinpaint_lib.bench.gpu --device cpu --minutes 2 --out build/gpu/lines.jsonl

faults: $(STAMP) ## faults on purpose, with 20 kills for each command where `make test` has 2
	$(ONE_THREAD) VINPAINT_KILLS=$(KILLS) $(PY) -m pytest -v --tb=short -o addopts= tests/faults

lab: $(STAMP) ## open copies of the notebooks in JupyterLab, in work/: those in notebooks/ stay as they are
	@$(PY) -m vinpaint_lib.lessons.working_copy work
	@test -d work/.lab || $(LAB) workspaces import notebooks/lab/workspace.json >/dev/null
	$(LAB) work

quick: $(STAMP) ## lint, types, the rules of the house and the fast tests, for the edit loop
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	$(ONE_THREAD) $(PY) -m pytest -q -n $(WORKERS) --dist loadscope -o addopts= -m "not slow" --ignore=tests/lessons tests

check: $(STAMP) ## lint, format and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(STAMP) ## speed and memory of this machine, as tables
	$(PY) -m vinpaint_lib.bench

gpu: $(STAMP) ## ten minutes on a machine with a GPU: compared with the CPU, measured, trained; lines in runs/gpu/
	$(PY) -m vinpaint_lib.bench.gpu --minutes $(MINUTES) --out runs/gpu/lines.jsonl $(OPTIONS)

notebooks: $(STAMP) ## run every notebook again and store it (do this after changing one)
	$(PY) -m vinpaint_lib.rerun store $(NOTEBOOKS)

tables: $(STAMP) ## write the tables of README, and results/systems.json, again from results/
	$(PY) -m vinpaint_lib.comparison.pages README.md

assignments: $(STAMP) ## the notebooks without the solutions of their exercises, in notebooks/assignments/build
	@$(PY) -m vinpaint_lib.lessons.assignments $(NOTEBOOKS) --out notebooks/assignments/build $(OPTIONS)

course: $(COURSE) ## an nbgrader course from the lessons, in course; its GUIDE.md says how to go on
	@$(PY) -m vinpaint_lib.lessons.course.build $(NOTEBOOKS) --out course $(OPTIONS)

handout: $(SITE) ## the lessons as pages in handout; open its index.html, no server is needed
	@$(PY) -m vinpaint_lib.lessons.handout.build $(NOTEBOOKS) --out handout

browser: $(SITE) $(BROWSER) ## all browser tests, which need Chromium: the pages, and four notebooks run in JupyterLab
	VINPAINT_ALL_IN_BROWSER=1 $(ONE_THREAD) $(PY) -m pytest -q -rs tests/browser

trial: $(COURSE) ## build the whole course, and grade the solution and the empty stub of every lesson: ten minutes
	VINPAINT_WHOLE_COURSE=1 $(ONE_THREAD) $(PY) -m pytest -q -rs tests/lessons/course/test_whole.py

clean: ## remove .venv and caches; runs/, course/, handout/ and data stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find vinpaint_lib tests data_scripts notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} + 2>/dev/null || true
