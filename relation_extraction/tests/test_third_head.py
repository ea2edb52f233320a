"""A copy of the folder gets a third head. This takes one new file, its import and an entry in HEADS."""

import json
import shutil
import subprocess
import sys

import pytest

HEAD = '''
"""Scores pairs of tokens as pair.py does, but its loss is dense: all scores of all labels are in one tensor."""

from pair import Extractor, batch, parts, perfect


def build(encoder, labels, seed):
    from common.heads import PairHead, hidden_states
    from common.loss_model import LossModel

    token_ids, hidden, mask = hidden_states(encoder)
    sizes = {"spans": 2, "starts": len(labels), "ends": len(labels)}
    outputs = {name: PairHead(n, 16, name == "spans", name=name)(hidden, mask=mask) for name, n in sizes.items()}
    return LossModel({"token_ids": token_ids}, outputs, seed=seed)


def loss(targets, outputs):
    import tensorflow as tf

    from common.losses import multilabel_crossentropy

    losses = []
    for name, (scores, row_bias, column_bias) in outputs.items():
        dense = scores[:, None] + row_bias[..., None] + column_bias[:, :, None]
        rows, at = tf.where(targets[name][..., 0] >= 0), tf.shape(dense, tf.int64)
        cells = tf.concat([rows[:, :1], tf.cast(tf.gather_nd(targets[name], rows), tf.int64)], 1)
        truth = tf.minimum(tf.scatter_nd(cells, tf.ones(tf.shape(cells)[:1]), at), 1)
        flat = [at[0], at[1] * at[2] * at[3]]
        losses.append(multilabel_crossentropy(tf.reshape(truth, flat), tf.reshape(dense, flat)))
    return tf.add_n(losses)
'''


@pytest.mark.slow
def test_a_third_head(make_config, task, tmp_path):
    folder = shutil.copytree(task, tmp_path / "my_task", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    (folder / "third.py").write_text(HEAD, encoding="utf-8")
    model = (folder / "model.py").read_text(encoding="utf-8")
    model = model.replace("import pointer\n", "import pointer\nimport third\n")
    model = model.replace('"pointer": pointer}', '"pointer": pointer, "third": third}')
    (folder / "model.py").write_text(model, encoding="utf-8")
    config = make_config(tmp_path, train_lines=24, epochs=1, head="third")
    command = [sys.executable, folder / "train.py", "--config", config, "--output", "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["head"] == "third"
    assert "thresholds" in json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
