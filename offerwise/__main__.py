"""`offerwise` and `python -m offerwise`: run the command line, and turn what goes wrong into an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

from experiments.definition.errors import InputError, OfferwiseError
from experiments.language import ENGLISH, Words
from offerwise.screen import Screen

INTERRUPTED = 130
OWN_FAULT = 1


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command; exit codes are those of the contract, with or without the traceback that `--debug` shows."""
    from offerwise.cli import app

    given = list(sys.argv[1:] if arguments is None else arguments)
    screen, debug = Screen("--json" in given, _words(given)), "--debug" in given
    try:
        app(args=given, prog_name="offerwise")
    except OfferwiseError as error:
        if debug:
            traceback.print_exception(error)
        screen.error(error)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - a user is told in words; --debug shows the rest
        if debug:
            traceback.print_exception(error)
        screen.tell("own_fault", error=type(error).__name__)
        sys.exit(OWN_FAULT)
    except SystemExit as ended:
        # What Typer makes of Ctrl-C, without a word.
        if ended.code == INTERRUPTED:
            screen.tell("interrupted")
        wrong = _wrong_command_line(ended)
        if wrong is not None:
            screen.error_document(wrong)
        raise
    sys.exit(0)


def _words(given: Sequence[str]) -> Words:
    """The language that the command line asks for, read before it is known to be right."""
    asked = [after for option, after in pairwise(given) if option == "--lang"]
    asked += [each.partition("=")[2] for each in given if each.startswith("--lang=")]
    return Words("zh") if "zh" in asked else ENGLISH


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
