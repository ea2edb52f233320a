"""Find the entities of records with the model of a run, and write the records with them.

python examples/named_entities/predict.py --model RUN --input FILE|- --output FILE|- [--workers N] [--ray [ADDRESS]]
python examples/named_entities/predict.py --model RUN --text TEXT
"""

from tqdm import tqdm

from common.cli import prediction_arguments, run_command
from common.files import check_output_path, peeked, write_jsonl, write_lines
from common.run_folder import load_run
from common.scale_out import predicted
from config import Config
from extraction import CHUNK, load_predictor
from records import entities, read_records


def main() -> None:
    args = prediction_arguments(__doc__)
    if args.text is not None:
        (record,) = load_predictor(args)([{"text": args.text}])
        write_lines([f"{label}: {string}" for label, string, *_ in entities(record)] or ["no entity found"])
        return
    load_run(args.model, Config)  # a faulty run or input is reported before TensorFlow is imported
    check_output_path(args.output, args.input)
    records = peeked(read_records(args.input, labelled=False))
    with predicted(load_predictor, args, records, CHUNK) as predictions:
        write_jsonl(args.output, tqdm(predictions, desc="predicting", unit=" records"))


if __name__ == "__main__":
    run_command(main)
