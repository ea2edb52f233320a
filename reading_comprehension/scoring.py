"""The official metric of DuReader-robust: F1 over the longest common run of tokens, and exact match.

The scores equal those of the organisers' script to the last digit shown. Texts are lower-cased, and the characters in
`DELETED` are removed. Every Chinese character and every "=" is a token. So is any run of other characters, spaces
included.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from common.tokenizer import CJK_RANGES
from records import Question

SCORES = ("F1", "EM")  # in percent
DELETED = str.maketrans("", "", ":_`|,()，。：？！“”；’《》·、「」（）－～『』")


def score(questions: Iterable[Question], predictions: Mapping[str, str]) -> dict[str, Any]:
    """Score predicted answers, given by the id of their question.

    A prediction is compared with all answers of its question, and the best match counts. A question without a
    prediction scores 0.

    Returns:
        `F1` and `EM` in percent with 3 decimals, `TOTAL`, the number of questions, and `SKIP`, how many of them have
        no prediction.
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
    """Return the F1 of a prediction with the best of the answers, 0 to 1, and whether it equals one of them."""
    f1 = max((answer_f1(answer, prediction) for answer in answers), default=0.0)
    return f1, any(normalise(answer) == normalise(prediction) for answer in answers)


def answer_f1(answer: str, prediction: str) -> float:
    """Return the F1 of a prediction with one answer, 0 to 1."""
    gold, predicted = tokens(answer), tokens(prediction)
    common = longest_common_run(gold, predicted)
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def normalise(text: str) -> str:
    """Lower-case a text and remove the characters in `DELETED`."""
    return text.lower().translate(DELETED)


def occurs(answer: str, text: str) -> bool:
    """Tell whether some part of a text equals an answer once both are normalised. Nothing scores on an empty answer."""
    return bool(normalise(answer)) and normalise(answer) in normalise(text)


def tokens(text: str) -> list[str]:
    """Normalise a text and cut it into tokens.

    >>> tokens("2=3年 Ab，cd 的")
    ['2', '=', '3', '年', ' abcd ', '的']
    """
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
    """Return the length of the longest run of neighbouring tokens that is in both."""
    longest = 0
    ending = [0] * (len(b) + 1)  # ending[j] is the length of the common run that ends with x and the j-th token of b
    for x in a:
        ending = [0] + [before + 1 if x == y else 0 for before, y in zip(ending, b, strict=False)]
        longest = max(longest, *ending)
    return longest
