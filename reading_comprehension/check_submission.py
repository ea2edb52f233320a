"""Would the DuReader-robust leaderboard take this prediction file?

    python check_submission.py --input test1.json --predictions predictions.zip

Each kind of problem is one line on standard error: the first place that has it, and how often it comes up.
"""

from pathlib import Path

from common.cli import UserError, check_arguments, run
from common.submission import Findings, check_name
from dataset import read_questions
from evaluate import read_predictions


def main() -> None:
    args = check_arguments(__doc__)
    questions = read_questions(args.input, labelled=False)
    problems, warnings = Findings(), Findings()
    check_name(Path(args.predictions), problems, warnings)
    predictions = read_predictions(args.predictions)
    ids = {question.id for question in questions}
    for question in questions:
        if question.id not in predictions:
            problems.add("a question has no answer", f"{args.input}, id {question.id}")
        elif not predictions[question.id].strip():
            warnings.add("an empty answer", f"{args.predictions}, id {question.id}")
        elif predictions[question.id] not in question.context:
            warnings.add("an answer is not in its context", f"{args.predictions}, id {question.id}")
    for name in predictions.keys() - ids:
        problems.add("an id is not in the input", f"{args.predictions}, id {name}")
    problems.show("problem")
    warnings.show("warning")
    if problems.first:
        raise UserError(f"{args.predictions}: not what the leaderboard takes, see the lines above")
    print(f"OK: {len(predictions)} answers")


if __name__ == "__main__":
    run(main)
