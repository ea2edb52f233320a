"""Find the events of official records with the model of a run, and write a submission.

python event_extraction/predict.py --model RUN --input FILE|- --output FILE|- [--workers N] [--ray [ADDRESS]]
python event_extraction/predict.py --model RUN --text TEXT
"""

from typing import Any

from tqdm import tqdm

from common.cli import prediction_arguments, run_command
from common.files import check_output_path, peeked, write_jsonl, write_lines
from common.run_folder import load_run
from common.scale_out import predicted
from config import Config
from extraction import CHUNK, load_predictor
from records import read_inputs


def main() -> None:
    args = prediction_arguments(__doc__)
    if args.text is not None:
        (record,) = load_predictor(args)([{"text": args.text, "id": ""}])
        write_lines([in_words(event) for event in record["event_list"]] or ["no event found"])
        return
    load_run(args.model, Config)  # so that a faulty run or input shows before TensorFlow is imported
    check_output_path(args.output, args.input)
    records = peeked(read_inputs(args.input))
    with predicted(load_predictor, args, records, CHUNK) as predictions:
        write_jsonl(args.output, tqdm(predictions, desc="predicting", unit=" records"))


def in_words(event: dict[str, Any]) -> str:
    """Return an event as a readable line."""
    return f"{event['event_type']}: " + " · ".join(f"{a['role']} {a['argument']}" for a in event["arguments"])


if __name__ == "__main__":
    run_command(main)
