"""What a command shows: progress and errors on standard error, its answer or one JSON document on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from experiments.definition.errors import InputError, OfferwiseError, OutsideError, RefusedError
from experiments.documents.storage import to_json
from experiments.language import ENGLISH, Words
from experiments.progress import Progress, silent

_PACKAGE = "offerwise"


@dataclass(frozen=True)
class Screen:
    """The two streams of one command.

    Attributes:
        as_json: Whether standard output carries one JSON document and nothing else.
        words: The language in which people are told what happened.
    """

    as_json: bool
    words: Words = ENGLISH

    @property
    def people(self) -> Console:
        """Where people read: standard output, or standard error when that is the machine's."""
        return _People(stderr=self.as_json, highlight=False)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show on standard error what is being done and for how long; where that is no terminal, a line a step."""
        console = Console(stderr=True, highlight=False)
        if not console.is_terminal:
            yield _say_on_standard_error if not self.as_json else silent
            return
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task("Opening", total=None)
            yield lambda doing: bar.reset(task, description=doing)

    def document(self, document: Any) -> None:
        """Print the JSON document of the command, if that is what was asked for."""
        if self.as_json:
            with standard_output():
                sys.stdout.write(to_json(document) + "\n")

    def warn(self, words: str) -> None:
        """Say on standard error what was left out of an answer."""
        self.tell("warning", words=words)

    def error(self, error: OfferwiseError) -> None:
        """Say what went wrong: in people's words on standard error, and as a JSON document when asked for."""
        sys.stderr.write(f"{error}\n")
        if isinstance(error, InputError):
            self.tell("faults")
        elif isinstance(error, OutsideError):
            self.tell("outside")
        self.error_document(error)

    def tell(self, code: str, **facts: object) -> None:
        """Say one of the screen's own sentences on standard error; nothing where the language needs none."""
        if told := self.words.say(_PACKAGE, f"screen.{code}", **facts):
            sys.stderr.write(f"{told}\n")

    def error_document(self, error: OfferwiseError) -> None:
        """Print what went wrong as a JSON document, if that is what was asked for and somebody can take it."""
        with suppress(OutsideError):
            self.document(_error_document(error))


@contextmanager
def standard_output() -> Iterator[None]:
    """Write to standard output inside, to the last byte; a reader who has left is no error.

    Raises:
        OutsideError: What stands behind standard output does not take it, such as a full disk.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_the_rest()
    except OSError as error:
        _discard_the_rest()
        raise OutsideError(
            f"Could not write the answer to standard output: {error.strerror}",
            "What the command leaves on disk is safe",
            "Make room where standard output goes, then run the same command again",
        ) from error


def _discard_the_rest() -> None:
    """What is still buffered would fail once more when the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _People(Console):
    """A console that leaves it to `standard_output` what becomes of a command whose reader has left."""

    def on_broken_pipe(self) -> None:
        if self.stderr:
            self.quiet = True
        else:
            raise BrokenPipeError


def _say_on_standard_error(doing: str) -> None:
    sys.stderr.write(f"{doing} ...\n")
    sys.stderr.flush()


def _error_document(error: OfferwiseError) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": "offerwise.error/1", "exit_code": error.exit_code}
    if isinstance(error, InputError):
        body["faults"] = [
            {
                "file": None if fault.file is None else str(fault.file),
                "line": fault.line,
                "key": fault.key,
                "cause": fault.cause,
                "remedy": fault.remedy,
            }
            for fault in error.faults
        ]
    elif isinstance(error, RefusedError):
        body |= {"reasons": list(error.reasons), "next_step": error.next_step}
    elif isinstance(error, OutsideError):
        body |= {"doing": error.doing, "safe": error.safe, "go_on": error.go_on}
    return body
