"""What the readers and scorers behind the commands make of damaged lines: an answer or one clear error.

python tests/stress/damaged_lines.py [--lines 10000] [--seed N] [--formats NAME ...]

The lines are those of the demo sets (of each format the first 100), each damaged at random and in a file of its own,
beside a good one where a command needs two. Damage: bits flipped; bytes deleted, doubled or put in; the end cut off; a
part of another line in place of a part; fields swapped or left out; in JSON a value replaced by one of another type, a
key renamed, left out or there twice. Each command or reader takes a line by itself and gives an answer, or an error
with exit code 2 whose last line begins with the name of a file. Anything else is a fault, printed with its line.
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from damage import damage
from formats import BASE_LINES, FORMATS, ROOT, Format

from common.cli import run_command

sys.path.insert(0, str(ROOT / "benchmarks"))

from tools.harness import report


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


def damage_format(of: Format, lines: int, seed: int) -> tuple[dict[str, int], list[tuple[bytes, str]]]:
    """How often a line had an answer, an error, or neither; and the last with what happened."""
    rng, counts, faults = random.Random(seed), Counter(answers=0, errors=0, faults=0), []
    base = of.base()[:BASE_LINES]
    with tempfile.TemporaryDirectory() as place, siblings(of.folder):
        good, damaged = (Path(place) / f"{name}{of.suffix}" for name in ("good", "damaged"))
        calls = of.calls(good, damaged)
        for _ in range(lines):
            line, other = rng.choice(base), rng.choice(base)
            good.write_bytes(line)
            damaged.write_bytes(damage(line, other, rng))
            for said in (outcome(call, place) for call in calls):
                if said not in counts:
                    faults.append((damaged.read_bytes(), said))
                counts[said if said in counts else "faults"] += 1
    return {"commands": len(calls), **counts}, faults


def outcome(call: Callable[[], None], place: str) -> str:
    """ "answers", "errors", or what is wrong."""
    said, code = io.StringIO(), 0
    output = io.TextIOWrapper(io.BytesIO(), "utf-8")
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
    named = last.startswith((f"error: {place}", f"error: {ROOT / 'data'}"))  # the latter: what a damaged config names
    return "errors" if code == 2 and named else f"exit code {code}: {said.getvalue()}"


@contextlib.contextmanager
def siblings(folder: str) -> Iterator[None]:
    """The modules of a folder by plain name; afterwards they are forgotten: another has some of the same names."""
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
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
