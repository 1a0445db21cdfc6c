"""What can go wrong, as three exception types: wrong input, a refusal, and a failure outside of Offerwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LONGEST_VALUE, _LONGEST_PART = 120, 1000
_LONG_VALUE = re.compile(rf"(?<!\w)([`'])([^`']{{{_LONGEST_VALUE + 1},}})\1")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends and marks that turn the direction of text."""


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong with the command line, the file or the data, and what to do about it.

    Attributes:
        file: The file where the cause stands; None when it stands on the command line.
        line: Its line, counted from 1; None where a file has no lines (Parquet, a table).
        key: Dotted path of the definition's key (`arms.factors.incentive.gift`), or a column.
        cause: What is wrong, with the value that is wrong.
        remedy: What to do about it.
    """

    file: Path | None
    line: int | None
    key: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        """`FILE:LINE: key: cause; remedy` on one line, without the parts that do not exist, long values cut."""
        place = (
            "" if self.file is None else str(self.file) if self.line is None else f"{self.file}:{self.line}"
        )
        told = f"{_shortened(self.cause)}; {_shortened(self.remedy)}"
        return _on_one_line(": ".join(part for part in (place, _cut(self.key, _LONGEST_VALUE), told) if part))


def _shortened(text: str) -> str:
    quoted = _LONG_VALUE.sub(lambda value: f"{value[1]}{_cut(value[2], _LONGEST_VALUE)}{value[1]}", text)
    return _cut(quoted, _LONGEST_PART)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _on_one_line(text: str) -> str:
    """Control characters as their escapes: a fault is one line, and moves no cursor."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


class BadValueError(ValueError):
    """One value is wrong, before it is known where it stands: `cause; remedy`.

    Attributes:
        cause: What is wrong, with the value that is wrong.
        remedy: What to do about it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        self.cause, self.remedy = cause, remedy
        super().__init__(f"{cause}; {remedy}")


class OfferwiseError(Exception):
    """Base of everything that Offerwise raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(OfferwiseError):
    """The command line, the definition or the data is wrong: every fault at once (exit code 2)."""

    exit_code = 2

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(
            sorted(set(faults), key=lambda f: (str(f.file or ""), f.line or 0, f.key, f.cause))
        )
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def single(
        cls, cause: str, remedy: str, *, file: Path | None = None, line: int | None = None, key: str = ""
    ) -> InputError:
        """The error of one fault."""
        return cls([Fault(file, line, key, cause, remedy)])


@contextmanager
def collected(faults: list[Fault]) -> Iterator[None]:
    """Add the faults of an InputError raised inside to a list and go on, so that independent checks tell theirs together."""
    try:
        yield
    except InputError as error:
        faults += error.faults


class RefusedError(OfferwiseError):
    """What was asked is understood and not done, because it would mislead or do harm (exit code 3).

    Attributes:
        reasons: Why, one sentence each.
        next_step: What the user can do about it.
    """

    exit_code = 3

    def __init__(self, reasons: Iterable[str], next_step: str) -> None:
        self.reasons = tuple(reasons)
        self.next_step = next_step
        super().__init__("\n".join([*self.reasons, next_step]))


class OutsideError(OfferwiseError):
    """Something outside failed: an engine, the tracking server, the disk (exit code 4).

    Attributes:
        doing: What was being done.
        safe: What is safe.
        go_on: How to go on.
    """

    exit_code = 4

    def __init__(self, doing: str, safe: str, go_on: str) -> None:
        self.doing, self.safe, self.go_on = doing, safe, go_on
        super().__init__(f"{doing}. {safe}. {go_on}.")
