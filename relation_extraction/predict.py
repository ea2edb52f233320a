"""Predict the triples of official records with a trained model, and write them as a submission.

python relation_extraction/predict.py --model RUN --input FILE|- --output FILE|- [--workers N] [--ray [ADDRESS]]
python relation_extraction/predict.py --model RUN --text TEXT
"""

from typing import Any

from tqdm import tqdm

from common.cli import prediction_arguments, run_command
from common.files import check_output_path, peeked, write_jsonl, write_lines
from common.run_folder import load_run
from common.scale_out import predicted
from config import Config
from extraction import CHUNK, load_predictor
from records import read_records


def main() -> None:
    args = prediction_arguments(__doc__)
    if args.text is not None:
        (record,) = load_predictor(args)([{"text": args.text}])
        write_lines([in_words(triple) for triple in record["spo_list"]] or ["no triple found"])
        return
    load_run(args.model, Config)  # so that a faulty run or input shows before TensorFlow is imported
    check_output_path(args.output, args.input)
    records = peeked(read_records(args.input, labelled=False))
    with predicted(load_predictor, args, records, CHUNK) as predictions:
        write_jsonl(args.output, tqdm(predictions, desc="predicting", unit=" records"))


def in_words(triple: dict[str, Any]) -> str:
    """Return a triple as a readable line.

    >>> in_words({"predicate": "饰演", "subject": "王五", "object": {"@value": "林平", "inWork": "山水之间"}})
    '饰演: 王五 → 林平 · inWork 山水之间'
    """
    slots = [f"{slot} {string}" for slot, string in triple["object"].items() if slot != "@value"]
    return f"{triple['predicate']}: {triple['subject']} → {' · '.join([triple['object']['@value'], *slots])}"


if __name__ == "__main__":
    run_command(main)
