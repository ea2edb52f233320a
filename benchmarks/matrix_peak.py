"""Measures the fastest matrix product of this machine. Other benchmarks give their speed as a share of it.

python benchmarks/matrix_peak.py

The matrices are square, of a few sizes. They are multiplied in TensorFlow and in OpenVINO, in float32 and, if the CPU
multiplies bfloat16 in hardware, in bfloat16.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tools.harness import make_parser, report

from common.cli import run_command
from common.inference import cpu_has_bfloat16

SIZES = (1024, 2048, 3072)


def main() -> None:
    args = make_parser(__doc__).parse_args()
    report("matrix_peak", vars(args), measure(args.rounds))


def matrix_peak(rounds: int = 5) -> dict[str, float]:
    """Return the highest FLOP/s of any engine and size, by data type."""
    peaks: dict[str, float] = {}
    for row in measure(rounds):
        peak = 1e9 * max(row["tensorflow GFLOP/s"], row["openvino GFLOP/s"])
        peaks[row["dtype"]] = max(peaks.get(row["dtype"], 0.0), peak)
    return peaks


def measure(rounds: int) -> list[dict[str, Any]]:
    """Return a row for each data type and size, with the speed of the fastest round."""
    rows = []
    for dtype in ["float32", "bfloat16"] if cpu_has_bfloat16() else ["float32"]:
        for size in SIZES:
            row: dict[str, Any] = {"dtype": dtype, "size": size}
            for name, make in (("tensorflow", tensorflow_product), ("openvino", openvino_product)):
                row[f"{name} GFLOP/s"] = 2e-9 * size**3 / fastest(make(size, dtype), rounds)
            rows.append(row)
    return rows


def fastest(product: Callable[[], object], rounds: int) -> float:
    """Return the seconds of the fastest round."""
    product()  # warms up
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def tensorflow_product(size: int, dtype: str) -> Callable[[], object]:
    import tensorflow as tf

    a, b = (tf.cast(factor, dtype) for factor in factors(size))
    return lambda: tf.matmul(a, b)


def openvino_product(size: int, dtype: str) -> Callable[[], object]:
    """Return a product in OpenVINO. Its right factor is a constant, like the kernels of an encoder."""
    import openvino
    from openvino import opset15 as opset

    a, b = factors(size)
    x = opset.parameter(a.shape, a.dtype)
    model = openvino.Model([opset.matmul(x, opset.constant(b), False, False)], [x])
    hint = {"float32": "f32", "bfloat16": "bf16"}[dtype]
    request = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint}).create_infer_request()
    request.set_input_tensor(openvino.Tensor(a))
    return request.infer


def factors(size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, size, size)).astype(np.float32)


if __name__ == "__main__":
    run_command(main)
