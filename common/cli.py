"""Command lines: their options and exit codes, and the error that stands for a mistake of the user."""

import argparse
import errno
import io
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TextIO

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(Exception):
    """A mistake in the user's input. The message is the line shown: where it is, what is wrong, what is expected."""


def raise_first(faults: Iterable[str], where: str) -> None:
    """Raise UserError for the first fault, if there is one. The message begins with `where`."""
    first = next(iter(faults), None)
    if first is not None:
        raise UserError(f"{where}: {first}")


def run_command(main: Callable[[], None]) -> None:
    """Call `main`, and turn its failure into an exit code.

    A `UserError` and a full disk give one line on standard error and exit code 2. The exit code is 130 if the user
    interrupts, and 141 if the reader of our output has gone, as a shell reports SIGINT and SIGPIPE. Any other exception
    passes through: a traceback and exit code 1.
    """
    sys.stderr = sys.stderr or io.StringIO()  # it is None if closed, and print(file=None) writes to standard output
    try:
        if sys.stdout is None:
            raise UserError("standard output is closed")
        main()
        sys.stdout.flush()  # so that a closed pipe shows up here, and not while the interpreter shuts down
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
    """Discard what is still buffered, so that the flush at exit cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """Return the text as one line in which U+FFFD replaces control, format and surrogate characters."""
    line = " ".join(text.splitlines())
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in line)


def print_counts(counts: Counter, file: TextIO | None = None) -> None:
    """Print the counts of what was cut, lost or left out, except zeros, to `file` or to standard error."""
    for name, count in sorted(counts.items()):
        if count:
            print(f"  {name}: {count}", file=file or sys.stderr)


def note_unmatched(gold: set[str], predicted: set[str], what: str) -> None:
    """Print on standard error how many gold items have no prediction, and how many predicted ones are not in gold.

    Args:
        gold: the items of the gold file.
        predicted: the items of the predictions.
        what: a plural noun for the items, such as "sentences".
    """
    if missing := len(gold - predicted):
        print(f"note: {missing} of {len(gold)} gold {what} have no prediction", file=sys.stderr)
    if unknown := len(predicted - gold):
        print(f"note: {unknown} predicted {what} are not in gold and are left out", file=sys.stderr)


def note_not_in_text(path: str, strings: Iterable[tuple[str, str, bool]]) -> None:
    """Print on standard error how many gold strings equal no part of their text, and the first of them.

    Args:
        path: the gold file.
        strings: the place of each string in the file, the string, and whether a part of its text equals it.
    """
    found = list(strings)
    lost = [f"{place} {quoted(string)}" for place, string, in_text in found if not in_text]
    if lost:
        share = f"{len(lost)} of {len(found)} gold strings ({percent(len(lost), len(found))})"
        print(
            f"note: {path}: {share} equal no part of their text, so no span matches them; first: {lost[0]}",
            file=sys.stderr,
        )


def quoted(string: str) -> str:
    """Return a string of the data as it is shown in a message: in quotes, and shortened in its middle."""
    return repr(string if len(string) <= 40 else f"{string[:20]}...{string[-20:]}")


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole if whole else 0:.2f} %"


def training_arguments(description: str | None) -> argparse.Namespace:
    """Parse the command line of a train.py: `config`, `output` and `set`."""
    parser = _parser(description)
    parser.add_argument("--config", required=True, metavar="NAME", help="config file, or a name in configs/")
    parser.add_argument("--output", metavar="RUN", help="run folder (default: runs/FOLDER/CONFIG)")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="override keys of the config"
    )
    return parser.parse_args()


def prediction_arguments(description: str | None, more: dict[str, dict[str, Any]] | None = None) -> argparse.Namespace:
    """Parse the command line of a predict.py.

    Args:
        description: the text above the options in the help.
        more: options of the task, name -> the keyword arguments of `add_argument`.

    Raises:
        UserError: if --batch-size or --workers is less than 1, if the options are neither --input and --output nor
            --text alone, and if --workers or --ray is given without a file as --output.
    """
    parser = _parser(description)
    parser.add_argument("--model", required=True, metavar="RUN", help="run folder that train.py wrote")
    parser.add_argument("--input", metavar="FILE", help="official file; - is standard input")
    parser.add_argument(
        "--output", metavar="FILE", help="file to write, zipped if its name ends in .zip; - is standard output"
    )
    parser.add_argument("--text", help="a text whose prediction is printed, instead of --input and --output")
    parser.add_argument(
        "--engine",
        choices=("auto", "tensorflow", "openvino"),
        default="auto",
        help="auto is OpenVINO if there is no GPU and the CPU has bfloat16 in hardware, else TensorFlow",
    )
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="the most texts or windows in a batch")
    parser.add_argument("--workers", type=int, metavar="N", help="predict with N processes (with --ray on each node)")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help="predict on the Ray cluster at this address, by default the one of this machine",
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
        raise UserError("--workers and --ray need a file as --output: finished blocks are kept next to it")
    return args


def evaluation_arguments(description: str | None, more: dict[str, dict[str, Any]] | None = None) -> argparse.Namespace:
    """Parse the command line of an evaluate.py; the arguments are those of `prediction_arguments`."""
    parser = _parser(description)
    parser.add_argument("--gold", required=True, metavar="FILE", help="official file with labels")
    parser.add_argument("--predictions", required=True, metavar="FILE", help="what predict.py wrote, plain or zipped")
    parser.add_argument("--report", metavar="DIR", help="folder for report.html and its charts")
    _add(parser, more)
    return parser.parse_args()


def check_arguments(description: str | None, has_schema: bool = True) -> argparse.Namespace:
    """Parse the command line of a check_submission.py: `input`, `predictions` and, if the task has one, `schema`."""
    parser = _parser(description)
    parser.add_argument("--input", required=True, metavar="FILE", help="file that predict.py read")
    parser.add_argument("--predictions", required=True, metavar="FILE", help="what predict.py wrote, plain or zipped")
    if has_schema:
        parser.add_argument("--schema", metavar="FILE", help="the task's schema, to check the labels as well")
    return parser.parse_args()


def _parser(description: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def _add(parser: argparse.ArgumentParser, options: dict[str, dict[str, Any]] | None) -> None:
    for name, settings in (options or {}).items():
        parser.add_argument(name, **settings)
