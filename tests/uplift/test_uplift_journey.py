"""From a real assignment to a policy, its served model and the rollout's lists, with effects that are known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from experiments.analysis import analyze
from experiments.definition.errors import InputError, RefusedError
from experiments.documents.storage import to_json
from experiments.experiment import Experiment
from tests.uplift.campaign import ARMS, DEFINITION, Campaign, Truth, keep_analysis
from uplift.costs import measure_costs
from uplift.evidence import open_evidence
from uplift.policy import load_policy
from uplift.reading import read_sample
from uplift.rollout import rollout
from uplift.search import UpliftResult, find_policy
from uplift.serving import offers, pyfunc_model


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Campaign, Truth]:
    campaign = Campaign(tmp_path_factory.mktemp("planted"))
    return campaign, campaign.make()


@pytest.fixture(scope="module")
def experiment(planted: tuple[Campaign, Truth]) -> Iterator[Experiment]:
    with planted[0].open() as opened:
        keep_analysis(opened, analyze(opened))
        yield opened


@pytest.fixture(scope="module")
def found(experiment: Experiment) -> UpliftResult:
    return find_policy(experiment)


def test_the_planted_tree_is_found_and_proven(planted: tuple[Campaign, Truth], found: UpliftResult) -> None:
    campaign, truth = planted
    document = found.document
    assert document.chosen.kind == "tree"
    assert document.heterogeneity.found
    assert "proven" in document.chosen.reason
    frame, profit = campaign.frame(), truth.profit
    chosen = found.policy.choose(frame)
    got = profit[np.arange(len(frame)), chosen].mean()
    best, oracle = profit.mean(axis=0).max(), profit.max(axis=1).mean()
    assert (got - best) / (oracle - best) > 0.9
    (tree,) = [policy for policy in document.policies if policy.kind == "tree"]
    assert tree.low < got < tree.high
    assert tree.gain_over_control == pytest.approx(tree.value - document.policies[0].value)
    assert sum(row.members for row in document.offers_by_segment) == document.members == 16_000


def test_the_document_is_plain_json_and_the_search_repeats_itself(
    experiment: Experiment, found: UpliftResult
) -> None:
    again = find_policy(experiment).document
    timeless = [
        replace(each, learners=tuple(replace(x, seconds=0.0) for x in each.learners))
        for each in (found.document, again)
    ]
    assert to_json(timeless[0]) == to_json(timeless[1])
    assert json.loads(to_json(again))["schema"] == "offerwise.uplift/1"
    assert load_policy(experiment.workspace) == found.policy


def test_a_row_a_batch_and_the_reloaded_model_give_the_same_offers(
    found: UpliftResult, tmp_path: Path
) -> None:
    import cloudpickle

    frame = pd.DataFrame(
        {
            "tier": ["vip", None, "never seen", "basic"],
            "recency": [10.0, None, 300.0, 200.0],
            "app": [True, None, False, True],
        }
    )
    batch = offers(found.policy, frame).tolist()
    assert batch == ["coupon", "gift", "gift", "coupon"]
    assert [offers(found.policy, frame.iloc[[i]])[0] for i in range(4)] == batch
    model = cloudpickle.loads(cloudpickle.dumps(pyfunc_model(found.policy)))
    assert model.predict(None, frame).tolist() == batch
    assert offers(found.policy, frame[["tier"]]).tolist() == ["gift"] * 4


def test_the_rollout_keeps_its_budget_and_its_shares(
    experiment: Experiment, found: UpliftResult, planted: tuple[Campaign, Truth]
) -> None:
    document = rollout(experiment)
    ledger = pd.read_parquet(document.files["ledger"])
    frame = planted[0].frame().set_index("id")
    assert document.follows == "tree"
    assert document.members == len(ledger) == ledger["member"].nunique() == 8000
    assert document.cost_bound <= 1500
    assert document.shadow_price is not None
    assert document.shadow_price > 0
    reasons = ledger["reason"].value_counts()
    for reason, share in (("holdout", 0.05), ("explore", 0.05)):
        low, high = binom.ppf([0.0005, 0.9995], 8000, share)
        assert low <= reasons[reason] <= high
    tested = planted[0].arms_of(planted[0].frame()) >= 0
    assert not set(ledger["member"]) & set(planted[0].frame()["id"][tested])
    offered = ledger[ledger["reason"] == "offer"]
    chosen = found.policy.choose(frame.loc[offered["member"]].reset_index())
    assert set(offered["arm"]) <= {"gift", "coupon"}
    assert (np.array(ARMS)[chosen] == offered["arm"]).all()
    assert (ledger[ledger["reason"].isin(["holdout", "not_offered"])]["arm"] == "control").all()
    assert (
        sum(offer.members for offer in document.offers)
        + document.holdout
        + document.explore
        + document.not_offered
        == 8000
    )
    first = ledger[(ledger["arm"] != "control") & (ledger["ramp_step"] == 1)]
    lists = pd.concat(
        pd.read_csv(path, dtype={"member": str}) for name, path in document.files.items() if name != "ledger"
    )
    assert set(lists["member"]) == set(first["member"])
    assert lists["member"].is_unique
    steps = ledger["ramp_step"].value_counts(normalize=True)
    assert steps[1] == pytest.approx(0.25, abs=0.03)


def test_propensities_add_up_and_are_the_shares_that_came_out(
    experiment: Experiment, found: UpliftResult
) -> None:
    assert found.policy.proven
    ledger = pd.read_parquet(rollout(experiment).files["ledger"])
    for _, part in ledger.groupby("cell"):
        by_arm = part.groupby("arm")["propensity"].agg(["first", "nunique", "size"])
        assert (by_arm["nunique"] == 1).all()
        assert by_arm["first"].sum() == pytest.approx(1.0)
        error = np.sqrt(by_arm["first"] * (1 - by_arm["first"]) / len(part))
        assert (np.abs(by_arm["size"] / len(part) - by_arm["first"]) < 5 * error + 1e-3).all()


def test_running_again_draws_nobody_anew(experiment: Experiment, found: UpliftResult) -> None:
    rollout(experiment)
    first = rollout(experiment)
    content = {path: Path(path).read_bytes() for path in first.files.values()}
    second = rollout(experiment)
    assert second == first
    assert {path: Path(path).read_bytes() for path in content} == content
    assert found.policy.proven


def test_features_of_another_kind_than_when_it_was_learned_are_told_together(
    planted: tuple[Campaign, Truth], experiment: Experiment, found: UpliftResult, tmp_path: Path
) -> None:
    """`app` as 0 and 1 would be a level that nobody has seen, and every member would get the other leaf's offer."""
    assert found.policy.proven
    shutil.copytree(planted[0].folder, tmp_path / "copy", ignore=shutil.ignore_patterns("rollout"))
    campaign = Campaign(tmp_path / "copy")
    frame = campaign.frame()
    other = frame.assign(app=frame["app"].astype(int), recency=frame["recency"].astype(str))
    other.to_parquet(campaign.folder / "members.parquet")
    with campaign.open() as changed, pytest.raises(InputError) as caught:
        rollout(changed)
    assert [fault.key for fault in caught.value.faults] == ["uplift.features[1]", "uplift.features[2]"]
    assert "`recency` is a category now and was a number" in str(caught.value)
    assert not (changed.workspace.rollout / "ledger.parquet").exists()
    assert experiment.workspace.root != changed.workspace.root


def test_the_profit_that_was_forecast_is_the_true_one(
    experiment: Experiment, found: UpliftResult, planted: tuple[Campaign, Truth]
) -> None:
    document = rollout(experiment)
    campaign, truth = planted
    assert found.policy.proven
    ledger = pd.read_parquet(document.files["ledger"]).set_index("member")
    arm = ledger["arm"].map({name: k for k, name in enumerate(ARMS)}).reindex(campaign.frame()["id"])
    inside = arm.notna().to_numpy()
    given = arm[inside].astype(int).to_numpy()
    gains = (truth.profit - truth.profit[:, :1])[inside]
    assert document.low < gains[np.arange(len(given)), given].sum() < document.high


def test_equal_effects_give_one_offer_for_everybody_and_the_rollout_follows_the_winners(
    tmp_path: Path,
) -> None:
    campaign = Campaign(tmp_path)
    campaign.make(equal=True, seed=5)
    with campaign.open() as experiment:
        analysis = analyze(experiment)
        keep_analysis(experiment, analysis)
        result = find_policy(experiment)
        assert result.document.chosen.kind == "best_single_arm"
        assert "No personalised policy is proven" in result.document.chosen.reason
        document = rollout(experiment)
    assert document.follows == "winner_by_segment"
    assert {offer.arm for offer in document.offers} <= set(analysis.verdict.winner_by_segment.values())
    assert document.cost_bound <= 1500


def test_what_cannot_be_done_is_refused(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.make(6000, equal=True, assignment={**DEFINITION["assignment"], "sample_size": 4000})
    with campaign.open() as experiment:
        with pytest.raises(RefusedError, match="no analysis"):
            rollout(experiment)
        analysis = analyze(experiment)
        no = replace(analysis, verdict=replace(analysis.verdict, status="no_rollout"))
        keep_analysis(experiment, no)
        with pytest.raises(RefusedError, match="no_rollout"):
            rollout(experiment)
        for name in ("profits", ""):
            with pytest.raises(InputError, match=f"--value: there is no metric '{name}'"):
                find_policy(experiment, name)
    other = {**DEFINITION["goals"], "primary": {"metric": "spend"}}
    campaign.define(goals=other, assignment={**DEFINITION["assignment"], "sample_size": 4000})
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        for step in (find_policy, rollout):
            with pytest.raises(RefusedError, match=r"goals\.primary\.metric was bought when arms were drawn"):
                step(experiment)
    campaign.define(
        uplift={**DEFINITION["uplift"], "folds": 2},
        assignment={**DEFINITION["assignment"], "sample_size": 4000},
    )
    with campaign.open() as experiment, pytest.raises(InputError, match="folds"):
        find_policy(experiment)
    campaign.define(uplift=None, assignment={**DEFINITION["assignment"], "sample_size": 4000})
    with campaign.open() as experiment, pytest.raises(InputError, match="uplift"):
        find_policy(experiment)


def test_a_broken_split_is_not_learned_from(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": range(4000),
            "arm": ["control"] * 2400 + ["gift"] * 1600,
            "x": range(4000),
            "bought": 0,
            "spend": 1.0,
        }
    )
    campaign = Campaign(tmp_path)
    campaign.record(frame, uplift={"features": ["x"], "learners": ["joint"]})
    with campaign.open() as experiment, pytest.raises(RefusedError, match="invalid"):
        find_policy(experiment)


def test_features_may_have_the_names_of_our_own_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    value, fold = rng.normal(size=400), rng.normal(size=400)
    frame = pd.DataFrame({"id": range(400), "value": value, "fold": fold, "bought": np.arange(400) % 2})
    campaign = Campaign(tmp_path)
    campaign.record(
        frame.assign(arm=["control", "gift"] * 200),
        uplift={"features": ["value", "fold"], "learners": ["joint"], "folds": 3},
    )
    with campaign.open() as experiment:
        sample = read_sample(open_evidence(experiment), "bought").sample
    assert set(sample.value) == {0.0, 1.0}
    assert set(sample.fold) == {0, 1, 2}
    assert set(map(tuple, sample.members.codes)) == set(zip(value, fold, strict=True))


def test_an_individual_policy_is_rolled_out_by_its_model(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.make(uplift={**DEFINITION["uplift"], "policy": {"kinds": ["best_single_arm", "individual"]}})
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
        result = find_policy(experiment)
        assert result.document.chosen.kind == "individual"
        assert result.document.chosen.sql is None
        document = rollout(experiment)
        rollout(experiment)
        evidence = open_evidence(experiment)
        costs = measure_costs(evidence, result.policy.rule, len(result.policy.cells)).expected
    assert document.follows == "individual"
    ledger = pd.read_parquet(document.files["ledger"])
    offered = ledger[ledger["reason"] == "offer"]
    frame = campaign.frame().set_index("id").loc[offered["member"]].reset_index()
    assert (offers(result.policy, frame) == offered["arm"]).all()
    assert document.cost_bound <= 1500
    assert not list((tmp_path / "runs/planted/rollout").glob(".*"))
    # The best value for its cost first, over all arms: chance decides between equal predictions only.
    decided = ledger[ledger["reason"].isin(["offer", "not_offered"])]
    frame = campaign.frame().set_index("id").loc[decided["member"]].reset_index()
    effects = result.policy.rule.model.effects(result.policy.members(frame).codes)  # type: ignore[attr-defined]
    rate = (effects[:, 1:] / costs[:1, 1:]).max(axis=1)
    given = (decided["reason"] == "offer").to_numpy()
    assert 0.05 < given.mean() < 0.95
    assert rate[given].min() >= rate[~given].max() - 1e-12
    held = ledger[ledger["reason"] == "holdout"]
    frame = campaign.frame().set_index("id").loc[held["member"]].reset_index()
    effects = result.policy.rule.model.effects(result.policy.members(frame).codes)  # type: ignore[attr-defined]
    above = (effects[:, 1:] / costs[:1, 1:]).max(axis=1) > rate[given].min()
    assert (above == (held["policy_arm"] != "control").to_numpy()).all()
    clear = decided["propensity"][np.abs(rate - rate[given].min()) > 1e-9]
    assert set(clear.round(9)) == {0.925, 0.95}


def test_each_part_of_the_policy_has_its_money(
    planted: tuple[Campaign, Truth], experiment: Experiment, found: UpliftResult
) -> None:
    """Recomputed with pandas from the members of each leaf."""
    campaign, _ = planted
    frame = campaign.frame()
    arm = campaign.arms_of(frame)
    parts = found.document.parts
    assert sum(part.members for part in parts) == 16_000
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    cells = found.policy.rule.cells(found.policy.space, found.policy.members(frame))
    for place, part in enumerate(parts):
        here, k = cells == place, ARMS.index(part.arm)
        given, control = frame[here & (arm == k)], frame[here & (arm == 0)]
        added = given["bought"].mean() - control["bought"].mean()
        assert part.incremental_buyers == pytest.approx(added)
        assert part.cost == pytest.approx(0.02 + given["benefit"].mean())
        assert part.cost_per_incremental_buyer == pytest.approx(part.cost / added)
        assert part.roi == pytest.approx(part.gain / part.cost)
        assert part.low < part.gain < part.high
    assert any("recency at most 200" in part.part for part in parts)


def test_what_drives_the_offers_is_what_was_planted(found: UpliftResult) -> None:
    """`coupon` works on those who bought lately, `gift` on the others; nothing else moves either effect."""
    document = found.document
    first = {arm: next(each for each in document.drivers if each.arm == arm) for arm in ARMS[1:]}
    assert {each.feature for each in first.values()} == {"recency"}
    assert min(each.share for each in first.values()) > 0.6
    assert first["gift"].words == "larger the larger recency is"
    assert first["coupon"].words == "smaller the larger recency is"
    root, *others = document.tree
    assert root.words.startswith("recency at most 200")
    assert root.members == document.sampled
    assert {node.arm for node in others} == {"coupon", "gift"}
    assert document.tree[root.children[0]].arm == "coupon"
    assert document.resampled is not None
    assert document.resampled < 0.05
