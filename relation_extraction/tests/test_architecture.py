"""docs/architecture.md lists the files that a record goes through, to the loss and back to the submission.

Update the numbers of lines on that page with

    python relation_extraction/tests/test_architecture.py
"""

import re
import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

TASK = Path(__file__).resolve().parents[1]
REPOSITORY = TASK.parent
PAGE = REPOSITORY / "docs" / "architecture.md"
ROW = re.compile(r"^\| `(\S+\.py)` \| (\d+) \|", re.MULTILINE)
# The page leaves out the encoder, the optimizer, the devices, the config and the command line.
LEFT_OUT = ("bert", "recompute", "cores", "activations", "optimizers", "devices", "config", "cli")
NOT_COUNTED = {f"common/{name}.py" for name in LEFT_OUT}


def listed(title):
    """Return the files of a table on the page with their numbers of lines, in order."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    return {name: int(lines) for name, lines in ROW.findall(section)}


def lines_of(name):
    return len((REPOSITORY / name).read_text(encoding="utf-8").splitlines())


@contextmanager
def traced():
    """Collect the files of the project whose functions are called, in the order of the first calls."""
    found: dict[str, None] = {}
    roots = (f"{TASK}/", f"{REPOSITORY}/common/")

    def note(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(roots) and "/tests/" not in file:
            found.setdefault(str(Path(file).relative_to(REPOSITORY)))

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
    for name in NOT_COUNTED:
        found.pop(name, None)


def test_the_files_to_the_loss_and_back(demo):
    import tf_keras as keras

    import train
    from common.batching import Batches, bucketed_batches
    from common.config import EncoderSizes
    from common.encoder import build_encoder, resolve_encoder
    from common.files import write_jsonl
    from common.inference import start_engines
    from config import Config
    from extraction import predict
    from model import HEADS
    from records import Labels, read_records
    from schema import read_schema

    sizes = EncoderSizes(hidden_size=8, layers=1, heads=1)
    config = Config(train_file="", dev_file="", schema_file="", encoder=sizes)
    head, source, schema = HEADS[config.head], resolve_encoder(sizes), read_schema(demo / "schema.json")
    model = head.build(build_encoder(source.architecture, 0), Labels(schema), 0)
    model.compile(keras.optimizers.SGD(0.01), head.loss, run_eagerly=True)
    engines = start_engines(head.parts(model))
    records = list(islice(read_records(demo / "train.json", schema=schema), 4))
    with traced() as to_the_loss:
        labels = Labels(schema)
        features = train.read_features("train.json", records, source.tokenizer, labels, config)
        order = bucketed_batches([len(feature.token_ids) for feature in features], 4, seed=0, epoch=0)
        model.fit(Batches(features, order, lambda items, rng: head.batch(items, rng, labels), (0, 0)))
    with traced() as and_back:
        extractor = head.Extractor(engines, labels)
        write_jsonl("/dev/null", predict(records, extractor, source.tokenizer, labels, config))
    assert list(listed("From a record to the loss")) == list(to_the_loss)
    assert list(listed("And back to the submission")) == list(and_back)


def test_the_lines():
    to_the_loss = listed("From a record to the loss")
    for name, lines in (to_the_loss | listed("And back to the submission")).items():
        assert lines == lines_of(name), f"{name}: see the top of this file"
    assert len(to_the_loss) <= 11
    assert sum(to_the_loss.values()) <= 1400


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(ROW.sub(lambda row: f"| `{row[1]}` | {lines_of(row[1])} |", text), encoding="utf-8", newline="\n")
