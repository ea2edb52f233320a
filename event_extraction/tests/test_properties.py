"""Properties that hold for any records: decoding gold gives gold back, and the metric does what every metric has to."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pair
from common.testing.texts import TEXT, parts
from dataset import to_example, to_features
from decode import Found, to_characters, to_events, to_record
from records import offset_faults
from scoring import exact_events, score


@st.composite
def gold_records(draw, schema):
    """Draw a record whose triggers and arguments are parts of its text. No part is both."""
    strings = draw(parts(least=3))
    text = "，".join(strings)
    triggers = strings[: draw(st.integers(1, 2))]
    events = []
    for trigger in triggers:
        for event_type in draw(st.lists(st.sampled_from(sorted(schema)), unique=True, max_size=2)):
            roles = st.tuples(st.sampled_from(schema[event_type]), st.sampled_from(strings[len(triggers) :]))
            arguments = [
                {"role": role, "argument": string, "argument_start_index": text.index(string), "alias": []}
                for role, string in draw(st.lists(roles, unique=True, max_size=3))
            ]
            events.append({"event_type": event_type, "trigger": trigger, "trigger_start_index": text.index(trigger),
                           "arguments": arguments})  # fmt: skip
    return {"id": "1", "text": text, "event_list": events}


@given(st.data())
def test_what_scores_as_gold_is_decoded_to_gold(labels, tokenizer, data):
    record = data.draw(gold_records(labels.schema))
    counts: Counter[str] = Counter()
    assert not list(offset_faults(record))
    (feature,) = to_features([to_example(record)], tokenizer, labels, 128, 64, counts)
    assert not any("lost" in name for name, count in counts.items() if count)
    found = Found(set(), set())
    to_characters(feature, pair.perfect(feature, labels), found)
    decoded = to_record(record["id"], record["text"], to_events(found, labels))
    assert sorted(map(content, decoded["event_list"])) == sorted(map(content, record["event_list"]))
    if any(event["arguments"] for event in record["event_list"]):
        assert set(score([record], [decoded]).values()) == {1.0}


def content(event):
    return event["event_type"], sorted({(a["role"], a["argument"]) for a in event["arguments"]})


STRINGS = st.sampled_from(["何", "何川", "川何", "İ", "i̇", "a", "A", "", "\ud800"]) | TEXT
ARGUMENTS = st.fixed_dictionaries({"role": st.sampled_from("甲乙"), "argument": STRINGS})
EVENTS = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["死亡", "胜负"]), "arguments": st.lists(ARGUMENTS, max_size=3)}
)
RECORDS = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from("1234"), "event_list": st.lists(EVENTS, max_size=3)}),
    max_size=4, unique_by=lambda record: record["id"],
)  # fmt: skip


@given(RECORDS, RECORDS, st.randoms(use_true_random=False))
def test_scores_of_any_records(gold, predictions, random):
    scores, exact = score(gold, predictions), exact_events(gold, predictions)
    assert all(0 <= value <= 1 for value in (*scores.values(), *exact.values()))
    assert scores["f1_lcs"] <= scores["f1"] + 1e-4  # a common subsequence has no more than the characters in common
    for part in (gold, predictions):
        random.shuffle(part)
        for record in part:
            random.shuffle(record["event_list"])
            for event in record["event_list"]:
                random.shuffle(event["arguments"])
    assert score(gold, predictions) == pytest.approx(scores, abs=1.1e-4)  # a sum in another order, rounded
    assert exact_events(gold, predictions) == exact
    has_arguments = any(event["arguments"] for record in gold for event in record["event_list"])
    assert set(score(gold, gold).values()) == {1.0 if has_arguments else 0.0}
    assert set(exact_events(gold, gold).values()) == {1.0 if any(r["event_list"] for r in gold) else 0.0}


@given(RECORDS, RECORDS)
def test_gold_and_predictions_swapped_swap_precision_and_recall(gold, predictions):
    """This holds if both have the same ids."""
    names = {record["id"] for record in gold} & {record["id"] for record in predictions}
    gold, predictions = ([r for r in part if r["id"] in names] for part in (gold, predictions))
    one, other = score(gold, predictions), score(predictions, gold)
    assert one["precision"] == pytest.approx(other["recall"], abs=1.1e-4)
    assert one["f1"] == pytest.approx(other["f1"], abs=1.1e-4)
    assert one["f1_lcs"] == pytest.approx(other["f1_lcs"], abs=1.1e-4)
