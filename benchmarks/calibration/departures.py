"""Departures: how often a segment is given another arm than the winner although all arms are equal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.calibration.judging import Cell, Table
from benchmarks.campaign import Campaign
from experiments.decision.contrasts import Contrasts
from experiments.decision.pick import Picker
from experiments.decision.sentences import Sentences
from experiments.language import Words

ALPHA = 0.05
# Offers, segments, and the part of the runs that they get: the largest takes forty times as long.
SIZES = ((2, 4, 1.0), (6, 5, 0.25), (22, 5, 0.05))


def departures(rng: np.random.Generator, runs: int) -> Iterator[Table]:
    """The decision's own `pick` on equal offers that all work."""
    cells, notes = [], []
    for offers, segments, part in SIZES:
        tries = max(20, round(runs * part))
        row = f"{offers} equal offers, {segments} segments"
        departed, differing = _simulate(rng, tries, Campaign(offers, segments, 2_000))
        cells.append(Cell(row, "departs", departed, tries, ALPHA, "upper"))
        notes.append(f"- {row}: the best arm of each segment is not the same in {differing / tries:.1%}")
    yield Table(
        "Segments depart from the winner",
        "Share of experiments with equal arms in which some segment gets another arm than the overall winner.",
        tuple(cells),
        ("Without the rule:", "", *notes, ""),
    )


def _simulate(rng: np.random.Generator, runs: int, campaign: Campaign) -> tuple[int, int]:
    """Runs in which a segment departs, and in which the segments' best arms differ."""
    definition = campaign.definition()
    sentences = Sentences(definition, Words("en"))
    offers = campaign.arms[1:]
    rates = {arm: 0.02 if arm == "control" else 0.1 for arm in campaign.arms}
    departed = differing = 0
    for _ in range(runs):
        contrasts = Contrasts(campaign.draw(rng, rates, effect=0.3).metrics)
        choice = Picker(definition, contrasts, offers, dict.fromkeys(offers, 0.0), sentences).choose()
        departed += set(choice.by_segment.values()) != {choice.winner}
        profit = contrasts.metrics["profit"]
        best = {
            max(offers, key=lambda arm, place=place: profit.arm(arm, place).average("profit"))  # type: ignore[misc]
            for place in campaign.places
        }
        differing += len(best) > 1
    return departed, differing
