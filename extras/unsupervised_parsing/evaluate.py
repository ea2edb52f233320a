"""Score words or trees against gold.

    python extras/unsupervised_parsing/evaluate.py --gold FILE --predictions FILE [--baselines] [--train TEXT]

For words, gold has a sentence per line with spaces between words, and predictions are what segment.py writes.
For trees, gold is a treebank, whose name ends in .conllu, and predictions are what parse.py --spans given --json
writes. The scores are one JSON object on standard output.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from baselines import mutual_information, simple
from common.cli import UserError, run_command
from common.files import read_jsonl, read_lines
from joining import WORD_LENGTH, sample_sentences
from scoring import add, count_attachment, count_brackets, count_words, f1
from sentences import Segmenter, is_tree, read_text, read_treebank
from sentences import Tree as Gold
from trees import Tree, left_branching, random_tree, right_branching


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", required=True, metavar="FILE", help="gold words, or a treebank")
    parser.add_argument(
        "--predictions", required=True, metavar="FILE", help="the output of segment.py, or of parse.py --json"
    )
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="also score jieba, single characters and pairs of them; or trees that branch left, right or at random",
    )
    parser.add_argument(
        "--train", metavar="TEXT", help="also score words by the mutual information of neighbours in this text"
    )
    args = parser.parse_args()
    if args.gold.endswith(".conllu"):
        if args.train is not None:
            raise UserError("--train: is for words, but --gold has trees")
        scores = score_trees(args.gold, args.predictions, args.baselines)
    else:
        scores = score_words(args.gold, args.predictions, args.baselines, args.train)
    print(json.dumps(scores))


def score_words(gold: str, predictions: str, baselines: bool, train: str | None) -> dict[str, Any]:
    """Return the scores of predicted words. Those of each baseline are under its name.

    Args:
        gold: the file of gold words.
        predictions: the file of predicted words.
        baselines: whether to score the simple baselines.
        train: a text for the baselines by mutual information. If it is None, they are left out.
    """
    pairs = list(read_words(gold, predictions))
    segmenters: dict[str, Segmenter] = simple() if baselines else {}
    if train is not None:
        segmenters |= mutual_information(read_text(train), sample_sentences(train), WORD_LENGTH)
    scores: dict[str, Any] = f1(*add(count_words(ours, theirs) for theirs, ours in pairs))
    for name, segment in segmenters.items():
        scores[name] = f1(*add(count_words(segment("".join(theirs)), theirs) for theirs, _ in pairs))
    return scores


def read_words(gold: str, predictions: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield (gold, predicted) words of each line. Raises UserError if the texts differ apart from white space."""
    for theirs, ours in zip_longest(read_lines(gold), read_lines(predictions)):
        if theirs is None or ours is None:
            shorter, longer = (gold, predictions) if theirs is None else (predictions, gold)
            raise UserError(f"{shorter}: has fewer lines than {longer}, expected as many")
        (number, gold_line), (_, predicted_line) = theirs, ours
        gold_words, predicted_words = gold_line.split(), predicted_line.split()
        expected, found = "".join(gold_words), "".join(predicted_words)
        if expected != found:
            i = next(i for i, (a, b) in enumerate(zip_longest(expected, found)) if a != b)
            said = f"found {found[i : i + 10]!r} after {i} characters, expected {expected[i : i + 10]!r}"
            raise UserError(f"{predictions}, line {number}: not the text of {gold}: {said}")
        yield gold_words, predicted_words


def score_trees(gold: str, predictions: str, baselines: bool) -> dict[str, Any]:
    """Return the scores of predicted trees. Those of each baseline are under its name.

    Args:
        gold: the treebank.
        predictions: the file of predicted trees.
        baselines: whether to score trees that branch left, right or at random.
    """
    trees = list(read_treebank(gold))
    scores: dict[str, Any] = score_tree(trees, list(read_trees(predictions, trees)))
    if baselines:
        rng = np.random.default_rng(0)
        others: dict[str, Callable[[int], Tree]] = {
            "left_branching": left_branching,
            "right_branching": right_branching,
            "random": lambda n: random_tree(n, rng),
        }
        for name, tree in others.items():
            scores[name] = score_tree(trees, [tree(len(sentence.words)) for sentence in trees])
    return scores


def score_tree(gold: list[Gold], predicted: list[Tree]) -> dict[str, float]:
    """Return precision, recall and F1 of brackets, and the scores of heads.

    `uas` is the share of the words with the right head. `uuas` is the share of gold's edges that were found, whatever
    their direction.
    """
    pairs = list(zip(predicted, gold, strict=True))
    brackets = add(count_brackets(tree, sentence.heads, sentence.marks) for tree, sentence in pairs)
    counts = np.sum([count_attachment(tree[1], sentence.heads, sentence.marks) for tree, sentence in pairs], axis=0)
    heads, words, edges, all_edges = counts.tolist()
    attachment = {"uas": round(heads / max(words, 1), 4), "uuas": round(edges / max(all_edges, 1), 4)}
    return f1(*brackets) | attachment


def read_trees(path: str, gold: list[Gold]) -> Iterator[Tree]:
    """Yield the trees of a file. Raises UserError if they are not trees over the words of gold in parse.py's JSON."""
    records = list(read_jsonl(path))
    for (number, record), sentence in zip(records, gold, strict=False):
        where, n = f"{path}, line {number}", len(sentence.words)
        if not isinstance(record, dict) or not {"words", "brackets", "heads"} <= record.keys():
            raise UserError(f"{where}: expected words, brackets and heads, as parse.py --json writes them")
        if record["words"] != sentence.words:
            raise UserError(f"{where}: not the words of the sentence at line {sentence.line} of gold")
        brackets, heads = record["brackets"], record["heads"]
        if not _integers(heads, n + 1) or len(heads) != n or not is_tree(heads):
            raise UserError(f"{where}: heads: expected {n} numbers from 0 to {n} that form a tree with one root")
        if not isinstance(brackets, list) or not all(_integers(pair, n + 1) and len(pair) == 2 for pair in brackets):
            raise UserError(f"{where}: brackets: expected pairs of numbers from 0 to {n}")
        yield list(map(tuple, brackets)), heads
    if len(records) != len(gold):
        raise UserError(f"{path}: {len(records)} trees, expected {len(gold)}, as many as gold has")


def _integers(value: Any, end: int) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < end for item in value)


if __name__ == "__main__":
    run_command(main)
