"""What can go wrong, as three exception types: wrong input, a refusal, and a failure outside of Offerwise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


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
        """`FILE:LINE: key: cause; remedy`, without the parts that do not exist."""
        place = (
            "" if self.file is None else str(self.file) if self.line is None else f"{self.file}:{self.line}"
        )
        return ": ".join(part for part in (place, self.key, f"{self.cause}; {self.remedy}") if part)


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
