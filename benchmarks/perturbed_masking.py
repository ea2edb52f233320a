"""Measures sentences per second of perturbed masking, with many sentences in a batch and one at a time.

python benchmarks/perturbed_masking.py

segment, parse          what segment.py and parse.py do: the copies of all sentences are batched by length, and run in
                        OpenVINO if bfloat16 is fast, else in TensorFlow
..., one sentence       the way of the published scripts: one Keras `predict` for the copies of each sentence, in
                        batches of 64, and all hidden states leave the engine

All of them use the bundled encoder. Segmentation takes the texts of DuIE's test1 and masks neighbours. Parsing takes
the shortest quarter of them, cut into words by jieba, and masks all pairs. Every round takes other sentences, but both
sides get the same. Ratios are medians over the rounds.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from tools.harness import ROOT, Case, duie_or_demo, in_turns, make_parser, median_ratio, report

from common.cli import run_command
from common.encoder import build_encoder, load_pretrained, resolve_encoder
from common.files import read_jsonl
from common.inference import select_engine
from common.tokenizer import Tokenizer, load_jieba

if TYPE_CHECKING:
    import tf_keras as keras

sys.path.insert(0, str(ROOT / "extras" / "unsupervised_parsing"))

from joining import score_neighbours
from model import build_model, states
from parse import parse
from perturb import all_pairs, masked, neighbours
from sentences import MAX_LENGTH, Sentence, cut_long, to_sentence, tokens


def main() -> None:
    args = parse_arguments()
    source = resolve_encoder(str(ROOT / "data/encoders/small"), MAX_LENGTH)
    encoder = build_encoder(source.architecture, seed=0)
    load_pretrained(encoder, source)
    engine = select_engine("auto")(build_model(encoder))
    texts = sorted({record["text"] for _, record in read_jsonl(duie_or_demo().test)}, key=len)
    lines = {"segment": (texts, tokens), "parse": (texts[: len(texts) // 4], load_jieba().lcut)}
    batched = {"segment": score_neighbours, "parse": parse}
    pairs = {"segment": neighbours, "parse": all_pairs}
    fed: dict[str, list[list[Sentence]]] = {}
    cases: dict[str, Case] = {}
    for name, (found, cut) in lines.items():
        sentences = [to_sentence(text.split(), cut) for text in found]
        step = max(1, len(sentences) // args.sentences)
        rounds = [sentences[i * step // (args.rounds + 1) :: step] for i in range(args.rounds + 1)]
        plain = OneSentence(states(encoder), source.tokenizer, pairs[name])
        fed[name] = fed[f"{name}, one sentence"] = rounds
        ours = partial(batched[name], tokenizer=source.tokenizer, engine=engine)
        cases[name] = partial(one_round, ours, rounds)
        cases[f"{name}, one sentence"] = partial(one_round, partial(map, plain), rounds)
    seconds = in_turns(cases, args.rounds)
    rows = [
        {
            "side": side,
            "sentences": sum(map(len, fed[side][1:])),
            "sentences/s": sum(map(len, fed[side][1:])) / sum(taken),
            "ours is faster": median_ratio(taken, seconds[side.partition(",")[0]]),
        }
        for side, taken in seconds.items()
    ]
    spans = {name: float(np.mean([len(s.spans) for part in fed[name][1:] for s in part])) for name in lines}
    report("perturbed_masking", vars(args), rows, mean_spans=spans)


def one_round(
    run: Callable[[list[Sentence]], Iterable[object]], rounds: list[list[Sentence]], number: int
) -> list[object]:
    return list(run(rounds[number]))


class OneSentence:
    """Returns the relatedness within each piece of a sentence, float32 [pairs, 2], by one `predict` for each piece."""

    def __init__(self, encoder: "keras.Model", tokenizer: Tokenizer, pairs_of: Callable[[int], np.ndarray]):
        self.encoder, self.tokenizer, self.pairs_of = encoder, tokenizer, pairs_of

    def __call__(self, sentence: Sentence) -> list[np.ndarray]:
        found = []
        for _, piece in cut_long(sentence, self.tokenizer, overlap=self.pairs_of is neighbours):
            n = len(piece.bounds) - 1
            pairs = self.pairs_of(n)
            copies = [(piece, i, i) for i in range(n)] + [(piece, i, j) for i, j in pairs]
            ids = masked(copies, self.tokenizer.mask_id)["token_ids"]
            hidden = self.encoder.predict([ids, np.zeros_like(ids)], batch_size=64, verbose=0)
            spans = list(pairwise(piece.bounds))
            alone = [hidden[i, first:end].mean(0) for i, (first, end) in enumerate(spans)]
            both = [[row[slice(*spans[k])].mean(0) for k in pair] for row, pair in zip(hidden[n:], pairs, strict=True)]
            found.append(np.linalg.norm(np.array(alone)[pairs] - np.array(both).reshape(len(pairs), 2, -1), axis=-1))
        return found


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--sentences", type=int, default=40, metavar="N", help="sentences of a round, roughly")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
