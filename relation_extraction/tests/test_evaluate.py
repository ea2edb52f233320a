import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from common.cli import UserError
from common.table import display_width
from evaluate import main, table
from scoring import Counts, per_predicate, several_slots

FOLDER = Path(__file__).resolve().parents[1]
TRIPLE = {"predicate": "导演", "subject": "山水之间", "object": {"@value": "李四"}}
GOLD = [{"text": f"第{i}句", "spo_list": [TRIPLE]} for i in range(8)]
PREDICTED = [{**record, "spo_list": record["spo_list"] if i < 2 else []} for i, record in enumerate(GOLD)]


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def evaluate(monkeypatch):
    def call(gold, predictions, *more):
        arguments = ["evaluate.py", "--gold", gold, "--predictions", predictions, *more]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        main()

    return call


def test_prints_one_json_object_and_a_table(tmp_path, evaluate, capsys):
    evaluate(write_lines(tmp_path / "gold.json", *GOLD), write_lines(tmp_path / "pred.json", *PREDICTED))
    output = capsys.readouterr()
    assert json.loads(output.out) == {"precision": 1.0, "recall": 0.25, "f1": 0.4}
    assert output.out.count("\n") == 1
    assert output.err.splitlines()[1:] == [
        "predicate  precision  recall      f1  support",
        "导演          1.0000  0.2500  0.4000        8",
    ]


def test_predictions_may_be_zipped_and_aliases_given(tmp_path, evaluate, capsys):
    renamed = [{"text": "第0句", "spo_list": [{**TRIPLE, "subject": "山水"}]}]
    predictions = write_lines(tmp_path / "pred.json", *renamed)
    with zipfile.ZipFile(tmp_path / "pred.zip", "w") as archive:
        archive.write(predictions, "pred.json")
    alias = tmp_path / "alias.tsv"
    alias.write_text("山水\t山水之间\n山水之间\t山水\n", encoding="utf-8")
    evaluate(write_lines(tmp_path / "gold.json", GOLD[0]), tmp_path / "pred.zip", "--alias", alias)
    assert json.loads(capsys.readouterr().out)["f1"] == 1.0


def test_aliases_of_a_file_with_a_byte_order_mark(tmp_path, evaluate, capsys):
    renamed = write_lines(tmp_path / "pred.json", {"text": "第0句", "spo_list": [{**TRIPLE, "subject": "山水"}]})
    (tmp_path / "alias.tsv").write_bytes("\ufeff山水\t山水之间\r\n山水之间\t山水\r\n".encode())
    evaluate(write_lines(tmp_path / "gold.json", GOLD[0]), renamed, "--alias", tmp_path / "alias.tsv")
    assert json.loads(capsys.readouterr().out)["f1"] == 1.0


@pytest.mark.parametrize("option", ["--alias", "--report"])
def test_an_option_without_a_name_is_not_passed_over(tmp_path, evaluate, option):
    gold = write_lines(tmp_path / "gold.json", GOLD[0])
    with pytest.raises(UserError, match="cannot be"):
        evaluate(gold, gold, option, "")


def test_control_characters_of_a_predicate_are_not_printed(tmp_path, evaluate, capsys):
    gold = write_lines(tmp_path / "gold.json", GOLD[0])
    predicted = {"text": "第0句", "spo_list": [{**TRIPLE, "predicate": "\x1b[2J\n导演"}]}
    evaluate(gold, write_lines(tmp_path / "pred.json", predicted))
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()[1:]] == ["predicate", "导演", "\ufffd[2J"]


def test_says_how_many_sentences_are_in_one_file_only(tmp_path, evaluate, capsys):
    gold = write_lines(tmp_path / "gold.json", *GOLD)
    evaluate(gold, write_lines(tmp_path / "pred.json", *PREDICTED[:3], {"text": "别的", "spo_list": []}))
    notes = capsys.readouterr().err
    assert "note: 5 of 8 gold sentences have no prediction\n" in notes
    assert "note: 1 predicted sentences are not in gold" in notes


def test_swapped_files_are_recognised(tmp_path, evaluate):
    gold = write_lines(tmp_path / "gold.json", *GOLD)
    predictions = write_lines(tmp_path / "pred.json", *PREDICTED)
    with pytest.raises(UserError, match="pred.json: 6 sentences have no triple.*swapped"):
        evaluate(predictions, gold)
    with zipfile.ZipFile(tmp_path / "pred.zip", "w") as archive:
        archive.write(predictions, "pred.json")
    with pytest.raises(UserError, match="pred.zip: a zip.*swapped"):
        evaluate(tmp_path / "pred.zip", gold)


def test_gold_that_cannot_be_gold(tmp_path, evaluate):
    gold = write_lines(tmp_path / "gold.json", *GOLD)
    with pytest.raises(UserError, match=r"test.json, line 1: .*without labels"):
        evaluate(write_lines(tmp_path / "test.json", {"text": "第0句"}), gold)
    with pytest.raises(UserError, match="other.json: has none of the sentences"):
        evaluate(gold, write_lines(tmp_path / "other.json", {"text": "别的", "spo_list": []}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"{\n", "line 1: not JSON"),
        (b'{"text": "a", "spo_list": []}\n\n{}', "line 2: blank"),
        ('{"text": "句", "spo_list": []}\n'.encode("gb18030"), "line 1: not UTF-8"),
        (b'{"spo_list": []}', 'line 1: "text" is missing'),
        (b'{"text": "a", "spo_list": {}}', 'line 1: "spo_list" is not a list'),
        (b'{"text": "a", "spo_list": [{"predicate": "b"}]}', 'line 1: "subject" of a triple'),
    ],
)
def test_bad_input_names_file_and_line(tmp_path, evaluate, content, message):
    good, bad = write_lines(tmp_path / "good.json", *GOLD), tmp_path / "bad.json"
    bad.write_bytes(content)
    for files in ((good, bad), (bad, good)):
        with pytest.raises(UserError, match=f"bad.json.*{message}"):
            evaluate(*files)


def test_table_is_aligned_for_double_width_characters():
    assert display_width("导演ab") == 6
    counts = {"出品公司": Counts(2, 1, 2, 1), "号": Counts(), "A": Counts(1, 1, 9, 1)}
    lines = table(counts, Counts()).splitlines()
    assert len(set(map(display_width, lines))) == 1
    assert [line.split()[0] for line in lines] == ["predicate", "A", "出品公司", "号"]


def test_the_table_ends_with_the_triples_with_several_slots():
    film, play, part = (
        {**TRIPLE, "object": {"@value": "阿布", **more}} for more in ({"inWork": "海风"}, {"inWork": "山雨"}, {})
    )
    wrong = {**film, "subject": "何川"}
    gold, predictions = [{"text": "", "spo_list": [film, play, part]}], [{"text": "", "spo_list": [film, wrong, part]}]
    several = sum(per_predicate(several_slots(gold), several_slots(predictions)).values(), Counts())
    assert several == Counts(predicted=2, correct=1, gold=2, found=1)
    assert table({}, several).splitlines()[-1].split()[-4:] == ["0.5000", "0.5000", "0.5000", "2"]


def test_command_line_without_tensorflow(tmp_path):
    gold = write_lines(tmp_path / "gold.json", *GOLD)
    code = (
        "import sys, evaluate, check_submission; evaluate.main();"
        "sys.exit(bool({'tensorflow', 'tf_keras', 'numpy'} & set(sys.modules)))"
    )
    arguments = ["--gold", gold, "--predictions", gold]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=FOLDER, check=True, capture_output=True)
    command = [sys.executable, "evaluate.py", "--gold", tmp_path / "none.json", "--predictions", gold]
    failed = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr == f"error: {tmp_path}/none.json: no such file\n"
