"""Answer questions with the model of a run folder.

python reading_comprehension/predict.py --model RUN --input FILE|- --output FILE|- [--n-best FILE]
    [--workers N] [--ray [ADDRESS]]
python reading_comprehension/predict.py --model RUN --text CONTEXT --question QUESTION

The output is what the leaderboard takes: a JSON object id -> answer.
"""

import argparse
from pathlib import Path

from tqdm import tqdm

from common.cli import UserError, prediction_arguments, run_command
from common.files import check_output_path, write_json, write_lines
from common.run_folder import load_run
from common.scale_out import predicted
from config import Config
from decode import Answer
from extraction import CHUNK, N_BEST, load_predictor
from records import Question, check_ids, read_questions

N_PRINTED = 5  # answers that --text prints


def main() -> None:
    args = read_arguments()
    if args.text is not None:
        ((_, found),) = load_predictor(args)([Question("", args.question, args.text, ())])
        write_lines([f"{answer.probability:.3f}  {answer.text}" for answer in found[:N_PRINTED]] or ["no answer found"])
        return
    load_run(args.model, Config)  # the run and the input are checked before TensorFlow is imported
    for path in (args.output, args.n_best):
        if path is not None:
            check_output_path(path, args.input)
    questions = read_questions(args.input, labelled=False)
    check_ids(questions, args.input)
    with predicted(load_predictor, args, questions, CHUNK) as predictions:
        predictions = tqdm(predictions, desc="predicting", unit=" questions", total=len(questions))
        answers = {name: [Answer(*answer) for answer in found] for name, found in predictions}  # workers return lists
        write_json(args.output, {name: found[0].text if found else "" for name, found in answers.items()})
        if args.n_best is not None:
            write_json(args.n_best, {name: [answer._asdict() for answer in found] for name, found in answers.items()})


def read_arguments() -> argparse.Namespace:
    """Read the command line. Raise UserError for options that do not go together."""
    more = {
        "--n-best": {
            "metavar": "FILE",
            "help": f"also write up to {N_BEST} answers to each question, with probabilities",
        },
        "--question": {"help": "the question that --text answers"},
    }
    args = prediction_arguments(__doc__, more)
    if (args.text is None) != (args.question is None):
        raise UserError("expected --text and --question together")
    if args.n_best is not None and args.text is not None:
        raise UserError("--n-best: goes with --output, not with --text")
    if args.n_best is not None and Path(args.output).resolve() == Path(args.n_best).resolve():
        raise UserError(f"--n-best: {args.n_best} is also --output; expected another name")
    return args


if __name__ == "__main__":
    run_command(main)
