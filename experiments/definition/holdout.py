"""The brand's standing holdout: who is never contacted, and how a part of it is released and replaced as planned."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from experiments.definition.block import Block, Days, ExactPart, ExactShare


class Refresh(Block):
    """Every so many days a part of the holdout is released, and as many other members are held out instead."""

    from_: date = Field(alias="from")
    """The day on which the first epoch begins; each is `every_days` long, and the first holdout also stands before it."""
    every_days: Days
    """The length of an epoch."""
    part: ExactPart
    """The part of the holdout that is released and replaced when the next epoch begins."""


class Holdout(Block):
    """The brand's standing holdout: members who are never contacted, drawn by a salt of its own."""

    share: ExactShare
    """Its share of all members."""
    salt: str = Field(min_length=1)
    """What draws it; never change it."""
    refresh: Refresh | None = None
    """How it is refreshed; the same members for ever when absent."""
