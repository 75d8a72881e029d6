# Every target works alone, on a machine with python3 (>= 3.11), make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test test-slow lint bench lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("tm needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "setup: creating $(VENV) and installing the locked set (about 6 GB with torch's CUDA libraries)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet -r requirements.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@
	@echo "setup: done, the command is $(BIN)/tm"

lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--upgrade --quiet --no-header --no-annotate --no-emit-index-url --output-file requirements.lock

demo: $(READY)
	@echo "demo: renders one person's photos, aligns, judges and splits them, and ages one beside the truth"
	@rm -rf runs/demo
	@$(BIN)/tm prep synth runs/demo/photos --people 1 --seed 900000 --ages 8..90 --per-person 24 --size 640 --wild 1
	@$(BIN)/tm prep align runs/demo/photos runs/demo/aligned --size 256
	@$(BIN)/tm prep filter runs/demo/aligned
	@$(BIN)/tm prep split runs/demo/aligned --test 0.2
	@$(BIN)/tm prep sheet runs/demo/aligned --out runs/demo/sheet.png
	@$(BIN)/tm prep synth runs/demo/truth --people 1 --seed 900000 --ages 10..90 --per-person 9 --same-scene
	@$(BIN)/tm infer runs/demo/truth/900000/30_2.png --ages 10,20,30,40,50,60,70,80,90 --out runs/demo/aged \
		--strip --set "truth='runs/demo/truth'"
	@cp runs/demo/aged/30_2_strip.png runs/demo/strip.png
	@echo "demo: look at runs/demo/sheet.png, and at runs/demo/strip.png: aged from 30, the truth below"

test: $(READY)
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -q

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright

bench: $(READY)
	@for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info
