"""The official metric of DuReader-robust: F1 over the longest common run of tokens, and exact match.

Gives what the organisers' script gives, to the last digit shown. Texts are lower-cased and lose the characters in
`DELETED`; every Chinese character and every "=" is a token, and so is any other run of characters, spaces included.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.tokenizer import CJK_RANGES
from records import Question

SCORES = ("F1", "EM")  # in percent
DELETED = str.maketrans("", "", ":_`|,()，。：？！“”；’《》·、「」（）－～『』")


def score(questions: Iterable[Question], predictions: Mapping[str, str]) -> dict[str, Any]:
    """Score answers by id: `F1` and `EM` in percent with 3 decimals, `TOTAL` questions, and `SKIP` of them that have
    no prediction and count 0. An answer is scored against the best of the question's.
    """
    f1 = exact = 0.0
    total = skipped = 0
    for question in questions:
        total += 1
        if question.id not in predictions:
            skipped += 1
            continue
        question_f1, is_exact = question_scores(question.answers, predictions[question.id])
        f1 += question_f1
        exact += is_exact
    return {
        "F1": round(100 * f1 / total, 3) if total else 0.0,
        "EM": round(100 * exact / total, 3) if total else 0.0,
        "TOTAL": total,
        "SKIP": skipped,
    }


def question_scores(answers: Sequence[str], prediction: str) -> tuple[float, bool]:
    """F1 of a prediction, 0 to 1, with the best of the answers, and whether it is one of them."""
    f1 = max((answer_f1(answer, prediction) for answer in answers), default=0.0)
    return f1, any(normalise(answer) == normalise(prediction) for answer in answers)


def answer_f1(answer: str, prediction: str) -> float:
    """F1 of a predicted answer, 0 to 1."""
    gold, predicted = tokens(answer), tokens(prediction)
    common = longest_common_run(gold, predicted)
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def normalise(text: str) -> str:
    return text.lower().translate(DELETED)


def tokens(text: str) -> list[str]:
    found, run = [], ""
    for character in normalise(text):
        if character == "=" or any(first <= ord(character) <= last for first, last in CJK_RANGES):
            if run:
                found.append(run)
            found.append(character)
            run = ""
        else:
            run += character
    if run:
        found.append(run)
    return found


def longest_common_run(a: list[str], b: list[str]) -> int:
    """Length of the longest sequence of neighbours that is in both."""
    longest, ending = 0, [0] * (len(b) + 1)  # common runs that end with the last of a and the j-th of b
    for x in a:
        ending = [0] + [before + 1 if x == y else 0 for before, y in zip(ending, b, strict=False)]
        longest = max(longest, *ending)
    return longest
