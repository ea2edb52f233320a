"""The report of reading comprehension: scores by what is asked for, and every context with its answers marked."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.report import Fact, Item, Part, Report, by_size, table_of_parts, write
from dataset import locate
from records import Question
from scoring import SCORES, question_scores, score

KINDS = {
    "exact": "right",
    "partial": "partial",  # shares tokens with a gold answer
    "wrong": "wrong",
    "no answer": "missed",  # no prediction or an empty one
    "gold answer": "gold",
}
# A question belongs to the first entry whose regular expression matches it.
ASKED = {
    "when 什么时候": "什么时候|啥时候|何时|几时|(?<![多长少])时间|日期|哪[一几]?[年天]|哪个?月|几月|几号|几点",
    "how many, how much 多少": "多少|几(?![乎何])|多长时间|多大|多高|多长|多久|多重|多远",
    "who 谁": "谁|什么人|(?<!任)何人|作者|演员",
    "where 哪里": "哪里|哪儿|那里|在哪|何处|什么地方|地址",
    "how 怎么": "怎么|怎样|如何",
    "why 为什么": "为什么|为何|原因",
    "which 哪": "哪",
    "what 什么": "什么|啥|(?<!任)何",
    "other": "",
}


def write_report(
    folder: str | Path,
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    history: Sequence[dict[str, Any]] = (),
    made_with: str = "",
) -> None:
    """Write report.html and its charts.

    Args:
        folder: where to write. It is made if it does not exist.
        questions: with their gold answers.
        predictions: answers by id. A question without one is shown as "no answer".
        history: a row for each epoch of a training, for the learning curves.
        made_with: what `Training.made_with` says, if this is the end of a training.

    Raises:
        UserError: the folder cannot be written to.
    """

    def scores(part: Sequence[Question]) -> dict[str, float]:
        found = score(part, predictions)
        return {name: found[name] for name in SCORES}

    asked = {name: [question for question in questions if asked_for(question) == name] for name in ASKED}
    asked = {name: part for name, part in asked.items() if part}
    by_length = by_size(questions, lambda question: len(question.context), (100, 200, 300, 400, 500, 1000))
    by_number = by_size(questions, lambda question: len(set(question.answers)), (1, 2, 3, 4))
    tables = [
        table_of_parts(name, title, SCORES, parts, scores, main="F1", best=100)
        for name, title, parts in (
            ("labels", "By what is asked for", asked),
            ("text_length", "By characters of the context", by_length),
            ("gold_items", "By number of gold answers", by_number),
        )
    ]
    items = [to_item(question, predictions.get(question.id)) for question in questions]
    scored = score(questions, predictions)
    write(Report("Reading comprehension", scored, KINDS, tables, items, history, made_with), folder)


def asked_for(question: Question) -> str:
    """Find what a question asks for, a key of `ASKED`."""
    return next(name for name, words in ASKED.items() if re.search(words, question.question))


def to_item(question: Question, prediction: str | None) -> Item:
    """Return the context with the prediction and the gold answers, each marked wherever it occurs.

    The metric compares only texts, so no occurrence is more right than another.
    """
    f1, exact = question_scores(question.answers, prediction or "")
    if prediction is None or (not prediction and not exact):
        kind, exact = "no answer", False
    elif exact:
        kind = "exact"
    else:
        kind = "partial" if f1 else "wrong"
    texts = [(kind, prediction or ""), *(("gold answer", answer) for answer in dict.fromkeys(question.answers))]
    label = asked_for(question)
    facts = [Fact(kind, label, [Part("", text, locate(question.context, text))]) for kind, text in texts]
    return Item(question.context, facts, question.question, f"F1 {100 * f1:.1f}  EM {int(exact)}  {question.id}")
