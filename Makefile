# Two commands do all set-up: `make train` runs the main job, `make test` the tests. Each makes .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Extra arguments for train.py, evaluate.py and pytest: make train ARGS="--preset quick"
ARGS ?=

.PHONY: train test lint docs notebook bench interop oldest dist clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev,baselines]'
	touch $@

train: $(VENV)/.installed
	$(BIN)/python train.py $(ARGS)

test: $(VENV)/.installed
	$(BIN)/pytest --numprocesses auto --dist loadfile $(ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

# The site, in site/, with the notebook run anew; `make docs ARGS="--site-dir DIR"` for another place.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build $(ARGS)

# The notebook's outputs as they are kept in the repository.
notebook: $(VENV)/.docs
	$(BIN)/jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False docs/first-steps.ipynb

# The benchmark names the peers that could not be installed, and goes on.
bench: $(VENV)/.installed
	-$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.throughput $(ARGS)

# Libraries of others, each in a virtual environment of its own, because they pull one another's versions down.
LIBRARIES := supersuit torchrl benchmarl rllib
.PRECIOUS: .interop/%/.installed

.interop/%/.installed: interop/requirements/%.txt pyproject.toml
	$(PYTHON) -m venv .interop/$*
	.interop/$*/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

interop: $(VENV)/.installed $(LIBRARIES:%=.interop/%/.installed)
	$(BIN)/python -m interop.matrix --out interop.json $(ARGS)

# Wheel and sdist, in dist/.
dist: $(VENV)/.installed
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/twine check --strict dist/*

# The environments' tests with the oldest versions that pyproject.toml allows; Python 3.11 or 3.12.
oldest: .interop/oldest/.installed
	.interop/oldest/bin/pytest tests/test_pettingzoo.py tests/test_market_v0*.py tests/test_leader_v0.py \
	  tests/test_registration.py tests/test_testing.py tests/test_spaces.py $(ARGS)

clean:
	rm -rf $(VENV) .interop .cache build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
