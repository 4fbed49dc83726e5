# The main commands are `make run` and `make test`. Both first set up .venv, with the versions in requirements.lock.
PYTHON ?= python3
ifeq ($(CONDA_DEFAULT_ENV),hypav)  # this environment was made from environment.yml and is used as it is
VENV := $(CONDA_PREFIX)
READY := pyproject.toml
else
VENV := .venv
READY := $(VENV)/.ready
endif
BIN := $(VENV)/bin
THREADS ?= 1
DEVICE ?= cpu
# only training has a GPU's code
BENCHMARKS = tests/benchmarks$(if $(filter cpu,$(DEVICE)),,/test_training_bench.py)
COURSE := course
SITE := site
DIR ?= tests/golden

.PHONY: run test test-browser test-processors lab pages site notebooks parity bench clean help

help:
	@echo "make run              train and test the methods on simulated features, run the course, and print where the pages are"
	@echo "make test             run every test, ruff and mypy"
	@echo "make test-browser     test the explorers by keyboard in JupyterLab and on pages, with axe, in Chromium"
	@echo "make test-processors  run every notebook on every processor that this machine can emulate; about half an hour"
	@echo "make lab              open JupyterLab with your copies of the notebooks, in $(COURSE)/students"
	@echo "make pages            write the course for a class into $(COURSE)/: pages, notebooks to fill in, solutions, lecturers' pages"
	@echo "make site             write the students' pages into $(SITE)/, for any web server"
	@echo "make notebooks        for authors: run all notebooks, also on emulated processors, and store those that agree on all"
	@echo "make parity           compare with numbers recorded from the released code; DIR=... for another folder of them"
	@echo "make bench            run the benchmarks on one thread; THREADS=2 for two, DEVICE=cuda for training on a GPU"
	@echo "make clean            remove .venv and build; keep runs/, $(COURSE)/ and $(SITE)/"

run: $(READY)
	$(BIN)/hypav compare --data simulated --seeds 3
	@echo "Running the sixteen notebooks: about three minutes"
	$(BIN)/hypav course runs/course --execute

# no window system in tests; a student's own plots in `make lab` need theirs
test test-browser test-processors bench: export MPLBACKEND = Agg

test: $(READY)
	$(BIN)/ruff check hypav tests
	$(BIN)/ruff format --check hypav tests
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

# two workers, each with its own JupyterLab and Chromium
test-browser: $(VENV)/.browser
	@if [ "$$CI" = true ] && [ "$$(id -u)" = 0 ] && ! command -v chromium >/dev/null; then \
		echo "Installing Chromium: apt-get install -y chromium"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null || true; fi
	$(BIN)/pytest tests/browser -n 2 --dist worksteal

test-processors: $(READY)
	$(BIN)/pytest tests/processors -n auto --dist worksteal

$(VENV)/.browser: $(READY)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable ".[test,browser]"
	touch $@

# the folder jupyter/ has one setting: draw a long notebook whole
lab: $(COURSE)/.written
	JUPYTER_CONFIG_PATH="$(CURDIR)/$(COURSE)/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
		$(BIN)/jupyter lab $(COURSE)/students

pages: $(COURSE)/.written
	@echo "For students: open $(COURSE)/students/index.html. For lecturers: $(COURSE)/instructor.html"

site: $(READY)
	$(BIN)/hypav site $(SITE)

# a student's changed notebook is kept, and a new version is written beside it
$(COURSE)/.written: $(READY) $(wildcard notebooks/*.ipynb notebooks/results/course_runs.csv hypav/*.py hypav/templates/*/*)
	$(BIN)/hypav course $(COURSE)
	touch $@

notebooks: $(READY)
	$(BIN)/python -m tests.notebooks

parity: $(READY)
	$(BIN)/python -m tests.parity $(DIR)

bench: $(READY)
	OMP_NUM_THREADS=$(THREADS) DEVICE=$(DEVICE) $(BIN)/pytest $(BENCHMARKS) --benchmark-enable --benchmark-only

ifneq ($(READY),pyproject.toml)
# requirements.lock only constrains the versions; pip chooses the build of torch (README, Install)
$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c "import sys; sys.exit('hypav needs Python 3.11 or newer, this is ' + sys.version.split()[0] + ': set PYTHON=python3.11' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), once. This takes some minutes: PyTorch is large."
	$(BIN)/python -m pip install --disable-pip-version-check --constraint requirements.lock --editable ".[test]"
	touch $(READY)
endif

clean:
	rm -rf .venv build
