"""The document of `assign`, field by field as the contract names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
    """How the members of one lifecycle stage stand to the floor and the ceiling of a kind of contact, in rolling `days`."""

    stage: str
    kind: str
    days: int
    floor: int
    ceiling: int | None
    members: int
    below_floor: int
    at_ceiling: int


@dataclass(frozen=True)
class AssignmentFiles:
    """Where the ledger and the send lists stand."""

    ledger: str
    send_lists: Mapping[str, str]


@dataclass(frozen=True)
class Assignment:
    """`assign --json`; `salt` draws the arms, the one that was accepted where they were drawn again until they were alike."""

    experiment: str
    eligible: int
    sampled: int
    refused: Mapping[str, int]
    arms: tuple[ArmMembers, ...]
    balance: tuple[Balance, ...]
    files: AssignmentFiles
    rules: tuple[RuleRemoval, ...] = ()
    contact_levels: tuple[ContactLevel, ...] = ()
    salt: str | None = None
    mlflow_run_id: str | None = None
    schema: str = "offerwise.assignment/1"
