"""The send: on which days, and in which hours of them, messages may go out."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from experiments.definition.block import Block
from experiments.definition.contact_policy import ContactKind
from experiments.definition.errors import BadValueError


def _clock(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise BadValueError(f"{value} is not a time of day", 'write it in quotes, such as "09:00"')
    return value


def _whole_minute(value: time) -> time:
    if value.tzinfo is not None or value.second or value.microsecond:
        raise BadValueError(f"{value} is not a whole minute of the local day", 'write HH:MM, such as "09:00"')
    return value


Clock = Annotated[time, BeforeValidator(_clock), AfterValidator(_whole_minute)]


class Send(Block):
    """The days and the hours (from, until) in which messages may go out; control members are planned too."""

    days: tuple[date, ...] = Field(default=(), min_length=1)
    """The days on which messages may go out, in order."""
    after_days: int | None = Field(default=None, ge=0, le=366)
    """Instead of `days`, for `snapshot: daily`: so many days after the day on which the member entered."""
    hours: tuple[Clock, Clock] = (time(9), time(20))
    """From (inclusive) and until (exclusive)."""
    kind: ContactKind | None = None
    """What the messages are: `care`, or `marketing` when absent."""
    quiet_hours: tuple[Clock, Clock] | None = None
    """No marketing SMS goes out from (inclusive) until (exclusive); 21:00 to 08:00 when absent."""
