# `make help` lists what there is. Everything installs itself into .venv on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

SERVING := ./shared ./services/gateway ./services/inference ./services/scheduler ./client ./deploy/local
PROJECTS := pyproject.toml constraints.txt $(wildcard */pyproject.toml */*/pyproject.toml)

BENCHES := $(addprefix bench-,limit seed pipeline precision decode f0 cold biomarkers worker fair memory poll wait retry upload trends patients page)

.DEFAULT_GOAL := help
.PHONY: help setup demo up seed env compose-test rehearse-restore test faults fuzz-api fuzz hostile lint format screenshots settings openapi biomarkers alerts dashboards lock sbom audit bundled manifests bench $(BENCHES) bench-growth bench-scaling simulate-alerts bench-report clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	@$(PIP) --no-build-isolation $(SERVING:%=--editable %) --editable './shared[tracing]' --editable './deploy/local[s3]' --editable './client[record]' \
		--editable ./services/trainer --requirement tests/requirements.txt
	@touch $@

setup: $(VENV)/.everything ## Install everything into .venv
	@true

demo: $(VENV)/.serving ## Run the main job once, end to end: a week of voice logs to a trend
	@$(BIN)/mindtrack-local demo

up: $(VENV)/.serving ## Keep the stack running; print its address and tokens
	@$(BIN)/mindtrack-local up

seed: $(VENV)/.serving ## Add 40 made-up people with 120 days each, whether the stack runs or not
	@$(BIN)/mindtrack-local seed

env: $(VENV)/.serving ## Write .env for docker-compose.yml: new secrets, a token issuer's keys
	@$(BIN)/mindtrack-local dotenv

compose-test: $(VENV)/.everything ## Run docker-compose.yml, built without a registry, and restart it under load
	@$(BIN)/python tests/compose/run.py $(ARGS)

rehearse-restore: $(VENV)/.serving ## Back up, lose everything, restore a moment, compare
	@$(BIN)/python deploy/backup/rehearse.py

# Each process starts servers of its own. Tests that kill, starve or watch a whole stack have the machine to themselves.
SIDE_BY_SIDE := tests/unit tests/hostile tests/deploy tests/integration tests/e2e
ALONE := tests/browser tests/upgrade tests/faults

test: $(VENV)/.everything ## Run the tests; some of them with ARGS=tests/unit
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(SIDE_BY_SIDE)
	$(BIN)/python -m pytest $(ALONE)
endif

faults: $(VENV)/.everything ## Inject every fault into a running stack, judge it, write docs/reliability.md; ONLY=F6,F8
	@PYTHONPATH=tests $(BIN)/python -m faults.campaign $(if $(ONLY),--only $(ONLY)) $(ARGS)

.venv-fuzz/.installed: tests/interface/requirements.txt
	@test -d .venv-fuzz || $(PYTHON) -m venv .venv-fuzz
	@.venv-fuzz/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

fuzz-api: $(VENV)/.everything .venv-fuzz/.installed ## Thousands of made-up requests, held to openapi.json
	@$(BIN)/python tests/interface/run.py --schemathesis $(CURDIR)/.venv-fuzz/bin/schemathesis $(ARGS)

fuzz: $(VENV)/.everything ## Damage 100,000 recordings, and see that each ends rejected or analysed
	@cd tests && ../$(BIN)/python -m hostile.fuzz $(ARGS)

hostile: $(VENV)/.everything ## Decode bombs and lies; write docs/hostile-audio.md's table
	@cd tests && ../$(BIN)/python -m hostile.outcomes

lint: $(VENV)/.everything ## Check style, types and layering
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.everything ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

screenshots: $(VENV)/.everything ## Write docs/images: the page in Chromium, with made-up people
	@$(BIN)/python tests/screenshots.py

settings: $(VENV)/.everything ## Write docs/settings.md from the settings classes
	$(BIN)/python tests/settings_reference.py > docs/settings.md

openapi: $(VENV)/.everything ## Write openapi.json from the gateway's routes
	$(BIN)/python tests/openapi.py > openapi.json

biomarkers: $(VENV)/.everything ## Write docs/biomarkers.md from the biomarkers' definitions
	PYTHONPATH=tests $(BIN)/python tests/biomarkers_reference.py > docs/biomarkers.md

alerts: $(VENV)/.everything ## Write deploy/observability/alerts.yaml from the Kubernetes rules
	@$(BIN)/python tests/deploy/alerts.py > deploy/observability/alerts.yaml

dashboards: $(VENV)/.serving ## Write Grafana's dashboards from deploy/observability/dashboards.py
	$(BIN)/python deploy/observability/dashboards.py

# What images are built from: pinned, hashed, listed, looked up.
LOCKS = $(wildcard services/*/requirements*.lock deploy/docker/*.lock)

$(VENV)/.supply: $(VENV)/.serving deploy/docker/requirements.txt
	@$(PIP) --requirement deploy/docker/requirements.txt
	@touch $@

lock: $(VENV)/.supply ## Write the images' hashed requirements from constraints.txt
	@$(BIN)/python deploy/docker/lock.py

sbom: $(VENV)/.supply ## Write a bill of materials (CycloneDX) for each image into build/sbom
	@mkdir -p build/sbom
	@for lock in $(LOCKS); do \
		bill=build/sbom/$$(echo $${lock%.lock} | tr / -).cdx.json; \
		$(BIN)/cyclonedx-py requirements --output-reproducible --output-file $$bill $$lock && echo $$bill || exit 1; \
	done

audit: $(VENV)/.supply ## Look up known vulnerabilities of what images hold; fails if one cannot be looked up
	@for lock in $(filter-out %/torch-cpu.lock,$(LOCKS)); do \
		echo "$$lock"; $(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off --requirement $$lock || failed=1; \
	done; test -z "$$failed"

bundled: $(VENV)/.everything ## Write docs/supply-chain.md's list of C libraries inside wheels
	@$(BIN)/python deploy/docker/bundled.py

manifests: $(VENV)/.everything ## Render the Kubernetes manifests and check them against its schemas
	@$(BIN)/python tests/deploy/manifests.py

bench: $(BENCHES) bench-report ## Run every benchmark; keep the machine idle meanwhile

BENCH = PYTHONPATH=tests $(BIN)/python -m

bench-limit: $(VENV)/.everything ## The float32 engine beside what the machine can multiply
	@$(BENCH) bench.limit $(ARGS)

bench-seed: $(VENV)/.everything ## 5-second recordings beside the tutorial's endpoint
	@$(BENCH) bench.seed $(ARGS)

bench-pipeline: $(VENV)/.everything ## Recordings of all lengths beside transformers.pipeline
	@$(BENCH) bench.pipeline $(ARGS)

bench-precision: $(VENV)/.everything ## The best precision beside float32
	@$(BENCH) bench.precision $(ARGS)

bench-decode: $(VENV)/.everything ## Decoding beside one ffmpeg per recording
	@$(BENCH) bench.decoding $(ARGS)

bench-f0: $(VENV)/.everything ## Pitch tracking beside librosa.pyin
	@$(BENCH) bench.f0 $(ARGS)

bench-cold: $(VENV)/.everything ## A cold worker's first result beside the tutorial's
	@$(BENCH) bench.cold $(ARGS)

bench-biomarkers: $(VENV)/.everything ## Quality gate and biomarkers beside Praat
	@$(BENCH) bench.biomarkers $(ARGS)

bench-worker: $(VENV)/.everything ## The whole system beside the bare engine
	@$(BENCH) bench.worker $(ARGS)

bench-fair: $(VENV)/.everything ## Interactive jobs behind bulk work beside an idle system
	@$(BENCH) bench.fair $(ARGS)

bench-memory: $(VENV)/.everything ## The memory an hour of audio takes beside a minute
	@$(BENCH) bench.memory $(ARGS)

bench-poll: $(VENV)/.everything ## Polls of jobs beside a bare ASGI application
	@$(BENCH) bench.poll $(ARGS)

bench-wait: $(VENV)/.everything ## Thousands of held requests beside polling once a second
	@$(BENCH) bench.wait $(ARGS)

bench-retry: $(VENV)/.everything ## Uploads sent three times over a network that resets connections
	@$(BENCH) bench.retry $(ARGS)

bench-upload: $(VENV)/.everything ## Eight uploads at once: memory beside reading them whole, speed beside storage alone
	@$(BENCH) bench.upload $(ARGS)

bench-trends: $(VENV)/.everything ## A 90-day trend among 5 million analyses, beside summing it up
	@$(BENCH) bench.trends $(ARGS)

bench-growth: bench-trends ## The same beside a database with a hundredth of them

bench-patients: $(VENV)/.everything ## A clinician's first page of 1,000 patients beside the same rows, bare
	@$(BENCH) bench.patients $(ARGS)

bench-page: $(VENV)/.everything ## The page's first load and its chart, in a browser
	@$(BENCH) bench.page $(ARGS)

bench-scaling: $(VENV)/.everything ## Simulate days of 10 million recordings under rules of scaling
	@$(BENCH) bench.simulate_scaling $(ARGS)

simulate-alerts: $(VENV)/.everything ## Simulate who is told of a rise, rightly or not; write docs/trends.md's tables
	@$(BENCH) bench.simulate_alerts $(ARGS)

bench-report: $(VENV)/.everything ## Write bench/README.md's and docs/capacity.md's tables from the last results
	@$(BENCH) bench.report

clean: ## Remove what was installed and what the stack stored
	rm -rf $(VENV) var
