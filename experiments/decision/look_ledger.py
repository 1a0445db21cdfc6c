"""The ledger of looks: which looks were taken, at how much information, and what they spent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from experiments.definition.design import GroupSequentialLooks
from experiments.definition.errors import InputError, OutsideError
from experiments.definition.model import Definition
from experiments.documents.analysis import LookTaken
from experiments.documents.storage import read_document, to_json
from experiments.files import Workspace, write_whole
from experiments.inference.sequential import SpendingName


@dataclass(frozen=True)
class LookPlan:
    """What must stay as it is from the first look to the last, because what was spent was spent by it."""

    kind: str
    spending: SpendingName | None
    at: tuple[float, ...]
    alpha: float
    correction: str
    sample_size: int | None
    primary: str
    value: str

    @classmethod
    def of(cls, definition: Definition) -> LookPlan:
        """The plan of a definition."""
        design = definition.design
        planned = design.looks if isinstance(design.looks, GroupSequentialLooks) else None
        return cls(
            kind=design.looks.kind,
            spending=planned.spending if planned else None,
            at=planned.at if planned else (),
            alpha=design.alpha,
            correction=design.correction,
            sample_size=definition.assignment.sample_size,
            primary=definition.goals.primary.metric,
            value=definition.goals.value_metric,
        )

    def differing(self, other: LookPlan) -> tuple[str, ...]:
        """What differs between two plans."""
        names = (item.name for item in dataclasses.fields(self))
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True)
class LookBook:
    """The ledger's content: the plan, the planned members of each arm, and the looks in order."""

    experiment: str
    plan: LookPlan
    planned: Mapping[str, float]
    looks: tuple[LookTaken, ...] = ()
    schema: str = "offerwise.looks/1"


@dataclass(frozen=True)
class LookLedger:
    """The ledger of one experiment, one file that is written whole; to change it, hold `assignment.ledger.hold`."""

    workspace: Workspace

    def read(self) -> LookBook | None:
        """What was written; None before the first look.

        Raises:
            OutsideError: The file is damaged.
        """
        try:
            return read_document(LookBook, self.workspace.looks)
        except (InputError, OSError) as error:
            raise OutsideError(
                f"Could not read the ledger of looks {self.workspace.looks}",
                "Nothing was changed",
                "Restore it from a backup; without it nobody knows how much error was spent",
            ) from error

    def add(self, book: LookBook) -> None:
        """Write the book with the look that was added.

        Raises:
            OutsideError: The disk refuses.
        """
        write_whole(self.workspace.looks, to_json(book))
