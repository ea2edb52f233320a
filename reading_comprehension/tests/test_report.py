import json

import pytest

from common.testing.runs import read_report
from evaluate import main
from records import Question
from report import asked_for, to_item

QUESTION = Question("7", "谁导演了《山水之间》", "《山水之间》由李四导演，李四生于1970年。", ("李四",))


@pytest.mark.parametrize(
    ("prediction", "kind", "note"),
    [
        ("李四", "exact", "F1 100.0  EM 1  7"),
        ("《李四》", "exact", "F1 100.0  EM 1  7"),
        ("李四导演", "partial", "F1 66.7  EM 0  7"),
        ("1970年", "wrong", "F1 0.0  EM 0  7"),
        ("", "no answer", "F1 0.0  EM 0  7"),
        (None, "no answer", "F1 0.0  EM 0  7"),
    ],
)
def test_kinds(prediction, kind, note):
    item = to_item(QUESTION, prediction)
    assert (item.text, item.heading, item.note) == (QUESTION.context, QUESTION.question, note)
    assert [(fact.kind, fact.label) for fact in item.facts] == [(kind, "who 谁"), ("gold answer", "who 谁")]
    assert item.facts[1].parts == [("", "李四", [(7, 9), (12, 14)])]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("有多少人", "how many, how much 多少"), ("几月开花", "when 什么时候"), ("何时上映", "when 什么时候"),
        ("什么时候上映", "when 什么时候"), ("作者是哪位", "who 谁"), ("在哪里取景", "where 哪里"),
        ("怎么去", "how 怎么"), ("为什么下雨", "why 为什么"), ("哪个队赢了", "which 哪"), ("叫什么", "what 什么"),
        ("票房", "other"), ("需要多长时间", "how many, how much 多少"), ("几时立春", "when 什么时候"),
        ("哪一天是立秋", "when 什么时候"), ("哪个月最热", "when 什么时候"), ("啥时候发布", "when 什么时候"),
        ("几何图形有哪些", "which 哪"), ("几乎为零是什么意思", "what 什么"), ("任何人都可以办吗", "other"),
    ],
)  # fmt: skip
def test_what_is_asked_for(question, name):
    assert asked_for(Question("", question, "", ())) == name


def test_says_what_evaluate_says(demo, tmp_path, call, capsys):
    file = demo / "dev.json"
    questions = [question for paragraph in json.loads(file.read_text(encoding="utf-8"))["data"][0]["paragraphs"]
                 for question in paragraph["qas"]]  # fmt: skip
    answers = {question["id"]: question["answers"][0]["text"][i % 3 :] for i, question in enumerate(questions[:250])}
    (tmp_path / "answers").write_text(json.dumps(answers), encoding="utf-8")
    call(main, "--gold", file, "--predictions", tmp_path / "answers", "--report", tmp_path / "report")
    report = read_report(tmp_path / "report")
    assert report["scores"] == json.loads(capsys.readouterr().out)
    kinds = [fact[0] for item in report["items"] for fact in item[1] if fact[0] != "gold answer"]
    assert report["scores"]["EM"] == round(100 * kinds.count("exact") / len(questions), 3)
    assert kinds.count("no answer") >= report["scores"]["SKIP"] == len(questions) - 250
    for table in report["tables"]:
        assert sum(row[-1] for row in table["rows"]) == len(questions)
        mean = sum(row[1] * row[-1] for row in table["rows"]) / len(questions)
        assert mean == pytest.approx(report["scores"]["F1"], abs=2e-3)


def test_a_folder_that_cannot_be_made(demo, tmp_path, call, refused, without_tensorflow):
    questions = json.loads((demo / "dev.json").read_text(encoding="utf-8"))["data"][0]["paragraphs"][0]["qas"]
    (tmp_path / "answers").write_text(json.dumps({questions[0]["id"]: ""}), encoding="utf-8")
    file = tmp_path / "answers"
    error = refused(main, "--gold", demo / "dev.json", "--predictions", file, "--report", file)
    assert error == f"{file}: the folder cannot be made (File exists)"
