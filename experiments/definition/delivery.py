"""Delivery: how the data tell to which members a message was sent, and which it reached."""

from __future__ import annotations

from experiments.definition.block import Block


class Delivery(Block):
    """Whom the messages reached, for the effect on the members reached beside the effect of sending."""

    metric: str
    """A binary metric: whether a message of the test reached the member in its window."""
    sent: str | None = None
    """A binary metric: whether a message of the test was sent to the member; `metric` says it when absent."""

    @property
    def sent_metric(self) -> str:
        """The metric that says who was sent a message, as far as the data know."""
        return self.sent or self.metric
