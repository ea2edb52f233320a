"""An encoder as a TensorFlow checkpoint, as Google's folders are: bert_config.json, vocab.txt, bert_model.ckpt.*.

python extras/pretraining/export.py --encoder ENCODER --output FOLDER
"""

import argparse
from dataclasses import replace
from pathlib import Path

from common.cli import UserError, run
from common.encoder import resolve_encoder, save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="a new folder")
    args = parser.parse_args()
    source = resolve_encoder(args.encoder)
    weights = source.weights()  # before the folder is made: the file may be damaged
    try:
        args.output.mkdir()
    except OSError as error:
        raise UserError(f"{args.output}: cannot be made ({error.strerror})") from None
    save_checkpoint(replace(source, weights=lambda: weights), args.output)
    print(args.output)


if __name__ == "__main__":
    run(main)
