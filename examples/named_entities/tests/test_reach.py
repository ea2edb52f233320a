"""Gold that no prediction can match is counted before a training."""

import train
from common.config import EncoderSizes
from config import Config
from reach import print_reach
from records import read_records, read_schema


def printed(records, tokenizer, labels, capsys):
    encoder = EncoderSizes(hidden_size=8, layers=1, heads=1)
    config = Config(
        train_file="", dev_file="dev.json", schema_file="", encoder=encoder, max_length=32, stride=16,
    )  # fmt: skip
    print_reach(records, train.read_features("dev.json", records, tokenizer, labels, config), labels, config)
    return capsys.readouterr()


def test_nothing_of_the_demo_set_is(demo, tokenizer, capsys):
    labels = read_schema(demo / "schema.json")
    output = printed(list(read_records(demo / "dev.json", labels=labels)), tokenizer, labels, capsys)
    assert "  out of reach: 0 of " in output.out
    assert output.err == ""


def test_edges_and_windows(tokenizer, labels, capsys):
    records = [
        {"text": "何川 在城里", "label": {"name": {"何川": [[0, 1]], "何川 ": [[0, 2]]}}},
        {"text": "何" * 40, "label": {"name": {"何" * 40: [[0, 39]], "何何": [[38, 39]]}}},
    ]
    output = printed(records, tokenizer, labels, capsys)
    assert output.out.endswith("  out of reach: 2 of 4 entities (50.00 %)\n")
    lines = output.err.splitlines()
    assert lines[1] == "  1 white space at an edge, where no prediction has any: line 1 '何川 '"
    assert lines[2].startswith("  1 in the text, but lost on the way back")
    assert lines[2].endswith(f": line 2 '{'何' * 40}'")
