# make demo: train, export and run in a few minutes.  make test: the tests.  make setup: only build .venv
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data/trashnet
# Tests requested by name: an error if none of them could run.
NAMED := $(BIN)/python -m pytest -p tests.named

.PHONY: bench-fleet bench-import test-import bench-collages bench-many bench-background bench-feed bench-networks bench-camera bench-conditions bench-grow bench-small bench-teach bench-frigate bench-groups bench-labels bench-unfamiliar setup demo test lint test-interop test-slow test-docs test-gpu test-workers test-mediapipe test-faults test-supply test-fleet need-fleet test-pi need-pi test-networks test-bench bench-trashnet bench-int8 bench-jpeg bench-train bench-stages bench-memory bench-speed soak wheels release clean bench-published

setup: .venv/ready

.venv/ready: constraints.txt pyproject.toml converters/pyproject.toml runtime/pyproject.toml fleet/pyproject.toml Makefile
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e ./runtime -e ./converters -e ./fleet -e '.[lite1,lite2,tensorboard,dev]'
	touch $@

demo: setup
	$(BIN)/edgeclf demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy edgeclf runtime/edgeclf_runtime converters/edgeclf_converters fleet/edgeclf_fleet

# Train, export and measure the int8 file on TrashNet's test part, for three seeds; about 12 minutes each on two cores.
bench-trashnet: setup
	$(BIN)/python tests/benchmarks/trashnet.py $(DATA)

# Int8 of three networks: with our training, every variant without training, plain quantize_model for 2 and for 20 epochs; a day.
# Shorter: tests/benchmarks/int8.py --help
bench-int8: setup
	$(BIN)/python tests/benchmarks/int8.py $(DATA)

# JPEGs decoded at reduced or full size, on TrashNet enlarged to 960, 1280 and 1920 pixels; ten trainings, two hours on two cores.
bench-jpeg: setup
	$(BIN)/python tests/benchmarks/jpeg_rule.py $(DATA)

# Ways to train on TrashNet, five seeds, and the time to 90% against Keras's guide; about three hours on two cores.
bench-train: setup
	$(BIN)/python tests/benchmarks/train.py $(DATA)

# Where the time of a training and its int8 export goes, and how busy the cores are; five minutes, on an idle machine.
bench-stages: setup
	$(BIN)/python tests/benchmarks/stages.py $(DATA)

# Images per second that training, quantization-aware training and features feed to a network that takes no time; a minute, on an idle machine.
bench-feed: setup
	$(BIN)/python -m tests.benchmarks.feed

# The backbones whose weights the user provides, with random ones: loss by int8, latency, size, Edge TPU; half a day.
# Shorter: python -m tests.benchmarks.networks FOLDER --size 96 --images 100
bench-networks: setup
	$(BIN)/python -m tests.benchmarks.networks $(DATA)

# Published ImageNet networks in int8, calibrated without images and with 200, compared with the float network's answers; five minutes.
bench-published: setup
	$(BIN)/python -m tests.benchmarks.published $(DATA) $(dir $(DATA))pets

# Trainings on 5, 10 and 20 images per class, with today's moving average and that of versions up to 0.1; an hour.
bench-small: setup
	$(BIN)/python -m tests.benchmarks.small_sets $(DATA) $(dir $(DATA))pets

# train with and without --camera, as int8 files, with and without camera faults; about 25 minutes per training on two cores.
bench-camera: setup
	$(BIN)/python -m tests.benchmarks.camera $(DATA) $(dir $(DATA))pets

# A class added to a finished training by train --from, compared with a new training: three seeds; an hour on two cores.
bench-grow: setup
	$(BIN)/python -m tests.benchmarks.grow $(DATA)

# edgeclf teach on 1 to 50 images per class, five seeds, compared with scikit-learn on the float network's features; ten minutes.
bench-teach: setup
	$(BIN)/python -m tests.benchmarks.teach $(DATA)

# An int8 file used as Frigate does, and a recipe like Frigate's own; a few minutes and a training. MODEL=FILE: without the training.
bench-frigate: setup
	$(BIN)/python -m tests.benchmarks.frigate $(DATA) $(if $(MODEL),--model $(MODEL))

# Near-duplicates: independent images that are grouped, copies that are missed; two minutes.
bench-groups: setup
	$(BIN)/python -m tests.benchmarks.groups $(DATA) $(dir $(DATA))pets

# timm architectures with random weights through edgeclf import: float and int8 against PyTorch; half an hour.
bench-import: setup .venv-import/ready .venv-torch/ready
	$(BIN)/python -m tests.benchmarks.import_networks $(DATA)

# Several labels per image: mAP of the float and int8 files on collages of TrashNet's test part; half an hour.
bench-collages: setup
	$(BIN)/python -m tests.benchmarks.collages $(DATA)

# Decisions needed until a model reaches an accuracy, with edgeclf sort and at random, on a drifting stream; MODEL=FILE, ten minutes.
bench-labels: setup
	$(BIN)/python -m tests.benchmarks.labels $(MODEL) $(DATA)

# The cost of a deployment to 100 simulated devices: time, bytes, memory; MODEL=FILE, as root, a quarter of an hour.
bench-fleet: setup
	$(BIN)/python -m tests.benchmarks.fleet $(MODEL) $(DATA)

# False alarms in empty scenes with a threshold, with familiarity, and with the learned scene; MODEL=FILE, a minute or two.
bench-background: setup
	$(BIN)/python -m tests.benchmarks.background $(MODEL) $(DATA)/test

# What a device knows about its camera without labels: expected accuracy, delay and false alarms; MODEL=FILE, a few minutes.
bench-conditions: setup
	$(BIN)/python -m tests.benchmarks.conditions $(MODEL) $(DATA)/test

# How well each method tells unfamiliar images from a model's own, far and near: trainings on two sets, and on one without each
# of its classes, three seeds; six hours. Shorter: python -m tests.benchmarks.unfamiliar --help
bench-unfamiliar: setup
	$(BIN)/python -m tests.benchmarks.unfamiliar $(DATA) $(dir $(DATA))pets

# Check that TensorFlow has a GPU kernel for every operation of every kind of training and backbone; needs no GPU.
# In parts, as TensorFlow keeps about 100 MB of each traced training until its process ends; three quarters of an hour.
GPU_PARTS := full-linear full-mixed batch-norm-linear batch-norm-mixed "not full-linear and not full-mixed and not batch-norm"
test-gpu: setup
	for part in $(GPU_PARTS); do EDGECLF_GPU_ALL=1 $(NAMED) tests/contract/test_gpu.py -k "$$part" || exit 1; done

# Complete searches, which train many networks, and other tests marked slow; a quarter of an hour.
test-slow: setup
	$(NAMED) -m slow tests/slow tests/contract tests/edgeclf tests/runtime

# The commands of README and docs, each page from top to bottom in a fresh folder; a quarter of an hour, downloads a device's packages.
test-docs: setup
	$(NAMED) tests/docs

# Two processes that train in step, are killed, and resume.
test-workers: setup
	$(NAMED) tests/workers

# Peak memory of a training with two numbers of images, and its growth.
bench-memory: setup
	$(BIN)/python tests/benchmarks/memory.py

# The cost of a frame on a device, compared with a plain loop, MediaPipe and the interpreter alone; ten minutes, on an idle machine.
bench-speed: setup .venv-mediapipe/ready
	$(BIN)/python tests/benchmarks/speed.py $(DATA) --plot docs/speed.svg

# One process for 8 videos, 24 zones and 2 models, compared with 24 processes; a quarter of an hour, on an idle machine.
# Shorter: python -m tests.benchmarks.many MODEL --film 150 --seconds 20
bench-many: setup
	$(BIN)/python -m tests.benchmarks.many $(MODEL)
	$(BIN)/python -m tests.benchmarks.many_disturbed $(MODEL)

# 200,000 frames through all of edgeclf run, while camera, broker and model file are replaced; 20 minutes.
# Shorter: make soak SOAK='--frames 20000 --restart 5000 --swaps 5 --growth 16'
soak: setup
	$(BIN)/python -m tests.benchmarks.soak $(SOAK)

# Other readers of our model files: MediaPipe and tflite-runtime, each in its own environment; and --window.
test-interop test-mediapipe: setup .venv-mediapipe/ready .venv-tflite/ready .venv-window/ready
	$(NAMED) tests/interop

# Kills at random moments (EDGECLF_ROUNDS=5 for fewer), full and read-only disks (as root), attacks on the page; an hour.
test-faults: setup
	$(NAMED) -s tests/faults

# Each installed Python, the lowest allowed versions, the wheels' contents, known vulnerabilities; five minutes.
test-supply: setup .venv-wheels/ready
	$(NAMED) -s tests/supply

# Deployments over a real sshd to services under runit, updates over a bad link, and kills of either side at random moments (as root;
# EDGECLF_ROUNDS=5 for fewer); an hour.
test-fleet: need-fleet setup
	$(NAMED) -s tests/fleet_device

# The runtime on emulated Raspberry Pis: pixels and labels on other processors, a camera with faults, the page, 20 power cuts; half an hour, as root.
test-pi: need-pi setup .venv-tflite/ready
	$(NAMED) -s tests/device

# The networks compared with timm's own code, with random weights; two minutes, and the download of PyTorch.
test-networks: setup .venv-torch/ready
	$(NAMED) tests/networks

# ONNX files of each kind through edgeclf import, with the real converter; five minutes.
test-import: setup .venv-import/ready
	$(NAMED) tests/importing

# Every benchmark to its end, on a few small images; ten minutes.
test-bench: setup .venv-import/ready .venv-torch/ready
	$(NAMED) tests/bench

# Runs before anything is built.
need-pi:
	@$(PYTHON) tests/device/needs.py

need-fleet:
	@$(PYTHON) tests/fleet_device/needs.py

.venv-mediapipe/ready:
	$(PYTHON) -m venv .venv-mediapipe
	.venv-mediapipe/bin/python -m pip install --quiet --disable-pip-version-check mediapipe==1.2.3
	touch $@

.venv-tflite/ready:
	$(PYTHON) -m venv .venv-tflite
	.venv-tflite/bin/python -m pip install --quiet --disable-pip-version-check -e './runtime[tflite-runtime]'
	touch $@

# onnx2tf needs Python 3.12 or newer.
PYTHON_ONNX ?= python3.12
.venv-import/ready:
	$(PYTHON_ONNX) -m venv .venv-import
	.venv-import/bin/python -m pip install --quiet --disable-pip-version-check onnx2tf==2.6.9
	touch $@

# timm without torchvision, which it only imports for images and which has no wheel for the CPU-only PyTorch.
.venv-torch/ready:
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 safetensors==0.8.0 numpy==2.4.6 pillow==13.0.0 pyyaml==6.0.4 huggingface_hub==2.4.0 onnx==1.20.1 onnxscript==0.7.2
	.venv-torch/bin/python -m pip install --quiet --disable-pip-version-check --no-deps timm==1.0.31
	touch $@

.venv-wheels/ready:
	$(PYTHON) -m venv .venv-wheels
	.venv-wheels/bin/python -m pip install --quiet --disable-pip-version-check build==1.6.1 twine==7.0.0 trove-classifiers
	touch $@

.venv-window/ready:
	$(PYTHON) -m venv .venv-window
	.venv-window/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ./runtime
	.venv-window/bin/python -m pip uninstall --quiet --yes opencv-python-headless
	.venv-window/bin/python -m pip install --quiet --disable-pip-version-check 'opencv-python>=4.11,<6'
	touch $@

# Four wheels and source distributions in dist/, with the tested versions of dependencies: pip install --find-links dist edgeclf
wheels: .venv-wheels/ready
	rm -rf dist build edgeclf.egg-info runtime/*.egg-info converters/*.egg-info fleet/*.egg-info
	for part in ./runtime ./converters ./fleet .; do .venv-wheels/bin/python -m build --outdir dist $$part >/dev/null || exit 1; done
	.venv-wheels/bin/twine check --strict dist/*
	cp constraints.txt dist

# Build, check and tag a release, from a clean tree whose CHANGELOG.md has the version. See CONTRIBUTING.md.
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' runtime/edgeclf_runtime/__init__.py)
release:
	@test -z "$$(git status --porcelain)" || { echo "There are changes that are not committed: git status" >&2; exit 1; }
	@grep -q '^## $(VERSION)\b' CHANGELOG.md || { echo "CHANGELOG.md has no heading ## $(VERSION): rename ## Unreleased" >&2; exit 1; }
	@! git rev-parse --quiet --verify refs/tags/v$(VERSION) >/dev/null || { echo "v$(VERSION) is tagged already: write a new __version__ in runtime/edgeclf_runtime/__init__.py" >&2; exit 1; }
	$(MAKE) wheels lint $(CHECKS)
	git tag --annotate --message 'edgeclf $(VERSION)' v$(VERSION)
	@echo "Tagged v$(VERSION). Its files are in dist/."

clean:
	rm -rf .venv .venv-import .venv-mediapipe .venv-torch .venv-tflite .venv-wheels .venv-window build dist demo .pi .mypy_cache .pytest_cache .ruff_cache
