"""The rollout's draw where the budget covers part of a cell: members left over from the test and later ones have the same chances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import binom

from experiments.analysis import analyze
from tests.uplift.campaign import DEFINITION, NOW, Campaign, keep_analysis, people
from uplift.documents import Rollout
from uplift.rollout import rollout

LEFT_OVER, LATER = 8000, 8000


@dataclass(frozen=True)
class Written:
    """Three runs of a rollout to members left over from the test and as many later ones, and its ledger with `later`."""

    document: Rollout
    again: Rollout
    last: Rollout
    ledger: pd.DataFrame


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    campaign = Campaign(tmp_path_factory.mktemp("later"))
    campaign.make(16_000 + LEFT_OVER, rollout={**DEFINITION["rollout"], "ramp": [1e-7, 0.5, 1.0]})
    later = people(LATER, seed=9)
    later["id"] = [f"{n:06d}" for n in range(500_000, 500_000 + LATER)]
    pd.concat([campaign.frame(), later]).to_parquet(campaign.folder / "members.parquet")
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        document = rollout(experiment)
    with campaign.open(now=NOW + pd.Timedelta(days=1)) as experiment:
        again, last = rollout(experiment), rollout(experiment)
    ledger = pd.read_parquet(document.files["ledger"])
    return Written(document, again, last, ledger.assign(later=ledger["member"] >= "500000"))


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


def test_offers_count_nobody_who_explores(written: Written) -> None:
    document, ledger = written.document, written.ledger
    by_arm = ledger[ledger["reason"] == "offer"]["arm"].value_counts().to_dict()
    assert {offer.arm: offer.members for offer in document.offers} == by_arm
    assert document.explore == (ledger["reason"] == "explore").sum() > 0
    # Exploration adds the smaller part: one member explores for some ten that are offered something.
    exploration = document.expected_profit - sum(offer.expected_profit for offer in document.offers)
    assert 0 < exploration < 0.3 * document.expected_profit


def lists_of(document: Rollout) -> dict[str, Path]:
    return {name: Path(path) for name, path in document.files.items() if name != "ledger"}


def test_a_list_is_written_only_where_it_has_members(written: Written) -> None:
    """Nobody is in the first ten-millionth of the ramp, so that the first run releases the first two steps."""
    sent = written.ledger[written.ledger["arm"] != "control"]
    assert set(sent["ramp_step"]) == {2, 3}
    names = {f"{arm}__step{step}" for arm, step in zip(sent["arm"], sent["ramp_step"], strict=True)}
    assert set(lists_of(written.document)) == {name for name in names if name.endswith("2")}
    lists = lists_of(written.again)
    assert set(lists) == names
    assert {path.name for path in lists["gift__step2"].parent.glob("*.csv")} == {
        f"{name}.csv" for name in names
    }
    members = [
        member for path in lists.values() for member in pd.read_csv(path, dtype={"member": str})["member"]
    ]
    assert len(members) == len(set(members)) == len(sent)


def test_a_further_run_tells_the_same(written: Written) -> None:
    assert written.document.shadow_price
    assert written.last == written.again
    ramp = ("ramp", "next_step", "files")
    same = dict.fromkeys(ramp)
    assert replace(written.again, **same) == replace(written.document, **same)
    assert [step.released_at is not None for step in written.document.ramp] == [True, True, False]
    assert "Step 3 of 3" in written.document.next_step
    assert written.again.next_step == ""


def test_the_policy_s_arm_of_the_held_out_is_what_others_get(written: Written) -> None:
    """Of each part, the policy gives held-out and exploring members what it gives the others, as often, within binomial bounds."""
    ledger = written.ledger
    assert {"holdout", "explore", "offer"} <= {*ledger["reason"]}
    for _, cell in ledger.groupby("cell"):
        share = cell[cell["reason"].isin(["offer", "not_offered"])]["arm"].value_counts(normalize=True)
        for _, group in cell[cell["reason"].isin(["holdout", "explore"])].groupby("reason"):
            for arm in ("control", "gift", "coupon"):
                low, high = binom.ppf([5e-5, 1 - 5e-5], len(group), share.get(arm, 0.0))
                assert low <= (group["policy_arm"] == arm).sum() <= high
