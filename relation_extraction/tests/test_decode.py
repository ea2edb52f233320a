import itertools
import json
import random
from collections import Counter
from functools import partial

import numpy as np
import pytest

import decode
import pair
from common.files import read_jsonl
from common.spans import Span
from common.tokenizer import Tokenizer
from dataset import Features, to_example, to_features
from decode import Relation, to_characters, to_record
from pointer import object_relations, pointer_spans
from records import Labels, Predicate, read_records
from schema import read_schema
from scoring import score


def as_set(relations):
    return {tuple(relation) for relation in relations.tolist()}


# --- scores -> relations between tokens


def brute_force(outputs, length, labels, thresholds):
    """Try all quadruples of tokens, with the scores as tensors [labels, length, length]."""
    spans, starts, ends = (
        (scores + rows[:, :, None] + columns[:, None, :])[:, :length, :length]
        for scores, rows, columns in (outputs[name] for name in ("spans", "starts", "ends"))
    )
    n = len(labels.relations)
    subjects, objects = (np.argwhere(matrix > thresholds["spans"]).tolist() for matrix in spans)
    limits = [thresholds["links" if slot == "@value" else "slots"] for _, slot in [*labels.relations, *labels.ties]]

    def link(firsts, seconds, wanted):
        return {
            (h, a, b, c, d)
            for h in wanted for a, b in firsts for c, d in seconds
            if starts[h, a, c] > limits[h] and ends[h, b, d] > limits[h]
        }  # fmt: skip

    relations = link(subjects, objects, range(n))
    slots = {relation[3:] for relation in relations}
    return relations | link(slots, slots, range(n, len(labels)))


@pytest.mark.parametrize("seed", range(12))
def test_find_relations_equals_brute_force(seed, labels):
    rng = np.random.default_rng(seed)
    size, length = 9, int(rng.integers(1, 10))
    thresholds = dict(zip(pair.THRESHOLDS, rng.normal(0, 0.5, 3).tolist(), strict=True))
    outputs = {
        name: (
            rng.normal(-2, 2, (size, size)),
            rng.normal(0, 1, (count, size)),
            rng.normal(0, 1, (count, size)),
        )
        for name, count in [("spans", 2), ("starts", len(labels)), ("ends", len(labels))]
    }
    outputs["spans"][0][np.tril_indices(size, -1)] = -1e12  # the head masks spans that end before they start
    found = pair.decode(outputs, length, labels, thresholds)
    assert found.dtype == np.int32
    assert as_set(found) == brute_force(outputs, length, labels, thresholds)
    assert len(found) == len(as_set(found))


@pytest.mark.parametrize(
    ("starts", "ends", "expected"),
    [
        ([], [], []),
        ([1], [], []),
        ([], [1], []),
        ([2], [2], [(2, 2)]),
        ([3], [2], []),
        ([1, 5], [3, 6], [(1, 3), (5, 6)]),
        ([1, 2], [4], [(1, 4), (2, 4)]),  # two starts may share an end
        ([1], [2, 4], [(1, 2)]),
    ],
)
def test_pointer_spans(starts, ends, expected):
    probabilities = np.full((8, 2), 0.4)  # the threshold itself is not above it
    probabilities[starts, 0] = probabilities[ends, 1] = 0.41
    assert list(map(tuple, pointer_spans(probabilities, 0.4).tolist())) == expected


def test_object_relations():
    probabilities = np.zeros((6, 6))  # the starts of three labels, then their ends
    probabilities[1, 0] = probabilities[2, 3] = 0.9
    probabilities[4, 2] = probabilities[5, 5] = probabilities[3, 2] = 0.9
    probabilities[1, 1] = 0.9  # a start without an end
    expected = [[0, 7, 8, 1, 2], [2, 7, 8, 3, 5], [2, 7, 8, 4, 5]]
    assert object_relations(np.array([7, 8]), probabilities, 0.5).tolist() == expected
    assert object_relations(np.array([7, 8]), np.zeros((6, 6)), 0.5).shape == (0, 5)


# --- relations -> records


def test_to_characters_drops_what_touches_cls_or_sep():
    offsets = np.array([[0, 0], [10, 11], [11, 15], [15, 16], [0, 0]])
    feature = Features(0, np.arange(5, dtype=np.int32), offsets, np.zeros((0, 5), np.int32))
    relations = np.array([[7, 1, 2, 3, 3], [7, 0, 1, 2, 2], [7, 1, 1, 3, 4], [7, 1, 1, 1, 1]])
    assert to_characters(feature, relations) == {
        Relation(7, (10, 15), (15, 16)), Relation(7, (10, 11), (10, 11)),
    }  # fmt: skip


SPO_KEYS = ("subject", "predicate", "object")
TEXT = "何川在《海风》中饰演阿布,后来在《山雨》中饰演阿卡"
SPANS = {name: (TEXT.index(name), TEXT.index(name) + 2) for name in ("何川", "海风", "山雨", "阿布", "阿卡")}


def relation(labels, subject, predicate, slot, value):
    return Relation(labels.relation_id[predicate, slot], SPANS[subject], SPANS[value])


def tie(labels, predicate, slot, value, other):
    return Relation(labels.tie_id[predicate, slot], SPANS[value], SPANS[other])


def objects(record):
    return [triple["object"] for triple in record["spo_list"]]


@pytest.fixture
def two_roles(labels):
    roles = [relation(labels, "何川", "饰演", "@value", role) for role in ("阿布", "阿卡")]
    return roles + [relation(labels, "何川", "饰演", "inWork", work) for work in ("海风", "山雨")]


def test_ties_take_the_objects_of_one_subject_apart(labels, two_roles):
    crossed = [tie(labels, "饰演", "inWork", *pair) for pair in [("阿布", "山雨"), ("阿卡", "海风")]]
    record = to_record(TEXT, two_roles + crossed, labels)
    assert record == {
        "text": TEXT,
        "spo_list": [
            {
                "predicate": "饰演",
                "subject": "何川",
                "subject_type": "娱乐人物",
                "object": {"@value": role, "inWork": work},
                "object_type": {"@value": "人物", "inWork": "影视作品"},
            }
            for role, work in [("阿布", "山雨"), ("阿卡", "海风")]
        ],
    }


def test_slots_without_a_tie_are_left_out(labels, two_roles):
    one = [tie(labels, "饰演", "inWork", "阿卡", "山雨")]
    assert objects(to_record(TEXT, two_roles + one, labels)) == [
        {"@value": "阿布"}, {"@value": "阿卡", "inWork": "山雨"},
    ]  # fmt: skip


def test_a_value_with_two_of_a_slot_is_two_objects(labels, two_roles):
    both = [tie(labels, "饰演", "inWork", "阿布", work) for work in ("海风", "山雨")]
    assert objects(to_record(TEXT, two_roles + both, labels)) == [
        {"@value": "阿布", "inWork": "海风"}, {"@value": "阿布", "inWork": "山雨"}, {"@value": "阿卡"},
    ]  # fmt: skip


def test_ties_of_another_predicate_do_not_count(labels, two_roles):
    other = [tie(labels, "配音", "inWork", "阿布", "海风")]
    assert objects(to_record(TEXT, two_roles + other, labels)) == [{"@value": "阿布"}, {"@value": "阿卡"}]


def test_without_ties_a_slot_goes_to_the_nearest_value(labels, two_roles):
    assert objects(to_record(TEXT, two_roles, labels, tied=False)) == [
        {"@value": "阿布", "inWork": "海风"}, {"@value": "阿卡", "inWork": "山雨"},
    ]  # fmt: skip


def test_a_slot_without_a_value_is_no_triple(labels):
    assert objects(to_record(TEXT, [relation(labels, "何川", "饰演", "inWork", "海风")], labels)) == []


def test_a_triple_found_at_two_places_comes_once(labels):
    text = "何川与何川、何江"
    label = labels.relation_id["父亲", "@value"]
    found = {Relation(label, (start, start + 2), (6, 8)) for start in (0, 3)}
    assert [triple["subject"] for triple in to_record(text, found, labels)["spo_list"]] == ["何川"]


def test_the_objects_of_one_value_are_bounded(labels):
    text = "天" * 200
    value = (0, 1)
    found = [Relation(labels.relation_id["获奖", "@value"], value, value)]
    for slot in ("inWork", "onDate", "period"):
        for end in range(2, 20):
            found.append(Relation(labels.relation_id["获奖", slot], value, (0, end)))
            found.append(Relation(labels.tie_id["获奖", slot], value, (0, end)))
    assert len(to_record(text, found, labels)["spo_list"]) == decode.MAX_OBJECTS


# --- there and back


def round_trip(records, tokenizer, labels, max_length=256, stride=128):
    """Turn gold into features, their relations into scores, and decode these into records."""
    examples = [to_example(record, Counter()) for record in records]
    found: list[set[Relation]] = [set() for _ in records]
    for feature in to_features(examples, tokenizer, labels, max_length, stride, Counter()):
        found[feature.example] |= to_characters(feature, pair.perfect(feature, labels))
    return [to_record(record["text"], spans, labels) for record, spans in zip(records, found, strict=True)]


@pytest.mark.parametrize(("vocabulary", "f1"), [("published", 0.9996), ("ours", 0.9998)])
def test_round_trip_of_the_official_dev_file(vocabulary, f1, shared, tokenizer):
    if vocabulary == "published":
        tokenizer = Tokenizer.from_vocab(shared / "encoders" / "chinese_vocab_21128.txt")
    labels = Labels(read_schema(shared / "data" / "duie" / "schema.json"))
    records = list(read_records(shared / "data" / "duie" / "dev.json", schema=labels.schema))
    assert score(records, round_trip(records, tokenizer, labels))["f1"] >= f1


def test_round_trip_with_several_pairs_of_types(tokenizer):
    """Each triple comes back with its own types, also if another one has the same strings."""
    kinds = ("疾病", "药物")
    predicates = [Predicate("同义词", kind, {"@value": kind}) for kind in kinds]
    labels = Labels({predicate.subject_type: predicate for predicate in predicates})
    triples = [
        {
            "predicate": "同义词", "subject": subject, "subject_type": kind,
            "object": {"@value": value}, "object_type": {"@value": kind},
        }
        for subject, value, kind in [("甲病", "乙症", "疾病"), ("甲病", "乙症", "药物"), ("丙丸", "丁片", "药物")]
    ]  # fmt: skip
    record = {"text": "甲病又名乙症，丙丸也叫丁片", "spo_list": triples}
    assert round_trip([record], tokenizer, labels) == [record]


@pytest.mark.parametrize("case", ["type_pairs/one", "string_objects/one", "string_objects/two"])
def test_round_trip_of_the_cases(case, shared, tokenizer):
    path = shared / "cases" / f"{case}.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    labels = Labels(read_schema(path.parent / config["schema_file"]))
    records = list(read_records(path.parent / config["train_file"], schema=labels.schema))
    back = round_trip(records, tokenizer, labels)
    assert [record["spo_list"] for record in back] == [record["spo_list"] for record in records]


@pytest.mark.parametrize("seed", range(20))
def test_round_trip_of_triples_that_differ_in_other_slots(seed, tokenizer, labels):
    """The text names the `@value` once for each triple, so that no slot comes back with those of another triple."""
    rng = random.Random(seed)
    prizes = [
        {"inWork": f"《{work}》", "onDate": f"{rng.randrange(1998, 2001)}年", "period": f"第{rng.randrange(5)}届"}
        for work in rng.sample(["海风", "山雨", "春江", "秋月"], rng.randrange(2, 5))
    ]
    prizes = [dict(rng.sample(sorted(slots.items()), rng.randrange(1, 4))) for slots in prizes]
    text = "何川" + "，".join(f"凭{''.join(slots.values())}获金鹿奖" for slots in prizes)
    objects = [slots | {"@value": "金鹿奖"} for slots in rng.sample(prizes, len(prizes))]
    record = {
        "text": text,
        "spo_list": [dict(zip(SPO_KEYS, ("何川", "获奖", slots), strict=True)) for slots in objects],
    }
    (back,) = round_trip([record], tokenizer, labels)
    assert triples_of(back) == triples_of(record)


def test_round_trip_of_the_demo_set(demo, tokenizer):
    labels = Labels(read_schema(demo / "schema.json"))
    records = [record for _, record in read_jsonl(demo / "dev.json")]
    # a string that the text spells differently comes back as the text spells it
    assert score(records, round_trip(records, tokenizer, labels))["f1"] >= 0.99


def random_text(rng, words):
    """Join words by white space and control characters. Returns the text and the span of each word."""
    text = ""
    spans: list[Span] = []
    for word in words:
        parted = "\u4e00" <= word < "\ua000" or not spans or "\u4e00" <= text[-1] < "\ua000"
        text += rng.choice(["", " ", "\u3000", "\x07", "\n \t"] if parted else [" ", "\u3000\x07"])
        spans.append((len(text), len(text) + len(word)))
        text += word
    return text, spans


def random_record(rng, text, names):
    """Draw a record whose names may repeat. All its triples with two slots share one subject."""
    pick = partial(rng.choice, names)
    triples = [(pick(), predicate, {"@value": pick()}) for predicate in rng.choices(["父亲", "导演"], k=5)]
    subject = pick()
    triples += [(subject, "饰演", {"@value": pick(), "inWork": pick()}) for _ in range(4)]
    return {"text": text, "spo_list": [dict(zip(SPO_KEYS, triple, strict=True)) for triple in triples]}


def triples_of(record):
    """Return the set of a record's triples without their types."""
    return {
        (triple["subject"], triple["predicate"], *sorted(triple["object"].items())) for triple in record["spo_list"]
    }


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_on_the_trip(seed, tokenizer, labels):
    """Spans overlap and are repeated, so starts and ends are ambiguous and more may come back than gold has."""
    rng = random.Random(seed)
    words = [*"天地玄黄宇，《", "😀", "\ud800", "ab", "abc", "a1", "1"]
    text, spans = random_text(rng, rng.choices(words, k=80))
    firsts = rng.choices(range(75), k=12)
    names = [text[spans[first][0] : spans[first + rng.randrange(5)][1]] for first in firsts]
    record = random_record(rng, text, names)
    (back,) = round_trip([record], tokenizer, labels)
    assert triples_of(back) >= triples_of(record)


@pytest.mark.parametrize("seed", range(20))
def test_names_that_stand_once_come_back_exactly(seed, tokenizer, labels):
    rng = random.Random(seed)
    words = [chr(code) for code in rng.sample(range(0x4E00, 0x9FA6), 60)]
    words += rng.sample([str(number) for number in range(100, 1000)], 20)
    rng.shuffle(words)
    text, spans = random_text(rng, words)
    cuts = [0, *sorted(rng.sample(range(1, 80), 12)), 80]
    names = [text[spans[first][0] : spans[end - 1][1]] for first, end in itertools.pairwise(cuts)]
    record = random_record(rng, text, names)
    (back,) = round_trip([record], tokenizer, labels)
    assert triples_of(back) == triples_of(record)
