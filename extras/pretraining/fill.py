"""Print the likeliest tokens for every [MASK] of a sentence. Each [MASK] is filled independently of the others.

    python extras/pretraining/fill.py --encoder ENCODER --input FILE|- [--top N]

The input has one sentence per line. The output has one JSON object per line:
{"text": ..., "masks": [[[token, probability], ...], ...]}.
"""

import argparse
from collections.abc import Iterator

import numpy as np

from common.cli import UserError, run_command
from common.encoder import resolve_encoder
from common.files import read_lines, write_jsonl
from common.tokenizer import Tokenizer

MAX_LENGTH = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument("--input", required=True, metavar="FILE", help="sentences with [MASK]; - is standard input")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="candidates for each [MASK]")
    args = parser.parse_args()
    source = resolve_encoder(args.encoder, MAX_LENGTH)
    if not 1 <= args.top <= source.tokenizer.vocab_size:
        raise UserError(f"--top {args.top}: expected 1 to {source.tokenizer.vocab_size}")
    sentences = list(read_sentences(args.input, source.tokenizer))

    from common.inference import tensorflow_engine
    from masked import load_model

    engine = tensorflow_engine(load_model(source))

    def fill(token_ids: np.ndarray) -> list[list[tuple[str, float]]]:
        positions = np.flatnonzero(token_ids == source.tokenizer.mask_id)
        scores = engine({"token_ids": token_ids[None], "positions": positions[None].astype(np.int32)})[0]
        return candidates(scores, source.tokenizer, args.top)

    write_jsonl("-", ({"text": text, "masks": fill(token_ids)} for text, token_ids in sentences))


def read_sentences(path: str, tokenizer: Tokenizer) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the text of each line and its token ids with [CLS] and [SEP], int32 [n].

    Raises UserError if a line has no [MASK] or is too long.
    """
    for number, line in read_lines(path):
        text = line.strip()
        parts = [encoding.ids for encoding in tokenizer.encode_batch(text.split("[MASK]"))]
        token_ids = [tokenizer.cls_id, *parts[0]]
        for part in parts[1:]:
            token_ids += [tokenizer.mask_id, *part]
        token_ids.append(tokenizer.sep_id)
        where = f"{path}, line {number}"
        if len(parts) == 1:
            raise UserError(f"{where}: no [MASK]")
        if len(token_ids) > MAX_LENGTH:
            raise UserError(f"{where}: {len(token_ids)} tokens with [CLS] and [SEP], expected at most {MAX_LENGTH}")
        yield text, np.array(token_ids, np.int32)


def candidates(scores: np.ndarray, tokenizer: Tokenizer, top: int) -> list[list[tuple[str, float]]]:
    """Return the likeliest tokens of each [MASK] with their probabilities.

    Args:
        scores: float [masks, entries], the score of each entry of the vocabulary for each [MASK].
        tokenizer: the encoder's tokenizer.
        top: how many tokens to return for each [MASK].
    """
    probabilities = np.exp(scores - scores.max(-1, keepdims=True))
    probabilities /= probabilities.sum(-1, keepdims=True)
    best = np.argsort(-probabilities, kind="stable")[:, :top]
    return [
        [(tokenizer.tokens[i], round(float(row[i]), 4)) for i in ids]
        for row, ids in zip(probabilities, best, strict=True)
    ]


if __name__ == "__main__":
    run_command(main)
