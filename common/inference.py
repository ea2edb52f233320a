"""Runs models on batches with an engine, which is TensorFlow or, on CPUs, OpenVINO."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from common.batching import Integers, cut
from common.cores import whole_batches

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras

T = TypeVar("T")
R = TypeVar("R")

# The most tokens in a batch, with padding: enough to keep the matrix products busy, few enough for the CPU's caches.
MAX_TOKENS = 4096
REMEMBERED = 2**30  # bytes of outputs that a remembering engine keeps at most


class Engine(Protocol):
    """Runs a model: takes its inputs by name, arrays [batch, ...], and returns arrays, nested as its outputs."""

    def __call__(self, inputs: dict[str, np.ndarray], /) -> Any: ...


def in_length_order(
    items: Sequence[T], lengths: Sequence[int], extract: Callable[[list[T]], Iterable[R]], batch_size: int
) -> list[R]:
    """Apply `extract` to batches of items of similar length; return the results in the order of the items.

    Args:
        items: what to extract from.
        lengths: number of tokens of each item.
        extract: gives one result for each item of a batch.
        batch_size: the most items in a batch. Batches are also limited to `MAX_TOKENS`.
    """
    results: dict[int, R] = {}
    for batch in length_sorted_batches(lengths, batch_size, MAX_TOKENS):
        results.update(zip(batch.tolist(), extract([items[i] for i in batch]), strict=True))
    return [results[index] for index in range(len(items))]


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items; the last may be shorter (itertools.batched comes only with Python 3.12).

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def start_engines(parts: dict[str, "keras.Model"], engine: str = "tensorflow") -> dict[str, Engine]:
    """Start an engine for each part of a head's model. `engine` is a name that `select_engine` knows."""
    start = select_engine(engine)
    return {name: start(part) for name, part in parts.items()}


def remembering(engine: Engine) -> Engine:
    """Return an engine that keeps the outputs of batches, up to `REMEMBERED` bytes, for when they come again."""
    import tensorflow as tf

    known: dict[tuple, Any] = {}
    size = 0

    def remembered(inputs: dict[str, np.ndarray]) -> Any:
        nonlocal size
        key = tuple((name, array.shape, array.tobytes()) for name, array in inputs.items())
        if key in known:
            return known[key]
        outputs = engine(inputs)
        size += sum(array.nbytes for array in tf.nest.flatten(outputs))
        if size <= REMEMBERED:
            known[key] = outputs
        return outputs

    return remembered


def select_engine(name: str) -> Callable[["keras.Model"], Engine]:
    """Return the function that starts the engine of this name: "tensorflow", "openvino" or "auto".

    "auto" is OpenVINO on a CPU that multiplies bfloat16 in hardware, if there is no GPU. Otherwise it is TensorFlow,
    which is the faster one in float32 (`benchmarks/prediction.py`).
    """
    if name == "auto":
        import tensorflow as tf

        on_gpu = tf.config.list_physical_devices("GPU")
        name = "openvino" if cpu_has_bfloat16() and not on_gpu else "tensorflow"
    return {"tensorflow": tensorflow_engine, "openvino": openvino_engine}[name]


def describe_engine(name: str = "auto") -> str:
    """Say which engine has this name, and its precision: "OpenVINO, bfloat16"."""
    if select_engine(name) is tensorflow_engine:
        return "TensorFlow, float32"
    return "OpenVINO, bfloat16" if cpu_has_bfloat16() else "OpenVINO, float32"


def tensorflow_engine(model: "keras.Model") -> Engine:
    """Return an engine that runs the model in TensorFlow, in one graph for all shapes."""
    import tensorflow as tf

    forward = _graph(model)

    def engine(inputs: dict[str, np.ndarray]) -> Any:
        outputs = forward(inputs)
        return tf.nest.pack_sequence_as(model.output, [outputs[name].numpy() for name in sorted(outputs)])

    return engine


def openvino_engine(model: "keras.Model") -> Engine:
    """Return an engine that runs the model in OpenVINO on the CPU, in bfloat16 if the CPU multiplies it in hardware.

    The model must have been built under the float32 policy.
    """
    import openvino.frontend.tensorflow.utils
    import tensorflow as tf

    # OpenVINO's report of versions deletes a local name through `exec`, which is a NameError from Python 3.13 on.
    openvino.frontend.tensorflow.utils.get_environment_setup = lambda framework: {"tensorflow": tf.__version__}
    with whole_batches():
        graph = _graph(model).get_concrete_function()
    converted = openvino.convert_model(graph)
    precision = "bf16" if cpu_has_bfloat16() else "f32"
    threads = os.environ.get("TF_NUM_INTRAOP_THREADS", 0)  # the variable is TensorFlow's; with 0 OpenVINO chooses
    properties = {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": int(threads),
    }  # fmt: skip
    compiled = openvino.compile_model(converted, "CPU", properties)
    # The conversion may add outputs of its own.
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


def _graph(model: "keras.Model") -> "tf.types.experimental.PolymorphicFunction":
    """Return the model as a function: inputs by name -> outputs "output_00" and so on, in the order of tf.nest."""
    import tensorflow as tf

    signature = {x.name: tf.TensorSpec(x.shape, x.dtype, x.name) for x in model.inputs}

    def forward(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        named = inputs if isinstance(model.input, dict) else [inputs[x.name] for x in model.inputs]
        outputs = tf.nest.flatten(model(named, training=False))
        return {f"output_{i:02d}": tf.identity(x) for i, x in enumerate(outputs)}

    return tf.function(forward, input_signature=[signature])


def length_sorted_batches(lengths: Integers, batch_size: int, max_tokens: int | None = None) -> list[np.ndarray]:
    """Return batches of indices for inference, the longest items first, so that too little memory shows at once."""
    lengths = np.asarray(lengths)
    return cut(np.argsort(-lengths, kind="stable"), lengths, batch_size, max_tokens)
