"""Takes training steps of a base-size BERT in PyTorch + transformers under bfloat16 autocast.

encoder_step.py drives this script over pipes. The first line of standard input is {"architecture": ..., "rows": N,
"length": N}, and the answer is a line with the versions. Each further line is answered by the loss of a step.
"""

import json
import sys

import numpy as np
import torch
import transformers


def main() -> None:
    job = json.loads(sys.stdin.readline())
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = transformers.BertConfig(**{name: job["architecture"][name] for name in sizes})
    model = transformers.BertModel(config, add_pooling_layer=False).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)
    token_ids = torch.tensor(np.random.default_rng(0).integers(1, 8000, (job["rows"], job["length"])))
    print(f"torch {torch.__version__}, transformers {transformers.__version__}", flush=True)
    for _ in sys.stdin:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = model(input_ids=token_ids, attention_mask=torch.ones_like(token_ids)).last_hidden_state
            loss = ((hidden.float() - 1) ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        print(loss.item(), flush=True)


if __name__ == "__main__":
    main()
