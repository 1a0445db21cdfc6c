"""`simulate` from the data to the verdict: arms that were recorded, that were drawn, and that are not drawn yet."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from experiments.assignment.assigned import assigned_members
from experiments.assignment.assignment import assign
from experiments.definition.errors import InputError
from experiments.documents.simulation import Simulation
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.units import Units, build_units
from experiments.simulation.sample import fetch_sample
from experiments.simulation.simulate import simulate
from offerwise.__main__ import main
from tests.measurement.campaign import Campaign, campaign

DRAWN = """
    data:
      members: {table: members.parquet, key: id}
      sales: {table: sales.parquet, key: buyer, time: at}
    audience:
      snapshot: 2026-10-29
      segments: [{id: new, when: age < 40}, {id: old, when: otherwise}]
    arms:
      control: {share: 0.4}
      offers: {card: {share: 0.35}, mail: {share: 0.25, cost_per_send: 0.5}}
    assignment: {method: stratified, strata: [segment]}
    send: {days: [2026-10-30, 2026-10-31]}
    metrics:
      bought: {type: binary, from: sales, window_days: 7}
      spend:  {type: sum, from: sales, value: amount, window_days: 7}
      profit: {type: formula, value: 0.5 * spend - contact_cost}
    goals: {primary: {metric: bought}, value: profit, guardrails: [{metric: spend, better: up, limit: 5}]}
    design: {minimum_effect: 0.1, covariates: [age]}
    decision: {eligible_if: {primary: better_than_control, guardrails: all_pass}, pick: {by: segment}}
"""
RECORDED = """
    data: {members: {table: members.parquet, key: id}}
    arms: {control: {share: 1/2}, offers: {mail: {share: 1/4}, call: {share: 1/4}}}
    assignment: {method: recorded, from: members, column: arm}
    metrics:
      bought: {type: binary, from: members, value: bought}
      spend: {type: sum, from: members, value: spend, missing: drop}
    goals: {primary: {metric: bought}, secondary: [spend]}
    design: {minimum_effect: 0.05, covariates: [COVARIATES]}
    decision: {}
"""
MEMBERS = 1200
RUNS = 200


def _drawn_tables() -> dict[str, pa.Table]:
    draws = np.random.default_rng(4)
    start = datetime(2026, 9, 1, tzinfo=UTC)
    buyers = draws.integers(0, MEMBERS, 9_000)
    at = [start + timedelta(minutes=int(minute)) for minute in draws.integers(0, 90 * 24 * 60, len(buyers))]
    sales = {
        "buyer": [f"{buyer:05d}" for buyer in buyers],
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "amount": np.round(draws.lognormal(3, 1, len(buyers)), 2),
    }
    members = {"id": [f"{number:05d}" for number in range(MEMBERS)], "age": draws.integers(18, 80, MEMBERS)}
    return {"members": pa.table(members), "sales": pa.table(sales)}


def _recorded_tables(count: int) -> dict[str, pa.Table]:
    """Members whose arms did a lot, some without an amount; amounts have heavy tails."""
    draws = np.random.default_rng(8)
    arm = draws.choice(["control", "mail", "call"], size=count, p=[0.5, 0.25, 0.25])
    bought = draws.random(count) < np.where(arm == "control", 0.2, 0.4)
    spend = np.where(bought, draws.lognormal(3, 2, count), 0.0)
    columns = {
        "id": [f"{number:06d}" for number in range(count)],
        "arm": arm,
        "bought": bought,
        "spend": pa.array(spend, mask=draws.random(count) < 0.1),
        "before": draws.normal(size=count),
    }
    return {"members": pa.table(columns)}


def _recorded(folder: Path, count: int = 3000) -> AbstractContextManager[Campaign]:
    return campaign(folder, RECORDED.replace("COVARIATES", "before"), _recorded_tables(count), _nobody())


def _nobody() -> pa.Table:
    """The helper wants an assignment of its own; `simulate` reads the recorded arms."""
    return pa.table({"member": pa.array([], pa.string())})


def _measured(opened: Campaign) -> tuple[Units, Measurement]:
    units = build_units(
        opened.experiment, opened.catalogue, assigned_members(opened.experiment, opened.catalogue)
    )
    return units, measure(opened.experiment, units)


def test_recorded_arms_whose_effect_is_gone(tmp_path: Path) -> None:
    """The arms of these members doubled the rate; drawn again they do nothing, and the planted effect is found."""
    with _recorded(tmp_path) as opened:
        done = simulate(opened.experiment, runs=RUNS, processes=1)
    assert done.calibrated, [rate for rate in done.rates if rate.status == "fail"]
    assert (done.members, done.available, done.source) == (3000, 3000, "assigned")
    assert done.planted is not None
    assert (done.planted.arms, done.planted.effect) == (("mail",), 0.05)
    kinds = {(rate.scenario, rate.kind) for rate in done.rates}
    assert kinds == {
        *(("aa", kind) for kind in ("type_one_error", "family_wise_error", "simultaneous_coverage")),
        *(("ab", kind) for kind in ("power", "coverage", "false_discovery", "simultaneous_coverage")),
        ("aa", "false_rollout"),
    }
    (power,) = [rate for rate in done.rates if rate.kind == "power"]
    assert 0.2 < power.rate < 0.95
    assert done.reasons[0].code == "calibrated"


def test_the_same_seed_gives_the_same_answer_for_any_number_of_processes(tmp_path: Path) -> None:
    with _recorded(tmp_path, 800) as opened:
        alone, shared = (simulate(opened.experiment, runs=100, seed=3, processes=n) for n in (1, 2))
        other = simulate(opened.experiment, runs=100, seed=4, processes=1)
    assert alone == shared
    assert alone.rates != other.rates


def test_an_engine_that_the_data_break_is_told_so(tmp_path: Path) -> None:
    """Some 10 buyers with wild amounts in a small arm: Welch's test rejects far too often, and the answer says so."""
    text = RECORDED.replace("[COVARIATES]", "[]").replace("1/2", "9/10").replace("1/4", "1/20")
    with campaign(tmp_path, text, _recorded_tables(1000), _nobody()) as opened:
        done = simulate(opened.experiment, runs=300, processes=1)
    assert not done.calibrated
    failed = {(rate.kind, rate.metric) for rate in done.rates if rate.status == "fail"}
    assert ("type_one_error", "spend") in failed
    assert all(metric == "spend" for _, metric in failed)
    assert [reason.code for reason in done.reasons[:2]] == ["not_calibrated", "outside"]
    assert "winsorize_at" in done.next_step


@pytest.mark.parametrize("is_drawn", [False, True])
def test_before_the_draw_the_past_stands_for_what_members_will_do(is_drawn: bool, tmp_path: Path) -> None:
    with campaign(tmp_path, DRAWN, _drawn_tables(), _nobody()) as opened:
        if is_drawn:
            assign(opened.experiment)
        done = simulate(opened.experiment, runs=RUNS, processes=1)
        # While a window is open the members assigned have half an outcome.
        early = replace(opened.experiment, now=datetime(2026, 11, 1, tzinfo=UTC))
        assert simulate(early, runs=100, processes=1).source == "history"
    assert done.source == ("assigned" if is_drawn else "history")
    assert done.members == MEMBERS
    assert done.calibrated, [rate for rate in done.rates if rate.status == "fail"]


def test_a_bounded_sample_is_the_lowest_hashes_and_says_so(tmp_path: Path) -> None:
    with _recorded(tmp_path) as opened:
        own = _measured(opened)
        whole = fetch_sample(opened.experiment.definition, opened.experiment.engine, *own)
        part = fetch_sample(opened.experiment.definition, opened.experiment.engine, *own, limit=500)
    assert (part.members, part.available) == (500, 3000)
    np.testing.assert_array_equal(part.values, whole.values[:500])


def test_too_few_runs_are_refused(tmp_path: Path) -> None:
    with _recorded(tmp_path, 100) as opened, pytest.raises(InputError, match="--runs"):
        simulate(opened.experiment, runs=5)


def test_the_command(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On Hillstrom, in both languages, with a run in MLflow: 100 experiments of each kind."""
    arguments = [
        "simulate",
        str(shared / "design" / "hillstrom.yml"),
        "--out",
        str(tmp_path),
        "--runs",
        "100",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json", "--lang", "zh"])
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert ended.value.code == 0
    assert document["schema"] == "offerwise.simulation/1"
    assert document["members"] == 64_000
    assert document["calibrated"] is True
    assert document["mlflow_run_id"]
    assert json.loads(Path(document["files"]["simulation"]).read_text(encoding="utf8")) == document
    assert "A/B：植入效应" in err
    assert set(document) == {"schema", *(name for name in Simulation.__dataclass_fields__)}


def test_a_script_without_a_guard_is_told_what_to_do(tmp_path: Path) -> None:
    """Processes import the script that started them; one that simulates on import cannot be imported."""
    with _recorded(tmp_path, 300) as opened:
        file = opened.experiment.definition.origin.path
    script = tmp_path / "script.py"
    script.write_text(
        "from experiments.definition.errors import OutsideError\n"
        "from experiments.simulation.simulate import simulate\n"
        "from offerwise import open_experiment\n"
        f"with open_experiment({str(file)!r}, out={str(tmp_path / 'out')!r}) as experiment:\n"
        "    try:\n"
        "        simulate(experiment, runs=100, processes=2)\n"
        "    except OutsideError as error:\n"
        "        print('told:', error)\n",
        encoding="utf8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert "told: A process of the simulation ended" in done.stdout
    assert "__main__" in done.stdout
