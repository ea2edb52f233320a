"""Score how well vectors tell similar questions from others, or how new and varied generated questions are.

    python extras/similar_questions/evaluate.py --pairs FILE (--model RUN | --encoder ENCODER | --tfidf)
    python extras/similar_questions/evaluate.py --generated FILE [--train FILE]

The scores are one JSON object on standard output. `--encoder` takes the vectors of [CLS] from an encoder that was not
trained on similar questions. `--tfidf` takes counts of single characters and pairs of them, weighted by how rare they
are in the file.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from common.cli import UserError, print_counts, run_command
from common.encoder import resolve_encoder
from common.files import read_jsonl
from dataset import read_groups
from embed import Embed, embed, load_embed
from records import read_rows
from scoring import novelty, score_rows

MOST_TOKENS = 62  # the most tokens of a question with --encoder, for which no config sets a limit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--pairs", metavar="FILE", help="two questions and 1 (similar) or 0 on each line")
    what.add_argument("--generated", metavar="FILE", help="questions that generate.py wrote")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--model", metavar="RUN", help="run folder that train.py wrote")
    how.add_argument("--encoder", help="folder or name on the hub")
    how.add_argument("--tfidf", action="store_true", help="TF-IDF of characters and pairs of them, without a model")
    parser.add_argument("--train", metavar="FILE", help="training file, whose questions do not count as new")
    args = parser.parse_args()
    has_vectors = args.model is not None or args.encoder is not None or args.tfidf
    if args.generated is not None:
        if has_vectors:
            raise UserError("--generated: cannot be used with --model, --encoder or --tfidf, which are for --pairs")
        groups = read_groups(args.train) if args.train is not None else []
        known = {question for group in groups for question in group.questions}
        print(json.dumps(novelty(read_generated(args.generated), known)))
        return
    if not has_vectors:
        raise UserError("--pairs: expected --model, --encoder or --tfidf as well")
    if args.train is not None:
        raise UserError("--pairs: cannot be used with --train, which is for --generated")
    rows = list(read_rows(args.pairs))
    questions = list(dict.fromkeys(question for row in rows for question in row[:2]))
    counts: Counter[str] = Counter()
    if args.tfidf:
        vectors = tfidf(questions)
    elif args.model is not None:
        vectors = load_embed(args.model, counts)(questions)
    else:
        vectors = encoder_embed(args.encoder, counts)(questions)
    print(json.dumps(score_rows(rows, questions, vectors)))
    print_counts(counts)


def tfidf(questions: list[str]) -> sparse.csr_array:
    """Return a TF-IDF vector of length 1 for each question, from characters and pairs of them: [questions, size]."""
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit_transform(questions)
    return sparse.csr_array(vectors)


def encoder_embed(name: str, counts: Counter[str] | None = None) -> Embed:
    """Return a function that computes the [CLS] of an encoder that was not trained on similar questions."""
    source = resolve_encoder(name, MOST_TOKENS + 2)

    from common.encoder import build_encoder, load_pretrained
    from common.inference import tensorflow_engine
    from model import question_model

    encoder = build_encoder(source.architecture, seed=0, with_mlm=True, unilm=True)
    load_pretrained(encoder, source)
    engine = tensorflow_engine(question_model(encoder))
    return lambda questions: embed(questions, engine, source.tokenizer, MOST_TOKENS, counts)


def read_generated(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (question, generated questions) of each line. Raises UserError for a line of another form."""
    for number, record in read_jsonl(path):
        match record:
            case {"text": str(text), "similar": [*similar]} if all(map(has_text, similar)):
                yield text, [found["text"] for found in similar]
            case _:
                raise UserError(f'{path}, line {number}: expected {{"text": ..., "similar": [{{"text": ...}}, ...]}}')


def has_text(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("text"), str)


if __name__ == "__main__":
    run_command(main)
