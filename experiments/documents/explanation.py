"""The document of `assign --explain` as frozen types; light, because whatever shows documents loads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MemberStatus = Literal["assigned", "refused", "not_sampled", "not_drawn"]


@dataclass(frozen=True)
class ExplainedRule:
    """One rule of the audience: its reason, key and text, whether it removes the member, and the values that it reads."""

    refusal: str
    key: str
    text: str
    removes: bool
    values: Mapping[str, Any]


@dataclass(frozen=True)
class ArmRange:
    """What an arm owns, `first` included and `until` not: 13-digit hashes for `hash`, ranks for `stratified`."""

    arm: str
    first: str | int
    until: str | int


@dataclass(frozen=True)
class ExplainedDraw:
    """The draw of the arm: `digits` are the md5 of the text `hashed`.

    For `stratified`, `rank` is the member's among the `members` of the `stratum` in the `batch` by (digits, key), and the
    arms' ranges follow from `offset`, the first 13 digits of the md5 of `offset_hashed`. Where shops or households are
    drawn, these are ranked, in the first batch in which somebody of theirs entered.
    """

    method: str
    hashed: str
    digits: str
    arms: tuple[ArmRange, ...]
    rank: int | None = None
    members: int | None = None
    offset_hashed: str | None = None
    offset: str | None = None


@dataclass(frozen=True)
class ExplainedTime:
    """The draw of the planned time: slot floor(v x slots), v the `digits` (13, of the md5 of `hashed`) over 16^13."""

    hashed: str
    digits: str
    slots: int
    slot: int
    planned_send_at: str


@dataclass(frozen=True)
class ExplainedClosing:
    """The closing of the member's arm in the middle of the test.

    Attributes:
        closed_from: The first day of which nobody of the arm is sent to.
        recorded_at: When `assign` recorded it.
        is_sent: Whether the member is planned for a day before, and so is sent to, and counted beside the control of those days.
            Else the member is sent nothing and is in no figure.
    """

    closed_from: str
    recorded_at: str
    is_sent: bool


@dataclass(frozen=True)
class Explanation:
    """`assign --explain MEMBER`: rules as of the snapshot, by the data of now, and what the ledger holds of the member.

    Where members enter day by day, `snapshot` is the member's own day of entry. `under_floor` says whether the member
    comes first where not everybody can be reached; None where the definition lets nobody. A member who was assigned
    keeps the arm, whatever the rules say of the member since; `closing` says what becomes of one whose arm was closed,
    and is None where it stays open.
    """

    experiment: str
    member: str
    status: MemberStatus
    refused_by: str | None
    snapshot: str
    rules: tuple[ExplainedRule, ...]
    under_floor: bool | None = None
    arm: str | None = None
    label: str | None = None
    segment: str | None = None
    stratum: str | None = None
    batch: int | None = None
    propensity: float | None = None
    assigned_at: str | None = None
    draw: ExplainedDraw | None = None
    send: ExplainedTime | None = None
    closing: ExplainedClosing | None = None
    schema: str = "offerwise.explanation/1"
