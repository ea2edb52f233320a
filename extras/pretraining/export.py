"""Write an encoder as a folder like Google's: bert_config.json, vocab.txt and the checkpoint bert_model.ckpt.*.

python extras/pretraining/export.py --encoder ENCODER --output FOLDER
"""

import argparse
from dataclasses import replace
from pathlib import Path

from common.cli import run_command
from common.encoder import resolve_encoder, save_checkpoint
from common.files import new_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder or name on the hub")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="a new folder")
    args = parser.parse_args()
    source = resolve_encoder(args.encoder)
    assert source.weights is not None, "only a fresh encoder has no weights"
    weights = source.weights()  # read before anything is written, as the file may be damaged
    with new_folder(args.output) as folder:
        # TensorFlow is imported only now that the input has been checked.
        from common.training import naming

        with naming(args.output):
            save_checkpoint(replace(source, weights=lambda: weights), folder)
    print(args.output)


if __name__ == "__main__":
    run_command(main)
