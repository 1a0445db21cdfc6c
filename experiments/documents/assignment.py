"""The document of `assign`, field by field as the contract names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.documents.analysis import Reason


@dataclass(frozen=True)
class ArmMembers:
    """How many members an arm has, and its share of those assigned."""

    arm: str
    members: int
    share: float


@dataclass(frozen=True)
class Balance:
    """The largest standardised difference of a feature between any arm and control, before the experiment."""

    feature: str
    max_standardised_difference: float


@dataclass(frozen=True)
class RuleRemoval:
    """How many members one rule of the audience removed, of those whom the rules before it had left.

    `key` is where the definition says the rule, `text` what it says; `left` are those who remain after it.
    """

    refusal: str
    key: str
    text: str
    members: int
    left: int


@dataclass(frozen=True)
class ContactLevel:
    """How the members of one lifecycle stage stand to the floor and the ceiling of a kind of contact, in rolling `days`.

    `eligible_below_floor` are those under the floor who may enter, `eligible_below_floor_after` those of them who will
    still be when the messages of the test have been sent; None before arms are drawn.
    """

    stage: str
    kind: str
    days: int
    floor: int
    ceiling: int | None
    members: int
    below_floor: int
    at_ceiling: int
    eligible: int = 0
    eligible_below_floor: int = 0
    eligible_below_floor_after: int | None = None


@dataclass(frozen=True)
class SampledClass:
    """Of the eligible members who are under the floor of their stage, or of the others, how many are assigned."""

    under_floor: bool
    eligible: int
    sampled: int


@dataclass(frozen=True)
class AssignmentFiles:
    """Where the ledger and the send lists stand."""

    ledger: str
    send_lists: Mapping[str, str]


@dataclass(frozen=True)
class Assignment:
    """`assign --json`; `salt` draws the arms, the one that was accepted where they were drawn again until they were alike.

    `classes` say whom the definition let come first, where it does; `notes` what that means, and what is wrong with the day of
    the draw.
    """

    experiment: str
    eligible: int
    sampled: int
    refused: Mapping[str, int]
    arms: tuple[ArmMembers, ...]
    balance: tuple[Balance, ...]
    files: AssignmentFiles
    rules: tuple[RuleRemoval, ...] = ()
    contact_levels: tuple[ContactLevel, ...] = ()
    classes: tuple[SampledClass, ...] = ()
    notes: tuple[Reason, ...] = ()
    salt: str | None = None
    next_step: str = ""
    mlflow_run_id: str | None = None
    schema: str = "offerwise.assignment/1"
