# Every target sets up what it needs by itself, in .venv, and reuses it the next time. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SETUP = @$(PYTHON) tools/setup_env.py --venv $(VENV)
# What tests of conformance read: fetched once, into the environment.
FETCH = @$(PYTHON) tools/fetch_conformance.py --venv $(VENV)
PYTEST = $(BIN)/python -m pytest
# Processes that run tests side by side.
JOBS ?= 2

SCREEN := $(DISPLAY)$(WAYLAND_DISPLAY)
DESKTOP := $(if $(SCREEN),desktop)
ON_SCREEN := $(if $(SCREEN),,xvfb-run --auto-servernum)

# A need is a shell command that prints one line where something is missing; that line ends make with exit code 2.
python_need = $(shell $(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| echo "'$(PYTHON)' is not Python 3.11 or newer with venv and pip: install python3-venv, or name another one: make $@ PYTHON=/path/to/python3")
gl_need = $(shell $(PYTHON) tools/check_gl.py 2>/dev/null; test $$? -le 2 \
	|| echo "OpenGL crashes on this machine: reinstall libegl1 libgl1 libgl1-mesa-dri")
xvfb_need = $(if $(SCREEN),,$(shell command -v xvfb-run >/dev/null \
	|| echo "no display and no xvfb-run: apt-get install xvfb"))
chromium_need = $(shell command -v chromium chromium-browser google-chrome >/dev/null || echo "no Chromium: apt-get install chromium")
need = $(foreach name,$(1),$(call stop_if,$($(name)_need)))
stop_if = $(if $(1),$(error $(1)))

.PHONY: help demo test test-hosts test-windows test-napari test-lab docs pictures lint wheel-smoke oracle soak bench bench-fetch clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

demo: ## stream the sample images and write pictures to demo-out/
	$(call need,python gl)
	$(SETUP) samples $(DESKTOP)
	@$(BIN)/brickstream demo $(ARGS)

test: ## run the tests that need no display (ARGS="-k name" goes to pytest)
	$(call need,python gl)
	$(SETUP) dev samples
	$(FETCH)
	@$(PYTEST) -n $(JOBS) -m "not hosts and not slow and not lab" $(ARGS)

test-hosts: test-windows test-napari ## run the tests that need a display (xvfb-run where there is none)

test-windows: ## run those of them that need Qt
	$(call need,python gl xvfb)
	$(SETUP) dev samples desktop
	@$(ON_SCREEN) $(PYTEST) -m "hosts and not napari" $(ARGS)

test-napari: ## run those of them that need napari, in a process of their own
	$(call need,python gl xvfb)
	$(SETUP) dev samples desktop napari
	@$(ON_SCREEN) $(PYTEST) -m napari $(ARGS)

test-lab: ## run the tests of the lab that need the other engines and a browser
	$(call need,python chromium)
	$(SETUP) dev samples bench
	@$(PYTEST) -m lab $(ARGS)

docs: ## write the API reference, made of the docstrings, to docs-out/
	$(call need,python)
	$(SETUP) dev samples
	@$(BIN)/python tools/api_reference.py docs-out

pictures: ## write docs/pictures, which tests compare with (ARGS="mip minip")
	$(call need,python gl)
	$(SETUP) dev samples
	@$(BIN)/python tools/pictures.py $(ARGS)

lint: ## check style, types, layers and sizes
	$(call need,python)
	$(SETUP) dev samples
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/sizes.py brickstream tools tests

wheel-smoke: ## build the wheel and use it from an empty folder
	$(call need,python gl)
	$(SETUP) dev samples
	@$(BIN)/python tools/wheel_smoke.py

oracle: ## compare with naive models at length (the short form is in make test)
	$(call need,python gl)
	$(SETUP) dev samples
	$(FETCH)
	@$(PYTEST) -m oracle --hypothesis-profile=long --timeout=1800 $(ARGS)

soak: ## run the endurance tests at length (the short form is in make test)
	$(call need,python gl)
	$(SETUP) dev samples
	@$(PYTEST) -m soak --hypothesis-profile=long --timeout=3600 $(ARGS)

bench: ## play the short suite on every engine, in .venv-bench, and write bench-out/report.html (ARGS="--runs 1")
	$(call need,python gl)
	@$(PYTHON) tools/setup_env.py --venv .venv-bench samples bench
	@.venv-bench/bin/brickstream bench run short --out bench-out --data bench-data $(ARGS)

bench-fetch: ## measure fetching beside other engines, in .venv-bench (ARGS="--latency 20 --runs 3")
	$(call need,python)
	@$(PYTHON) tools/setup_env.py --venv .venv-bench bench
	@.venv-bench/bin/python benchmarks/fetch.py $(ARGS)

clean: ## remove the environments and everything that was built
	rm -rf .venv .venv-* build dist demo-out bench-out bench-data .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(wildcard brickstream tests tools examples benchmarks) -name __pycache__ -type d -prune -exec rm -rf {} +
