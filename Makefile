# Two commands: `make book` and `make test`. Each makes the environment it needs first.
PYTHON ?= python3
PROFILE ?= default
BIN := .venv/bin

.PHONY: book test lint serve clean

book: .venv/.book
	$(BIN)/sgd-book run --profile $(PROFILE)
	$(BIN)/sgd-book build --profile $(PROFILE)

test: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -n 2

lint: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/site/$(PROFILE)/_build/html 8000

clean:
	rm -rf _build .venv

# A stamp is written only after everything it stands for is installed, so an interrupted installation is repeated.
.venv/.book: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "the book needs Python 3.11 or later; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[book]'
	@touch $@

.venv/.test: .venv/.book
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[book,cluster,test]'
	@touch $@
