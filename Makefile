# make run    sets up the run lane and analyses a real face: out/annotated.png
# make test   sets up everything and passes the tests
# make test-fast   those of the run lane, without what starts servers, browsers and many processes
# make coverage   all tests, and how many lines of src they run
# make campaign MINUTES=30 SEED=7   broken input, kills, full disks, rude clients (docs/reliability.md)
# make scale   millions in small: the same rows from every engine, kills, the model of docs/scale.md (with [daft,ray])
# make lint   style, format and types
# make types   how much of the package has a type that those who use it are told (pyright)
# make release PYTHONS="python3.10 python3.13"   builds and checks what a release consists of: dist/ (docs/releasing.md)
# make constraints   writes constraints.txt anew: versions and digests that CONSTRAINTS=constraints.txt holds to
# make docs   the docs site: build/site (docs/site/README.md)
# Needs Python >= 3.10, make, and an index to install packages from.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 5
SEED ?= 0
# Where a release is tried; by default the oldest and the newest Python of this machine.
PYTHONS ?=
# A file of versions and digests that alone are installed, in place of the newest that setup.py allows.
CONSTRAINTS ?=

# The tests need no accelerator, no screen and no chatter from TensorFlow.
export CUDA_VISIBLE_DEVICES ?= -1
export TF_CPP_MIN_LOG_LEVEL ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.PHONY: help run test test-fast coverage campaign scale lint types docs release constraints clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: $(VENV)/.run
	@echo "A real face: scikit-image's picture of an astronaut ..."
	$(BIN)/python benchmarks/real_face.py out/astronaut.png
	$(BIN)/facecli run out/astronaut.png --no-show --output out/annotated.png
	@echo "The annotated picture: $(CURDIR)/out/annotated.png"

test: $(VENV)/.test
	MPLBACKEND=Agg $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

test-fast: $(VENV)/.test
	MPLBACKEND=Agg $(BIN)/python -m pytest -n auto --dist loadfile \
	  -m "not (train or server or browser or slow)" $(PYTEST_ARGS)

coverage: $(VENV)/.test
	MPLBACKEND=Agg $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --cov --cov-report=term $(PYTEST_ARGS)

campaign: $(VENV)/.test
	PYTHONPATH=tests:tests/support $(BIN)/python -m campaign --minutes $(MINUTES) --seed $(SEED) $(CAMPAIGN_ARGS)

scale: $(VENV)/.test
	@$(BIN)/python -c 'import daft, ray' 2>/dev/null || $(BIN)/python -m pip install --quiet --editable '.[daft,ray]'
	$(BIN)/python benchmarks/scale.py $(SCALE_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src/facecli tests/plugin_example

types: $(VENV)/.test
	$(BIN)/python -m pip install --quiet 'pyright[nodejs]>=1.1.400,<2'
	$(BIN)/python benchmarks/known_types.py

docs: $(VENV)/.docs
	$(BIN)/python docs/site/build_site.py $(DOCS_ARGS)

# Both need Python, pip and an index alone; their tools live in temporary folders.
release:
	$(PYTHON) docs/release/make_release.py $(PYTHONS:%=--python %) $(RELEASE_ARGS)

constraints:
	$(PYTHON) docs/release/make_constraints.py

clean:
	rm -rf $(VENV) build dist out src/*.egg-info

# A stamp is newer than setup.py when its packages are installed: nothing is done twice.
$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "facecli needs Python 3.10 or newer: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV): first Python's own tools ..."
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python has no venv module; on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }
	@touch $@

$(VENV)/.run: $(VENV)/.venv setup.py $(CONSTRAINTS)
ifdef CONSTRAINTS
	@echo "... then everything as $(CONSTRAINTS) has it (some 2 GB, minutes) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement $(CONSTRAINTS)
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
else
	@echo "... then facecli and what it needs (OpenCV, PyAV, LiteRT, ...: some 250 MB, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --editable . 'scikit-image>=0.22,<1'
endif
	@$(BIN)/python -c 'import cv2' || \
	  { echo "OpenCV needs system libraries; on Debian: apt-get install libgl1 libglib2.0-0" >&2; exit 1; }
	@touch $@

$(VENV)/.test: $(VENV)/.run setup.py
ifndef CONSTRAINTS
	@echo "... then what training, the server and the tests need (TensorFlow, ...: some 2 GB, minutes) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[train,web,cloud,mqtt,parquet,dev]'
endif
	@touch $@

$(VENV)/.docs: $(VENV)/.run setup.py
	@echo "... then what makes the site (Zensical: some 30 MB) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@$(BIN)/python -c 'import zensical' || { echo "the docs site needs Python 3.11 or newer" >&2; exit 1; }
	@touch $@
