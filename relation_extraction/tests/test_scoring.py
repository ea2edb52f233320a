import json

import pytest

from common.cli import UserError
from scoring import Counts, per_predicate, read_aliases, score


def triple(subject, predicate, value, **slots):
    return {"subject": subject, "predicate": predicate, "object": {"@value": value, **slots}}


def record(text, *triples):
    return {"text": text, "spo_list": list(triples)}


def scores(precision, recall, f1):
    return {"precision": precision, "recall": recall, "f1": f1}


def same(first, second, alias=None):
    """Return whether the metric counts two triples as the same. The first is the prediction."""
    return score([record("句", second)], [record("句", first)], alias) == scores(1.0, 1.0, 1.0)


def test_precision_and_recall_by_hand():
    gold = [
        record("甲", triple("春晓", "作者", "孟浩然"), triple("春晓", "朝代", "唐")),
        record("乙", triple("静夜思", "作者", "李白")),
    ]
    predicted = [record("甲", triple("春晓", "作者", "孟浩然"), triple("春晓", "作者", "王维"))]
    assert score(gold, predicted) == scores(0.5, 0.3333, 0.4)
    assert per_predicate(gold, predicted) == {"作者": Counts(2, 1, 2, 1), "朝代": Counts(0, 0, 1, 0)}
    assert Counts(0, 0, 1, 0).scores() == scores(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (triple("《Big Fish》", "作者", "WALLACE"), triple("big fish", "作者", "《Wallace》"), True),
        (triple("《《春晓》》", "作者", "孟浩然"), triple("《春晓》", "作者", "孟浩然"), False),
        (triple("《春晓", "作者", "孟浩然"), triple("春晓", "作者", "孟浩然"), False),
        (triple("春晓 ", "作者", "孟浩然"), triple("春晓", "作者", "孟浩然"), False),
        (triple("春晓", "作者", "孟浩然"), triple("春晓", "编者", "孟浩然"), False),
        (triple("春晓", "Author", "孟浩然"), triple("春晓", "author", "孟浩然"), False),
        (triple("春", "票房", "1亿", inArea="北美"), triple("春", "票房", "1亿"), False),
        (triple("春", "票房", "1亿", inArea="北美"), triple("春", "票房", "1亿", inArea="欧洲"), False),
        (triple("春", "票房", "1亿", inArea="北美"), triple("春", "票房", "1亿", inWork="北美"), False),
        ({**triple("春晓", "作者", "孟浩然"), "subject_type": "诗"}, triple("春晓", "作者", "孟浩然"), True),
    ],
)
def test_when_two_triples_are_the_same(first, second, expected):
    assert same(first, second) is same(second, first) is expected


def test_aliases_of_subjects_are_one_sided_and_of_objects_two_sided():
    short, full = triple("北大", "校长", "蔡元培"), triple("北京大学", "校长", "蔡元培")
    # Precision depends on the aliases of the predicted name, recall on those of the gold name.
    assert score([record("句", full)], [record("句", short)], {"北大": {"北京大学"}}) == scores(1.0, 0.0, 0.0)
    assert score([record("句", full)], [record("句", short)], {"北京大学": {"北大"}}) == scores(0.0, 1.0, 0.0)
    assert same(short, full, {"北京大学": {"北大"}, "北大": {"北京大学"}})
    value, other = triple("蔡", "任职", "北大"), triple("蔡", "任职", "北京大学")
    assert not same(value, other, {"北大": {"北京大学"}})
    assert same(value, other, {"北大": {"北京大学"}, "北京大学": {"北大"}})


def test_both_sides_are_counted_once_and_recall_sees_all_predictions():
    author = triple("春晓", "作者", "孟浩然")
    assert score([record("句", author, author)], [record("句", author, author)]) == scores(1.0, 1.0, 1.0)
    # "北大" is dropped because it repeats "北京大学", but the gold triple is still found under its own name.
    predicted = record("句", triple("北京大学", "校长", "蔡"), triple("北大", "校长", "蔡"))
    counts = per_predicate([record("句", triple("北大", "校长", "蔡"))], [predicted], {"北大": {"北京大学"}})
    assert counts == {"校长": Counts(predicted=1, correct=0, gold=1, found=1)}


def test_texts_are_keys():
    author = triple("春晓", "作者", "孟浩然")
    gold = [record("句"), record("句", author)]
    assert score(gold, [record("句"), record("句", author)]) == scores(1.0, 1.0, 1.0)
    assert score(gold, [record("句", author), record("句")]) == scores(0.0, 0.0, 0.0)
    assert score(gold, [record("句", author), record("别的句", author)]) == scores(1.0, 1.0, 1.0)
    assert score(gold, []) == score([], gold) == scores(0.0, 0.0, 0.0)


def test_alias_file(tmp_path):
    path = tmp_path / "alias.tsv"
    path.write_text("BJ\tPeking\t北京 \n沪\t旧\n沪\t上海\n\n", encoding="utf-8")
    assert read_aliases(path) == {"bj": {"peking", "北京"}, "沪": {"上海"}, "": set()}
    path.write_bytes("北京".encode("gb18030"))
    for wrong, message in ((path, "not UTF-8"), (tmp_path / "none.tsv", "no such file")):
        with pytest.raises(UserError, match=message):
            read_aliases(wrong)


def test_equals_the_official_script(shared):
    cases = shared / "scoring"

    def read(name):
        return [json.loads(line) for line in (cases / name).open(encoding="utf-8")]

    for case in json.loads((cases / "duie_cases.json").read_text(encoding="utf-8")):
        aliases = read_aliases(cases / case["alias"]) if case["alias"] else None
        assert score(read(case["gold"]), read(case["pred"]), aliases) == case["expected"], case["gold"]
