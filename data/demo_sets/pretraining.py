"""Composes the demo set of pretraining, plain text: the train texts of relation and event extraction."""

import json

import event_extraction
import relation_extraction


def files(seed: int) -> dict[str, str]:
    """Return the contents of the only file by name. Each line is a text."""
    records = [
        json.loads(line)
        for task in (relation_extraction, event_extraction)
        for line in task.files(seed)["train.json"].splitlines()
    ]
    return {"train.txt": "".join(" ".join(record["text"].split()) + "\n" for record in records)}
