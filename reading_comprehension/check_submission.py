"""Check whether the DuReader-robust leaderboard would take a prediction file.

    python check_submission.py --input test1.json --predictions predictions.zip

Each kind of problem gives one line on standard error, with the first place that has it and how often it occurs.
"""

from common.cli import check_arguments, run_command
from common.submission import findings
from records import read_predictions, read_questions


def main() -> None:
    args = check_arguments(__doc__, has_schema=False)
    questions = read_questions(args.input, labelled=False)
    with findings(args.predictions) as (problems, warnings):
        predictions = read_predictions(args.predictions)
        for question in questions:
            if question.id not in predictions:
                problems.add("a question has no answer", f"{args.input}, id {question.id}")
            elif not predictions[question.id].strip():
                warnings.add("an empty answer", f"{args.predictions}, id {question.id}")
            elif predictions[question.id] not in question.context:
                warnings.add("an answer is not in its context", f"{args.predictions}, id {question.id}")
        known = {question.id for question in questions}
        for name in predictions:
            if name not in known:
                problems.add("an id is not in the input", f"{args.predictions}, id {name}")
    print(f"OK: {len(predictions)} answers")


if __name__ == "__main__":
    run_command(main)
