"""A training of one step, from its config to its report, and the predictions of its model."""

import json

import pytest

import evaluate
import predict
import train
from common.testing.runs import read_records, read_report, write_tiny_config
from records import entities
from report import facts


@pytest.fixture(scope="module")
def trained(demo, call, tmp_path_factory):
    """Return the folder of a finished run of one step. Its config, tiny.json, and its data are next to it."""
    folder = tmp_path_factory.mktemp("run")
    for name in ("train", "dev"):
        lines = (demo / f"{name}.json").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / f"{name}.json").write_text("".join(lines[:20]), encoding="utf-8")
    schema = "data:demo/named_entities/schema.json"
    config = write_tiny_config(folder, schema_file=schema, epochs=1, batch_size=20, threshold_share=0.2)
    call(train.main, "--config", config, "--output", folder / "run")
    return folder / "run"


def test_a_finished_run_predicts_what_it_scored(trained, call, capsys):
    files = trained.parent / "dev.json", trained.parent / "predicted.zip"
    call(predict.main, "--model", trained, "--input", files[0], "--output", files[1])
    capsys.readouterr()
    call(evaluate.main, "--gold", files[0], "--predictions", files[1], "--report", trained.parent / "report")
    output = capsys.readouterr()
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert json.loads(output.out) == metrics["dev"]
    assert list(metrics["dev"]) == ["precision", "recall", "f1", "macro_f1"]
    assert output.err.splitlines()[0].split() == ["label", "precision", "recall", "f1", "string_f1", "support"]
    for folder in (trained / "report", trained.parent / "report"):
        report = read_report(folder)
        assert report["scores"] == metrics["dev"]
        assert len(report["items"]) == 20


def test_one_prediction_for_every_input_in_order(trained, demo, call, tmp_path):
    """Records keep their keys, and every predicted string is in the text where its place says."""
    odd = ["", " \u3000", "字" * 600, "何\x00川\ud800😀", "何川", "何川"]
    records = [{"text": text, "id": i} for i, text in enumerate(odd)] + read_records(demo / "test.json")
    (tmp_path / "in.json").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    call(predict.main, "--model", trained, "--input", tmp_path / "in.json", "--output", tmp_path / "out.json",
         "--engine", "tensorflow")  # fmt: skip
    predictions = read_records(tmp_path / "out.json")
    assert [{"text": record["text"], "id": record["id"]} for record in predictions] == records
    for record in predictions:
        assert all(record["text"][first : last + 1] == string for _, string, first, last in entities(record))


def test_a_text_of_the_command_line(trained, call, capfd):
    call(predict.main, "--model", trained, "--text", "", "--engine", "tensorflow")
    assert capfd.readouterr().out == "no entity found\n"


def test_kinds_of_facts():
    gold = {("name", "何川", 0, 1), ("name", "江月", 8, 9), ("company", "何川公司", 3, 6), ("scene", "川", 1, 1)}
    found = {("name", "何川", 0, 1), ("scene", "江月", 8, 9), ("company", "公司", 5, 6), ("name", "在", 2, 2)}
    assert [(fact.kind, fact.label, fact.parts[0].string, fact.parts[0].spans) for fact in facts(gold, found)] == [
        ("correct", "name", "何川", [(0, 2)]),
        ("not in gold", "name", "在", [(2, 3)]),
        ("other boundary", "company", "公司", [(5, 7)]),
        ("other label", "scene", "江月", [(8, 10)]),
        ("missed", "scene", "川", [(1, 2)]),
        ("missed", "company", "何川公司", [(3, 7)]),
        ("missed", "name", "江月", [(8, 10)]),
    ]
