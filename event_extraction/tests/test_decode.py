import numpy as np
import pytest

import joint
import pair
from common.tokenizer import Tokenizer
from crf import tag_spans
from dataset import Event, Features, to_example, to_features
from decode import Found, to_characters, to_events, to_record
from model import HEADS
from records import TRIGGER, Labels, read_labelled, read_schema
from scoring import score

TEXT = "何川胜江月,江月胜白云"
WIN, LOSS = "胜者", "败者"


@pytest.mark.parametrize("seed", range(10))
def test_decoding_equals_brute_force(seed, labels):
    rng = np.random.default_rng(seed)
    size, length = 7, int(rng.integers(1, 8))
    thresholds = {"spans": float(rng.normal(0, 0.5)), "links": float(rng.normal(0, 0.5))}
    outputs = {
        name: (rng.normal(mean, 2, (size, size)), *rng.normal(0, 1, (2, len(labels), size)))
        for name, mean in [("spans", -4), ("starts", 0), ("ends", 0)]
    }
    found, starts, ends = (
        (scores + rows[:, :, None] + columns[:, None, :])[:, :length, :length] > thresholds[name]
        for name, (scores, rows, columns) in zip(("spans", "links", "links"), outputs.values(), strict=True)
    )
    spans, links = pair.decode(outputs, length, labels, thresholds)
    expected = np.argwhere(found).tolist()
    assert sorted(spans.tolist()) == expected
    assert sorted(links.tolist()) == sorted(
        [label, a, b, c, d]
        for trigger, a, b in expected for label, c, d in expected
        if labels.names[trigger][1] == TRIGGER and labels.names[label][1] != TRIGGER
        and labels.names[trigger][0] == labels.names[label][0] and starts[label, a, c] and ends[label, b, d]
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_the_joint_head_has_a_threshold_for_what_the_crf_finds_as_well(seed, labels):
    rng = np.random.default_rng(seed)
    length = 6
    factors = rng.normal(-4, 2, (length, length)), *rng.normal(0, 1, (2, len(labels), length))
    tagged = np.argwhere(rng.random((len(labels), length, length)) < 0.1)
    extractor = joint.Extractor({"joint": lambda _: None}, labels)
    extractor.thresholds |= {"spans": float(rng.normal()), "tagged": float(rng.normal())}
    scores = factors[0] + factors[1][:, :, None] + factors[2][:, None, :]
    limits = np.full(scores.shape, extractor.thresholds["spans"])
    limits[tuple(tagged.T)] = extractor.thresholds["tagged"]
    found = extractor.find_spans(factors, length, tagged)
    assert sorted(found.tolist()) == np.argwhere(scores > limits).tolist()
    assert len(extractor.find_spans(factors, length, tagged[:0])) == (scores > extractor.thresholds["spans"]).sum()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([0, 0], []),
        ([1, 2, 2, 0, 11], [[1, 0, 2], [8, 4, 4]]),
        ([1, 1, 2], [[1, 0, 0], [1, 1, 2]]),
        ([2, 2, 4], [[1, 0, 1], [2, 2, 2]]),  # an inside tag that continues no argument
        ([1, 0, 2], [[1, 0, 0], [1, 2, 2]]),
    ],
)
def test_tags_to_spans(tags, expected, labels):
    assert tag_spans(np.array(tags), labels).tolist() == expected


# --- spans and links -> events


def found(labels, spans, links=()):
    """Return spans and links of one event type. Triggers have one character, arguments two.

    A span is given as (role, start), a link as (role, start of the trigger, start of the argument).
    """
    kind = "竞赛行为-胜负"

    def span(role, start):
        return start, start + (1 if role == TRIGGER else 2)

    return Found(
        {(labels.ids[kind, role], span(role, start)) for role, start in spans},
        {(labels.ids[kind, role], span(TRIGGER, trigger), span(role, start)) for role, trigger, start in links},
    )


def strings(events):
    return [
        (TEXT[slice(*event.trigger)] if event.trigger else None, {(r, TEXT[slice(*s)]) for r, s in event.arguments})
        for event in events
    ]


SPANS = [(TRIGGER, 2), (TRIGGER, 8), (WIN, 0), (LOSS, 3), (WIN, 6), (LOSS, 9)]
LINKS = [(WIN, 2, 0), (LOSS, 2, 3), (WIN, 8, 6), (LOSS, 8, 9)]


def test_two_events_of_one_type_come_apart(labels):
    events = to_events(found(labels, SPANS, LINKS), labels)
    assert strings(events) == [("胜", {(WIN, "何川"), (LOSS, "江月")}), ("胜", {(WIN, "江月"), (LOSS, "白云")})]
    assert [event.trigger for event in events] == [(2, 3), (8, 9)]


def test_events_may_share_an_argument(labels):
    spans, links = [*SPANS[:4], SPANS[1]], [(WIN, 2, 0), (WIN, 8, 0), (LOSS, 2, 3)]
    assert strings(to_events(found(labels, spans, links), labels)) == [
        ("胜", {(WIN, "何川"), (LOSS, "江月")}), ("胜", {(WIN, "何川")}),
    ]  # fmt: skip


def test_an_argument_without_a_link_goes_to_the_nearest_trigger(labels):
    assert strings(to_events(found(labels, SPANS), labels)) == [
        ("胜", {(WIN, "何川"), (LOSS, "江月")}), ("胜", {(WIN, "江月"), (LOSS, "白云")}),
    ]  # fmt: skip


def test_arguments_without_a_trigger_are_an_event_of_their_type(labels):
    in_text = found(labels, [(WIN, 0), (LOSS, 3)])
    in_text.spans.add((labels.ids["人生-死亡", "死者"], (9, 11)))
    events = to_events(in_text, labels)
    assert [event.type for event in events] == ["竞赛行为-胜负", "人生-死亡"]
    assert strings(events) == [(None, {(WIN, "何川"), (LOSS, "江月")}), (None, {("死者", "白云")})]


def test_a_trigger_alone_is_an_event(labels):
    assert strings(to_events(found(labels, [(TRIGGER, 2)]), labels)) == [("胜", set())]
    assert to_events(Found(set(), set()), labels) == []


def test_record(labels):
    twice = Event("竞赛行为-胜负", None, frozenset({(LOSS, (6, 8)), (LOSS, (3, 5)), (WIN, (0, 2))}))
    assert to_record("7", TEXT, [twice, Event("人生-死亡", (2, 3), frozenset())]) == {
        "id": "7",
        "event_list": [
            {
                "event_type": "竞赛行为-胜负",
                "arguments": [{"role": WIN, "argument": "何川"}, {"role": LOSS, "argument": "江月"}],
            },
            {"event_type": "人生-死亡", "arguments": []},
        ],
    }


def test_what_touches_cls_or_sep_is_dropped():
    feature = Features(0, np.zeros(4, int), np.array([[0, 0], [0, 1], [1, 2], [0, 0]]), np.empty(0), np.empty(0))
    in_text = Found(set(), set())
    spans, links = np.array([[7, 1, 2], [7, 0, 1], [7, 2, 3]]), np.array([[5, 1, 1, 2, 2], [5, 1, 1, 2, 3]])
    to_characters(feature, (spans, links), in_text)
    assert in_text == Found({(7, (0, 2))}, {(5, (0, 1), (1, 2))})


# --- there and back


def round_trip(records, tokenizer, labels, head, max_length=256, stride=128):
    """Return the examples, and the events decoded from the spans and links of gold that the head can express."""
    examples = [to_example(record) for record in records]
    in_texts = [Found(set(), set()) for _ in records]
    for feature in to_features(examples, tokenizer, labels, max_length, stride):
        to_characters(feature, HEADS[head].perfect(feature, labels), in_texts[feature.example])
    return examples, [to_events(in_text, labels) for in_text in in_texts]


def to_records(records, events):
    return [to_record(r["id"], r["text"], found) for r, found in zip(records, events, strict=True)]


@pytest.mark.parametrize("vocabulary", ["published", "ours"])
def test_round_trip_of_the_official_dev_file(vocabulary, shared, tokenizer):
    if vocabulary == "published":
        tokenizer = Tokenizer.from_vocab(shared / "encoders" / "chinese_vocab_21128.txt")
    labels = Labels(read_schema(shared / "data" / "duee" / "event_schema.json"))
    records = list(read_labelled(shared / "data" / "duee" / "dev.json", labels.schema))
    examples, events = round_trip(records, tokenizer, labels, "pair")
    assert score(records, to_records(records, events))["f1"] >= 0.9997
    exact = [set(found) == set(example.events) for example, found in zip(examples, events, strict=True)]
    assert np.mean(exact) >= 0.985


@pytest.mark.parametrize(("head", "f1"), [("pair", 0.999), ("crf", 0.95)])
def test_round_trip_of_the_demo_set(head, f1, demo, tokenizer):
    labels = Labels(read_schema(demo / "event_schema.json"))
    records = list(read_labelled(demo / "dev.json", labels.schema))
    _, events = round_trip(records, tokenizer, labels, head)
    assert score(records, to_records(records, events))["f1"] >= f1


def test_round_trip_through_windows(demo, tokenizer):
    labels = Labels(read_schema(demo / "event_schema.json"))
    records = [r for r in read_labelled(demo / "dev.json", labels.schema) if len(r["text"]) > 64]
    examples, events = round_trip(records, tokenizer, labels, "pair", max_length=64, stride=8)
    assert len(records) >= 20
    assert events == [list(dict.fromkeys(sorted(e.events, key=lambda x: (x.trigger, x.type)))) for e in examples]
