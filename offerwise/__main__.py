"""`offerwise` and `python -m offerwise`: run the command line, and turn what goes wrong into an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from experiments.definition.errors import InputError, OfferwiseError
from offerwise.screen import Screen

INTERRUPTED = 130
OWN_FAULT = 1


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit codes are those of the contract, with or without the traceback that `--debug` shows."""
    from offerwise.cli import app

    given = list(sys.argv[1:] if arguments is None else arguments)
    screen, debug = Screen("--json" in given), "--debug" in given
    try:
        app(args=given, prog_name="offerwise")
    except OfferwiseError as error:
        if debug:
            traceback.print_exception(error)
        screen.error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; nothing was half-written. Run the same command again.\n")
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - a user is told in words; --debug shows the rest
        if debug:
            traceback.print_exception(error)
        sys.stderr.write(
            f"Offerwise itself failed ({type(error).__name__}); nothing was half-written. "
            "Run the same command with --debug and report what it shows.\n"
        )
        sys.exit(OWN_FAULT)
    except SystemExit as ended:
        wrong = _wrong_command_line(ended)
        if wrong is not None:
            screen.error_document(wrong)
        raise
    sys.exit(0)


def _wrong_command_line(ended: SystemExit) -> InputError | None:
    """What was wrong with the command line, where that is why it ended; people have been told by Typer.

    Typer's own exception, which it does not export, is then the context of its exit.
    """
    told = getattr(ended.__context__, "format_message", None)
    if ended.code != InputError.exit_code or told is None:
        return None
    return InputError.single(str(told()), "see what the command takes with --help")


if __name__ == "__main__":
    main()
