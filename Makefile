# The two commands: `make run` and `make test`. Both set up .venv first, from the pinned versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
THREADS ?= 1
export MPLBACKEND ?= Agg

.PHONY: run test test-browser test-processors lab notebooks classroom bench clean help

help:
	@echo "make run    train and test the four methods on simulated features, execute the course; says where table and pages are"
	@echo "make test   every test, with ruff and mypy"
	@echo "make test-browser  every widget, by the keyboard in JupyterLab; needs Chromium"
	@echo "make test-processors  every notebook on every processor that this machine can emulate; about half an hour"
	@echo "make lab    JupyterLab with the environment"
	@echo "make notebooks  executes all notebooks anew, also as on other processors, and stores what is the same on all;"
	@echo "                with DATA=yt8m-mini (or another door) executes copies on those data, in runs/course-yt8m-mini"
	@echo "make classroom  writes build/classroom: the course as pages and student notebooks, the instructor's page and solutions"
	@echo "make bench  the benchmarks of tests/benchmarks, on one thread; THREADS=2 for two"
	@echo "make clean  remove .venv and runs"

run: $(READY)
	$(BIN)/hypav compare --data simulated --seeds 3 --preset paper --out runs
	$(BIN)/python -m hypav.notebooks --to runs/course
	$(BIN)/hypav classroom --to runs/pages runs/course/*.ipynb >/dev/null
	@echo "The course, executed here: open runs/pages/students/index.html"

test: $(READY)
	$(BIN)/ruff check hypav tests
	$(BIN)/ruff format --check hypav tests
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal

# two workers, each with its own JupyterLab and Chromium
test-browser: $(VENV)/.browser
	@if [ "$$CI" = true ] && [ "$$(id -u)" = 0 ] && ! command -v chromium >/dev/null; then \
		echo "installing Chromium: apt-get install -y chromium"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null || true; fi
	$(BIN)/pytest tests/browser -n 2 --dist worksteal

test-processors: $(READY)
	$(BIN)/pytest tests/processors -n auto --dist worksteal

$(VENV)/.browser: $(READY)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable ".[test,browser]"
	touch $@

lab: $(READY)
	$(BIN)/jupyter lab

notebooks: $(READY)
	$(BIN)/python -m hypav.notebooks $(if $(DATA),--data "$(DATA)")

classroom: $(READY)
	$(BIN)/python -m hypav.classroom

bench: $(READY)
	OMP_NUM_THREADS=$(THREADS) $(BIN)/pytest tests/benchmarks --benchmark-enable --benchmark-only

# requirements.lock only constrains the versions: which build of torch comes is up to pip (README, GPU)
$(READY): pyproject.toml requirements.lock
	$(PYTHON) -c "import sys; sys.exit('hypav needs Python 3.11 or newer, this is ' + sys.version.split()[0] + ': set PYTHON=python3.11' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable ".[test]"
	touch $(READY)

clean:
	rm -rf $(VENV) runs
