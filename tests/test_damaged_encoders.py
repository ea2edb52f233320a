"""Tests that damaged encoder folders and damaged files of weights are refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common.checkpoints import read_weights
from common.cli import UserError
from common.encoder import resolve_encoder
from encoder_folders import VOCABULARY, load, original_with_checkpoint
from encoder_folders import folder as folder


def edit_config(**changes):
    def edit(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return edit


def edit_weights(**changes):
    def edit(folder):
        weights = load_file(folder / "model.safetensors") | changes
        save_file({k: v for k, v in weights.items() if v is not None}, folder / "model.safetensors")

    return edit


def rename(old, new):
    return lambda folder: (folder / old).rename(folder / new)


def truncate(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


def drop_from_vocabulary(token):
    def edit(folder):
        tokens = [other for other in VOCABULARY if other != token]
        (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")

    return edit


def fake_hdf5(folder):
    (folder / "model.safetensors").unlink()
    (folder / "tf_model.h5").write_bytes(b"\x89HDF\r\n\x1a\n cut off")


def safetensors(dtype, numbers):
    """Return a .safetensors file with one tensor "bert.a" of two numbers."""
    header = json.dumps({"bert.a": {"dtype": dtype, "shape": [2], "data_offsets": [0, len(numbers)]}}).encode()
    return len(header).to_bytes(8, "little") + header + numbers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (safetensors("F32", np.array([1, np.nan], np.float32).tobytes()), "bert.a has values that are not finite"),
        (safetensors("F16", np.array([1, np.inf], np.float16).tobytes()), "bert.a has values that are not finite"),
        (safetensors("F8_E4M3", b"\0\0"), "not a readable .safetensors file, perhaps truncated"),
        (safetensors("F64", b"\0" * 8), "not a readable .safetensors file, perhaps truncated"),
        (safetensors("F32", b"\0" * 8)[:-1], "not a readable .safetensors file, perhaps truncated"),
        (b"\xff" * 8, "not a readable .safetensors file, perhaps truncated"),
    ],
)
def test_weights_that_are_none(tmp_path, content, message):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=f"model.safetensors: {message}"):
        read_weights([tmp_path / "model.safetensors"])


def test_weights_in_bfloat16(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(safetensors("BF16", b"\x80\x3f\x40\xc0"))
    (value,) = read_weights([tmp_path / "model.safetensors"]).values()
    assert value.dtype == np.float32
    assert value.tolist() == [1, -3]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rename("config.json", "c.json"), "expected one config.json or bert_config.json, found none"),
        (rename("vocab.txt", "v.txt"), "bert: no vocab.txt"),
        (rename("model.safetensors", "m"), "no weights; expected model.safetensors, tf_model.h5, bert_model.ckpt"),
        (rename("model.safetensors", "pytorch_model.bin"), "pytorch_model.bin: not a readable PyTorch file: it is"),
        (rename("model.safetensors", "model-00001-of-00002.safetensors"), "found 1 of 2 parts"),
        (rename("model.safetensors", "pytorch_model-00001-of-00002.bin"), "found 1 of 2 parts"),
        (rename("model.safetensors", "bert_model.ckpt.index"), "found 0 of 1 parts"),
        (truncate("model.safetensors"), "model.safetensors: not a readable .safetensors file, perhaps truncated"),
        (fake_hdf5, "tf_model.h5: not a readable .h5 file, perhaps truncated"),
        (truncate("config.json"), "config.json, line 1: not JSON"),
        (drop_from_vocabulary("[CLS]"), "vocab.txt: the vocabulary lacks [CLS]"),
        (edit_config(vocab_size=1014), "vocab.txt: 13 entries, but the encoder has embeddings for 1014"),
        (edit_config(model_type="t5"), "config.json: model_type 't5' is not one of bert, albert, electra,"),
        (edit_config(hidden_act="sin"), "config.json: hidden_act 'sin' is not one of gelu,"),
        (edit_config(hidden_size="8"), "config.json: hidden_size should be a positive integer, not '8'"),
        (edit_config(hidden_size=9), "hidden_size 9 is not a multiple of num_attention_heads 2"),
        (edit_config(num_hidden_groups=2), "config.json: num_hidden_groups is 2, only 1 is supported"),
        (edit_config(is_decoder=True), "config.json: is_decoder is True, only False is supported"),
        (edit_config(position_embedding_type="relative_key"), "position_embedding_type is 'relative_key'"),
    ],
)
def test_bad_folders_are_refused_when_resolved(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError) as error:
        resolve_encoder(str(folder))
    assert message in str(error.value)
    assert str(folder) in str(error.value)


def test_an_encoder_with_one_segment_is_not_given_two(folder):
    edit_config(type_vocab_size=1)(folder)
    resolve_encoder(str(folder))
    with pytest.raises(UserError, match=r"bert knows 1 segment \(type_vocab_size\), but 2 are needed"):
        resolve_encoder(str(folder), segments=2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            edit_config(intermediate_size=20),
            "bert/encoder/layer_0/intermediate/dense/kernel has shape [8, 16], its config says [8, 20]",
        ),
        (
            edit_weights(**{"bert.encoder.layer.1.output.dense.weight": None}),
            "the file lacks 1 tensors of the encoder, the first is bert/encoder/layer_1/output/dense/kernel",
        ),
    ],
)
def test_weights_of_other_sizes_are_refused_when_loaded(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError) as error:
        load(str(folder))
    assert message in str(error.value)


def test_truncated_tensorflow_checkpoint(tmp_path):
    original_with_checkpoint("bert", tmp_path)
    weights = resolve_encoder(str(tmp_path)).weights
    assert weights is not None
    for part in ("data-00000-of-00001", "index"):
        file = tmp_path / f"bert_model.ckpt.{part}"
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        with pytest.raises(UserError, match=r"bert_model\.ckpt\.index: not a readable \.index file"):
            weights()


@pytest.mark.parametrize("spec", ["/nowhere/at/all", "./nowhere", "nowhere", "a/b/c", __file__, "x" * 300, ""])
def test_no_such_folder(spec):
    with pytest.raises(UserError, match=f"^{spec}: no such folder, and not a name on the hub"):
        resolve_encoder(spec)


def test_a_name_without_its_owner():
    with pytest.raises(UserError, match=r"\(such a name looks like google-bert/bert-base-chinese\)"):
        resolve_encoder("bert-base-chinese")
