"""The chosen policy in a real registry: loaded again, it gives the same offers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.definition.errors import OutsideError
from experiments.definition.uplift import LearnerName
from experiments.experiment import Experiment
from reports.quiet_mlflow import quiet_mlflow
from reports.registry import pointed_at, promote, register_policy, requirements, signature, synthetic_rows
from reports.tracking import Tracker
from tests.reports.report_examples import design, open_experiment
from tests.uplift.simulated import simulate
from uplift.features import FeatureSpace, Kind
from uplift.learners import fit_learner
from uplift.outcome import fit_outcome
from uplift.policy import CellFigures, ShippedPolicy
from uplift.rules import Individual, Tree
from uplift.serving import offers
from uplift.tree_nodes import Branch, CategorySplit, Leaf, NumberSplit

KINDS: dict[str, Kind] = {"days": "number", "城市": "category"}
MEMBERS = pd.DataFrame(
    {
        "member": [f"M-{k:06d}" for k in range(400)],
        "days": np.linspace(30.0, 700.0, 400),
        "城市": ["上海", "成都", None, "广州"] * 100,
    }
)


@pytest.fixture(scope="module")
def policy() -> ShippedPolicy:
    """A tree: recent members get the care message, others in Shanghai the gift, the rest nothing."""
    space = FeatureSpace.fit(MEMBERS, KINDS)
    old = Branch(CategorySplit("城市", ("上海",)), Leaf(3), Leaf(0))
    return ShippedPolicy(
        definition_sha256="0" * 64,
        value_metric="profit",
        kind="tree",
        proven=True,
        arms=("control", "care", "urgent", "gift"),
        segments=("vip", "near_dormant", "dormant"),
        kinds=KINDS,
        space=space,
        rule=Tree(Branch(NumberSplit("days", 365.0), Leaf(1), old)),
        cells=tuple(
            CellFigures(100, (0.0, 0.1, 0.1, 0.1), (0.0, 0.1, 0.1, 0.1), (1.0,) * 4) for _ in range(3)
        ),
        held_out_gain=0.2,
        held_out_error=0.05,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Tracker]:
    experiment = open_experiment(tmp_path_factory.mktemp("registry"))
    return experiment, Tracker(None, experiment.workspace)


def load(tracker: Tracker, uri: str) -> Any:
    """The registered model, as a server would load it."""
    with quiet_mlflow(), pointed_at(tracker.store.uri):
        import mlflow

        return mlflow.pyfunc.load_model(uri)


def register(store: tuple[Experiment, Tracker], policy: ShippedPolicy) -> str:
    experiment, tracker = store
    return register_policy(tracker, experiment, policy, tracker.log_design(experiment, design(experiment)))


def predicted(model: Any, frame: pd.DataFrame) -> list[str]:
    with quiet_mlflow():
        return list(model.predict(frame))


def test_the_reloaded_model_gives_the_same_offers_for_one_row_and_for_all(
    store: tuple[Experiment, Tracker], policy: ShippedPolicy, capfd: pytest.CaptureFixture[str]
) -> None:
    before = dict(os.environ)
    uri = register(store, policy)
    assert dict(os.environ) == before
    assert uri.startswith("models:/winback-test-offers/")
    model = load(store[1], uri)
    frame = MEMBERS[list(KINDS)]
    expected = list(offers(policy, frame))
    assert set(expected) == {"care", "gift", "control"}
    assert predicted(model, frame) == expected
    assert [predicted(model, frame.iloc[[k]])[0] for k in range(0, 400, 57)] == expected[::57]
    strange = pd.DataFrame({"days": [np.nan, 900.0], "城市": ["上海", "a city nobody has seen"]})
    assert predicted(model, strange) == list(offers(policy, strange))
    assert capfd.readouterr() == ("", "")


def test_the_newest_is_the_challenger_and_a_rollout_names_the_champion(
    store: tuple[Experiment, Tracker], policy: ShippedPolicy
) -> None:
    first, second = register(store, policy), register(store, policy)
    _, tracker = store

    def named(alias: str) -> str:
        with tracker.client("Reading the aliases") as client:
            found = client.get_model_version_by_alias("winback-test-offers", alias)
        return f"models:/{found.name}/{found.version}"

    assert named("challenger") == second
    assert named("champion") not in {first, second}, "the first version of all stays champion until a rollout"
    promote(tracker, second)
    assert named("champion") == second


def test_a_version_that_is_not_there_cannot_be_champion(
    store: tuple[Experiment, Tracker], policy: ShippedPolicy
) -> None:
    register(store, policy)
    with pytest.raises(OutsideError, match="champion"):
        promote(store[1], "models:/winback-test-offers/999")


def test_no_member_stands_in_the_registry(store: tuple[Experiment, Tracker], policy: ShippedPolicy) -> None:
    register(store, policy)
    out = store[0].workspace.out
    kept = [path for path in out.rglob("*") if path.is_file()]
    assert any(path.name == "python_model.pkl" for path in kept)
    assert [path for path in kept if b"M-000" in path.read_bytes()] == []


def test_numbers_are_doubles_and_nothing_is_required() -> None:
    with quiet_mlflow():
        found = signature(KINDS)
    assert [(column.name, column.type.name, column.required) for column in found.inputs] == [
        ("days", "double", False),
        ("城市", "string", False),
    ]
    assert list(synthetic_rows(KINDS).columns) == list(KINDS)


def test_requirements_are_exact_and_name_this_package() -> None:
    assert all("==" in requirement for requirement in requirements())
    assert any(requirement.startswith("offerwise==") for requirement in requirements())


@pytest.mark.slow
def test_a_real_server_registers_and_serves_the_policy(
    mlflow_server: str, tmp_path: Path, policy: ShippedPolicy
) -> None:
    experiment = open_experiment(tmp_path)
    tracker = Tracker(mlflow_server, experiment.workspace)
    uri = register((experiment, tracker), policy)
    frame = MEMBERS[list(KINDS)]
    assert predicted(load(tracker, uri), frame) == list(offers(policy, frame))


@pytest.mark.parametrize("learner", ["joint", "dr_learner"])
def test_a_policy_that_is_a_model_gives_the_same_by_row_in_a_batch_and_reloaded(
    store: tuple[Experiment, Tracker], learner: LearnerName
) -> None:
    """On unseen categories, missing values, columns that are absent, and numbers beyond everything learned from."""
    found = simulate(4000, effects="each", seed=3, arms=3)
    space, arms = found.sample.space, tuple(arm.id for arm in found.sample.arms)
    rule = Individual(fit_learner(learner, found.sample, fit_outcome(found.sample)))
    policy = ShippedPolicy(
        definition_sha256="0" * 64,
        value_metric="profit",
        kind="individual",
        proven=True,
        arms=arms,
        segments=("",),
        kinds={name: "category" if name == "city" else "number" for name in space.names},
        space=space,
        rule=rule.banded(found.sample.members, 5),
        cells=(),
        held_out_gain=0.2,
        held_out_error=0.05,
    )
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({name: rng.normal(size=300) for name in space.names if name != "city"})
    frame["city"] = rng.choice(np.array(["a", "b", "c", "never seen", None], dtype=object), 300)
    frame.loc[rng.random(300) < 0.2, "x1"] = np.nan
    frame.loc[:5, "x0"] = 1e12
    model = load(store[1], register(store, policy))
    expected = list(offers(policy, frame))
    assert len(set(expected)) > 1
    assert predicted(model, frame) == expected
    assert predicted(model, frame.iloc[::-1]) == expected[::-1]
    assert [predicted(model, frame.iloc[[k]])[0] for k in range(0, 300, 41)] == expected[::41]
    assert predicted(model, frame[["city"]]) == list(offers(policy, frame[["city"]]))
