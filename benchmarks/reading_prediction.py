"""Measures questions per second of reading comprehension with a fresh base-size encoder, on DuReader-robust's dev file.

python benchmarks/reading_prediction.py

ours          what predict.py does: windows, features, encoder and pair head by --engine auto, decoding
one question  the way of the 2020 baseline on the same windows: two softmaxes, one Keras `predict` call for each
              question, and all spans scored by a Python loop

Every round takes other questions. The second way takes every n-th of them in order of length. Ratios are medians over
the rounds.
"""

import argparse
import sys
from collections import Counter

import numpy as np
from tools.harness import ROOT, in_turns, make_parser, median_ratio, official_or_demo, report

from common.cli import run_command
from common.config import EncoderSizes
from common.encoder import build_encoder, resolve_encoder
from common.inference import start_engines
from common.loss_model import LossModel
from common.tokenizer import Tokenizer

sys.path.insert(0, str(ROOT / "reading_comprehension"))

import pair
import softmax
from config import Config
from dataset import model_inputs, to_features
from extraction import predict
from records import Question, read_questions


def main() -> None:
    args = parse_arguments()
    dev = official_or_demo("reading_comprehension", "dev.json")
    sizes = EncoderSizes(hidden_size=768, layers=args.layers, heads=12)
    config = Config(train_file=str(dev), dev_file=str(dev), encoder=sizes)
    source = resolve_encoder(sizes)
    encoder = build_encoder(source.architecture, seed=0)
    engines = start_engines(pair.parts(pair.build(encoder, seed=0)), "auto")
    extractor = pair.Extractor(engines, config.max_answer_tokens)
    reader = OneByOne(softmax.build(encoder, seed=0), source.tokenizer, config)

    questions = sorted(read_questions(dev, labelled=False), key=lambda question: len(question.context))
    step = max(1, len(questions) // args.questions)
    rounds = [questions[number * step // (args.rounds + 1) :: step] for number in range(args.rounds + 1)]
    every = max(1, len(rounds[0]) // args.single_questions)
    fed = {"ours": rounds, "one question": [part[every // 2 :: every] for part in rounds]}
    cases = {
        "ours": lambda number: dict(predict(fed["ours"][number], extractor, source.tokenizer, config)),
        "one question": lambda number: [reader(question) for question in fed["one question"][number]],
    }
    seconds = in_turns(cases, args.rounds)
    each = {
        side: [s / len(part) for s, part in zip(taken, fed[side][1:], strict=True)] for side, taken in seconds.items()
    }
    rows = [
        {
            "side": side,
            "questions": sum(map(len, fed[side][1:])),
            "questions/s": sum(map(len, fed[side][1:])) / sum(taken),
            "ours is faster": median_ratio(each[side], each["ours"]),
        }
        for side, taken in seconds.items()
    ]
    characters = float(np.mean([len(question.context) for question in questions]))
    report("reading_prediction", vars(args), rows, mean_characters_of_a_context=characters)


class OneByOne:
    """Answers a question as the baseline of 2020 does (kexue.fm/archives/7321)."""

    def __init__(self, model: LossModel, tokenizer: Tokenizer, config: Config):
        import tf_keras as keras

        self.model = keras.Model(model.input, model.output["logits"])
        self.tokenizer, self.config = tokenizer, config

    def __call__(self, question: Question) -> str:
        features = list(to_features([question], self.tokenizer, self.config, Counter()))
        logits = self.model.predict(model_inputs(features), verbose=0)
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        best, answer = 0.0, ""
        for feature, (first, last) in zip(features, probabilities.transpose(0, 2, 1), strict=True):
            context = np.flatnonzero(feature.offsets[:, 1])
            for i in context:
                for j in range(i, min(i + self.config.max_answer_tokens, context[-1] + 1)):
                    if first[i] * last[j] > best:
                        best = first[i] * last[j]
                        answer = question.context[feature.offsets[i, 0] : feature.offsets[j, 1]]
        return answer


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="layers of the encoder")
    parser.add_argument("--questions", type=int, default=50, metavar="N", help="questions of a round, roughly")
    parser.add_argument(
        "--single-questions", type=int, default=15, metavar="N", help="those of them that go one by one, roughly"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
