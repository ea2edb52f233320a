"""Small folders of published encoders, for the tests of encoders."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

from common.bert import models
from common.encoder import build_encoder, load_pretrained, resolve_encoder

PUBLISHED = Path(__file__).parents[2] / "shared" / "encoders" / "hf_tiny"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天地玄黄宇宙洪荒"]
CONFIG = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-7,  # the value that bert4keras itself uses, except for BERT
}
IDS = np.array([[2, 7, 8, 9, 3], [2, 7, 3, 0, 0]], np.int32)
INPUTS = [IDS, np.array([[0, 0, 0, 1, 1], [0, 1, 1, 0, 0]], np.int32)]


def write_folder(folder, config_name, config, weights=None, save=None):
    folder.mkdir(exist_ok=True)
    (folder / config_name).write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    if weights is not None:
        save(weights)
    return str(folder)


def load(spec, with_mlm=False):
    source = resolve_encoder(spec)
    model = build_encoder(source.architecture, seed=0, with_mlm=with_mlm)
    return model, load_pretrained(model, source)


def pytorch_weights():
    """Return random weights of a small BERT under PyTorch's names."""
    rng = np.random.default_rng(0)
    shapes = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), 8),
        "embeddings.position_embeddings.weight": (16, 8),
        "embeddings.token_type_embeddings.weight": (2, 8),
        "embeddings.LayerNorm.weight": (8,),
        "embeddings.LayerNorm.bias": (8,),
        "pooler.dense.weight": (8, 8),
        "pooler.dense.bias": (8,),
    }
    for i in range(2):
        prefix = f"encoder.layer.{i}."
        for name, shape in [
            ("attention.self.query", (8, 8)),
            ("attention.self.key", (8, 8)),
            ("attention.self.value", (8, 8)),
            ("attention.output.dense", (8, 8)),
            ("attention.output.LayerNorm", (8,)),
            ("intermediate.dense", (16, 8)),
            ("output.dense", (8, 16)),
            ("output.LayerNorm", (8,)),
        ]:
            shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
    return {f"bert.{name}": rng.normal(0, 0.3, shape).astype("float32") for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path):
    """Write a BERT without masked-language-model head as Hugging Face publishes it."""
    write_folder(tmp_path / "bert", "config.json", {"model_type": "bert", **CONFIG})
    save_file(pytorch_weights(), tmp_path / "bert" / "model.safetensors")
    return tmp_path / "bert"


ORIGINALS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "bert": (models.BERT, "bert_config.json", {}),
    "albert": (models.ALBERT, "albert_config_tiny.json", {"embedding_size": 4}),
    "electra": (models.ELECTRA, "electra_config.json", {"embedding_size": 4}),
    "nezha": (models.NEZHA, "bert_config.json", {"use_relative_position": True}),
    "roformer": (models.RoFormer, "bert_config.json", {"model_type": "roformer"}),
}


def original_with_checkpoint(model, folder):
    """Save a random encoder of bert4keras as a TensorFlow checkpoint folder, and return its output on INPUTS."""
    original_class, config_name, extra = ORIGINALS[model]
    config = {**CONFIG, **extra}
    original = original_class(**config, max_position=16, segment_vocab_size=2)
    original.build()
    rng = np.random.default_rng(1)
    tensors = {"global_step": tf.constant(7), "cls/seq_relationship/output_bias": tf.zeros(2)}
    for layer_name, names in original.variable_mapping().items():
        layer = original.layers.get(layer_name)
        for variable, name in zip(layer.trainable_weights if layer else [], names, strict=False):
            variable.assign(rng.normal(0, 0.5, variable.shape))
            tensors |= {name: variable.value(), f"{name}/adam_m": tf.zeros(1)}
    write_folder(folder, config_name, config)
    tf.raw_ops.SaveV2(
        prefix=str(folder / "bert_model.ckpt"),
        tensor_names=[*tensors],
        shape_and_slices=[""] * len(tensors),
        tensors=[*tensors.values()],
    )
    return original.model(INPUTS)
