"""Trains GPLinker in PyTorch + transformers. experiments/gplinker.py drives this script over pipes.

The head is the EfficientGlobalPointer of kexue.fm/archives/8877, and the loss the sparse one of 8888, both as in
bert4torch: all scores [batch, labels, length, length] are built, and the pair (0, 0) stands for no positive.

The first line of standard input is what `Model` takes, together with the windows to train on, each a pair of token ids
and `Targets`. The answer is a line with the versions. Each further line has the name of a method of `Trainer` and its
arguments. It is answered by {"answer": what the method returns, "cpu_seconds": what it took}.
"""

import copy
import ctypes
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn
from torch.nn.functional import softplus

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.linking import Scores, find_links
from tools.torch_factors import rotate

MASKED = -1e12
Batch = tuple[torch.Tensor, list[torch.Tensor]]  # token ids [batch, length], positives of each head


class EfficientGlobalPointer(nn.Module):
    """Scores pairs of tokens for each label.

    Args:
        size: of the hidden states.
        labels: how many there are.
        is_span: whether a pair is a span. Then scores depend on the distance of its tokens, and only pairs with i <= j
            count.
        upper: whether only pairs with i <= j count, although a pair is no span.
        head_size: of the queries and keys, which all labels share.
    """

    def __init__(self, size: int, labels: int, is_span: bool, upper: bool, head_size: int = 64):
        super().__init__()
        self.is_span, self.upper = is_span, is_span or upper
        self.projection = nn.Linear(size, 2 * head_size)
        self.biases = nn.Linear(2 * head_size, 2 * labels)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        projected = self.projection(hidden)
        query, key = projected.chunk(2, -1)
        if self.is_span:
            query, key = rotate(query), rotate(key)
        products = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
        pairs = mask[:, :, None] & mask[:, None, :]
        products = products.masked_fill(~(pairs.triu() if self.upper else pairs), MASKED)
        of_first, of_second = (self.biases(projected).transpose(1, 2) / 2).chunk(2, 1)
        return products[:, None] + of_first[..., None] + of_second[:, :, None]


class Model(nn.Module):
    """A RoFormer with the three heads.

    Args:
        encoder: the folder of a published encoder.
        dropout: of hidden states and attention.
        labels: how many labels each head has.
        directed: whether links have a direction.
    """

    def __init__(self, encoder: str, dropout: float, labels: list[int], directed: bool):
        super().__init__()
        rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        self.encoder = transformers.RoFormerModel.from_pretrained(encoder, **rates)
        size = self.encoder.config.hidden_size
        self.heads = nn.ModuleList(
            EfficientGlobalPointer(size, n, is_span=i == 0, upper=not directed) for i, n in enumerate(labels)
        )

    def forward(self, token_ids: torch.Tensor, bfloat16: bool) -> list[torch.Tensor]:
        mask = token_ids != 0
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            hidden = self.encoder(token_ids, attention_mask=mask.long()).last_hidden_state
        return [head(hidden.float(), mask) for head in self.heads]


def sparse_crossentropy(scores: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Return the mean over the rows of the loss, summed over the labels.

    Args:
        scores: [batch, labels, length, length].
        positives: the pairs (i, j) of each label, [batch, labels, p, 2], padded with (0, 0).
    """
    flat = scores.flatten(2)
    index = positives[..., 0] * scores.shape[-1] + positives[..., 1]
    positive, padding = flat.gather(-1, index), index == 0
    loss_of_positives = softplus(torch.logsumexp((-positive).masked_fill(padding, -torch.inf), -1))
    everything = softplus(torch.logsumexp(flat[..., 1:], -1))
    share = torch.exp(torch.logsumexp(positive.masked_fill(padding, -torch.inf), -1) - everything)
    loss_of_negatives = everything + torch.log(torch.clamp(1 - share, 1e-7, 1))
    return (loss_of_positives + loss_of_negatives).sum(1).mean()


class Trainer:
    """Trains a model and predicts with it."""

    def __init__(self, windows: list[tuple[list[int], list[list[list[int]]]]], **model: Any):
        self.windows, self.model_options = windows, model

    def start(self, rate: float, head_rate: float, steps: int, seed: int) -> None:
        """Start a training with AdamW, a warm-up and a linear decay, as the project's own have it.

        Args:
            rate: the highest learning rate of the encoder.
            head_rate: that of the heads.
            steps: of the whole training.
            seed: of the weights of the heads and of dropout.
        """
        torch.manual_seed(seed)
        self.model = Model(**self.model_options)
        groups = []
        for part, peak in ((self.model.encoder, rate), (self.model.heads, head_rate)):
            weights = [weight for weight in part.parameters() if weight.requires_grad]
            groups += [
                {"params": [w for w in weights if w.ndim > 1], "lr": peak, "weight_decay": 0.01},
                {"params": [w for w in weights if w.ndim < 2], "lr": peak, "weight_decay": 0.0},
            ]
        self.optimizer = torch.optim.AdamW(groups, eps=1e-7, fused=True)
        warmup = round(0.1 * steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer,
            lambda step: max(min((step + 1) / max(warmup, 1), (steps - step) / max(steps - warmup, 1)), 0),
        )

    def train(self, batches: list[list[int]], bfloat16: bool = False) -> float:
        """Take a step on each batch, a list of numbers of windows. Returns the mean loss."""
        self.model.train()
        total = 0.0
        for numbers in batches:
            token_ids, positives = self._collate(numbers)
            scores = self.model(token_ids, bfloat16)
            losses = [sparse_crossentropy(*pair) for pair in zip(scores, positives, strict=True)]
            loss = sum(losses, torch.zeros(())) / len(losses)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.schedule.step()
            total += loss.item()
        return total / len(batches)

    def _collate(self, numbers: list[int]) -> Batch:
        windows = [self.windows[number] for number in numbers]
        positives = []
        for head, labels in enumerate(self.model_options["labels"]):
            counts = np.zeros((len(windows), labels), int)
            padded = np.zeros((len(windows), labels, max(len(targets[head]) for _, targets in windows) or 1, 2), int)
            for row, (_, targets) in enumerate(windows):
                for label, *pair in targets[head]:
                    padded[row, label, counts[row, label]] = pair
                    counts[row, label] += 1
            positives.append(torch.from_numpy(padded[:, :, : counts.max() or 1]))
        return pad([ids for ids, _ in windows]), positives

    @torch.inference_mode()
    def find(self, token_ids: list[list[int]], threshold: float, bfloat16: bool = False) -> list[list[Any]]:
        """Find the spans and links of each window of a batch."""
        self.model.eval()
        scores = [of_head.numpy() for of_head in self.model(pad(token_ids), bfloat16)]
        found = []
        for row, ids in enumerate(token_ids):
            n = len(ids)
            of_row = Scores(*(of_head[row, :, :n, :n] for of_head in scores))
            found.append([x.tolist() for x in find_links(of_row, self.model_options["directed"], threshold)])
        return found

    def keep(self) -> None:
        """Keep the present weights, for `restore`."""
        self.kept = copy.deepcopy(self.model.state_dict())

    def restore(self) -> None:
        """Return to the weights that were kept last."""
        self.model.load_state_dict(self.kept)


def pad(token_ids: list[list[int]]) -> torch.Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in token_ids], batch_first=True)


def keep_memory() -> None:
    """Make glibc reuse freed memory.

    By default it returns large tensors to the system, and a step of event extraction takes 1.5 times as long.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-4, 0)  # M_MMAP_MAX
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def main() -> None:
    keep_memory()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    trainer = Trainer(**json.loads(sys.stdin.readline()))
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        start = time.process_time()
        answer = getattr(trainer, message.pop("method"))(**message)
        print(json.dumps({"answer": answer, "cpu_seconds": time.process_time() - start}), flush=True)


if __name__ == "__main__":
    main()
