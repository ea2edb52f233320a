"""Chooses occurrences of the `@value` for triples that differ in their other slots only."""

from typing import TYPE_CHECKING, Any

from common.spans import Span

if TYPE_CHECKING:
    from dataset import Triple


def choose(places: list[list["Triple"]]) -> list["Triple"]:
    """Choose one of the places of each triple. It has one for each occurrence of its `@value`, the nearest first.

    Decoding combines all slots that belong to one occurrence. If two triples shared it, each could get slots of the
    other. So triples with other slots get other occurrences, as long as there are any. The triple whose second place is
    much wider than its first one chooses first.
    """
    chosen: dict[int, Triple] = {}
    taken: dict[Any, dict[str, Span]] = {}

    def regret(number: int) -> int:
        first, second = (places[number] * 2)[:2]
        return second.spread - first.spread

    for number in sorted(range(len(places)), key=regret, reverse=True):
        free = [place for place in places[number] if taken.get(place.owner, place.slots) == place.slots]
        chosen[number] = (free or places[number])[0]
        taken[chosen[number].owner] = chosen[number].slots
    return [chosen[number] for number in range(len(places))]
