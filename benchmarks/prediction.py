"""Measures sentences per second of prediction with a fresh base-size encoder, ours and others', on DuIE 2.0 test1.

python benchmarks/prediction.py [--torch-python PATH]

ours             what predict.py does: reading, features, encoder and pair head by --engine auto, decoding,
                 writing; without the start of the process and the loading of the model
ours tensorflow  the same with --engine tensorflow
one predict      the same model and decoding, but one Keras `predict` call for each sentence
2020             the way of the 2020 baseline: a pointer head, and for each sentence one `predict` call for the
                 subjects and one for the objects of all its subjects, whose model contains the encoder again; there
                 are as many subjects as in the sentences of train, whatever the fresh head finds
torch            the encoder and the same pair factors in PyTorch + transformers, in the same batches, without
                 reading, decoding and writing; it needs `make bench-torch` or an interpreter that has both

A fresh head predicts noise. Therefore three spans are planted in every sentence's scores of spans, and the biases of
the other heads are shifted until as many relations hold between them as in the sentences of train.

Every round takes other sentences: batches from all over the file, cut as predict.py does, so that lengths and padding
are those of the file. The sides that predict one by one take every n-th of these sentences in order of length.
Sentences/s are over all rounds, and ratios are medians over the rounds. For the share of the peak, the encoder's matrix
products on real tokens are counted once for each sentence, and compared with the fastest product of matrix_peak.py.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matrix_peak import matrix_peak
from tools.harness import (
    ROOT,
    TORCH_PYTHON,
    Case,
    Data,
    duie_or_demo,
    in_turns,
    make_parser,
    median_ratio,
    report,
    torch_process,
)  # fmt: skip

from common.batching import model_inputs
from common.cli import run_command
from common.config import EncoderSizes
from common.encoder import build_encoder, resolve_encoder
from common.encoder_source import EncoderSource
from common.files import read_jsonl, write_jsonl
from common.inference import MAX_TOKENS, Engine, length_sorted_batches, select_engine, tensorflow_engine
from common.loss_model import LossModel
from common.spans import pair_scores

sys.path.insert(0, str(ROOT / "relation_extraction"))

from tools.baseline2020 import Baseline2020

import pair
import pointer
from config import Config
from dataset import Example, Features, to_example, to_features
from extraction import predict
from records import Labels, read_records
from schema import read_schema

TORCH_WORKER = Path(__file__).resolve().parent / "tools/torch_factors.py"
PUBLISHED_VOCABULARY = ROOT.parent / "shared/encoders/chinese_vocab_21128.txt"
SPANS = 3  # planted in each sentence; those of DuIE have 1.3 subjects and 1.7 objects
FAR = 1e4  # above or below any score
GOLD_RECORDS = 2000  # records of train in which subjects and relations are counted
CALIBRATION = 32  # sentences by which the biases are shifted
BATCH_SIZE = 64  # as in predict.py
OURS, ONE_BY_ONE = "ours", ("one predict", "2020")  # names of sides
Extractor = Callable[[list[Features]], Iterator[np.ndarray]]  # features -> relations of each


class Gold(NamedTuple):
    """How many subjects and relations the sentences of train have."""

    subjects: np.ndarray  # int [sentences]: number of spans that are subjects
    relations: float  # mean number in a sentence


@dataclass(frozen=True)
class Task:
    """What prediction needs apart from a model."""

    config: Config
    labels: Labels
    source: EncoderSource

    def featurise(self, examples: list[Example]) -> list[Features]:
        window = self.config.max_length, self.config.stride
        return list(to_features(examples, self.source.tokenizer, self.labels, *window, Counter()))

    def predict(self, extractor: Extractor, input_file: Path, output_file: Path, batch_size: int) -> None:
        """Predict from file to file, as predict.py does."""
        records = read_records(input_file, labelled=False)
        found = predict(records, extractor, self.source.tokenizer, self.labels, self.config, batch_size)
        write_jsonl(output_file, found)


def main() -> None:
    args = parse_arguments()
    data = duie_or_demo()
    task = load_task(data, args.layers)
    gold = count_gold(task, data.train)
    records = list(read_records(data.test, labelled=False))
    features = task.featurise([Example(record["text"], ()) for record in records])
    extractors = build_extractors(task, gold, features)

    # the sentences of each round as indices of records; the first are those of the warm-up
    samples = draw_samples(features, args.sentences, args.rounds)
    single = [every_nth(sample, args.single_sentences) for sample in samples]
    batches = [token_batches(features, sample) for sample in samples]
    with tempfile.TemporaryDirectory() as folder, torch_cases(args.torch_python, task, batches) as torch:
        cases, torch_version = torch
        fed = dict.fromkeys(cases, samples)
        for side, extractor in extractors.items():
            fed[side] = single if side in ONE_BY_ONE else samples
            rounds = [[records[i] for i in sample] for sample in fed[side]]
            cases[side] = file_case(task, side, extractor, rounds, folder)
        seconds = in_turns({side: cases[side] for side in [*extractors, *cases]}, args.rounds)
        found = [
            len(record["spo_list"])
            for number in range(1, args.rounds + 1)
            for _, record in read_jsonl(output_file(folder, OURS, number))
        ]
    peaks = matrix_peak()
    tokens = [[len(ids) for ids in batch] for round_batches in batches[1:] for batch in round_batches]
    report(
        "prediction",
        vars(args),
        table(seconds, fed, flops(features, task.source.architecture), max(peaks.values())),
        vocabulary=task.source.tokenizer.vocab_size,
        mean_tokens=float(np.mean(sum(tokens, []))),
        share_of_padding=1 - sum(map(sum, tokens)) / sum(max(batch) * len(batch) for batch in tokens),
        relations_in_a_train_sentence=gold.relations,
        triples_found_in_a_sentence=float(np.mean(found)),
        subjects_in_a_train_sentence=float(gold.subjects.mean()),
        torch=torch_version,
        matrix_peak_gflops={dtype: peak / 1e9 for dtype, peak in peaks.items()},
    )


def load_task(data: Data, layers: int) -> Task:
    vocabulary = PUBLISHED_VOCABULARY if PUBLISHED_VOCABULARY.is_file() else ROOT / "data/vocab.txt"
    sizes = EncoderSizes(hidden_size=768, layers=layers, heads=12, vocabulary=str(vocabulary))
    files = {"train_file": str(data.train), "dev_file": str(data.train), "schema_file": str(data.schema)}
    config = Config(**files, encoder=sizes)
    return Task(config, Labels(read_schema(data.schema)), resolve_encoder(sizes))


def count_gold(task: Task, train: Path) -> Gold:
    records = islice(read_records(train, schema=task.labels.schema), GOLD_RECORDS)
    features = task.featurise([to_example(record, Counter()) for record in records])
    relations = [f.relations[f.relations[:, 0] < len(task.labels.relations)] for f in features]
    subjects = np.array([len(np.unique(r[:, 1:3], axis=0)) for r in relations])
    return Gold(subjects, float(np.mean([len(r) for r in relations])))


def draw_samples(features: list[Features], sentences: int, rounds: int) -> list[list[int]]:
    """Draw the sentences of each round, in order of length.

    Args:
        features: all sentences
        sentences: how many a round should have, roughly
        rounds: number of rounds

    Returns:
        Indices of sentences. The first list is for the warm-up and has five sentences from the shortest to the longest.
        Each further list is a round and has every n-th batch of the file; every round has other ones.
    """
    lengths = [len(feature.token_ids) for feature in features]
    batches = length_sorted_batches(lengths, BATCH_SIZE, MAX_TOKENS)
    step = max(1, round(len(features) / sentences))
    samples = [
        [features[i].example for batch in batches[(2 * number + 1) * step // (2 * rounds) :: step] for i in batch]
        for number in range(rounds)
    ]
    by_length = np.argsort(lengths)
    warm_up = [features[by_length[i]].example for i in np.linspace(0, len(features) - 1, 5, dtype=int)]
    return [warm_up, *([*dict.fromkeys(sample)] for sample in samples)]  # a long sentence has several windows


def every_nth(sample: list[int], sentences: int) -> list[int]:
    """Return about so many sentences of the sample, the middle one of every n."""
    n = max(1, len(sample) // sentences)
    return sample[n // 2 :: n]


def token_batches(features: list[Features], sample: list[int]) -> list[list[list[int]]]:
    """Return the token ids of the sentences, in the batches that predict.py would make."""
    wanted = set(sample)
    ids = [feature.token_ids.tolist() for feature in features if feature.example in wanted]
    batches = length_sorted_batches([*map(len, ids)], BATCH_SIZE, MAX_TOKENS)
    return [[ids[i] for i in batch] for batch in batches]


def build_extractors(task: Task, gold: Gold, features: list[Features]) -> dict[str, Extractor]:
    """Build the model of each side but PyTorch's.

    Args:
        task: what prediction needs
        gold: how many subjects and relations the sentences should have
        features: all sentences

    Returns:
        The extractors by the names of the sides.
    """
    encoder = build_encoder(task.source.architecture, seed=0)
    pair_model, pointer_model = (head.build(encoder, task.labels, seed=0) for head in (pair, pointer))
    shift_biases(pair_model, features[:: -(-len(features) // CALIBRATION)], gold.relations, task.labels)

    def extractor(engine: Engine) -> pair.Extractor:
        return pair.Extractor({"pair": planted(engine)}, task.labels)

    return {
        OURS: extractor(select_engine("auto")(pair_model)),
        "ours tensorflow": extractor(tensorflow_engine(pair_model)),
        "one predict": extractor(partial(pair_model.predict, verbose=0)),
        "2020": Baseline2020(pointer_model, gold.subjects),
    }


def planted_spans(token_ids: np.ndarray) -> np.ndarray:
    """Return first and last token of `SPANS` spans spread over each sentence, int [batch, SPANS, 2]."""
    lengths = (token_ids != 0).sum(1, keepdims=True)
    first = lengths * np.arange(1, SPANS + 1) // (SPANS + 2)
    return np.stack([first, np.minimum(first + 3, lengths - 2)], axis=-1)


def planted(engine: Engine) -> Engine:
    """Return the same engine, but with scores of spans by which the planted ones are subjects and objects."""

    def run_and_plant(inputs: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, ...]]:
        outputs = engine(inputs)
        first, last = np.moveaxis(planted_spans(inputs["token_ids"]), -1, 0)
        outputs["spans"][0][np.arange(len(first))[:, None], first, last] += 2 * FAR
        return outputs

    return run_and_plant


def shift_biases(model: LossModel, features: list[Features], relations: float, labels: Labels) -> None:
    """Shift the biases of a pair model until it finds a given number of relations between the planted spans.

    All scores of spans become far lower than 0, so that only the planted spans are found.

    Args:
        model: from `pair.build`; its biases are changed
        features: sentences to count relations in
        relations: mean number of relations that a sentence should have
        labels: labels of the model
    """

    def shift(layer: str, by: float) -> None:
        bias = model.get_layer(layer).biases.bias
        bias.assign_add(np.full(bias.shape, by / 2))  # a score has two of them

    inputs = model_inputs(features)
    outputs = tensorflow_engine(model)(inputs)
    i, j = (x.ravel() for x in np.indices((SPANS, SPANS)))
    scores = []
    for row, spans in enumerate(planted_spans(inputs["token_ids"])):
        starts, ends = (
            pair_scores(tuple(factor[row] for factor in outputs[name]), spans[i, end], spans[j, end])
            for end, name in enumerate(("starts", "ends"))
        )
        scores.append(np.minimum(starts, ends)[: len(labels.relations)])  # a relation needs both
    wanted = round(relations * len(features))
    shift("spans", -FAR)
    for name in ("starts", "ends"):
        shift(name, -np.sort(scores, axis=None)[-wanted])


def output_file(folder: str, side: str, number: int) -> Path:
    return Path(folder, f"{side} {number} predicted")


def file_case(task: Task, side: str, extractor: Extractor, rounds: list[list[dict[str, Any]]], folder: str) -> Case:
    """Return a case that predicts the records of a round from file to file.

    Args:
        task: what prediction needs
        side: name of the side
        extractor: predicts the relations
        rounds: records of each round, the warm-up first
        folder: folder for the files
    """
    batch_size = 1 if side in ONE_BY_ONE else BATCH_SIZE
    for number, records in enumerate(rounds):
        write_jsonl(Path(folder, f"{side} {number}"), records)

    def predict_round(number: int) -> None:
        input_file = Path(folder, f"{side} {number}")
        task.predict(extractor, input_file, output_file(folder, side, number), batch_size)

    return predict_round


@contextmanager
def torch_cases(
    python: Path, task: Task, batches: list[list[list[list[int]]]]
) -> Iterator[tuple[dict[str, Case], str | None]]:
    """Start a process of another interpreter, which has PyTorch and runs the batches of a round.

    Args:
        python: the interpreter
        task: what prediction needs
        batches: token ids of each round's batches, the warm-up first

    Yields:
        The cases, one for each data type, and the versions of PyTorch and transformers. If there is no such
        interpreter, there is no case, and None instead of the versions.
    """
    with torch_process(python, TORCH_WORKER) as ask:
        if ask is None:
            yield {}, None
            return
        version = ask(architecture=task.source.architecture, labels=len(task.labels), batches=batches)
        yield (
            {
                "torch float32": lambda number: ask(dtype="float32", number=number),
                "torch bfloat16": lambda number: ask(dtype="bfloat16", number=number),
            },
            version,
        )


def flops(features: list[Features], architecture: dict[str, Any]) -> np.ndarray:
    """Return the FLOPs of the encoder's matrix products for each sentence, without padding.

    They are those of the kernels of attention and feed-forward network, of the scores of attention, and of the values
    that the scores mix.
    """
    size, inner = architecture["hidden_size"], architecture["intermediate_size"]
    counted = np.zeros(features[-1].example + 1)
    for feature in features:
        n = len(feature.token_ids)
        counted[feature.example] += n * (8 * size**2 + 4 * size * inner) + 4 * n**2 * size
    return counted * architecture["num_hidden_layers"]


def table(
    seconds: dict[str, list[float]], fed: dict[str, list[list[int]]], flops_of: np.ndarray, peak: float
) -> list[dict[str, Any]]:
    """Return the rows of the table.

    Args:
        seconds: side -> seconds of each round
        fed: side -> sentences of each round as indices, the warm-up first
        flops_of: FLOPs of each sentence
        peak: FLOP/s of the fastest matrix product
    """
    each = {
        side: [s / len(sample) for s, sample in zip(taken, fed[side][1:], strict=True)]
        for side, taken in seconds.items()
    }
    rows = []
    for side, taken in seconds.items():
        sentences = list(chain(*fed[side][1:]))
        rows.append(
            {
                "side": side,
                "sentences": len(sentences),
                "sentences/s": len(sentences) / sum(taken),
                "ours is faster": median_ratio(each[side], each[OURS]),
                "share of peak": flops_of[sentences].sum() / sum(taken) / peak,
            }
        )
    return rows


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument(
        "--torch-python", type=Path, default=TORCH_PYTHON, metavar="PATH", help="Python that has PyTorch"
    )
    parser.add_argument("--layers", type=int, default=12, metavar="N", help="layers of the encoder")
    parser.add_argument("--sentences", type=int, default=200, metavar="N", help="sentences of a round, roughly")
    parser.add_argument(
        "--single-sentences", type=int, default=30, metavar="N", help="those of them that go one by one, roughly"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
