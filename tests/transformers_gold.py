"""Writes tests/roformer/expected.npz, the outputs of `transformers` with the encoder in that folder.

It needs PyTorch (`make bench-torch`).

runs/benchmarks/torch/bin/python tests/transformers_gold.py
"""

from pathlib import Path

import numpy as np
import torch
from transformers import RoFormerForMaskedLM

FOLDER = Path(__file__).parent / "roformer"


def main() -> None:
    model = RoFormerForMaskedLM.from_pretrained(FOLDER).eval()
    rng = np.random.default_rng(0)
    token_ids = rng.integers(5, model.config.vocab_size, (3, 20)).astype(np.int32)
    token_ids[1, 11:] = token_ids[2, 3:] = 0
    segment_ids = np.broadcast_to(np.arange(20, dtype=np.int32) > 6, token_ids.shape).astype(np.int32)
    ids, segments = torch.tensor(token_ids).long(), torch.tensor(segment_ids).long()
    with torch.no_grad():
        outputs = model(ids, attention_mask=ids > 0, token_type_ids=segments, output_hidden_states=True)
    hidden, logits = outputs.hidden_states[-1].numpy(), outputs.logits.numpy()
    np.savez(
        FOLDER / "expected.npz", token_ids=token_ids, segment_ids=segment_ids, hidden_states=hidden, mlm_logits=logits
    )


if __name__ == "__main__":
    main()
