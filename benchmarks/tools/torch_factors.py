"""Computes the factors of the pair heads in PyTorch + transformers. prediction.py drives this script over pipes.

The first line of standard input is {"architecture": ..., "labels": N, "batches": [...]}, with the batches of token ids
of each round. The answer is a line with the versions. Each further line is {"dtype": "float32" | "bfloat16", "number":
round}. It is answered when the factors of all batches of the round are NumPy arrays.
"""

import json
import sys
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn


class PairHead(nn.Module):
    """`common.heads.PairHead` in PyTorch."""

    def __init__(self, size: int, labels: int, head_size: int = 64):
        super().__init__()
        self.projection = nn.Linear(size, 2 * head_size)
        self.biases = nn.Linear(2 * head_size, 2 * labels)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        projected = self.projection(hidden)
        query, key = projected.chunk(2, -1)
        row_bias, column_bias = (self.biases(projected).transpose(1, 2) / 2).chunk(2, 1)
        scores = rotate(query) @ rotate(key).transpose(1, 2) / query.shape[-1] ** 0.5
        pairs = mask[:, :, None] & mask[:, None, :]
        return scores.masked_fill(~pairs, -1e12), row_bias, column_bias


class PairModel(nn.Module):
    """A BERT with the three pair heads of relation extraction."""

    def __init__(self, architecture: dict[str, Any], labels: int):
        super().__init__()
        config = transformers.BertConfig(
            vocab_size=architecture["vocab_size"],
            hidden_size=architecture["hidden_size"],
            num_hidden_layers=architecture["num_hidden_layers"],
            num_attention_heads=architecture["num_attention_heads"],
            intermediate_size=architecture["intermediate_size"],
        )
        self.encoder = transformers.BertModel(config, add_pooling_layer=False)
        self.heads = nn.ModuleList(PairHead(config.hidden_size, n) for n in (2, labels, labels))

    def forward(self, token_ids: torch.Tensor, mask: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        hidden = self.encoder(token_ids, attention_mask=mask.long()).last_hidden_state
        return [head(hidden, mask) for head in self.heads]


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Turn x, [batch, length, size], by its rotary positions, as `common.bert.rotate` does."""
    size = x.shape[-1]
    angle = torch.arange(x.shape[1])[:, None] * 10000.0 ** (-torch.arange(0, size, 2) / size)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], -1).flatten(-2)


@torch.inference_mode()
def run(model: PairModel, batch: list[list[int]]) -> list[list[np.ndarray]]:
    """Return the factors of each head for a batch of token ids."""
    token_ids = nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in batch], batch_first=True)
    return [[factor.float().numpy() for factor in head] for head in model(token_ids, token_ids != 0)]


def main() -> None:
    job = json.loads(sys.stdin.readline())
    models = {"float32": PairModel(job["architecture"], job["labels"]).eval()}
    models["bfloat16"] = PairModel(job["architecture"], job["labels"]).eval().to(torch.bfloat16)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        for batch in job["batches"][message["number"]]:
            run(models[message["dtype"]], batch)
        print("done", flush=True)


if __name__ == "__main__":
    main()
