import json

import pytest

from common.testing.runs import read_report
from evaluate import main
from report import facts


def event(kind, *arguments, **keys):
    return {"event_type": kind, "arguments": [{"role": r, "argument": s} for r, s in arguments], **keys}


TEXT = "何川战胜江月，江月又输给林平"
WIN = event("比赛", ("胜者", "何川"), ("败者", "江月"), trigger="战胜", trigger_start_index=2)


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        ([WIN], [("correct", "比赛 / 胜者", ""), ("correct", "比赛 / 败者", ""), ("event correct", "比赛", "")]),
        ([], [("missed", "比赛 / 胜者", ""), ("missed", "比赛 / 败者", ""), ("event missed", "比赛", "")]),
        (
            [event("比赛", ("胜者", "川"), ("败者", "江月"))],
            [
                ("partial", "比赛 / 胜者", "F1 0.67"), ("correct", "比赛 / 败者", ""),
                ("event not in gold", "比赛", ""), ("event missed", "比赛", ""),
            ],
        ),
        (
            [event("比赛", ("败者", "江月"), ("时间", "何川"))],
            [
                ("missed", "比赛 / 胜者", ""), ("correct", "比赛 / 败者", ""), ("other role", "比赛 / 时间", ""),
                ("event not in gold", "比赛", ""), ("event missed", "比赛", ""),
            ],
        ),
        (
            [WIN, event("死亡", ("死者", "江月")), event("死亡", ("死者", "林平"))],
            [
                ("correct", "比赛 / 胜者", ""), ("correct", "比赛 / 败者", ""), ("other event type", "死亡 / 死者", ""),
                ("not in gold", "死亡 / 死者", ""), ("event correct", "比赛", ""), ("event not in gold", "死亡", ""),
                ("event not in gold", "死亡", ""),
            ],
        ),
        (  # one gold argument serves one prediction
            [event("比赛", ("胜者", "何川"), ("胜者", "何"), ("败者", "江月"))],
            [
                ("correct", "比赛 / 胜者", ""), ("not in gold", "比赛 / 胜者", ""), ("correct", "比赛 / 败者", ""),
                ("event not in gold", "比赛", ""), ("event missed", "比赛", ""),
            ],
        ),
    ],
)  # fmt: skip
def test_kinds(predicted, expected):
    assert [(fact.kind, fact.label, fact.note) for fact in facts(TEXT, [WIN], predicted)] == expected


def test_spans_are_those_of_gold_or_the_nearest():
    gold = event("比赛", ("败者", "江月"), trigger="输", trigger_start_index=10)
    gold["arguments"][0]["argument_start_index"] = 7
    partial, wrong, missed = facts(TEXT, [gold], [event("比赛", ("败者", "月"))])
    assert [(part.name, part.string, part.spans) for part in partial.parts] == [
        ("", "月", [(8, 9)]), ("gold", "江月", [(7, 9)]),
    ]  # fmt: skip
    assert wrong.parts[0].spans == []
    assert missed.parts[0] == ("trigger", "输", [(10, 11)])


def test_says_what_evaluate_says(demo, tmp_path, call, capsys):
    """The predictions are damaged gold, with a repeated sentence and missing ones."""
    gold = [json.loads(line) for line in (demo / "dev.json").read_text(encoding="utf-8").splitlines()]
    gold.append(gold[0] | {"event_list": gold[2]["event_list"]})
    predicted = [
        {"id": record["id"], "event_list": [
            event(e["event_type"], *[(a["role"], a["argument"][i % 2 :]) for a in e["arguments"][i % 3 :]])
            for e in record["event_list"]
        ]}
        for i, record in enumerate(gold[:250])
    ]  # fmt: skip
    for name, records in (("gold", gold), ("predicted", predicted)):
        (tmp_path / name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    call(main, "--gold", tmp_path / "gold", "--predictions", tmp_path / "predicted", "--report", tmp_path / "report")
    output, report = capsys.readouterr(), read_report(tmp_path / "report")
    scores = json.loads(output.out)
    assert report["scores"] == scores
    labels, *parts = report["tables"]
    table = [line.split() for line in output.err.splitlines() if "note" not in line][1:]
    ours = [[*name.split(" / ")[-1:], *(f"{score:.4f}" for score in row), str(support)]
            for name, *row, support in labels["rows"]]  # fmt: skip
    assert ours == table[: len(ours)]
    assert [sum(row[-1] for row in part["rows"]) for part in parts] == [len(report["items"])] * 2 == [len(gold) - 1] * 2
    arguments = [fact for item in report["items"] for fact in item[1] if " / " in fact[1]]
    kinds = [fact[0] for fact in arguments]
    shared = kinds.count("correct") + sum(float(fact[3][3:]) for fact in arguments if fact[0] == "partial")
    assert scores["precision"] == pytest.approx(shared / (len(kinds) - kinds.count("missed")), abs=5e-3)


@pytest.mark.parametrize(
    ("folder", "gold", "message"),
    [
        ("gold", {"text": TEXT}, "gold: the folder cannot be made (File exists)"),
        ("new", {}, 'gold, line 1: "text" is missing or not a string, but a report needs it'),
    ],
)
def test_what_cannot_be_shown(tmp_path, call, refused, without_tensorflow, folder, gold, message):
    (tmp_path / "gold").write_text(json.dumps(gold | {"id": "0", "event_list": [WIN]}), encoding="utf-8")
    arguments = ["--gold", tmp_path / "gold", "--predictions", tmp_path / "gold", "--report", tmp_path / folder]
    assert refused(main, *arguments) == f"{tmp_path}/{message}"
