"""`offerwise` and `python -m offerwise`: run the command line, and turn what goes wrong into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from experiments.definition.errors import OfferwiseError
from offerwise.screen import Screen

INTERRUPTED = 130
OWN_FAULT = 1


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit codes are those of the contract, and no traceback is shown without `--debug`."""
    from offerwise.cli import app

    given = list(sys.argv[1:] if arguments is None else arguments)
    screen = Screen("--json" in given)
    try:
        app(args=given, prog_name="offerwise")
    except OfferwiseError as error:
        if "--debug" in given:
            raise
        screen.error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; nothing was half-written. Run the same command again.\n")
        sys.exit(INTERRUPTED)
    except Exception as error:  # a user is told in words; --debug shows the rest
        if "--debug" in given:
            raise
        sys.stderr.write(
            f"Offerwise itself failed ({type(error).__name__}); nothing was half-written. "
            "Run the same command with --debug and report what it shows.\n"
        )
        sys.exit(OWN_FAULT)
    sys.exit(0)


if __name__ == "__main__":
    main()
