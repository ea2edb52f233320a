"""Tests of GPLinker's targets and decoding in benchmarks/tools, without PyTorch: perfect scores give gold back."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "benchmarks" / "tools"))

from linking import (  # noqa: E402
    MAX_SPANS,
    Scores,
    event_targets,
    find_links,
    maximal_cliques,
    perfect_scores,
    relation_targets,
    to_events,
    to_relations,
)

DEMO = """
import sys
from types import SimpleNamespace
task, schema, max_length, stride = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
sys.path[:0] = ["benchmarks", task]
from common.tokenizer import Tokenizer
from tools.gplinker_tasks import TASKS, perfect
config = SimpleNamespace(schema_file=f"data/demo/{task}/{schema}", max_length=max_length, stride=stride)
task = TASKS[task](config, Tokenizer.from_vocab("data/vocab.txt"))
dev = task.read(f"data/demo/{sys.argv[1]}/dev.json")
# GPLinker has no ties, so it may mix up the slots of objects that have several.
dev = [record for record in dev if all(len(triple["object"]) == 1 for triple in record.get("spo_list", ()))]
print(task.scores(dev, perfect(task, dev))["f1"])
assert "torch" not in sys.modules and "tensorflow" not in sys.modules
"""


def sorted_rows(rows):
    return sorted(map(tuple, np.asarray(rows).tolist()))


def test_perfect_scores_give_relations_back():
    relations = np.array([(0, 1, 2, 5, 5), (1, 1, 2, 7, 8), (0, 4, 5, 1, 2)])
    found = find_links(perfect_scores(relation_targets(relations), [2, 2, 2], 10), directed=True, threshold=0.5)
    assert sorted_rows(to_relations(found)) == sorted_rows(relations)


def test_perfect_scores_give_events_back():
    # labels 0 to 2 are of one type, label 3 of another; the first two events share an argument, the last has one span
    events = [[(0, 1, 1), (1, 3, 4), (2, 6, 6)], [(0, 8, 9), (1, 3, 4)], [(3, 6, 6)]]
    targets = event_targets([np.array(event) for event in events])
    found = find_links(perfect_scores(targets, [4, 1, 1], 11), directed=False, threshold=0.5)
    assert sorted(map(sorted_rows, to_events(found, np.array([0, 0, 0, 3])))) == sorted(map(sorted_rows, events))


def test_no_relation_and_no_event():
    found = find_links(perfect_scores(relation_targets(np.zeros((0, 5), int)), [2, 3, 3], 5), True)
    assert to_relations(found).shape == (0, 5)
    found = find_links(perfect_scores(event_targets([]), [4, 1, 1], 2), False)
    assert to_events(found, np.zeros(4, int)) == []


def test_the_best_spans_of_an_untrained_model_are_kept_and_touch_neither_cls_nor_sep():
    scores = np.random.default_rng(0).normal(size=(2, 40, 40))
    spans = find_links(Scores(scores, scores[:1], scores[:1]), directed=True, threshold=0.1).spans
    assert len(spans) == MAX_SPANS
    assert spans[:, 1:].min() == 1
    assert spans[:, 1:].max() == 38
    assert scores[tuple(spans.T)].min() >= np.sort(scores[:, 1:-1, 1:-1], axis=None)[-MAX_SPANS]


@given(st.integers(0, 7), st.sets(st.sampled_from(list(combinations(range(7), 2)))))
def test_maximal_cliques_are_those_of_brute_force(size, edges):
    neighbours = [{b for a, b in (*edges, *(edge[::-1] for edge in edges)) if a == node} for node in range(7)]
    nodes = set(range(size))
    subsets = [frozenset(some) for n in range(1, size + 1) for some in combinations(nodes, n)]
    cliques = [some for some in subsets if all(pair in edges for pair in combinations(sorted(some), 2))]
    maximal = {clique for clique in cliques if not any(clique < other for other in cliques)}
    found = list(map(frozenset, maximal_cliques(neighbours, nodes))) if nodes else []
    assert set(found) == maximal
    assert len(found) == len(maximal)


@pytest.mark.parametrize("window", [(256, 128), (40, 10)], ids=str)
@pytest.mark.parametrize(
    ("task", "schema"), [("relation_extraction", "schema.json"), ("event_extraction", "event_schema.json")]
)
def test_perfect_scores_give_the_demo_set_back(task, schema, window):
    command = [sys.executable, "-c", DEMO, task, schema, *map(str, window)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.99
