"""Spans of tokens -> entities -> records."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from common.spans import Span, text_spans
from dataset import Features


def to_characters(feature: Features, spans: np.ndarray, labels: list[str]) -> set[tuple[str, Span]]:
    """The (label, characters) of the spans of a window; what touches [CLS] or [SEP] is dropped."""
    inside, characters = text_spans(spans[:, 1:], feature.offsets)
    names = [labels[label] for label in spans[inside, 0]]
    return set(zip(names, map(tuple, characters.tolist()), strict=True))


def to_record(record: dict[str, Any], entities: Iterable[tuple[str, Span]]) -> dict[str, Any]:
    """The record with these entities, in the order of the text."""
    label: dict[str, dict[str, list]] = {}
    for name, (start, end) in sorted(entities, key=lambda entity: entity[::-1]):
        label.setdefault(name, {}).setdefault(record["text"][start:end], []).append([start, end - 1])
    return record | {"label": label}
