# Every target works alone, on a machine with python3 (>= 3.11), make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test test-slow lint bench docs lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("tm needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "setup: creating $(VENV) and installing the locked set (about 7 GB with torch's CUDA libraries)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --compile-bytecode -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@
	@echo "setup: done, the command is $(BIN)/tm"

lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--upgrade --quiet --no-header --no-annotate --no-emit-index-url --output-file requirements.lock

D := runs/demo
ME := --people 1 --seed 900000

# Means of many faces are as smooth as drawings: hence --force.
demo: $(READY)
	@rm -rf $(D) && mkdir -p $(D) && touch $(D)/.begun && cp recipes/comparison/demo.toml $(D)/comparison.toml
	@echo "demo: two photographs of nobody, each the mean of 30 people and more, at other ages"
	@$(BIN)/tm infer engine/shipped/composites --ages 30,50,65,80 --weights photo --force --strip --out $(D)/photographs
	@echo "demo: look at $(D)/photographs/42_man_strip.png and 50_woman_strip.png"
	@echo "demo: now a drawn person, whose true ageing is known: 60 photos of ages 20 to 50 teach how that person ages"
	@$(BIN)/tm prep synth $(D)/photos $(ME) --ages 20..50 --per-person 60 --size 320 --unaligned 1
	@$(BIN)/tm prep align $(D)/photos $(D)/aligned --size 128
	@$(BIN)/tm prep filter $(D)/aligned
	@$(BIN)/tm prep split $(D)/aligned --test 0.1
	@$(BIN)/tm prep sheet $(D)/aligned --out $(D)/sheet.png
	@$(BIN)/tm train --recipe nano/short --photos $(D)/aligned --out $(D)/runs/personal
	@$(BIN)/tm oneshot --age 40 --jitter 2 --from $(D)/runs/personal --out $(D)/runs/at_40 \
		--set phase.0.steps=60 --set phase.0.rate.steps=60
	@$(BIN)/tm prep synth $(D)/inputs $(ME) --ages 25..45 --per-person 3 --size 128 --same-scene
	@$(BIN)/tm prep synth $(D)/truth $(ME) --ages 20..80 --per-person 7 --size 128 --same-scene
	@for method in prior personal oneshot; do \
		case $$method in prior) model=nano;; personal) model=$(D)/runs/personal;; *) model=$(D)/runs/at_40;; esac; \
		$(BIN)/tm infer $(D)/inputs --ages 20,30,40,50,60,70,80 --weights $$model --out $(D)/$$method || exit 1; done
	@$(BIN)/tm eval $(D)
	@echo "demo: look at $(D)/strip.png and $(D)/report.html"

test: $(READY)
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -q

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "docs: open site/index.html"

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright

bench: $(READY)
	@for file in $(filter-out benchmarks/photo%.py benchmarks/%_photos.py benchmarks/concept_pictures.py,$(wildcard benchmarks/*.py)); do \
		$(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info
