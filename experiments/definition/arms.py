"""Arms: a control and either a full product of factors or a plain list of offers, with exact shares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Literal

from experiments.definition.block import Block, ExactShare, Money, Slug

CONTROL = "control"
LEVELS_JOINED_BY = "__"

ChargedWhen = Literal["sent", "claimed", "redeemed"]


class Offer(Block):
    """What an offer, or one level of a factor, is called, costs and carries."""

    label: str | None = None
    """What people call it; the id when absent."""
    unit_cost: Money = 0.0
    """What the benefit costs, each time that it is charged."""
    charged_when: ChargedWhen | None = None
    """When the benefit is charged; `redeemed` when absent."""
    cost_per_send: Money | None = None
    """What one send costs; `arms.channel` says it when absent."""
    channel: Slug | None = None
    """How it is sent; `arms.channel` says it when absent."""
    template: str | None = None
    """The file with the text, relative to the definition."""


class ListedOffer(Offer):
    """An offer of a plain list; it has a share of its own unless `share_each` gives one to all."""

    share: ExactShare | None = None
    """Its exact share of the members assigned."""


class Control(Block):
    """The members who are not contacted."""

    label: str = "No contact"
    """What people call it."""
    share: ExactShare
    """Its exact share of the members assigned."""


class Channel(Block):
    """The channel of every arm that names none of its own, and what one send costs."""

    id: Slug
    """`sms`, `email`, `wecom`, ..."""
    cost_per_send: Money = 0.0
    """What one send costs."""


@dataclass(frozen=True)
class Arm:
    """One arm, resolved: its id, its share and what a member in it costs.

    Attributes:
        id: `control`, an offer's id, or the levels' ids joined by two underscores.
        label: What people call it.
        share: Its exact share of the members assigned.
        channel: How it is sent; None for control.
        cost_per_send: Charged once for each member of the arm.
        benefits: `(unit_cost, charged_when)` of each level that costs something.
        templates: The texts that are sent.
        levels: Factor to level; empty for control and for a plain offer.
    """

    id: str
    label: str
    share: Fraction
    channel: str | None = None
    cost_per_send: float = 0.0
    benefits: tuple[tuple[float, ChargedWhen], ...] = ()
    templates: tuple[str, ...] = ()
    levels: tuple[tuple[str, str], ...] = ()

    @property
    def is_control(self) -> bool:
        """Whether this is the arm without contact."""
        return self.id == CONTROL

    @property
    def contact_cost(self) -> float:
        """What contacting one member costs: the send, and every benefit that is charged when sent."""
        return self.cost_per_send + sum(cost for cost, when in self.benefits if when == "sent")

    @property
    def unit_cost_if_taken(self) -> float:
        """What one member who takes every benefit of the arm costs beyond the contact."""
        return sum(cost for cost, when in self.benefits if when != "sent")


class Arms(Block):
    """The `arms` block."""

    control: Control
    """The arm that everything is compared with."""
    factors: Mapping[Slug, Mapping[Slug, Offer]] | None = None
    """Factor to level to offer: the arms are the full product, ids like `pts500__care`."""
    omit: tuple[str, ...] = ()
    """Arms of the product that may not be sent."""
    share_each: ExactShare | None = None
    """The exact share of every arm but control."""
    offers: Mapping[Slug, ListedOffer] | None = None
    """A plain list of offers, instead of factors."""
    channel: Channel | None = None
    """The channel of every arm that names none of its own."""

    @cached_property
    def resolved(self) -> tuple[Arm, ...]:
        """All arms in the file's order, control first; arms that `omit` names are left out."""
        control = Arm(CONTROL, self.control.label, self.control.share)
        cells = [self._cell(levels) for levels in self._cells()]
        return (control, *(cell for cell in cells if cell.id not in self.omit))

    def among(self, arms: Collection[str]) -> Arms:
        """Control and these offers alone; each share is of the members whom they have together."""
        kept = [arm for arm in self.resolved if arm.is_control or arm.id in arms]
        whole = sum((arm.share for arm in kept), start=Fraction(0))
        of_arm = {arm.id: arm.share / whole for arm in kept}
        offers = self.offers and {
            name: offer.model_copy(update={"share": of_arm[name]})
            for name, offer in self.offers.items()
            if name in of_arm
        }
        left_out = [arm.id for arm in self.resolved if arm.id not in of_arm]
        return Arms.model_construct(
            control=self.control.model_copy(update={"share": of_arm[CONTROL]}),
            factors=self.factors,
            omit=self.omit if self.factors is None else (*self.omit, *left_out),
            share_each=None if self.factors is None or self.share_each is None else self.share_each / whole,
            offers=offers,
            channel=self.channel,
        )

    def _cells(self) -> list[tuple[tuple[str | None, str, Offer], ...]]:
        if self.factors is not None:
            levels = [
                [(factor, level, offer) for level, offer in levels.items()]
                for factor, levels in self.factors.items()
            ]
            return list(product(*levels))
        return [((None, name, offer),) for name, offer in (self.offers or {}).items()]

    def _cell(self, cell: tuple[tuple[str | None, str, Offer], ...]) -> Arm:
        offers = [offer for _, _, offer in cell]
        sends = [offer.cost_per_send for offer in offers if offer.cost_per_send is not None]
        channels = [offer.channel for offer in offers if offer.channel is not None]
        own = [offer.share for offer in offers if isinstance(offer, ListedOffer) and offer.share is not None]
        share = own[0] if own else self.share_each
        return Arm(
            id=LEVELS_JOINED_BY.join(name for _, name, _ in cell),
            label=" × ".join(offer.label or name for _, name, offer in cell),
            share=Fraction(0) if share is None else share,
            channel=channels[-1] if channels else self.channel.id if self.channel else None,
            cost_per_send=sum(sends) if sends else self.channel.cost_per_send if self.channel else 0.0,
            benefits=tuple((o.unit_cost, o.charged_when or "redeemed") for o in offers if o.unit_cost > 0),
            templates=tuple(offer.template for offer in offers if offer.template is not None),
            levels=tuple((factor, name) for factor, name, _ in cell if factor is not None),
        )
