"""Delivery: how the data tell which members a message reached."""

from __future__ import annotations

from experiments.definition.block import Block


class Delivery(Block):
    """Whom the messages reached, for the effect on the members reached beside the effect of sending."""

    metric: str
    """A binary metric: whether a message of the test reached the member in its window."""
