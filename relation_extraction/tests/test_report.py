import json

import pytest

from common.testing.runs import read_report
from evaluate import main
from report import facts, write_report


def triple(subject, predicate, value, **slots):
    return {"predicate": predicate, "subject": subject, "object": {"@value": value, **slots}}


TEXT = "《山水之间》由李四导演，王五在《山水之间》中饰演少年林平"
DIRECTED, PLAYED = triple("山水之间", "导演", "李四"), triple("王五", "饰演", "少年林平", inWork="山水之间")


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([DIRECTED], [triple("《山水之间》", "导演", "李四")], [("correct", "导演", "")]),
        ([DIRECTED], [DIRECTED, DIRECTED], [("correct", "导演", "")]),
        ([DIRECTED], [], [("missed", "导演", "")]),
        ([], [DIRECTED], [("not in gold", "导演", "")]),
        ([DIRECTED], [triple("王五", "导演", "李四")], [("not in gold", "导演", ""), ("missed", "导演", "")]),
        (
            [DIRECTED], [triple("山水之间", "主演", "李四")],
            [("other predicate", "主演", "gold: 导演"), ("missed", "导演", "")],
        ),
        ([PLAYED], [triple("王五", "饰演", "少年林平")], [("other slots", "饰演", ""), ("missed", "饰演", "")]),
        (
            [PLAYED], [triple("王五", "饰演", "林平")],
            [("other boundary", "饰演", "gold: 王五 → 少年林平"), ("missed", "饰演", "")],
        ),
        # a gold triple that was found cannot be the one that a wrong prediction meant
        (
            [DIRECTED], [DIRECTED, triple("山水之间", "主演", "李四")],
            [("correct", "导演", ""), ("not in gold", "主演", "")],
        ),
    ],
)  # fmt: skip
def test_kinds(gold, predicted, expected):
    assert [(fact.kind, fact.label, fact.note) for fact in facts(TEXT, gold, predicted, {})] == expected


def test_aliases_count():
    (fact,) = facts(TEXT, [DIRECTED], [triple("山水之间", "导演", "四哥")], {"李四": {"四哥"}, "四哥": {"李四"}})
    assert fact.kind == "correct"
    assert [part.spans for part in fact.parts] == [[], []]  # 四哥 is not in the text


def test_spans_are_where_training_would_look():
    (fact,) = facts(TEXT, [PLAYED], [PLAYED], {})
    assert [(part.name, [TEXT[start:end] for start, end in part.spans]) for part in fact.parts] == [
        ("", ["王五"]), ("", ["少年林平"]), ("inWork", ["山水之间"]),
    ]  # fmt: skip
    assert fact.parts[2].spans == [(16, 20)]


def test_says_what_evaluate_says(demo, tmp_path, call, capsys):
    """The predictions are damaged gold, with a repeated sentence and missing ones. The facts add up to the counts."""
    gold = [json.loads(line) for line in (demo / "dev.json").read_text(encoding="utf-8").splitlines()]
    gold.append({**gold[0], "spo_list": gold[1]["spo_list"]})
    predicted = [
        record | {"spo_list": record["spo_list"][i % 3 :] + [triple(record["text"][:2], "导演", "")] * (i % 2)}
        for i, record in enumerate(gold[:250])
    ]
    for name, records in (("gold", gold), ("predicted", predicted)):
        (tmp_path / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    call(main, "--gold", tmp_path / "gold", "--predictions", tmp_path / "predicted", "--report", tmp_path / "report")
    output, report = capsys.readouterr(), read_report(tmp_path / "report")
    assert report["scores"] == json.loads(output.out)
    labels, *parts = report["tables"]
    table = [line.split() for line in output.err.splitlines() if "note" not in line][1:]
    ours = [[name, *(f"{score:.4f}" for score in scores), str(support)] for name, *scores, support in labels["rows"]]
    assert ours == table[:-1]
    assert table[-1][:4] == ["(triples", "with", "several", "slots)"]
    assert [sum(row[-1] for row in part["rows"]) for part in parts] == [len(report["items"])] * 2 == [len(gold) - 1] * 2
    kinds = [fact[0] for item in report["items"] for fact in item[1]]
    precision = kinds.count("correct") / (len(kinds) - kinds.count("missed"))
    assert report["scores"]["precision"] == round(precision, 4)
    assert kinds.count("correct") + kinds.count("missed") == sum(row[-1] for row in labels["rows"])


def test_a_folder_that_cannot_be_made(tmp_path, call, refused, without_tensorflow):
    (tmp_path / "gold").write_text(json.dumps({"text": TEXT, "spo_list": [DIRECTED]}), encoding="utf-8")
    arguments = ["--gold", tmp_path / "gold", "--predictions", tmp_path / "gold", "--report", tmp_path / "gold"]
    assert refused(main, *arguments) == f"{tmp_path / 'gold'}: the folder cannot be made (File exists)"


def test_no_sentence(tmp_path):
    write_report(tmp_path, [], [])
    assert read_report(tmp_path)["items"] == []
