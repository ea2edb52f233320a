import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from common.cli import UserError
from common.table import display_width
from evaluate import main

FOLDER = Path(__file__).resolve().parents[1]


def record(number, *events, **keys):
    event_list = [
        {"event_type": kind, "arguments": [{"role": r, "argument": s} for r, s in arguments], **keys}
        for kind, *arguments in events
    ]
    return {"id": str(number), "event_list": event_list}


WIN, LOSE = ("比赛", ("胜者", "何川"), ("败者", "江月")), ("比赛", ("胜者", "江月"))
GOLD = [record(0, WIN, trigger="胜"), record(1, WIN, LOSE, trigger="胜"), record(2, WIN, trigger="胜")]
PREDICTED = [record(0, WIN), record(1, WIN), record(2)]


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def evaluate(tmp_path, call):
    def evaluate(gold, predictions):
        files = [tmp_path / "gold.json", tmp_path / "pred.json"]
        for file, records in zip(files, (gold, predictions), strict=True):
            write_lines(file, *records)
        call(main, "--gold", files[0], "--predictions", files[1])

    return evaluate


def test_prints_one_json_object_and_tables(evaluate, capsys):
    evaluate(GOLD, PREDICTED)
    output = capsys.readouterr()
    assert json.loads(output.out) == {"precision": 1.0, "recall": 0.5714, "f1": 0.7273, "f1_lcs": 0.7273}
    assert output.out.count("\n") == 1
    lines = output.err.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["event", "type", "/", "role", "precision", "recall", "f1", "f1_lcs", "support"],
        ["比赛", "1.0000", "0.5714", "0.7273", "0.7273", "7"],
        ["胜者", "1.0000", "0.5000", "0.6667", "0.6667", "4"],
        ["败者", "1.0000", "0.6667", "0.8000", "0.8000", "3"],
    ]
    assert [line.split()[-8:] for line in lines[5:]] == [
        ["1.0000", "0.5714", "0.7273", "0.7273", "1.0000", "0.5000", "0.6667", "3"],
        ["1.0000", "0.5000", "0.6667", "0.6667", "1.0000", "0.5000", "0.6667", "2"],
        ["1.0000", "0.6667", "0.8000", "0.8000", "1.0000", "0.5000", "0.6667", "1"],
    ]
    assert len(set(map(display_width, lines[:4]))) == len(set(map(display_width, lines[4:]))) == 1


def test_ids_may_be_whole_numbers(evaluate, capsys):
    evaluate([line | {"id": int(line["id"])} for line in GOLD], PREDICTED)
    assert json.loads(capsys.readouterr().out)["f1"] == 0.7273


def test_says_how_many_sentences_are_in_one_file_only(evaluate, capsys):
    evaluate(GOLD, [PREDICTED[0], record("other")])
    notes = capsys.readouterr().err
    assert "note: 2 of 3 gold sentences have no prediction\n" in notes
    assert "note: 1 predicted sentences are not in gold" in notes


def test_predictions_may_be_zipped_but_gold_may_not(tmp_path, call, capsys):
    gold, predictions = write_lines(tmp_path / "gold.json", *GOLD), write_lines(tmp_path / "pred.json", *PREDICTED)
    with zipfile.ZipFile(tmp_path / "pred.zip", "w") as archive:
        archive.write(predictions, "pred.json")
    call(main, "--gold", gold, "--predictions", tmp_path / "pred.zip")
    assert json.loads(capsys.readouterr().out)["precision"] == 1.0
    with pytest.raises(SystemExit, match="2"):
        call(main, "--gold", tmp_path / "pred.zip", "--predictions", gold)
    assert "pred.zip: a zip, expected plain JSON lines" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gold", "predictions", "message"),
    [
        (PREDICTED, GOLD, "gold.json: no event has a trigger.*swapped"),
        ([{"id": "0", "text": "何川"}], PREDICTED, 'gold.json, line 1: "event_list" is missing'),
        (GOLD, [record("other")], "pred.json: has none of the ids of"),
        (GOLD, [{"event_list": []}], 'pred.json, line 1: "id" is missing'),
        (GOLD, [{"id": "0", "event_list": {}}], 'pred.json, line 1: "event_list" is not a list'),
        (GOLD, [{"id": "0", "event_list": [{"event_type": "A"}]}], 'pred.json, line 1: "arguments" of an event'),
        (GOLD, [{"id": "0", "event_list": [{"arguments": []}]}], 'pred.json, line 1: "event_type" of an event'),
        (
            GOLD, [{"id": "0", "event_list": [{"event_type": "A", "arguments": [{"role": "r"}]}]}],
            'pred.json, line 1: "role" or "argument" of an argument',
        ),
    ],
)  # fmt: skip
def test_bad_input_names_file_and_line(tmp_path, monkeypatch, gold, predictions, message):
    files = write_lines(tmp_path / "gold.json", *gold), write_lines(tmp_path / "pred.json", *predictions)
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "--gold", str(files[0]), "--predictions", str(files[1])])
    with pytest.raises(UserError, match=message):
        main()


def test_command_line_without_tensorflow(tmp_path):
    gold = write_lines(tmp_path / "gold.json", *GOLD)
    code = (
        "import sys, evaluate, check_submission; evaluate.main();"
        "sys.exit(bool({'tensorflow', 'tf_keras'} & set(sys.modules)))"
    )
    arguments = ["--gold", gold, "--predictions", gold]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=FOLDER, check=True, capture_output=True)
