"""Batched inference over engines: TensorFlow, or OpenVINO on CPUs."""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from common.batching import length_sorted_batches

if TYPE_CHECKING:
    import tf_keras as keras

T = TypeVar("T")
R = TypeVar("R")
Engine = Callable[[dict[str, np.ndarray]], Any]  # inputs by name -> outputs as the model nests them

# Padded tokens per batch: enough to keep the matrix products busy, little enough to stay in the caches.
MAX_TOKENS = 4096


def in_length_order(
    items: list[T], lengths: list[int], extract: Callable[[list[T]], Iterable[R]], batch_size: int
) -> list[R]:
    """Extracts from batches of items of similar length; the results stand in the order of the items."""
    results = [None] * len(items)
    for batch in length_sorted_batches(lengths, batch_size, MAX_TOKENS):
        for index, result in zip(batch, extract([items[i] for i in batch]), strict=True):
            results[index] = result
    return results


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter (itertools.batched comes with Python 3.12)."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def start_engines(parts: dict[str, "keras.Model"], engine: str = "tensorflow") -> dict[str, Engine]:
    """Starts an engine for each part of a head's model, see `select_engine`."""
    start = select_engine(engine)
    return {name: start(part) for name, part in parts.items()}


def select_engine(name: str) -> Callable[["keras.Model"], Engine]:
    """The engine of a name: "tensorflow", "openvino", or "auto", which is OpenVINO on a CPU that multiplies bfloat16
    in hardware. In float32 TensorFlow is the faster one (`benchmarks/prediction.py`).
    """
    if name == "auto":
        import tensorflow as tf

        on_gpu = tf.config.list_physical_devices("GPU")
        name = "openvino" if cpu_has_bfloat16() and not on_gpu else "tensorflow"
    return {"tensorflow": tensorflow_engine, "openvino": openvino_engine}[name]


def tensorflow_engine(model: "keras.Model") -> Engine:
    """Runs a model in one graph for all shapes; inputs and outputs are NumPy arrays."""
    import tensorflow as tf

    forward = _graph(model)

    def engine(inputs: dict[str, np.ndarray]) -> Any:
        outputs = forward(inputs)
        return tf.nest.pack_sequence_as(model.output, [outputs[name].numpy() for name in sorted(outputs)])

    return engine


def openvino_engine(model: "keras.Model") -> Engine:
    """The same in OpenVINO on the CPU, in bfloat16 where the CPU multiplies it in hardware.

    The model must have been built under the float32 policy.
    """
    import openvino.frontend.tensorflow.utils
    import tensorflow as tf

    # Its report of versions deletes a local name through `exec`, which is a NameError from Python 3.13 on.
    openvino.frontend.tensorflow.utils.get_environment_setup = lambda framework: {"tensorflow": tf.__version__}
    converted = openvino.convert_model(_graph(model).get_concrete_function())
    precision = "bf16" if cpu_has_bfloat16() else "f32"
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", 0)  # one variable for both engines; 0 is as many as fit
    properties = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": int(threads),
    }  # fmt: skip
    compiled = openvino.compile_model(converted, "CPU", properties)
    # besides ours, conversion may add outputs
    outputs = {name: port for port in compiled.outputs for name in port.names if name.startswith("output_")}

    def engine(inputs: dict[str, np.ndarray]) -> Any:
        results = compiled({f"{name}:0": array for name, array in inputs.items()})
        return tf.nest.pack_sequence_as(model.output, [results[outputs[name]] for name in sorted(outputs)])

    return engine


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware (AMX, or AVX-512 with its bfloat16 products)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:  # not Linux
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _graph(model: "keras.Model"):
    """inputs by name -> outputs as a flat dict, "output_00" and so on, in the order of tf.nest."""
    import tensorflow as tf

    signature = {x.name: tf.TensorSpec(x.shape, x.dtype, x.name) for x in model.inputs}

    def forward(inputs):
        named = inputs if isinstance(model.input, dict) else [inputs[x.name] for x in model.inputs]
        outputs = tf.nest.flatten(model(named, training=False))
        return {f"output_{i:02d}": tf.identity(x) for i, x in enumerate(outputs)}

    return tf.function(forward, input_signature=[signature])
