"""Spans of tokens become entities, and entities become records."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from common.spans import Span, text_spans
from dataset import Features


def to_characters(feature: Features, spans: np.ndarray, labels: list[str]) -> set[tuple[str, Span]]:
    """Return the entities of a window, each (label, characters). Spans that touch [CLS] or [SEP] are dropped.

    Args:
        feature: the window.
        spans: its spans, int [s, 3] of (label, first token, last token).
        labels: the names of the labels.
    """
    inside, characters = text_spans(spans[:, 1:], feature.offsets)
    names = [labels[label] for label in spans[inside, 0]]
    return set(zip(names, map(tuple, characters.tolist()), strict=True))


def to_record(record: dict[str, Any], entities: Iterable[tuple[str, Span]]) -> dict[str, Any]:
    """Return the record with these entities as its `label`, in the order of the text."""
    label: dict[str, dict[str, list]] = {}
    for name, (start, end) in sorted(entities, key=lambda entity: entity[::-1]):
        label.setdefault(name, {}).setdefault(record["text"][start:end], []).append([start, end - 1])
    return record | {"label": label}
