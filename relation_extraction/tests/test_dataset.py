from collections import Counter
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

import pair
import pointer
import train
from common.batching import Batches, bucketed_batches
from common.config import load_config
from common.devices import rounding
from config import Config
from dataset import Example, Triple, to_example, to_features
from records import Labels, read_records
from schema import read_schema


def spo(subject, predicate, value, **slots):
    return {"subject": subject, "predicate": predicate, "object": {"@value": value, **slots}}


def locate(text, *triples):
    counts: Counter[str] = Counter()
    example = to_example({"text": text, "spo_list": list(triples)}, counts)
    return example, counts


@pytest.mark.parametrize(
    ("text", "triple", "subject", "value"),
    [
        # once
        ("林远的父亲是林山", spo("林远", "父亲", "林山"), (0, 2), (6, 8)),
        # several times: the nearest pair, in either order
        ("林远说。林山来了,林远很好", spo("林远", "父亲", "林山"), (0, 2), (4, 6)),
        ("林远、何川都到了,林山是林远之父", spo("林远", "父亲", "林山"), (12, 14), (9, 11)),
        # occurrences that overlap each other
        ("看哈哈哈导演何川", spo("哈哈", "导演", "何川"), (2, 4), (6, 8)),
        # subject = object: two occurrences if there are two, else one for both
        ("《何川》由何川作曲", spo("何川", "父亲", "何川"), (1, 3), (5, 7)),
        ("何川发行了新专辑", spo("何川", "父亲", "何川"), (0, 2), (0, 2)),
        # a name inside the other one is not meant if it also stands alone
        ("专辑《海风》里有一首海", spo("海", "父亲", "海风"), (10, 11), (3, 5)),
        ("只有海风", spo("海", "父亲", "海风"), (2, 3), (2, 4)),
        # a Latin word or number is not found inside a longer one, unless it is nowhere else
        ("Annabel之母是Anna,父亲李", spo("Anna", "父亲", "李"), (10, 14), (17, 18)),
        ("1990年成立的21990厂", spo("1990", "父亲", "1990年"), (0, 4), (0, 5)),
        ("Annabel,父亲李", spo("Anna", "父亲", "李"), (0, 4), (10, 11)),
        # case, width and white space are ignored only if the string as written is not in the text
        ("tara  wu之夫为ＢＯＢ", spo("Tara Wu", "父亲", "bob"), (0, 8), (11, 14)),
        ("bob和Bob的妻子安", spo("Bob", "父亲", "安"), (4, 7), (10, 11)),
        # the official metric ignores book marks around a string
        ("何川写了海风", spo("《海风》", "导演", "何川"), (4, 6), (0, 2)),
        # no token covers white space at an edge, so the span includes the book marks, which the metric strips
        ("导演何川拍了《 海风》", spo(" 海风", "导演", "何川"), (6, 11), (2, 4)),
    ],
)  # fmt: skip
def test_locates_subject_and_value(text, triple, subject, value):
    example, counts = locate(text, triple)
    assert example == Example(text, (Triple(triple, subject, {"@value": value}),))
    assert counts["triples"] == 1
    assert not any("lost" in name for name in counts)


def test_other_slots_stand_nearest_to_the_value():
    text = "《海风》上映。何川在《海风》中饰演阿布,在《山雨》中饰演阿卡"
    example, _ = locate(
        text,
        spo("何川", "饰演", "阿布", inWork="海风"),
        spo("何川", "饰演", "阿卡", inWork="山雨"),
    )
    assert [text[start:end] for triple in example.triples for start, end in triple.slots.values()] == [
        "阿布", "海风", "阿卡", "山雨",
    ]  # fmt: skip
    assert example.triples[0].slots["inWork"] == (11, 13)


@pytest.mark.parametrize("reverse", [False, True])
def test_other_slots_take_another_occurrence_of_the_value(reverse):
    """The second work is nearer to the first role than to its own, which the first work needs."""
    text = "何川在《海风》中饰演阿布，在《山雨》中饰演阿布"
    triples = [spo("何川", "饰演", "阿布", inWork=work) for work in ("海风", "山雨")]
    example, _ = locate(text, *reversed(triples) if reverse else triples)
    roles = {text[slice(*triple.slots["inWork"])]: triple.slots["@value"][0] for triple in example.triples}
    assert roles == {"海风": 10, "山雨": 21}


def test_there_are_fewer_occurrences_than_slots():
    text = "何川凭《海风》获金鹿奖"
    example, _ = locate(text, *(spo("何川", "获奖", "金鹿奖", **slots) for slots in ({"inWork": "海风"}, {})))
    assert [triple.slots["@value"] for triple in example.triples] == [(8, 11)] * 2


@pytest.mark.parametrize(
    ("triple", "expected"),
    [
        (spo("何川", "父亲", ""), {"triples lost: object not in the text": 1}),
        (spo("", "父亲", "何川"), {"triples lost: subject not in the text": 1}),
        (spo("何川", "父亲", "何江"), {"triples lost: object not in the text": 1}),
        (spo("何江", "父亲", "何川"), {"triples lost: subject not in the text": 1}),
        ({**spo("何川", "父亲", ""), "object": {}}, {"triples lost: object not in the text": 1}),
        (spo("何川", "饰演", "阿布", inWork="山雨"), {"slots lost: not in the text": 1}),
        (spo("何 川", "饰演", "阿布"), {"strings found only by ignoring case, width, space or book marks": 1}),
    ],
)
def test_counts_what_it_cannot_find(triple, expected):
    _, counts = locate("何川饰演阿布", triple)
    assert {name: count for name, count in counts.items() if count and name != "triples"} == expected


def features_of(examples, tokenizer, labels, max_length=64, stride=32):
    counts: Counter[str] = Counter()
    return list(to_features(examples, tokenizer, labels, max_length, stride, counts)), counts


def test_features_of_a_short_text(tokenizer, labels):
    text = "何川在海风中饰演ABC和阿布"
    example, _ = locate(text, spo("何川", "饰演", "ABC", inWork="海风"), spo("何川", "饰演", "阿布", inWork="海风"))
    (feature,), counts = features_of([example], tokenizer, labels)
    assert feature.token_ids[[0, -1]].tolist() == [tokenizer.cls_id, tokenizer.sep_id]
    assert feature.offsets[[0, -1]].tolist() == [[0, 0], [0, 0]]
    assert len(feature.token_ids) == len(feature.offsets)
    role, work = (labels.relation_id["饰演", slot] for slot in ("@value", "inWork"))
    tie = labels.tie_id["饰演", "inWork"]

    def strings(relation):
        label, a, b, c, d = relation
        starts, ends = feature.offsets.T
        return label, text[starts[a] : ends[b]], text[starts[c] : ends[d]]

    assert [strings(relation) for relation in feature.relations.tolist()] == [
        (role, "何川", "ABC"), (work, "何川", "海风"), (tie, "ABC", "海风"),
        (role, "何川", "阿布"), (work, "何川", "海风"), (tie, "阿布", "海风"),
    ]  # fmt: skip
    assert not any(counts.values())


def test_spans_off_the_tokens_are_counted(tokenizer, labels):
    text, father = "何川的\u200b父亲是2019999", {"predicate": "父亲"}
    cut = Example(text, (Triple(father, (0, 2), {"@value": (8, 10)}),))
    lost = Example(text, (Triple(father, (3, 4), {"@value": (0, 2)}),))  # a zero-width space is no token
    features, counts = features_of([cut, lost], tokenizer, labels)
    assert [len(feature.relations) for feature in features] == [1, 0]
    assert {name: count for name, count in counts.items() if count} == {
        "spans not on token boundaries": 1, "triples lost: no token in the span": 1,
    }  # fmt: skip


def test_windows_of_a_long_text(tokenizer, labels):
    text = "何川" + "天" * 20 + "何江" + "地" * 20 + "何海"
    triples = tuple(
        Triple({"predicate": "父亲"}, (a, a + 2), {"@value": (b, b + 2)}) for a, b in [(0, 22), (22, 44), (0, 44)]
    )
    features, counts = features_of([Example(text, triples)], tokenizer, labels, max_length=32, stride=8)
    # 46 tokens in windows of 30, one every 8
    assert [feature.offsets[1:-1, 0].tolist() for feature in features] == [
        [*range(0, 30)], [*range(8, 38)], [*range(16, 46)],
    ]  # fmt: skip
    assert all(feature.example == 0 for feature in features)
    label = labels.relation_id["父亲", "@value"]
    assert [feature.relations.tolist() for feature in features] == [
        [[label, 1, 2, 23, 24]], [], [[label, 7, 8, 29, 30]],
    ]  # fmt: skip
    assert counts["relations lost: fit no window"] == 1


def test_a_text_without_tokens_is_one_empty_window(tokenizer, labels):
    features, _ = features_of([Example("", ()), Example(" \u3000\t", ())], tokenizer, labels)
    assert [feature.token_ids.tolist() for feature in features] == [[tokenizer.cls_id, tokenizer.sep_id]] * 2
    assert [feature.example for feature in features] == [0, 1]
    assert all(feature.relations.shape == (0, 5) for feature in features)


@pytest.fixture
def two_features(tokenizer, labels):
    text = "何川在海风中饰演阿布。还有何江饰演阿布"
    duplicate = spo("何川", "饰演", "阿布", inWork="海风")
    example, _ = locate(text, duplicate, duplicate, spo("何江", "饰演", "阿布"))
    return features_of([example, Example("无", ())], tokenizer, labels)[0]


def test_pair_batch(two_features, labels):
    inputs, positives = pair.batch(two_features, np.random.default_rng(0), labels)
    assert inputs["token_ids"].shape == (2, 21)
    assert not inputs["token_ids"][1, 3:].any()
    value, work = labels.relation_id["饰演", "@value"], labels.relation_id["饰演", "inWork"]
    tie = labels.tie_id["饰演", "inWork"]

    def rows(name, example):
        return {tuple(row) for row in positives[name][example].tolist() if row[0] >= 0}

    assert rows("spans", 0) == {(0, 1, 2), (0, 14, 15), (1, 4, 5), (1, 9, 10), (1, 18, 19)}
    assert rows("starts", 0) == {(value, 1, 9), (work, 1, 4), (tie, 9, 4), (value, 14, 18)}
    assert rows("ends", 0) == {(value, 2, 10), (work, 2, 5), (tie, 10, 5), (value, 15, 19)}
    assert not any(rows(name, 1) for name in positives)


def test_pointer_batch(two_features, labels):
    n = len(labels.relations)
    value, work = labels.relation_id["饰演", "@value"], labels.relation_id["饰演", "inWork"]
    expected = {
        (1, 2): {(9, value), (10, n + value), (4, work), (5, n + work)},
        (14, 15): {(18, value), (19, n + value)},
    }
    drawn = set()
    for seed in range(20):
        inputs, targets = pointer.batch(two_features, np.random.default_rng(seed), labels)
        subject = tuple(inputs["subject"][0].tolist())
        drawn.add(subject)
        assert {tuple(cell) for cell in np.argwhere(targets["objects"][0]).tolist()} == expected[subject]
        assert np.argwhere(targets["subjects"][0]).tolist() == [[1, 0], [2, 1], [14, 0], [15, 1]]
        assert not inputs["subject"][1].any()
        assert not targets["objects"][1].any()
        assert not targets["subjects"][1].any()
    assert drawn == expected.keys()


def test_xla_compiles_few_shapes(shared, tokenizer):
    """These are the shapes of three epochs of DuIE with base.json."""
    config = load_config(Config, "base.json", train.HERE, ["xla=true"], check_files=False)
    labels = Labels(read_schema(shared / "data/duie/schema.json"))
    examples = [to_example(record, Counter()) for record in read_records(shared / "data/duie/train.json")]
    features = list(to_features(examples, tokenizer, labels, config.max_length, config.stride, Counter()))
    lengths = [len(feature.token_ids) for feature in features]
    shapes = set()
    for epoch in range(3):
        order = bucketed_batches(lengths, config.batch_size, config.seed, epoch)
        batches = Batches(features, order, partial(pair.batch, labels=labels), (epoch,), rounding=rounding(config))
        shapes |= {tuple(array.shape for array in tf.nest.flatten(batch)) for batch in batches}
    assert len(shapes) <= 16
