# make run | test | lab   each sets up .venv by itself; a second call starts in seconds
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
APT := DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=120

.PHONY: run test test-slow test-browser browser lab doctor bench lint lock clean

run: $(READY)      ## make the scenes, train, run the notebooks, write outputs/report/index.html
	@$(BIN)/python -m helpers run $(ARGS)

test: $(READY)     ## the test suite
	@$(BIN)/ruff check helpers tests
	@$(BIN)/python -m pytest $(ARGS)

test-slow: $(READY)
	@$(BIN)/python -m pytest -m slow $(ARGS)

test-browser: browser  ## the widget in a real browser
	@$(BIN)/python -m pytest -m browser tests/browser $(ARGS)

browser: $(READY)  ## what the browser tests need, installed where it is missing
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  echo "installing Chromium" && $(APT) update >/dev/null && \
	  $(APT) install -y --no-install-recommends chromium >/dev/null; } || \
	  { echo "Chromium is missing: on Debian or Ubuntu, sudo apt install chromium"; exit 1; }
	@timeout 120 chromium --headless --no-sandbox --disable-gpu --dump-dom about:blank \
	  >/dev/null 2>&1 || { echo "Chromium does not start here"; exit 1; }
	@$(BIN)/python -c 'import playwright' 2>/dev/null || \
	  $(BIN)/python -m uv pip install --quiet --python $(BIN)/python 'playwright>=1.45' || \
	  $(BIN)/python -m pip install --quiet 'playwright>=1.45' || \
	  { echo "playwright is missing, and no package index answers"; exit 1; }

lab: $(READY)      ## JupyterLab on notebooks/
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)


doctor: $(READY)   ## what this machine has, and how to fix what is missing
	@$(BIN)/python -m helpers doctor

bench: $(READY)    ## time the fast paths against what others offer; ARGS="--json FILE" keeps the numbers
	@$(BIN)/python -m helpers bench $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check helpers tests && $(BIN)/ruff format --check helpers tests

# The environment: pinned versions through uv, or through pip where uv finds no index.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "setting up .venv (torch is large: a minute or a few, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo "python's venv module is missing: on Debian or Ubuntu, apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python -r requirements.txt || \
	  $(BIN)/python -m pip install --quiet -r requirements.txt
	@$(BIN)/python -m uv pip install --quiet --python $(BIN)/python --no-deps --editable . || \
	  $(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

lock:              ## write requirements.txt anew from pyproject.toml
	@$(BIN)/python -m uv pip compile pyproject.toml --universal --python-version 3.11 --extra test \
	  --no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.txt

clean:             ## remove the environment; outputs/ and data/ stay
	rm -rf .venv
