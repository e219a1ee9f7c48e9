# `make` alone prints the commands: the groups from the lines with two hashes and an at sign, the rest
# from the comment behind each target. GNU make 3.81, which macOS has, is enough.

PY := .venv/bin/python
T ?=

# Not up to date either: an environment whose checkout was moved, or whose Python is gone.
USABLE := $(shell [ "$$(cat .venv/home 2>/dev/null)" = "$$(pwd -P)" ] && $(PY) -c '' 2>/dev/null && echo yes)

.PHONY: help run test lint format lock bench clean reset FORCE
.DEFAULT_GOAL := help
.SUFFIXES:

help:
	@awk -f scripts/help.awk Makefile

##@ Run

run: .venv/run.stamp  ## start everything here: PORT, VERIFIER_PORT, DATA_DIR, PUBLIC_URL … by environment
	@$(PY) -P -m vestry up --with-parent

reset: .venv/run.stamp  ## delete DATA_DIR (.vestry), after asking
	@$(PY) -P scripts/reset.py

##@ Develop

# 42: every failure is a store that had no time to answer (tests/crowded.py), and those tests are run again by themselves.
ifeq ($(T),)
test: lint  ## check and test everything, or one thing: make test T=tests/client/test_up.py
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile || { [ $$? -eq 42 ] \
	&& echo "make: whom the store did not answer in the crowd (FAILED above) is run again, by itself" \
	&& $(PY) -m pytest --last-failed --last-failed-no-failures none; }
else
test: .venv/dev.stamp
	@$(PY) -m pytest $(T)
endif

lint: .venv/dev.stamp  ## ruff, mypy, and the floors of the house
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo

format: .venv/dev.stamp  ## put the code into the one form
	@$(PY) -m ruff check --fix-only --quiet
	@$(PY) -m ruff format

bench: .venv/dev.stamp  ## measure, side by side, ten minutes; make bench FLAME=1 draws where a request's time goes
	@$(PY) -m bench $(if $(FLAME),flame)

##@ Keep house

lock: .venv/run.stamp  ## write the lock files anew; newest versions: make lock UPGRADE=--upgrade
	@scripts/lock $(UPGRADE)

clean:  ## delete what was installed, built and cached; DATA_DIR stays
	@rm -rf .venv .cache dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run.stamp: requirements.lock pyproject.toml $(if $(USABLE),,FORCE)
	@scripts/set-up run

.venv/dev.stamp: .venv/run.stamp requirements-dev.lock
	@scripts/set-up dev

FORCE:
