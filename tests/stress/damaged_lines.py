"""Tries damaged lines on the readers and scorers behind the commands. Each should give an answer or one clear error.

python tests/stress/damaged_lines.py [--lines 10000] [--seed N] [--formats NAME ...]

The lines are the first 100 of each format in the demo sets. Each damaged line is written to a file of its own, next to
a good one for commands that read two files. It is damaged at random: bits are flipped; bytes are deleted, doubled or
inserted; the end is cut off; a part is replaced by a part of another line; fields are swapped or left out; in JSON a
value is replaced by one of another type, or a key is renamed, left out or written twice.

Each command or reader has to give an answer, or to end with exit code 2 and an error whose last line begins with the
name of a file. Anything else is a fault and is printed with its line.
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from damage import damage
from formats import BASE_LINES, FORMATS, ROOT, Call, Format

from common.cli import run_command

sys.path.insert(0, str(ROOT / "benchmarks/tools"))

from harness import report


def main() -> None:
    args = parse_arguments()
    rows, faults = [], []
    for name in args.formats:
        row, found = damage_format(FORMATS[name], args.lines, args.seed)
        rows.append({"format": name, "lines": args.lines, **row})
        faults += [(name, *fault) for fault in found]
        print(*rows[-1].values(), sep="  ", flush=True)
    report("damaged_lines", vars(args), rows)
    for name, line, fault in faults[:20]:
        print(f"\n{name}: {line[:2000]!r}\n{fault}", file=sys.stderr)
    sys.exit(bool(faults))


def damage_format(format: Format, lines: int, seed: int) -> tuple[dict[str, int], list[tuple[bytes, str]]]:
    """Try damaged lines of one format.

    Args:
        format: the format to try
        lines: how many damaged lines to try on each reader and command
        seed: seed of the damage

    Returns:
        Two values. The first has the number of readers and commands, and how many lines had an answer, an error, or
        neither (a fault). The second has every line that was a fault, with what happened.
    """
    rng, counts, faults = random.Random(seed), Counter(answers=0, errors=0, faults=0), []
    base = format.base()[:BASE_LINES]
    with tempfile.TemporaryDirectory() as place, siblings(format.folder):
        good, damaged = Path(place) / f"good{format.suffix}", Path(place) / f"damaged{format.suffix}"
        calls = format.calls(good, damaged)
        for _ in range(lines):
            line, other = rng.choice(base), rng.choice(base)
            good.write_bytes(line)
            damaged.write_bytes(damage(line, other, rng))
            for said in (outcome(call, place) for call in calls):
                if said not in counts:
                    faults.append((damaged.read_bytes(), said))
                counts[said if said in counts else "faults"] += 1
    return {"commands": len(calls), **counts}, faults


def outcome(call: Call, place: str) -> str:
    """Return "answers", "errors", or a description of the fault. `place` is the folder of the damaged file."""
    said, output = io.StringIO(), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code: str | int | None = 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(said):
        try:
            run_command(call)
        except SystemExit as exit:
            code = exit.code
        except BaseException:
            return traceback.format_exc()
    if code == 0:
        return "answers"
    last = said.getvalue().rstrip("\n").rpartition("\n")[2]
    named = last.startswith((f"error: {place}", f"error: {ROOT / 'data'}"))  # a damaged config may name other data
    return "errors" if code == 2 and named else f"exit code {code}: {said.getvalue()}"


@contextlib.contextmanager
def siblings(folder: str) -> Iterator[None]:
    """Make the modules of a folder importable by their plain names.

    They are forgotten afterwards, because other folders have modules of the same names.
    """
    path = str(ROOT / folder)
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(f"{path}/"):
                del sys.modules[name]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000, metavar="N", help="damaged lines of each format")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the damage")
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=list(FORMATS), metavar="NAME", help=", ".join(FORMATS)
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
