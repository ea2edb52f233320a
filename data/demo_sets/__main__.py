"""Writes the demo sets: small data in the official formats. Every sentence and every name in them is invented.

    python data/demo_sets [--output data/demo] [--seed 2020]

The same seed gives the same bytes. Each task has a module here, whose function `files` returns the contents of its
files. Train, dev and test come from the same templates, but no name is given out twice.
"""

import argparse
from pathlib import Path

import event_extraction
import named_entities
import pretraining
import reading_comprehension
import relation_extraction
import similar_questions

TASKS = {
    "relation_extraction": relation_extraction.files,
    "event_extraction": event_extraction.files,
    "named_entities": named_entities.files,
    "reading_comprehension": reading_comprehension.files,
    "pretraining": pretraining.files,
    "similar_questions": similar_questions.files,
}


def main() -> None:
    parser = argparse.ArgumentParser("python data/demo_sets", description="Write the demo sets.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "demo", help="folder [%(default)s]")
    parser.add_argument("--seed", type=int, default=2020, help="seed of all random choices [%(default)s]")
    args = parser.parse_args()
    for task, files in TASKS.items():
        folder = args.output / task
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files(args.seed).items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
