"""Words or trees against gold, one JSON object on standard output.

    python extras/unsupervised_parsing/evaluate.py --gold FILE --predictions FILE [--baselines] [--train TEXT]

Gold words: one sentence per line, its words with spaces between them; predictions as segment.py writes them.
Gold trees: a treebank, whose name ends in .conllu; predictions as parse.py --spans given --json writes them.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from baselines import Segmenter, mutual_information, simple
from common.cli import UserError, run_command
from common.config import find_files
from common.files import read_jsonl, read_lines
from joining import WORD_LENGTH, sample_sentences
from scoring import add, count_attachment, count_brackets, count_words, f1
from sentences import Tree as Gold
from sentences import is_tree, read_treebank
from trees import Tree, left_branching, random_tree, right_branching


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gold", required=True, metavar="FILE")
    parser.add_argument("--predictions", required=True, metavar="FILE")
    parser.add_argument(
        "--baselines",
        action="store_true",
        help="of words: by jieba, every character one, every two; of trees: branching left, right, at random",
    )
    parser.add_argument(
        "--train", metavar="TEXT", help="of words, too: by the mutual information of neighbours, counted on this"
    )
    args = parser.parse_args()
    if args.gold.endswith(".conllu"):
        if args.train is not None:
            raise UserError("--train: counts words, but --gold has trees")
        scores = score_trees(args.gold, args.predictions, args.baselines)
    else:
        scores = score_words(args.gold, args.predictions, args.baselines, args.train)
    print(json.dumps(scores))


def score_words(gold: str, predictions: str, baselines: bool, train: str | None) -> dict[str, Any]:
    pairs = list(read_words(gold, predictions))
    segmenters: dict[str, Segmenter] = simple() if baselines else {}
    if train is not None:
        lines = (line for path in find_files(train) for _, line in read_lines(path))
        segmenters |= mutual_information(lines, sample_sentences(train), WORD_LENGTH)
    scores = f1(*add(count_words(ours, theirs) for theirs, ours in pairs))
    for name, segment in segmenters.items():
        scores[name] = f1(*add(count_words(segment("".join(theirs)), theirs) for theirs, _ in pairs))
    return scores


def read_words(gold: str, predictions: str) -> Iterator[tuple[list[str], list[str]]]:
    """(gold, predicted) words of each line. Raises UserError where the lines have other characters."""
    for (number, theirs), (_, ours) in zip_longest(read_lines(gold), read_lines(predictions), fillvalue=(None, None)):
        if theirs is None or ours is None:
            shorter = gold if theirs is None else predictions
            raise UserError(f"{shorter}: ends before the other file does, expected as many lines")
        theirs, ours = theirs.split(), ours.split()
        expected, found = "".join(theirs), "".join(ours)
        if expected != found:
            i = next(i for i, (a, b) in enumerate(zip_longest(expected, found)) if a != b)
            said = f"expected {expected[i : i + 10]!r} after {i} characters, found {found[i : i + 10]!r}"
            raise UserError(f"{predictions}, line {number}: not the text of {gold}: {said}")
        yield theirs, ours


def score_trees(gold: str, predictions: str, baselines: bool) -> dict[str, Any]:
    trees = list(read_treebank(gold))
    scores = score_tree(trees, list(read_trees(predictions, trees)))
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
    """Of brackets precision, recall and F1; uas: share of the words with the right head; uuas: share of the edges
    found, whatever their direction.
    """
    pairs = list(zip(predicted, gold, strict=True))
    brackets = add(count_brackets(tree, sentence.heads, sentence.marks) for tree, sentence in pairs)
    counts = np.sum([count_attachment(tree[1], sentence.heads, sentence.marks) for tree, sentence in pairs], axis=0)
    heads, words, edges, all_edges = counts.tolist()
    attachment = {"uas": round(heads / max(words, 1), 4), "uuas": round(edges / max(all_edges, 1), 4)}
    return f1(*brackets) | attachment


def read_trees(path: str, gold: list[Gold]) -> Iterator[Tree]:
    """Raises UserError where it is not what parse.py writes for the words of gold."""
    records = list(read_jsonl(path))
    for (number, record), sentence in zip(records, gold, strict=False):
        where, n = f"{path}, line {number}", len(sentence.words)
        if not isinstance(record, dict) or not {"words", "brackets", "heads"} <= record.keys():
            raise UserError(f"{where}: expected words, brackets and heads, as parse.py --json writes them")
        if record["words"] != sentence.words:
            raise UserError(f"{where}: other words than the sentence at line {sentence.line} of gold")
        brackets, heads = record["brackets"], record["heads"]
        if not _integers(heads, n + 1) or len(heads) != n or not is_tree(heads):
            raise UserError(f"{where}: heads: expected {n} numbers from 0 to {n}, of a tree with one root")
        if not isinstance(brackets, list) or not all(_integers(pair, n + 1) and len(pair) == 2 for pair in brackets):
            raise UserError(f"{where}: brackets: expected pairs of numbers from 0 to {n}")
        yield list(map(tuple, brackets)), heads
    if len(records) != len(gold):
        raise UserError(f"{path}: {len(records)} trees, gold has {len(gold)}")


def _integers(value: Any, end: int) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < end for item in value)


if __name__ == "__main__":
    run_command(main)
