"""Chooses occurrences of the `@value` for triples that differ in their other slots only."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from common.spans import Span

if TYPE_CHECKING:
    from dataset import Triple


def choose(places: list[list["Triple"]], spread: Callable[["Triple"], tuple[int, Span]]) -> list["Triple"]:
    """Choose one of the places of each triple. It has one for each occurrence of its `@value`.

    Decoding combines all slots that belong to one occurrence. If two triples shared it, each could get slots of the
    other. So triples with the same subject, predicate and `@value` get different occurrences if their other slots
    differ, as long as there are any. Otherwise the place with the smallest `spread` is taken. The triple whose second
    place is much worse than its best one chooses first.
    """
    chosen: dict[int, Triple] = {}
    taken: dict[Any, list[Triple]] = defaultdict(list)

    def beside(place: "Triple") -> list["Triple"]:
        return taken[place.subject, place.predicate, place.slots["@value"]]

    def cost(place: "Triple") -> tuple[int, tuple[int, Span]]:
        return sum(len(triple.slots.items() ^ place.slots.items()) for triple in beside(place)), spread(place)

    def urgency(number: int) -> int:
        best, *others = sorted(spread(place)[0] for place in places[number])
        return others[0] - best if others else 0

    for number in sorted(range(len(places)), key=urgency, reverse=True):
        chosen[number] = min(places[number], key=cost)
        beside(chosen[number]).append(chosen[number])
    return [chosen[number] for number in range(len(places))]
