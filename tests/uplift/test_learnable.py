"""Where nothing can be learned it is said before a library fails at it; where little can, it is learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.definition.errors import InputError, RefusedError
from tests.uplift.campaign import Campaign
from uplift.search import find_policy


def campaign_of(folder: Path, count: int, trait: object) -> Campaign:
    """A test of two arms, split by another system, whose members have one trait to learn from."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "id": range(count),
            "arm": np.where(np.arange(count) % 2 == 0, "control", "gift"),
            "bought": (rng.random(count) < 0.3).astype(int),
        }
    )
    campaign = Campaign(folder)
    campaign.record(
        frame.assign(trait=trait),
        decision={"pick": {"by": "overall"}, "invalid_if": {}},
        uplift={"features": ["trait"], "policy": {"kinds": ["tree", "individual"]}, "folds": 3},
    )
    return campaign


@pytest.mark.parametrize(
    "trait",
    [
        1.0,
        pd.array([None] * 1800, dtype="Float64"),
        np.inf,
        "a",
        np.arange(1800) < 5,
        np.arange(1800).astype(str),
    ],
    ids=["one number", "no number", "one infinity", "one text", "a rare flag", "a text for each member"],
)
def test_a_feature_by_which_members_hardly_differ_is_told(tmp_path: Path, trait: object) -> None:
    campaign = campaign_of(tmp_path, 1800, trait)
    with campaign.open() as experiment, pytest.raises(InputError, match="same value of each feature") as told:
        find_policy(experiment)
    (fault,) = told.value.faults
    assert fault.key == "uplift.features"


def test_few_members_are_told(tmp_path: Path) -> None:
    campaign = campaign_of(tmp_path, 600, np.arange(600))
    with (
        campaign.open() as experiment,
        pytest.raises(RefusedError, match="600 members in 3 folds are too few"),
    ):
        find_policy(experiment)


@pytest.mark.parametrize(
    ("count", "trait"),
    [(730, np.arange(730)), (730, np.arange(730) % 2 == 0), (1800, np.arange(1800) % 5 == 0)],
    ids=["numbers", "an even flag", "an uneven flag"],
)
def test_what_is_just_enough_is_learned(tmp_path: Path, count: int, trait: object) -> None:
    """Members, or members on the smaller side, hardly above the bound: no library fails."""
    campaign = campaign_of(tmp_path, count, trait)
    with campaign.open() as experiment:
        assert find_policy(experiment).document.sampled == count
