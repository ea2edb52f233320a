import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from common.bert import models
from common.checkpoints import canonical_name, published_name, read_weights
from common.cli import UserError
from common.config import EncoderSizes
from common.encoder import build_encoder, load_pretrained, resolve_encoder, save_checkpoint, save_encoder
from common.encoder_source import EncoderSource
from common.tokenizer import Tokenizer
from encoder_folders import (
    CONFIG,
    INPUTS,
    ORIGINALS,
    PUBLISHED,
    VOCABULARY,
    load,
    original_with_checkpoint,
    pytorch_weights,
    write_folder,
)
from encoder_folders import folder as folder


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs ../shared")
@pytest.mark.parametrize("name", ["bert", "bert_tf_h5", "albert", "electra", "roformer"])
def test_reproduces_published_outputs(name):
    expected = np.load(PUBLISHED / name / "expected.npz")
    with_mlm = "mlm_logits" in expected
    model, report = load(str(PUBLISHED / name), with_mlm)
    assert report.missing == report.unused == []
    outputs = model([expected["token_ids"].astype("int32"), expected["segment_ids"].astype("int32")])
    real = np.arange(expected["token_ids"].shape[1]) < expected["lengths"][:, None]
    keys = ["last_hidden_state", "mlm_logits"]
    for output, key in zip(outputs if with_mlm else [outputs], keys, strict=False):
        np.testing.assert_allclose(output.numpy()[real], expected[key][real], atol=1e-4)


@pytest.mark.parametrize("model", ORIGINALS)
def test_tensorflow_checkpoint_equals_bert4keras(model, tmp_path, capsys):
    expected = original_with_checkpoint(model, tmp_path)
    encoder, report = load(str(tmp_path))
    np.testing.assert_allclose(encoder(INPUTS), expected, atol=1e-4)
    assert (report.missing, report.unused) == ([], ["cls/seq_relationship/output_bias"])
    assert capsys.readouterr().err.endswith(" tensors loaded; in the file but not used: cls/seq_relationship (1)\n")


def random_model(model, embedding_size=8):
    """Return an encoder's source, its model with random weights and masked-language-model head, and the outputs."""
    architecture = resolve_encoder(EncoderSizes(hidden_size=8, layers=2, heads=2)).architecture
    architecture |= {"model": model, "embedding_size": embedding_size, "vocab_size": len(VOCABULARY)}
    encoder = build_encoder(architecture, seed=0, with_mlm=True)
    rng = np.random.default_rng(1)
    for variable in encoder.trainable_variables:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return EncoderSource(model, architecture, Tokenizer(VOCABULARY)), encoder, encoder(INPUTS)


@pytest.mark.parametrize(
    ("model", "embedding_size"),
    [("bert", 8), ("ernie", 8), ("nezha", 8), ("roformer", 8), ("roformer", 4), ("electra", 4), ("albert", 4)],
)
def test_saved_encoders_load_as_they_were(model, embedding_size, tmp_path):
    described, encoder, expected = random_model(model, embedding_size)
    save_encoder(encoder, described, tmp_path / "float32")
    save_encoder(encoder, described, tmp_path / "float16", half_precision=True)
    save_checkpoint(resolve_encoder(str(tmp_path / "float32")), tmp_path / "checkpoint")
    for name, tolerance in (("float32", 0), ("float16", 1e-2), ("checkpoint", 0)):
        source = resolve_encoder(str(tmp_path / name))
        assert {**source.architecture, "same_token_attention": False} == described.architecture
        loaded, report = load(str(tmp_path / name), with_mlm=True)
        assert report.missing == report.unused == []
        for ours, theirs in zip(loaded(INPUTS), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
    assert {value.dtype.name for value in load_file(tmp_path / "float16" / "model.safetensors").values()} == {"float16"}


@pytest.mark.parametrize("kind", ["albert-noembkey", "electra-noembkey", "untied"])
def test_configs_without_or_with_rare_keys(kind, shared):
    """Without `embedding_size` it is 128, as in transformers. The head of an untied encoder is not supported."""
    folder = shared / "encoders" / "kinds" / kind
    if not folder.exists():
        pytest.skip("needs ../shared/encoders/kinds")
    gold = np.load(folder / "expected.npz")
    encoder, _ = load(str(folder))
    real = gold["att"] == 1
    np.testing.assert_allclose(encoder([gold["ids"], gold["seg"]]).numpy()[real], gold["h"][real], atol=1e-4)
    if kind == "untied":
        with pytest.raises(UserError, match="tie_word_embeddings is false"):
            load(str(folder), with_mlm=True)


def test_bert4keras_loads_the_checkpoint(tmp_path):
    described, encoder, (_, expected) = random_model("roformer")
    save_encoder(encoder, described, tmp_path / "folder")
    save_checkpoint(resolve_encoder(str(tmp_path / "folder")), tmp_path / "checkpoint")
    files = (str(tmp_path / "checkpoint" / name) for name in ("bert_config.json", "bert_model.ckpt"))
    original = models.build_transformer_model(*files, "roformer", with_mlm="linear")
    np.testing.assert_allclose(original(INPUTS), expected, atol=1e-4)


def test_transformers_reads_what_is_written(tmp_path):
    """The folder of the expected outputs was loaded into RoFormerForMaskedLM by `tests/transformers_gold.py`."""
    gold = Path(__file__).parent / "roformer"
    expected = np.load(gold / "expected.npz")
    encoder, _ = load(str(gold), with_mlm=True)
    real = expected["token_ids"] > 0
    for output, key in zip(encoder([expected["token_ids"], expected["segment_ids"]]), expected.files[2:], strict=True):
        np.testing.assert_allclose(output.numpy()[real], expected[key][real], atol=1e-4, err_msg=key)
    save_encoder(encoder, resolve_encoder(str(gold)), tmp_path)
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        assert (tmp_path / name).read_bytes() == (gold / name).read_bytes()


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    original_with_checkpoint("roformer", tmp_path)
    (tmp_path / "bert_config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(UserError, match="lacks 1 tensors of the encoder, .*/position_.*model_type"):
        load(str(tmp_path))


def test_missing_head_and_unused_tensors_are_said(folder, capsys):
    model, report = load(str(folder), with_mlm=True)
    assert report.unused == ["bert/pooler/dense/bias", "bert/pooler/dense/kernel"]
    assert sorted(report.missing) == [
        "cls/predictions/output_bias",
        "cls/predictions/transform/LayerNorm/beta",
        "cls/predictions/transform/LayerNorm/gamma",
        "cls/predictions/transform/dense/bias",
        "cls/predictions/transform/dense/kernel",
    ]
    assert capsys.readouterr().err == (
        f"{folder}: 37 tensors loaded; not in the file, so fresh: cls/predictions (5); "
        "in the file but not used: bert/pooler (2)\n"
    )


@pytest.mark.parametrize("dtype", [np.float16, tf.bfloat16.as_numpy_dtype])
def test_half_precision_parts_and_bare_names_give_the_same(folder, dtype):
    expected = read_weights([folder / "model.safetensors"])
    weights = {name.removeprefix("bert."): w.astype(dtype) for name, w in pytorch_weights().items()}
    names = sorted(weights)
    for i in (1, 2):
        part = {name: weights[name] for name in names[i - 1 :: 2]}
        save_file(part, folder / f"model-0000{i}-of-00002.safetensors")
    (folder / "model.safetensors").unlink()
    source = resolve_encoder(str(folder))
    assert source.weights is not None
    read = source.weights()
    assert read.keys() == expected.keys()
    for name, value in read.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, expected[name], atol=5e-3)


def test_ernie_task_embedding_is_part_of_the_segments(folder):
    weights = {name.replace("bert.", "ernie."): value for name, value in pytorch_weights().items()}
    weights["ernie.embeddings.task_type_embeddings.weight"] = np.arange(24, dtype="float32").reshape(3, 8)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({**CONFIG, "model_type": "ernie", "use_task_id": True}))
    model, report = load(str(folder))
    segments = model.get_layer("Embedding-Segment").get_weights()[0]
    expected = pytorch_weights()["bert.embeddings.token_type_embeddings.weight"] + np.arange(8)
    np.testing.assert_allclose(segments, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert.encoder.layer.11.output.dense.weight", "bert/encoder/layer_11/output/dense/kernel"),
        ("bert/encoder/layer_11/output/dense/kernel", "bert/encoder/layer_11/output/dense/kernel"),
        (
            "bert/tf_bert_for_pre_training_4/bert/encoder/layer_._11/output/LayerNorm/gamma:0",
            "bert/encoder/layer_11/output/LayerNorm/gamma",
        ),
        ("bert.embeddings.LayerNorm.gamma", "bert/embeddings/LayerNorm/gamma"),
        ("embeddings.word_embeddings.weight", "bert/embeddings/word_embeddings"),
        ("roformer/embeddings/token_type_embeddings/embeddings:0", "bert/embeddings/token_type_embeddings"),
        ("electra.embeddings_project.weight", "bert/encoder/embedding_hidden_mapping_in/kernel"),
        ("generator_predictions.LayerNorm.weight", "cls/predictions/transform/LayerNorm/gamma"),
        ("generator_lm_head.bias", "cls/predictions/output_bias"),
        ("discriminator_predictions.dense.weight", "discriminator_predictions/dense/kernel"),
        ("mlm___cls/tf_bert_model/mlm___cls/predictions/bias:0", "cls/predictions/output_bias"),
        ("albert.pooler.weight", "bert/pooler/dense/kernel"),
        ("predictions.dense.bias", "cls/predictions/transform/dense/bias"),
        (
            "albert/encoder/albert_layer_groups_._0/albert_layers_._0/attention/key/bias:0",
            "bert/encoder/transformer/group_0/inner_group_0/attention_1/self/key/bias",
        ),
    ],
)
def test_canonical_name(name, expected):
    assert canonical_name(name) == expected


def test_what_transformers_has_no_name_for():
    with pytest.raises(ValueError, match="cls/seq_relationship/output_bias: no name in bert"):
        published_name("cls/seq_relationship/output_bias", "bert")


def test_fresh_encoder_that_attends_to_the_same_token(tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY), encoding="utf-8")
    sizes = EncoderSizes(hidden_size=64, layers=2, heads=2, vocabulary=str(vocabulary), same_token_attention=True)
    architecture = resolve_encoder(sizes).architecture
    model = build_encoder(architecture, seed=0)
    plain = build_encoder(architecture | {"same_token_attention": False}, seed=0)
    kernels = 0
    for layer, fresh in zip(model.layers, plain.layers, strict=True):
        if hasattr(layer, "q_dense"):
            kernels += 1
            np.testing.assert_array_equal(layer.q_dense.kernel, 2 * fresh.q_dense.kernel)
            np.testing.assert_array_equal(layer.k_dense.kernel, layer.q_dense.kernel)
            x = np.random.default_rng(0).normal(size=(9, 64))
            q, k = x @ layer.q_dense.kernel.numpy(), x @ layer.k_dense.kernel.numpy()
            assert ((q @ k.T).argmax(1) == np.arange(9)).all()
    assert kernels == 2


def test_fresh_encoder(tmp_path):
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(VOCABULARY), encoding="utf-8")
    source = resolve_encoder(EncoderSizes(hidden_size=8, layers=3, heads=2, vocabulary=str(vocabulary)))
    assert json.loads(json.dumps(source.architecture)) == source.architecture
    model = build_encoder(source.architecture, seed=0)
    before = model.get_weights()
    assert load_pretrained(model, source).missing == []
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert model(INPUTS).shape == (2, 5, 8)
    assert sum(layer.name.endswith("FeedForward") for layer in model.layers) == 3


def test_unilm_says_who_looks_at_whom(tmp_path):
    """The input has 5 tokens of segment 0 and 3 of segment 1. Each is changed in turn to see which outputs change."""
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n何\n", encoding="utf-8")
    sizes = EncoderSizes(hidden_size=16, layers=2, heads=2, vocabulary=str(tmp_path / "vocab.txt"))
    encoder = build_encoder(resolve_encoder(sizes).architecture, seed=0, with_mlm=True, unilm=True)
    token_ids, segment_ids = np.full((1, 8), 5), np.array([[0] * 5 + [1] * 3])
    before = encoder([token_ids, segment_ids])[0].numpy()[0]
    for changed in range(8):
        others = token_ids.copy()
        others[0, changed] = 4
        seen = np.abs(encoder([others, segment_ids])[0].numpy()[0] - before).max(-1) > 1e-5
        assert seen.tolist() == [changed < 5 or (i >= changed and i >= 5) for i in range(8)]


def test_another_form_of_gelu(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    sizes = EncoderSizes(hidden_size=8, layers=1, heads=2, vocabulary=str(tmp_path / "vocab.txt"))
    outputs = []
    for gelu in (None, "erf", "tanh", "sigmoid"):
        source = resolve_encoder(sizes, gelu=gelu)
        assert source.architecture["hidden_act"] == f"gelu_{gelu or 'erf'}"
        outputs.append([x.numpy() for x in build_encoder(source.architecture, seed=0, with_mlm=True)(INPUTS)])
    for first, second, same in zip(outputs, outputs[1:], (True, False, False), strict=False):
        for a, b in zip(first, second, strict=True):
            assert (abs(a - b).max() == 0) == same
            np.testing.assert_allclose(a, b, atol=0.05)


def test_an_encoder_without_gelu_takes_no_form_of_it(tmp_path):
    folder = write_folder(tmp_path / "relu", "config.json", CONFIG | {"hidden_act": "relu"})
    (tmp_path / "relu/model.safetensors").write_bytes(b"")
    save_file({"embeddings.word_embeddings.weight": np.zeros((13, 8))}, tmp_path / "relu/model.safetensors")
    with pytest.raises(UserError, match="^gelu: .* has the activation relu, not a form of GELU$"):
        resolve_encoder(folder, gelu="tanh")
