# make demo    train the demonstration network and draw it (sets up first, when needed)
# make test    run the tests (sets up first, when needed)
# make docs    build the site: build/site/index.html (a warning is an error; needs no network)
# make bench   time everything (half an hour; see benchmarks/README.md)
# make notebooks    run the notebooks and keep what they show (some minutes)
# make coverage    which lines of the package the tests run (a quarter of an hour)
# make lint    style, and types of what users write against
# make lock | clean

BIN = .venv/bin
RUN = runs/demo

# Threads of the linear algebra hurt small systems.
OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS

READY = .venv/.ready
# A folder that was moved needs its environment again.
ifneq ($(shell cat $(READY) 2>/dev/null),$(CURDIR))
.PHONY: $(READY)
endif

.PHONY: demo test coverage docs bench notebooks lint lock clean setup

demo: $(READY)
	@$(BIN)/mechlearn train tasks/allostery.toml -o $(RUN) --overwrite
	@$(BIN)/mechlearn render $(RUN) $(RUN)/network.png $(RUN)/states.png $(RUN)/error.png
	@echo "Open $(RUN)/network.png, $(RUN)/states.png and $(RUN)/error.png;" \
	      "$(RUN)/summary.json has the numbers, $(RUN)/learned.vtu opens in ParaView."

# Options of pytest: make test ARGS="-k packing -x"
test: $(READY)
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

# Options of pytest again: make coverage ARGS="-m 'not slow'"
coverage: $(READY)
	@mkdir -p build/coverage
	@$(BIN)/python -m coverage run -m pytest $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

docs: $(READY)
	@$(BIN)/python -m sphinx -W --keep-going -E -q -d build/site-trees docs build/site
	@echo "Open build/site/index.html."

# Cases and options: make bench ARGS="linear peers --quick"
bench: $(READY)
	@$(BIN)/python benchmarks/bench.py $(ARGS)

# Names and options: make notebooks ARGS="01 --short"
notebooks: $(READY)
	@$(BIN)/python notebooks/build.py $(ARGS)

lint: $(READY)
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

lock: $(READY)
	@scripts/lock.sh

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@PYTHON="$(PYTHON)" sh scripts/setup.sh

clean:
	rm -rf .venv .setup.log build dist docs/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
