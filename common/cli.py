"""What every command line shares: one way to tell a mistake of the user from a fault of ours."""

import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """The user's input is wrong. The message is the one line shown: where, what, and what is expected."""


def run(main: Callable[[], None]) -> None:
    """Call `main` and turn its failure into an exit code.

    0 done, 2 a `UserError` (one line on standard error), 130 interrupted, 141 the reader of our output has
    gone (as a shell reports SIGINT and SIGPIPE). Any other exception passes through: traceback, exit code 1.
    """
    try:
        main()
        sys.stdout.flush()  # a closed pipe shows up here and not while the interpreter shuts down
    except UserError as error:
        print("error:", " ".join(str(error).splitlines()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # What is still buffered goes nowhere, so that the flush at exit cannot fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
