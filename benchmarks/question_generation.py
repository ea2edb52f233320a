"""Compares the sampling of similar questions with kept keys and values to a pass over the whole prefix for each token.

python benchmarks/question_generation.py

The encoder is a fresh one of 4 x 256, which never ends a question before --tokens. The given questions have --length
tokens. Both ways should draw the same tokens, and the share of equal samples is printed.
"""

import argparse
import sys
from functools import partial
from typing import NamedTuple

import numpy as np
from tools.harness import ROOT, in_turns, make_parser, median_ratio, report

from common.cli import run_command
from common.config import EncoderSizes
from common.encoder import build_encoder, mlm_head, resolve_encoder

import tensorflow as tf  # isort: skip  # after common, which sets its environment
import tf_keras as keras  # isort: skip

sys.path.insert(0, str(ROOT / "extras/similar_questions"))

from decoder import Decoder
from generation import sample


def main() -> None:
    args = parse_arguments()
    source = resolve_encoder(EncoderSizes(hidden_size=256, layers=4, heads=4))
    encoder = build_encoder(source.architecture, seed=0, with_mlm=True, unilm=True)
    rng = np.random.default_rng(0)
    questions = rng.integers(5, source.tokenizer.vocab_size, (args.questions, args.length)).astype(np.int32)
    drawn: dict[str, list[list[np.ndarray]]] = {}

    def draw(name: str, decoder: "Decoder | Uncached", number: int) -> None:
        seeds = [(number, i) for i in range(args.questions)]
        drawn[name] = sample(decoder, source.tokenizer, [*questions], args.samples, 0.95, args.tokens, seeds)

    ways = {"cached": Decoder(encoder, source.architecture), "uncached": Uncached(encoder)}
    cases = {name: partial(draw, name, decoder) for name, decoder in ways.items()}
    seconds = in_turns(cases, args.rounds)
    cached, uncached = ([ids.tolist() for of_one in samples for ids in of_one] for samples in drawn.values())
    written = sum(map(len, cached))  # in the last round
    rows = [
        {
            "way": name,
            "tokens/s": written * args.rounds / sum(taken),
            "cached is faster": median_ratio(taken, seconds["cached"]),
        }
        for name, taken in seconds.items()
    ]
    report(
        "question_generation",
        vars(args),
        rows,
        share_of_equal_samples=float(np.mean([a == b for a, b in zip(cached, uncached, strict=True)])),
    )


class Uncached:
    """Returns what `Decoder` does, by running the encoder on the whole sequence for each token.

    The scores of the vocabulary are computed only at the last token.
    """

    def __init__(self, encoder: keras.Model):
        hidden, head = keras.Model(encoder.inputs, encoder.outputs[0]), mlm_head(encoder)
        ids = tf.TensorSpec([None, None], tf.int32)
        self.forward = tf.function(lambda *inputs: head(hidden(inputs)[:, -1:])[:, 0], input_signature=[ids, ids])

    def start(self, token_ids: np.ndarray) -> tuple[tf.Tensor, "Prefixes"]:
        prefixes = Prefixes(token_ids, np.zeros_like(token_ids))
        return self.forward(*prefixes), prefixes

    def step(self, tokens: np.ndarray, prefixes: "Prefixes") -> tuple[tf.Tensor, "Prefixes"]:
        token_ids = np.concatenate([prefixes.token_ids, tokens[:, None]], 1)
        segment_ids = np.pad(prefixes.segment_ids, [(0, 0), (0, 1)], constant_values=1)
        return self.forward(token_ids, segment_ids), Prefixes(token_ids, segment_ids)


class Prefixes(NamedTuple):
    """The sequences so far."""

    token_ids: np.ndarray  # int32 [rows, T]
    segment_ids: np.ndarray  # int32 [rows, T]

    def rows(self, indices: np.ndarray) -> "Prefixes":
        return Prefixes(self.token_ids[indices], self.segment_ids[indices])


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--questions", type=int, default=16, metavar="N", help="questions of a batch")
    parser.add_argument("--samples", type=int, default=30, metavar="N", help="samples of each question")
    parser.add_argument("--length", type=int, default=20, metavar="N", help="tokens of a question")
    parser.add_argument("--tokens", type=int, default=40, metavar="N", help="most tokens of a sample")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
