"""The rollout's draw where the budget covers part of a cell: members left over from the test and later ones have the same chances."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest
from scipy.stats import binom

from experiments.analysis import analyze
from tests.uplift.campaign import Campaign, keep_analysis, people
from uplift.documents import Rollout
from uplift.rollout import rollout

LEFT_OVER, LATER = 8000, 8000


@dataclass(frozen=True)
class Written:
    """A rollout to members left over from the test and as many later ones, and its ledger with `later`."""

    document: Rollout
    ledger: pd.DataFrame


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    campaign = Campaign(tmp_path_factory.mktemp("later"))
    campaign.make(16_000 + LEFT_OVER)
    later = people(LATER, seed=9)
    later["id"] = [f"{n:06d}" for n in range(500_000, 500_000 + LATER)]
    pd.concat([campaign.frame(), later]).to_parquet(campaign.folder / "members.parquet")
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        document = rollout(experiment)
    ledger = pd.read_parquet(document.files["ledger"])
    return Written(document, ledger.assign(later=ledger["member"] >= "500000"))


def test_left_over_and_later_members_have_the_same_chances(written: Written) -> None:
    """In every cell, by binomial bounds at 1 in 10,000; at least one cell is covered in part, else nothing would be told."""
    ledger = written.ledger
    assert ledger["later"].value_counts().to_dict() == {False: LEFT_OVER, True: LATER}
    partly = 0
    for _, cell in ledger[ledger["reason"].isin(["offer", "not_offered"])].groupby("cell"):
        share = (cell["reason"] == "offer").mean()
        partly += 0.05 < share < 0.95
        for _, group in cell.groupby("later"):
            low, high = binom.ppf([5e-5, 1 - 5e-5], len(group), share)
            assert low <= (group["reason"] == "offer").sum() <= high
    assert partly


def test_the_propensity_is_the_share_among_left_over_and_among_later_members(written: Written) -> None:
    for _, group in written.ledger.groupby(["cell", "later"]):
        for _, same in group.groupby("arm"):
            (propensity,) = same["propensity"].unique()
            low, high = binom.ppf([5e-5, 1 - 5e-5], len(group), propensity)
            assert low <= len(same) <= high


def test_what_offers_and_exploration_add_up_to(written: Written) -> None:
    document = written.document
    assert document.members == LEFT_OVER + LATER
    offered = sum(offer.members for offer in document.offers)
    assert offered == (written.ledger["reason"] == "offer").sum()
    assert offered + document.explore + document.holdout + document.not_offered == document.members
