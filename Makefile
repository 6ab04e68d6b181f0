# Everything runs in .venv, which the first target that needs it creates.
PYTHON ?= python3
BIN := .venv/bin
NOTEBOOKS := $(sort $(wildcard tutorials/*.ipynb))

# Two files of tests at a time, in order: the browser's, which take longest, come first. Several
# OpenMP runtimes meet in one process (torch, scikit-learn, faiss): one thread each.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: lab test test-fast notebooks assignments lint types unit test-notebooks clean

lab: .venv.stamp            ## open the tutorials in JupyterLab
	$(BIN)/dmlviz lab

test: lint types unit test-notebooks   ## everything that CI runs

test-fast: lint types unit  ## the same without the notebooks

notebooks: .venv.stamp      ## run every tutorial and save it with its outputs
	$(BIN)/python tutorials/execute.py $(NOTEBOOKS)

assignments: .venv.stamp    ## run the instructor's assignments, write the students' copies
	$(BIN)/python tutorials/execute.py $(sort $(wildcard tutorials/assignments/instructor/*.ipynb))
	$(BIN)/dmlviz course release

lint: .venv.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell

types: .venv.stamp
	$(BIN)/mypy

unit: .venv.stamp
	MPLBACKEND=Agg $(PYTEST)

test-notebooks: .venv.stamp
	$(PYTEST) -p no:cacheprovider --nbval-lax --nbval-current-env --nbval-cell-timeout=300 $(NOTEBOOKS)

# The stamp is younger than pyproject.toml when the environment holds what that asks for.
.venv.stamp: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch .venv.stamp

clean:                      ## remove the environment and caches, keep data
	rm -rf .venv .venv.stamp .mypy_cache .ruff_cache .pytest_cache .hypothesis
