"""Members who have an arm are known by the keys under which they were drawn, or nothing is read, drawn or sent."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from sqlglot import exp

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError
from experiments.experiment import Experiment
from experiments.queries import relation
from tests.assignment.campaign import Campaign, members


def drawn(campaign: Campaign, *keys: str) -> None:
    """A campaign whose members have these keys, in a Parquet file, and their arms."""
    rows = [{**row, "会员": key} for row, key in zip(members(len(keys)), keys, strict=True)]
    data = {
        "members": {"table": "members.parquet", "key": "会员"},
        "orders": {"table": "orders.csv", "key": "会员", "time": "paid_at"},
    }
    pd.DataFrame(rows).to_parquet(campaign.folder / "members.parquet")
    campaign.write(rows, data=data)
    with campaign.open() as experiment:
        assign(experiment)


def rewrite(campaign: Campaign, keys: pd.Series) -> None:
    path = campaign.folder / "members.parquet"
    pd.read_parquet(path).assign(会员=keys).to_parquet(path)


def read(experiment: Experiment) -> Assigned:
    return assigned_members(experiment, open_data(experiment))


def read_and_draw_again(campaign: Campaign) -> tuple[int, int]:
    """The members who are read, and those in the ledger after another draw."""
    with campaign.open() as experiment:
        assigned = read(experiment)
        count = exp.select(exp.Count(this=exp.Star())).from_(relation(assigned.relation))
        ((found,),) = experiment.engine.rows(count)
    with campaign.open() as experiment:
        return found, assign(experiment).sampled


@pytest.mark.parametrize("step", [read, assign])
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (pd.Series(range(100_000 - 20, 100_000 + 20)), "is an integer now"),
        (pd.Series([f"会员{n}" for n in range(40)]), "nobody who has an arm is found"),
    ],
    ids=["zeros are lost in some keys", "other keys"],
)
def test_strangers_are_neither_read_nor_drawn(
    campaign: Campaign, step: Callable[[Experiment], object], keys: pd.Series, told: str
) -> None:
    drawn(campaign, *(f"{n:06d}" for n in range(100_000 - 20, 100_000 + 20)))
    rewrite(campaign, keys)
    with campaign.open() as experiment, pytest.raises(InputError, match=told) as caught:
        step(experiment)
    (fault,) = caught.value.faults
    assert fault.key == "data.members.key"
    assert fault.line is not None


def test_integers_that_were_texts_without_zeros_are_the_same_keys(campaign: Campaign) -> None:
    drawn(campaign, *(str(n) for n in range(1, 41)))
    rewrite(campaign, pd.Series(range(1, 41)))
    assert read_and_draw_again(campaign) == (40, 40)


def test_members_may_leave_but_one(campaign: Campaign) -> None:
    drawn(campaign, *(f"{n:06d}" for n in range(40)))
    path = campaign.folder / "members.parquet"
    pd.read_parquet(path).tail(1).to_parquet(path)
    assert read_and_draw_again(campaign) == (40, 40)
