"""What every command line shares: one way to tell a mistake of the user from a fault of ours."""

import argparse
import errno
import io
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TextIO

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(Exception):
    """The user's input is wrong. The message is the one line shown: where, what, and what is expected."""


def raise_first(faults: Iterable[str], where: str) -> None:
    """Raise UserError for the first of the faults, if there is one."""
    first = next(iter(faults), None)
    if first is not None:
        raise UserError(f"{where}: {first}")


def run_command(main: Callable[[], None]) -> None:
    """Call `main` and turn its failure into an exit code.

    0 done, 2 a `UserError` or a full disk (one line on standard error), 130 interrupted, 141 the reader of our output
    has gone (as a shell reports SIGINT and SIGPIPE). Any other exception passes through: traceback, exit code 1.
    """
    sys.stderr = sys.stderr or io.StringIO()  # None where it is closed: its lines would go to standard output
    try:
        if sys.stdout is None:
            raise UserError("standard output is closed")
        main()
        sys.stdout.flush()  # a closed pipe shows up here and not while the interpreter shuts down
    except UserError as error:
        print("error:", printable(str(error)), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _drop_output()
        sys.exit(141)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        _drop_output()
        print(f"error: output cannot be written ({os.strerror(error.errno)})", file=sys.stderr)
        sys.exit(2)


def _drop_output() -> None:
    """What is still buffered goes nowhere, so that the flush at exit cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """One line in which nothing is a command to the terminal, whatever the data has."""
    line = " ".join(text.splitlines())
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in line)


def print_counts(counts: Counter, file: TextIO | None = None) -> None:
    """Say what was cut, lost or left out, name -> how often; on standard error if not to `file`."""
    for name, count in sorted(counts.items()):
        if count:
            print(f"  {name}: {count}", file=file or sys.stderr)


def note_unmatched(gold: set[str], predicted: set[str], what: str) -> None:
    """On standard error: how many `what` of gold have no prediction, and how many predicted ones are not in gold."""
    if missing := len(gold - predicted):
        print(f"note: {missing} of {len(gold)} gold {what} have no prediction", file=sys.stderr)
    if unknown := len(predicted - gold):
        print(f"note: {unknown} predicted {what} are not in gold and are left out", file=sys.stderr)


def training_arguments(description: str) -> argparse.Namespace:
    parser = _parser(description)
    parser.add_argument("--config", required=True, metavar="NAME", help="a file, or a name in configs/")
    parser.add_argument("--output", metavar="RUN", help="run folder (default: runs/FOLDER/CONFIG)")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override keys of the config"
    )
    return parser.parse_args()


def prediction_arguments(description: str, more: dict[str, dict] | None = None) -> argparse.Namespace:
    """more: options of the task, by name, as `add_argument` takes them. Raises UserError for an impossible
    --batch-size or --workers, for neither files nor a text to predict, or both, and for workers without an output file.
    """
    parser = _parser(description)
    parser.add_argument("--model", required=True, metavar="RUN", help="run folder that train.py wrote")
    parser.add_argument("--input", metavar="FILE", help="official file; - is standard input")
    parser.add_argument(
        "--output", metavar="FILE", help="a name ending in .zip for the leaderboard; - is standard output"
    )
    parser.add_argument("--text", help="predict this and print it, in place of --input and --output")
    parser.add_argument(
        "--engine",
        choices=("auto", "tensorflow", "openvino"),
        default="auto",
        help="auto: OpenVINO on a CPU with fast bfloat16 and no GPU, else TensorFlow",
    )
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="sentences per batch at most")
    parser.add_argument("--workers", type=int, metavar="N", help="predict by N processes (with --ray: on each node)")
    parser.add_argument(
        "--ray", nargs="?", const="auto", metavar="ADDRESS", help="predict on a Ray cluster, by default the one here"
    )
    _add(parser, more)
    args = parser.parse_args()
    for option, value in {"--batch-size": args.batch_size, "--workers": args.workers}.items():
        if value is not None and value < 1:
            raise UserError(f"{option} {value}: expected at least 1")
    given = (args.input is not None, args.output is not None, args.text is not None)
    if given not in ((True, True, False), (False, False, True)):
        raise UserError("expected either --input and --output, or --text")
    if (args.workers or args.ray) and args.output in (None, "-"):
        raise UserError("--workers and --ray: need a file as --output, next to which finished blocks are kept")
    return args


def evaluation_arguments(description: str, more: dict[str, dict] | None = None) -> argparse.Namespace:
    """more: as in `prediction_arguments`."""
    parser = _parser(description)
    parser.add_argument("--gold", required=True, metavar="FILE", help="the official file with labels")
    parser.add_argument("--predictions", required=True, metavar="FILE", help="as predict.py writes it, plain or zipped")
    parser.add_argument("--report", metavar="DIR", help="also write report.html and its charts to this folder")
    _add(parser, more)
    return parser.parse_args()


def check_arguments(description: str, has_schema: bool = True) -> argparse.Namespace:
    parser = _parser(description)
    parser.add_argument("--input", required=True, metavar="FILE", help="the file that was predicted")
    parser.add_argument(
        "--predictions", required=True, metavar="FILE", help="as predict.py writes it, zipped (or still plain)"
    )
    if has_schema:
        parser.add_argument("--schema", metavar="FILE", help="the task's schema: also check what the labels are")
    return parser.parse_args()


def _parser(description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def _add(parser: argparse.ArgumentParser, options: dict[str, dict] | None) -> None:
    for name, settings in (options or {}).items():
        parser.add_argument(name, **settings)
