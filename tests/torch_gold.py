"""Writes the files in tests/pytorch with PyTorch, for test_torch_files.py.

It needs PyTorch (`make bench-torch`).

runs/benchmarks/torch/bin/python tests/torch_gold.py
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent / "pytorch"


def main() -> None:
    matrix = torch.arange(12.0).reshape(3, 4)
    weights: Any = OrderedDict(
        matrix=matrix,
        transposed=matrix.t(),
        part=matrix[1:, ::2],
        half=torch.tensor([1, -3]).half(),
        bfloat16=torch.tensor([1, -3]).bfloat16(),
        parameter=torch.nn.Parameter(torch.tensor([0.5])),
        position_ids=torch.arange(4).expand(1, -1),
        scalar=torch.tensor(2.0),
    )
    weights._metadata = OrderedDict({"": {"version": 1}})  # as Module.state_dict adds it
    FOLDER.mkdir(exist_ok=True)
    torch.save(weights, FOLDER / "protocol2.bin")
    torch.save(weights, FOLDER / "protocol4.bin", pickle_protocol=4)
    torch.save(weights, FOLDER / "before_1.6.bin", _use_new_zipfile_serialization=False)
    torch.jit.script(torch.nn.Linear(1, 1)).save(FOLDER / "torchscript.bin")


if __name__ == "__main__":
    main()
