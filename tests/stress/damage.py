"""Damages a line at random: its bytes, its characters, its fields, or the values of its JSON."""

import json
import random
from collections.abc import Iterator
from typing import Any

CHARACTERS = '\0\t\n\r\x1b \x7f\xa0\u0301\u200b\u2028\u202e\u3000\ufb01\ufeff\ufffdİß何👍🏽1[]{}",:\\'
STRANGE = [  # bytes to insert
    b"\xff", b"\xe4\xbd", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"1e999", b"NaN", b"9" * 5000, b"[" * 2000,
    b"[MASK]", *map(str.encode, CHARACTERS),
]  # fmt: skip
OTHERS: list[Any] = [  # to put in place of a JSON value
    None, True, False, 0, -1, 1, 2**31, 10**40, 0.5, float("nan"), float("inf"), "", " ", "0", "\0", "\ud800", "İ" * 9,
    "x" * 1000, [], [None], ["x"], [[]], [0, 0], {}, {"": None}, {"@value": None}, {"text": "x"}, {"id": 1},
]  # fmt: skip


def damage(line: bytes, other: bytes, rng: random.Random) -> bytes:
    """Damage a line in one to three ways. A part of `other`, a line of the same format, may be put in."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        line = rng.choice(KINDS)(line, other, rng)
    return line


def flip(line: bytes, other: bytes, rng: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def part(line: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(line) + 1)
    return start, min(len(line), start + rng.choice((1, 1, 2, 3, 10, 1000)))


def delete(line: bytes, other: bytes, rng: random.Random) -> bytes:
    start, end = part(line, rng)
    return line[:start] + line[end:]


def double(line: bytes, other: bytes, rng: random.Random) -> bytes:
    start, end = part(line, rng)
    return line[:end] + line[start:]


def put_in(line: bytes, other: bytes, rng: random.Random) -> bytes:
    start, _ = part(line, rng)
    return line[:start] + rng.choice(STRANGE) + line[start:]


def cut(line: bytes, other: bytes, rng: random.Random) -> bytes:
    return line[: part(line, rng)[0]]


def splice(line: bytes, other: bytes, rng: random.Random) -> bytes:
    (start, end), (first, last) = part(line, rng), part(other, rng)
    return line[:start] + other[first:last] + line[end:]


def character(line: bytes, other: bytes, rng: random.Random) -> bytes:
    """Replace a character by another one. Bytes that are not UTF-8 count as characters."""
    text = line.decode(errors="replace")
    place = rng.randrange(len(text) + 1)
    return f"{text[:place]}{rng.choice(CHARACTERS)}{text[place + 1 :]}".encode()


def fields(line: bytes, other: bytes, rng: random.Random) -> bytes:
    """Swap two parts, write one over another, or empty one.

    The parts are lines, words or the fields between tabs, whichever the line has several of.
    """
    by = next((by for by in rng.sample((b"\n", b"\t", b" "), 3) if line.count(by) > 1), b"\t")
    parts = line.split(by)
    i, j = rng.randrange(len(parts)), rng.randrange(len(parts))
    parts[i], parts[j] = rng.choice(((parts[j], parts[i]), (parts[i], parts[i]), (b"", parts[j])))
    return by.join(parts)


def value(line: bytes, other: bytes, rng: random.Random) -> bytes:
    """Damage a value or a key anywhere in a line of JSON. If the line is no JSON, replace a character."""
    try:
        content, replacement = json.loads(line), json.loads(other)
    except (ValueError, RecursionError):
        return character(line, other, rng)
    holder = {"": content}
    places = list(_places(holder))
    inside, key = rng.choice(places)
    match rng.randrange(6) if isinstance(inside, dict) and inside is not holder else rng.randrange(3):
        case 0 | 1:
            inside[key] = rng.choice(OTHERS)
        case 2:
            where, there = rng.choice(list(_places({"": replacement})))
            inside[key] = where[there]
        case 3:
            inside[rng.choice((key.upper(), f"{key} ", "", *inside))] = inside.pop(key)
        case 4:
            del inside[key]
        case 5:
            twice = json.dumps({key: inside[key]})[1:-1]
            return json.dumps(holder[""], ensure_ascii=False).replace("{", f"{{{twice}, ", 1).encode(errors="replace")
    return json.dumps(holder[""], ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")


KINDS = [flip, delete, double, put_in, cut, splice, fields, character, *[value] * 8]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield (object or list, key or index) for all values inside a value, at any depth."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)
