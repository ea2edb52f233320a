"""Answer questions without a model, to show what a model's score is worth.

python reading_comprehension/heuristics.py --method first|tfidf --input dev.json --output answers.json

With --method first an answer is the first sentence of the context. With --method tfidf it is the sentence nearest to
the question, by the cosine of TF-IDF vectors of characters and of pairs of neighbouring characters.
"""

import argparse
import math
import re
from collections import Counter

from common.cli import run_command
from common.files import check_output_path, write_json
from records import Question, check_ids, read_questions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=("first", "tfidf"), required=True)
    parser.add_argument("--input", required=True, metavar="FILE", help="questions, official SQuAD-like file")
    parser.add_argument("--output", required=True, metavar="FILE", help="answers by id, - for standard output")
    args = parser.parse_args()
    check_output_path(args.output, args.input)
    questions = read_questions(args.input, labelled=False)
    check_ids(questions, args.input)
    answer = first_sentences if args.method == "first" else nearest_sentences
    write_json(args.output, answer(questions))


def first_sentences(questions: list[Question]) -> dict[str, str]:
    """Return the first sentence of each context, by the id of the question."""
    return {question.id: next(iter(sentences(question.context)), "") for question in questions}


def nearest_sentences(questions: list[Question]) -> dict[str, str]:
    """Return the sentence of each context that is nearest to the question by TF-IDF, by the id of the question.

    The documents of TF-IDF are the sentences of all contexts. If several sentences are equally
    near, it is the first.
    """
    split = [sentences(question.context) for question in questions]
    frequency = Counter(term for found in split for sentence in found for term in set(terms(sentence)))
    documents = sum(map(len, split))

    def vector(text: str) -> dict[str, float]:
        weights = {t: n * math.log((1 + documents) / (1 + frequency[t])) for t, n in Counter(terms(text)).items()}
        norm = math.sqrt(sum(weight**2 for weight in weights.values()))
        return {term: weight / norm for term, weight in weights.items()} if norm else {}

    answers = {}
    for question, found in zip(questions, split, strict=True):
        asked = vector(question.question)
        similarity = [sum(asked.get(term, 0.0) * weight for term, weight in vector(text).items()) for text in found]
        answers[question.id] = found[similarity.index(max(similarity))] if found else ""
    return answers


def sentences(text: str) -> list[str]:
    """Cut a text into sentences, without the marks that end them."""
    return [sentence for part in re.split(r"[。！？!?；;\n]+", text) if (sentence := part.strip())]


def terms(text: str) -> list[str]:
    """Return the characters of a text, lower-case and without white space, and then all pairs of neighbours.

    >>> terms("何 AB")
    ['何', 'a', 'b', '何a', 'ab']
    """
    text = "".join(text.lower().split())
    return [*text, *map("".join, zip(text, text[1:], strict=False))]


if __name__ == "__main__":
    run_command(main)
