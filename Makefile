# This needs make and Python 3.11 to 3.13. Everything is installed into .venv, and every training writes to runs/.
# The first suitable one of these makes .venv. `make install PYTHON=/path/to/python` names another.
PYTHON ?= python3 python3.12 python3.11 python3.13

.PHONY: help install demo demo-relation demo-event demo-reading demo-pretraining demo-similar demo-parsing encoder test test-slow test-all lint scores bench bench-torch lock clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile

install: .venv/.installed  ## create .venv and install everything into it

.venv/.installed: requirements.txt | .venv/bin/pip
	.venv/bin/pip install --disable-pip-version-check --no-deps -r requirements.txt
	@touch $@

.venv/bin/pip:
	@for python in $(PYTHON); do \
	    "$$python" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	        && echo "$$python -m venv .venv" && exec "$$python" -m venv .venv; \
	done; \
	echo "error: no Python 3.11 to 3.13 with venv among: $(PYTHON)" \
	    "(Debian and Ubuntu: apt install python3-venv; elsewhere: make install PYTHON=/path/to/python)" >&2; exit 1

demo: demo-relation  ## train, score and predict relation extraction on the demo set (minutes on 2 cores)

demo-relation: TASK := relation_extraction
demo-relation: install
	$(RUN_DEMO)

demo-event: TASK := event_extraction
demo-event: install  ## the same with event extraction
	$(RUN_DEMO)

demo-reading: TASK := reading_comprehension
demo-reading: SCHEMA :=
demo-reading: install  ## the same with reading comprehension
	$(RUN_DEMO)

demo-pretraining: install  ## train a small encoder on the texts of the demo sets, score it, fill in masks
	.venv/bin/python extras/pretraining/train.py --config demo.json
	.venv/bin/python extras/pretraining/evaluate.py --encoder runs/pretraining/demo/encoder \
	    --input data/demo/pretraining --dev --train data/demo/pretraining
	echo '记者在成都获悉，两家公司[MASK][MASK]会面。' | \
	    .venv/bin/python extras/pretraining/fill.py --encoder runs/pretraining/demo/encoder --input -

demo-similar: install  ## train on groups of similar questions, write more of them
	.venv/bin/python extras/similar_questions/train.py --config demo.json
	printf '%s\n' 请问鼎昀手机多少钱 这本书怎么续借 | .venv/bin/python extras/similar_questions/generate.py \
	    --model runs/similar_questions/demo --input - --output - --n 3

PARSING = extras/unsupervised_parsing
PARSED = runs/unsupervised_parsing/demo
demo-parsing: install  ## find words, new words and trees in a few sentences, with the bundled encoder
	mkdir -p $(PARSED)
	.venv/bin/python $(PARSING)/segment.py --encoder data/encoders/small --input $(PARSING)/demo/text.txt \
	    --text data/demo/pretraining --output $(PARSED)/words.txt
	.venv/bin/python $(PARSING)/evaluate.py --gold $(PARSING)/demo/gold.txt --predictions $(PARSED)/words.txt \
	    --baselines --train data/demo/pretraining
	.venv/bin/python $(PARSING)/lexicon.py --input $(PARSED)/words.txt --min-count 2
	.venv/bin/python $(PARSING)/parse.py --encoder data/encoders/small --input $(PARSING)/demo/gold.conllu \
	    --spans given --json --output $(PARSED)/trees.jsonl
	.venv/bin/python $(PARSING)/evaluate.py --gold $(PARSING)/demo/gold.conllu --predictions $(PARSED)/trees.jsonl --baselines

CORPUS ?= ../shared/corpus
encoder: install  ## train data/encoders/small again on the texts in the folder CORPUS (hours on 2 cores; resumes)
	.venv/bin/python extras/pretraining/train.py --config small.json --set train_file=$(CORPUS)
	mkdir -p data/encoders/small
	cp runs/pretraining/small/encoder/* runs/pretraining/small/curves.png runs/pretraining/small/history.csv \
	    data/encoders/small/

DEMO_DATA = data/demo/$(TASK)
DEMO_RUN = runs/$(TASK)/demo
SCHEMA = --schema $(DEMO_RUN)/schema.json
define RUN_DEMO
	.venv/bin/python $(TASK)/train.py --config demo.json
	.venv/bin/python $(TASK)/predict.py --model $(DEMO_RUN) --input $(DEMO_DATA)/dev.json --output $(DEMO_RUN)/dev.json
	.venv/bin/python $(TASK)/evaluate.py --gold $(DEMO_DATA)/dev.json --predictions $(DEMO_RUN)/dev.json
	.venv/bin/python $(TASK)/predict.py --model $(DEMO_RUN) --input $(DEMO_DATA)/test.json --output $(DEMO_RUN)/submission.zip
	.venv/bin/python $(TASK)/check_submission.py --input $(DEMO_DATA)/test.json \
	    --predictions $(DEMO_RUN)/submission.zip $(SCHEMA)
	@printf '%-12s%s\n' run $(DEMO_RUN) curves $(DEMO_RUN)/curves.png metrics $(DEMO_RUN)/metrics.json \
	    report $(DEMO_RUN)/report/report.html predictions $(DEMO_RUN)/dev.json submission $(DEMO_RUN)/submission.zip
endef

# Folders have files of the same names, so each has a pytest run of its own. Two run at a time, as a test uses one thread.
TESTED = $(wildcard tests */tests extras/*/tests examples/*/tests)
test: install  ## run the quick tests (minutes)
	@$(MAKE) --no-print-directory --keep-going --jobs 2 $(TESTED:%=pytest-in-%)

test-slow: install  ## run the slow tests: kills, several workers, whole demo trainings
	@$(MAKE) --no-print-directory --keep-going $(TESTED:%=pytest-in-%) SELECTED=slow

test-all: test test-slow  ## run all tests

SELECTED = not slow
.PHONY: $(TESTED:%=pytest-in-%)
$(TESTED:%=pytest-in-%): pytest-in-%:
	@mkdir -p runs/pytest
	@echo "$* ..."; log="runs/pytest/$(subst /,-,$*).txt"; \
	    .venv/bin/python -m pytest -q -m '$(SELECTED)' $* >"$$log" 2>&1; code=$$?; \
	    echo "== $*"; cat "$$log"; test $$code = 0 -o $$code = 5    # 5: none is selected

# As with pytest, each folder has a mypy run of its own.
TYPED = $(patsubst %/,%,$(dir $(wildcard */train.py extras/*/evaluate.py examples/*/train.py))) \
    data docs
lint: install  ## check the code with ruff, its format, and the types with mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy -p common
	@for folder in $(TYPED); do echo "== $$folder"; .venv/bin/mypy $$folder || exit 1; done
	MYPYPATH=benchmarks .venv/bin/mypy --explicit-package-bases benchmarks
	MYPYPATH=benchmarks/tools:docs .venv/bin/mypy tests

scores: install  ## train the models in the READMEs' tables of scores on the official data (hours), and write the tables
	.venv/bin/python docs/scores.py --train

bench: install  ## measure speed and memory, one script after the other (on a quiet machine)
	@for script in benchmarks/*.py; do echo "== $$script"; .venv/bin/python "$$script" || exit 1; done

bench-torch: install  ## install PyTorch into its own environment, for three benchmarks and tests/transformers_gold.py
	.venv/bin/python -m venv runs/benchmarks/torch
	runs/benchmarks/torch/bin/pip install -r benchmarks/tools/torch-requirements.txt

lock:  ## write requirements.txt from pyproject.toml and keep its versions (needs uv; to renew all, remove it first)
	echo '-e .' | uv pip compile - --universal --python-version 3.11 --group dev --no-annotate --quiet \
	    --custom-compile-command 'make lock' --output-file requirements.txt

clean:  ## remove .venv and caches; runs/ stays
	rm -rf .venv *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
