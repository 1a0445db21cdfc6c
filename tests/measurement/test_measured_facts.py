"""Real campaigns: the counts, means and tests of the data's own README, through the whole way from the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.assignment.assigned import assigned_members
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError
from experiments.definition.load import load
from experiments.documents.analysis import HealthCheck
from experiments.engines.connect import connect
from experiments.experiment import Experiment
from experiments.files import Workspace
from experiments.health.health import check_health
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.units import build_units

KARLAN = """
version: 1
id: karlan-list
title: Matching grants
owner: tests@example.com
hypothesis: A matching grant raises gifts.
currency: USD
timezone: UTC
data: {{members: {{table: {table}, key: row_number}}}}
arms:
  control: {{share: 16687/50083}}
  offers:
    "1to1": {{share: 11133/50083}}
    "2to1": {{share: 11134/50083}}
    "3to1": {{share: 11129/50083}}
assignment: {{method: recorded, from: members, column: ratio, values: {{control: control, 1to1: "1:1", 2to1: "2:1", 3to1: "3:1"}}}}
metrics:
  gave:   {{type: binary, from: members, value: gave}}
  amount: {{type: sum, from: members, value: amount{missing}}}
goals: {{primary: {{metric: gave}}, secondary: [amount]}}
decision: {{}}
"""


@contextmanager
def opened(definition: Path, data: Path, out: Path) -> Iterator[Experiment]:
    loaded = load(definition)
    engine = connect("duckdb://", files=[data])
    try:
        yield Experiment(loaded, engine, Workspace(out, loaded.id))
    finally:
        engine.cancel_and_close()


def measured(experiment: Experiment) -> tuple[Measurement, dict[str, HealthCheck]]:
    catalogue = open_data(experiment)
    assigned = assigned_members(experiment, catalogue)
    found = measure(experiment, build_units(experiment, catalogue, assigned))
    return found, {check.check: check for check in check_health(experiment, assigned, found)}


def test_hillstrom(tmp_path: Path, shared: Path) -> None:
    with opened(shared / "design" / "hillstrom.yml", shared / "data", tmp_path) as experiment:
        found, health = measured(experiment)
    arms = ("control", "mens", "womens")

    def totals(metric: str) -> list[float]:
        moments = found.metrics[metric]
        return [moments.arm(arm).total(moments.value) for arm in arms]

    assert [found.members(arm) for arm in arms] == [21_306, 21_307, 21_387]
    assert totals("visited") == pytest.approx([2_262, 3_894, 3_238], abs=1e-6)
    assert totals("converted") == pytest.approx([122, 267, 189], abs=1e-6)
    spend = found.metrics["spend"]
    control, mens, womens = (spend.arm(arm) for arm in arms)
    means = [each.average(spend.value) for each in (control, mens, womens)]
    assert means == pytest.approx([0.652789, 1.422617, 1.077202], abs=5e-7)
    error = math.sqrt(sum(each.variance(spend.value) / each.count for each in (control, mens)))
    assert (means[1] - means[0]) / error == pytest.approx(5.3001, abs=5e-5)
    profit = found.metrics["profit"]
    expected = [0.30 * mean - cost for mean, cost in zip(means, (0, 0.1, 0.1), strict=True)]
    assert [profit.arm(arm).average(profit.value) for arm in arms] == pytest.approx(expected, rel=1e-12)
    assert health["sample_ratio"].p_value == pytest.approx(0.904, abs=5e-4)
    assert found.window.closes_at is None
    segments = [cell.segment for cell in found.counts]
    assert sum(found.members("mens", segment) for segment in set(segments)) == 21_307


def test_two_missing_gifts_are_refused_or_declared_and_never_counted(tmp_path: Path, shared: Path) -> None:
    file = tmp_path / "karlan.yml"
    table = shared / "data" / "karlan_list_2007.csv.gz"
    file.write_text(KARLAN.format(table=table, missing=""), encoding="utf8")
    with opened(file, shared / "data", tmp_path) as experiment, pytest.raises(InputError) as refused:
        measured(experiment)
    (fault,) = refused.value.faults
    assert (fault.line, fault.key) == (19, "metrics.amount")
    assert "2 rows" in fault.cause
    assert "missing: drop" in fault.remedy
    file.write_text(KARLAN.format(table=table, missing=", missing: drop"), encoding="utf8")
    with opened(file, shared / "data", tmp_path) as experiment:
        found, health = measured(experiment)
    gave, amount = found.metrics["gave"], found.metrics["amount"]
    arms = ("control", "1to1", "2to1", "3to1")
    assert [found.members(arm) for arm in arms] == [16_687, 11_133, 11_134, 11_129]
    gifts = [gave.arm(arm).total(gave.value) for arm in arms]
    assert gifts == pytest.approx([298, 231, 252, 253], abs=1e-6)
    assert sum(amount.dropped.values()) == 2
    assert [amount.arm(arm).count for arm in arms] == [
        found.members(arm) - amount.dropped[arm] for arm in arms
    ]
    assert sum(gave.dropped.values()) == 0
    assert health["missingness"].status == "pass"
