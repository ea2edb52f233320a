"""Properties that hold for any records: decoding gold gives gold back, and the metric does what every metric has to."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pair
from common.testing.texts import TEXT, parts
from dataset import to_example, to_features
from decode import to_characters, to_record
from scoring import score

# The slots besides `@value` of predicates that the fixture `labels` has.
PREDICATES: dict[str, list[str]] = {"父亲": [], "饰演": ["inWork"], "获奖": ["inWork", "onDate", "period"]}


@st.composite
def gold_records(draw):
    """Draw a record. A predicate has each `@value` in one triple only, so that the ties are unambiguous."""
    strings = draw(parts())
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(draw(st.integers(0, 5))):
        predicate = draw(st.sampled_from(sorted(PREDICATES)))
        subject, value = draw(st.permutations(strings))[:2]
        slots = draw(st.dictionaries(st.sampled_from(PREDICATES[predicate] or ["@value"]), st.sampled_from(strings)))
        triple = {"predicate": predicate, "subject": subject, "object": slots | {"@value": value}}
        found.setdefault((predicate, value), triple)
    return {"text": "，".join(strings), "spo_list": list(found.values())}


@given(gold_records())
def test_what_scores_as_gold_is_decoded_to_gold(labels, tokenizer, record):
    counts: Counter[str] = Counter()
    (feature,) = to_features([to_example(record, counts)], tokenizer, labels, 128, 64, counts)
    assert not any("lost" in name for name, count in counts.items() if count)
    decoded = to_record(record["text"], to_characters(feature, pair.perfect(feature, labels)), labels)
    assert triples(decoded) == triples(record)
    if record["spo_list"]:
        assert score([record], [decoded]) == {"precision": 1, "recall": 1, "f1": 1}


def triples(record):
    return {(t["predicate"], t["subject"], *sorted(t["object"].items())) for t in record["spo_list"]}


STRINGS = st.sampled_from(["何", "何川", "《何川》", "İ", "i̇", "ß", "SS", "a", "A", "", "\ud800"]) | TEXT
TRIPLES = st.fixed_dictionaries({
    "predicate": st.sampled_from("父母"),
    "subject": STRINGS,
    "object": st.dictionaries(st.sampled_from(["@value", "inWork"]), STRINGS, min_size=1),
})  # fmt: skip


def records(texts="甲乙丙丁"):
    """Draw lists of records with different texts."""
    spo_lists = st.lists(TRIPLES, max_size=4)
    return st.lists(st.fixed_dictionaries({"text": st.sampled_from(texts), "spo_list": spo_lists}), max_size=4,
                    unique_by=lambda record: record["text"])  # fmt: skip


@given(records(), records(), st.randoms(use_true_random=False))
def test_scores_of_any_records(gold, predictions, random):
    scores = score(gold, predictions)
    assert all(0 <= value <= 1 for value in scores.values())
    assert min(scores["precision"], scores["recall"]) - 1e-4 <= scores["f1"]
    assert scores["f1"] <= max(scores["precision"], scores["recall"]) + 1e-4
    for part in (gold, predictions):
        random.shuffle(part)
        for record in part:
            random.shuffle(record["spo_list"])
            record["spo_list"] *= 2  # a triple twice counts once
    assert score(gold, predictions) == scores
    itself = score(gold, gold)
    assert itself == dict.fromkeys(scores, 1.0 if any(record["spo_list"] for record in gold) else 0.0)


@given(records(), records())
def test_gold_and_predictions_swapped_swap_precision_and_recall(gold, predictions):
    """This holds if both have the same texts."""
    texts = {record["text"] for record in gold} & {record["text"] for record in predictions}
    gold, predictions = ([r for r in part if r["text"] in texts] for part in (gold, predictions))
    one, other = score(gold, predictions), score(predictions, gold)
    assert (one["precision"], one["recall"]) == (other["recall"], other["precision"])
    assert one["f1"] == pytest.approx(other["f1"], abs=1e-4)
