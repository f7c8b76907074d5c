# Needs python3 (3.11 or newer) and make; every target does its own set-up in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
EXTRAS ?= dev
READY = $(VENV)/.ready-$(EXTRAS)
STORE ?= runs
SCALE ?= scale-photographs

.PHONY: sweep smoke studies report figures ui setup test coverage peers archs faults faults-nightly browser-test cluster-test wheel-test scale-test check format bench clean

sweep: $(READY)            ## the main job: train, embed, ask, draw (about ten minutes on two cores)
	$(BIN)/python sweeps/infomin_grid.py --store $(STORE)

smoke: $(READY)            ## every part of the system in about a minute
	$(BIN)/python sweeps/infomin_grid.py --preset smoke --store $(STORE)

STUDIES = infomin_grid small_batch infomin_strength temperature objectives negatives encoder_zoo augmentation_search

studies: $(READY)          ## every figure and table in its laptop preset, one after another (an hour and a half on two cores, by its dry runs), then the report
	for study in $(STUDIES); do $(BIN)/python sweeps/$$study.py --store $(STORE) || exit $$?; done
	$(BIN)/python analysis/report.py --store $(STORE)

report: $(READY)           ## one page of all that the store holds: figures, verdicts, provenance
	$(BIN)/python analysis/report.py --store $(STORE)

figures: $(READY)          ## draw the heatmaps again from MLflow
	$(BIN)/python analysis/infomin_heatmap.py --store $(STORE)

ui: $(READY)               ## serve MLflow on http://127.0.0.1:5000, with links to the cells of each sweep
	$(BIN)/mi-ray ui --store $(STORE)

setup: $(READY)            ## nothing but the set-up; EXTRAS=dev,aws adds what `ray up cluster.yaml` needs

test: $(READY)             ## the test suite: two files at a time, then those that start Ray, which uses every core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not ray" tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "ray and not slow" tests/orchestration

coverage: $(READY)         ## is the truth where the bracket says? 200 draws of each problem, about half an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/compute/estimation/test_coverage.py

peers: $(READY)            ## do the peers of the benchmark estimate what they should? About two minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/benchmarks

archs: $(READY)            ## one small encoder of each of timm's families: build, step, save, load and embed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/compute/training/test_archs.py

faults: $(READY)           ## the fault matrix: every fault is injected; the table of what recovery took is also in faults.md
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m fault tests --ignore=tests/faults/nightly --matrix faults.md
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow and not fault" tests/orchestration tests/tracking tests/running tests/experiments

faults-nightly: $(READY)   ## SOAK_ROUNDS=10 rounds of a study under kills, drawn by SOAK_SEED=0; hours on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m fault tests/faults/nightly --matrix faults-nightly.md

cluster-test:              ## a cluster of three network namespaces by `ray up`; needs root, sshd, rsync, iproute2 and nftables
	$(MAKE) setup EXTRAS=dev,cluster
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/cluster

browser-test:              ## links, pages and reports in headless Chromium, which it installs where apt can
	$(MAKE) setup EXTRAS=dev,browser
	command -v chromium google-chrome || apt-get install -y chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/browser

wheel-test: $(READY)        ## the wheel in a fresh environment and an empty folder
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow tests/wheel

scale-test: $(READY)       ## a study of 131,689 photographs in 5 GB of memory; makes 13 GB of them in SCALE; about an hour on two cores
	$(BIN)/python benchmarks/photographs.py $(SCALE)/tenth --images 13000
	$(BIN)/python benchmarks/photographs.py $(SCALE)/all
	SCALE=$(abspath $(SCALE)) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -s -m slow tests/scale

check: $(READY)            ## format, lint and security rules, types, import contracts, banned calls
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.guards.bans

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)            ## side-by-side measurements, see benchmarks/README.md
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/training_step.py

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mi-ray needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@
