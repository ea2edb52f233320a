"""The formats whose lines are damaged: good lines from the demo sets, and the readers and commands to try them on.

Each function imports the modules of its commands' folder by plain name, after `siblings` of damaged_lines.py has put
the folder on the path.
"""

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from common.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "data/demo"
BASE_LINES = 100
Call = Callable[[], None]  # a command or reader with its arguments


class Format(NamedTuple):
    """The lines of a format and what reads them."""

    folder: str  # of the commands that read it
    base: Callable[[], list[bytes]]  # returns good lines
    calls: Callable[[Path, Path], list[Call]]  # a good and a damaged file -> what reads them
    suffix: str = ".json"


def command(main: Call, *arguments: Any) -> Call:
    """Return a call of a command with these arguments."""

    def call() -> None:
        sys.argv = ["command", *map(str, arguments)]
        main()

    return call


def first_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def duie(good: Path, damaged: Path) -> list[Call]:
    import check_submission
    import evaluate
    from dataset import to_example, to_features
    from records import Labels, read_records
    from schema import read_schema

    schema = DEMO / "relation_extraction/schema.json"
    labels, tokenizer = Labels(read_schema(schema)), Tokenizer.from_vocab(ROOT / "data/vocab.txt")

    def train() -> None:
        examples = [to_example(record, Counter()) for record in read_records(damaged, schema=labels.schema)]
        list(to_features(examples, tokenizer, labels, 32, 16, Counter()))

    def predict() -> None:
        list(read_records(damaged, labelled=False))

    return [
        train,
        predict,
        command(evaluate.main, "--gold", damaged, "--predictions", good),
        command(evaluate.main, "--gold", good, "--predictions", damaged),
        with_report(evaluate, good, damaged),
        command(check_submission.main, "--input", good, "--predictions", damaged, "--schema", schema),
    ]


def with_report(evaluate: ModuleType, good: Path, damaged: Path) -> Call:
    """Return a call of evaluate.py --report that draws no charts and writes nothing."""
    import report
    from common.report import render

    report.write = lambda content, folder: render(content)
    return command(evaluate.main, "--gold", good, "--predictions", damaged, "--report", good.parent)


def duee(good: Path, damaged: Path) -> list[Call]:
    import check_submission
    import evaluate
    from crf import token_tags
    from dataset import to_example, to_features
    from records import Labels, read_inputs, read_labelled, read_schema

    schema = DEMO / "event_extraction/event_schema.json"
    labels, tokenizer = Labels(read_schema(schema)), Tokenizer.from_vocab(ROOT / "data/vocab.txt")

    def train() -> None:
        examples = [to_example(record) for record in read_labelled(damaged, labels.schema)]
        for feature in to_features(examples, tokenizer, labels, 32, 16, Counter()):
            token_tags(feature, labels)

    def predict() -> None:
        list(read_inputs(damaged))

    return [
        train,
        predict,
        command(evaluate.main, "--gold", damaged, "--predictions", good),
        command(evaluate.main, "--gold", good, "--predictions", damaged),
        with_report(evaluate, good, damaged),
        command(check_submission.main, "--input", good, "--predictions", damaged, "--schema", schema),
    ]


def squad_lines() -> list[bytes]:
    """Return a file for each paragraph."""
    (entry,) = json.loads((DEMO / "reading_comprehension/dev.json").read_bytes())["data"]
    paragraphs = [{"data": [{"paragraphs": [paragraph]}]} for paragraph in entry["paragraphs"]]
    return [json.dumps(paragraph, ensure_ascii=False).encode() for paragraph in paragraphs]


def squad(good: Path, damaged: Path) -> list[Call]:
    import evaluate
    import heuristics
    from common.config import EncoderSizes
    from config import Config
    from dataset import to_features
    from records import read_questions

    tokenizer = Tokenizer.from_vocab(ROOT / "data/vocab.txt")
    config = Config(train_file="", dev_file="", encoder=EncoderSizes(hidden_size=8, layers=1, heads=1), max_length=192,
                    stride=64)  # fmt: skip
    answers = good.with_name("answers.json")

    def train() -> None:
        list(to_features(read_questions(damaged), tokenizer, config, Counter()))

    def predict() -> None:
        list(to_features(read_questions(damaged, labelled=False), tokenizer, config, Counter()))

    def answer() -> None:
        command(heuristics.main, "--method", "first", "--input", damaged, "--output", answers)()
        command(evaluate.main, "--gold", damaged, "--predictions", answers)()

    return [
        train,
        predict,
        answer,
        command(heuristics.main, "--method", "tfidf", "--input", damaged, "--output", answers),
    ]


def answer_lines() -> list[bytes]:
    """Return files with answers to the questions of `answers`."""
    answers = [f"答案{i}" for i in range(BASE_LINES)]
    return [json.dumps({"1": text, "2": text[::-1], "3": ""}, ensure_ascii=False).encode() for text in answers]


def answers(good: Path, damaged: Path) -> list[Call]:
    import check_submission
    import evaluate

    gold = good.with_name("gold.json")
    questions = [{"id": name, "question": "什么", "answers": [{"text": "答案7"}]} for name in "123"]
    gold.write_text(json.dumps({"data": [{"paragraphs": [{"context": "答案7", "qas": questions}]}]}))
    return [
        command(evaluate.main, "--gold", gold, "--predictions", damaged),
        with_report(evaluate, gold, damaged),
        command(check_submission.main, "--input", gold, "--predictions", damaged),
    ]


def groups(good: Path, damaged: Path) -> list[Call]:
    import numpy as np

    from dataset import read_groups, split, to_features, tokenize

    tokenizer = Tokenizer.from_vocab(ROOT / "data/vocab.txt")

    def train() -> None:
        found = read_groups(damaged, Counter())
        split(found)
        tokens = tokenize((question for group in found for question in group.questions), tokenizer, 8, Counter())
        to_features(found, tokens, np.random.default_rng(0))

    return [train]


def pairs(good: Path, damaged: Path) -> list[Call]:
    import evaluate

    return [*groups(good, damaged), command(evaluate.main, "--pairs", damaged, "--tfidf")]


def pair_lines() -> list[bytes]:
    records = map(json.loads, first_lines(DEMO / "similar_questions/dev.jsonl"))
    return [f"{record['text']}\t{record['synonyms'][0]}\t{i % 2}\n{record['text']}\t{i}\t0\n".encode()
            for i, record in enumerate(records)]  # fmt: skip


def generated(good: Path, damaged: Path) -> list[Call]:
    import evaluate

    return [command(evaluate.main, "--generated", damaged)]


def generated_lines() -> list[bytes]:
    records = map(json.loads, first_lines(DEMO / "similar_questions/dev.jsonl"))
    similar = ({"text": r["text"], "similar": [{"text": t, "similarity": 0.9} for t in r["synonyms"]]} for r in records)
    return [json.dumps(record, ensure_ascii=False).encode() for record in similar]


def texts(good: Path, damaged: Path) -> list[Call]:
    import numpy as np

    from dataset import Text, Windows, masked_batch, to_corpus
    from fill import read_sentences
    from texts import main as official

    tokenizer = Tokenizer.from_vocab(ROOT / "data/vocab.txt")

    def train() -> None:
        windows = Windows(to_corpus(Text([damaged]), tokenizer), tokenizer, 32, 30)
        if len(windows):
            masked_batch(list(windows), np.random.default_rng(0), tokenizer, 0.5)

    def fill() -> None:
        list(read_sentences(str(damaged), tokenizer))

    return [train, fill, command(official, "--input", damaged, "--output", "-")]


def text_lines() -> list[bytes]:
    """Return texts, some with a mask, some as JSON."""
    lines = (DEMO / "pretraining/train.txt").read_text(encoding="utf-8").splitlines()[:BASE_LINES]
    lines[::3] = [f"{line[:5]}[MASK]{line[5:]}" for line in lines[::3]]
    lines[::4] = [json.dumps({"text": line}, ensure_ascii=False) for line in lines[::4]]
    return [f"{line}\n".encode() for line in lines]


def words(good: Path, damaged: Path) -> list[Call]:
    import numpy as np

    import evaluate
    import lexicon
    from joining import join
    from sentences import cut_long, read_sentences

    tokenizer = Tokenizer.from_vocab(ROOT / "data/vocab.txt")

    def segment() -> None:
        for spans in ("tokens", "jieba", "given"):
            for _, sentence in read_sentences(str(damaged), spans):
                cut_long(sentence, tokenizer, overlap=1)
                join(sentence, np.zeros(max(len(sentence.spans) - 1, 0)), 0)

    return [
        segment,
        command(evaluate.main, "--gold", good, "--predictions", damaged),
        command(evaluate.main, "--gold", damaged, "--predictions", damaged, "--baselines"),
        command(lexicon.main, "--input", damaged, "--min-count", 1),
    ]


def word_lines() -> list[bytes]:
    return first_lines(ROOT / "extras/unsupervised_parsing/demo/gold.txt")


def treebank_lines() -> list[bytes]:
    """Return a file for each sentence."""
    blocks = (ROOT / "extras/unsupervised_parsing/demo/gold.conllu").read_bytes().split(b"\n\n")
    return [block + b"\n\n" for block in blocks if block.strip()]


def treebank(good: Path, damaged: Path) -> list[Call]:
    import evaluate
    from sentences import cut_long, read_sentences, read_treebank
    from trees import left_branching

    tokenizer, trees = Tokenizer.from_vocab(ROOT / "data/vocab.txt"), good.with_name("trees.jsonl")

    def segment() -> None:
        for spans in ("tokens", "given"):
            for _, sentence in read_sentences(str(damaged), spans):
                cut_long(sentence, tokenizer, overlap=0)

    def score() -> None:
        found = [(sentence.words, *left_branching(len(sentence.words))) for sentence in read_treebank(str(damaged))]
        lines = (dict(zip(("words", "brackets", "heads"), tree, strict=True)) for tree in found)
        trees.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        command(evaluate.main, "--gold", damaged, "--predictions", trees, "--baselines")()

    return [segment, score]


def tree_lines() -> list[bytes]:
    words, heads, brackets = list("我们都笑了。"), [2, 4, 4, 0, 6, 4], [[0, 6], [0, 2], [2, 6], [3, 5]]
    trees = [
        {
            "words": words[:n],
            "heads": [head if head <= n else 4 for head in heads[:n]],
            "brackets": [bracket for bracket in brackets[:m] if bracket[1] <= n],
        }
        for n in (4, 5, 6)
        for m in range(5)
    ]
    return [json.dumps(tree, ensure_ascii=False).encode() for tree in trees]


def trees(good: Path, damaged: Path) -> list[Call]:
    import evaluate

    gold = good.with_name("gold.conllu")

    def score() -> None:
        tree = json.loads(good.read_bytes())
        rows = [f"{i}\t{word}\t_\t{'PUNCT' if word in '了。' else 'X'}\t_\t_\t{head}\t_\t_\t_\n"
                for i, (word, head) in enumerate(zip(tree["words"], tree["heads"], strict=True), start=1)]  # fmt: skip
        gold.write_text("".join(rows))
        command(evaluate.main, "--gold", gold, "--predictions", damaged)()

    return [score]


def config_lines() -> list[bytes]:
    """Return two configs. The second has every key, including those of the optimizer and of a fresh encoder."""
    from common.config import OptimizerConfig

    demo = json.loads((ROOT / "relation_extraction/configs/demo.json").read_bytes())
    optimizer = vars(OptimizerConfig(rates={"a": 2.0}, average=0.9, layer_decay=0.9))
    sizes = {"hidden_size": 8, "layers": 1, "heads": 2, "vocabulary": "data:vocab.txt", "word_level": False}
    more = {"max_length": 64, "stride": 32, "seed": 1, "dropout": 0.1, "gelu": "tanh", "recompute": 1}
    return [json.dumps(config, ensure_ascii=False).encode()
            for config in (demo, demo | {"encoder": sizes, "optimizer": optimizer} | more)]  # fmt: skip


def config(good: Path, damaged: Path) -> list[Call]:
    from common.config import EncoderSizes, load_config
    from common.encoder import resolve_encoder
    from common.files import write_json
    from config import Config

    def load() -> None:
        settings = load_config(Config, damaged, good.parent)
        if isinstance(settings.encoder, EncoderSizes):  # a name would be looked up on the hub
            resolve_encoder(settings.encoder, settings.max_length, settings.gelu)
        write_json(good, dataclasses.asdict(settings))
        assert load_config(Config, good, good.parent) == settings

    return [load]


def demo_lines(name: str) -> Callable[[], list[bytes]]:
    return lambda: first_lines(DEMO / name)


FORMATS = {
    "DuIE": Format("relation_extraction", demo_lines("relation_extraction/dev.json"), duie),
    "DuEE": Format("event_extraction", demo_lines("event_extraction/dev.json"), duee),
    "SQuAD": Format("reading_comprehension", squad_lines, squad),
    "answers": Format("reading_comprehension", answer_lines, answers),
    "groups": Format("extras/similar_questions", demo_lines("similar_questions/dev.jsonl"), groups, ".jsonl"),
    "pairs": Format("extras/similar_questions", pair_lines, pairs, ".tsv"),
    "generated": Format("extras/similar_questions", generated_lines, generated, ".jsonl"),
    "text": Format("extras/pretraining", text_lines, texts, ".txt"),
    "words": Format("extras/unsupervised_parsing", word_lines, words, ".txt"),
    "CoNLL-U": Format("extras/unsupervised_parsing", treebank_lines, treebank, ".conllu"),
    "trees": Format("extras/unsupervised_parsing", tree_lines, trees, ".jsonl"),
    "config": Format("relation_extraction", config_lines, config),
}
