"""Families: adjusted p-values and intervals of comparisons that share one error rate."""

from __future__ import annotations

import math

import pytest

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import effect_rows, estimate_effects, overall_family, segment_family
from experiments.decision.family import Contrast, Family
from experiments.definition.design import Correction
from experiments.inference.proportions import compare_proportions
from experiments.inference.score import TwoByTwo
from tests.decision.campaign import Campaign, Did, define

KARLAN = [("1:1", 231, 11_133), ("2:1", 252, 11_134), ("3:1", 253, 11_129)]


def karlan(correction: Correction) -> Family:
    """The matching-grant letters of Karlan and List (2007): three match ratios against 298 of 16,687."""
    return Family(
        tuple(
            Contrast(arm, "control", None, compare_proportions(TwoByTwo(gave, members, 298, 16_687)))
            for arm, gave, members in KARLAN
        ),
        correction,
        0.05,
    )


def test_holm_on_the_karlan_list_letters() -> None:
    # R: p.adjust(c(prop.test(...)$p.value, ...), "holm").
    assert karlan("holm").p_values() == pytest.approx([0.0837, 0.0128, 0.0128], abs=5e-5)


def test_every_correction_lies_between_none_and_bonferroni() -> None:
    raw, bonferroni = karlan("none").p_values(), karlan("bonferroni").p_values()
    for correction in ("holm", "hochberg", "bh", "dunnett"):
        between = karlan(correction).p_values()
        assert all(low <= p <= high + 1e-12 for low, p, high in zip(raw, between, bonferroni, strict=True))


@pytest.mark.parametrize(
    ("correction", "label", "alpha"),
    [
        ("none", "none", 0.05),
        ("bonferroni", "bonferroni", 0.05 / 3),
        ("holm", "bonferroni_conservative", 0.05 / 3),
        ("hochberg", "bonferroni_conservative", 0.05 / 3),
        ("bh", "false_coverage", 0.05 * 2 / 3),
    ],
)
def test_interval_levels(correction: Correction, label: str, alpha: float) -> None:
    family = karlan(correction)
    assert family.interval_adjustment == label
    assert sum(p <= 0.05 for p in family.p_values()) == 2
    assert family.intervals[0] == pytest.approx(family.contrasts[0].comparison.interval(alpha))


def test_dunnett_interval_and_p_value_agree() -> None:
    family = karlan("dunnett")
    assert family.interval_adjustment == "dunnett"
    for (low, high), p in zip(family.intervals, family.p_values(), strict=True):
        assert (low > 0 or high < 0) == (p < 0.05)
    narrow, wide = family.intervals[0], karlan("bonferroni").intervals[0]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_one_sided_p_values_are_corrected_alike() -> None:
    family = karlan("holm")
    above = [contrast.comparison.p_value(0.001, "greater") for contrast in family.contrasts]
    ordered = sorted(above)
    expected = {ordered[0]: 3 * ordered[0], ordered[1]: max(3 * ordered[0], 2 * ordered[1])}
    expected[ordered[2]] = max(*expected.values(), ordered[2])
    assert family.p_values(0.001, "greater") == pytest.approx([min(1.0, expected[p]) for p in above])


def test_segments_are_one_family_and_dunnett_splits_alpha_between_them(tmp_path) -> None:
    campaign = Campaign({"points": Did(rate=0.056), "coupon": Did(rate=0.055), "gift": Did(rate=0.05)})
    holm, dunnett = (
        define(tmp_path / correction, design={"correction": correction}) for correction in ("holm", "dunnett")
    )
    contrasts = Contrasts(campaign.measure(holm).metrics)
    family = segment_family(holm, contrasts, "converted")
    assert len(family.contrasts) == 3 * 2
    assert min(family.p_values()) == pytest.approx(
        6 * min(contrast.comparison.p_value() for contrast in family.contrasts)
    )
    split = segment_family(dunnett, contrasts, "converted")
    within = Family(tuple(c for c in split.contrasts if c.segment == "vip"), "dunnett", 0.05)
    assert [
        p for c, p in zip(split.contrasts, split.p_values(), strict=True) if c.segment == "vip"
    ] == pytest.approx([min(1.0, 2 * p) for p in within.p_values()])
    halved = Family(within.contrasts, "dunnett", 0.025)
    vip = [i for c, i in zip(split.contrasts, split.intervals, strict=True) if c.segment == "vip"]
    assert vip == [pytest.approx(interval) for interval in halved.intervals]


def test_pairs_of_offers_are_corrected_by_holm_within_a_metric(tmp_path) -> None:
    definition = define(tmp_path, design={"correction": "none"})
    campaign = Campaign({"points": Did(rate=0.056), "coupon": Did(rate=0.053)})
    contrasts = Contrasts(campaign.measure(definition).metrics)
    pairs = [
        row for row in estimate_effects(definition, contrasts).between_offers if row.metric == "converted"
    ]
    assert [(row.arm, row.versus) for row in pairs] == [
        ("points", "coupon"),
        ("points", "gift"),
        ("coupon", "gift"),
    ]
    assert min(row.p_value_adjusted for row in pairs) == pytest.approx(3 * min(row.p_value for row in pairs))
    overall = overall_family(definition, contrasts, "converted")
    assert overall.p_values() == tuple(c.comparison.p_value() for c in overall.contrasts)


def test_a_bound_that_the_data_do_not_set_is_none(tmp_path) -> None:
    definition = define(tmp_path)
    alone = Campaign(segments={("gift", "vip"): Did(members=1), ("gift", "others"): Did(members=0)})
    family = overall_family(definition, Contrasts(alone.measure(definition).metrics), "spend")
    row = next(row for row in effect_rows("spend", "secondary", family) if row.arm == "gift")
    assert (row.difference_low, row.difference_high, row.std_error) == (None, None, None)
    assert math.isfinite(row.difference)


@pytest.mark.parametrize("correction", ["none", "holm", "bh", "dunnett"])
def test_a_comparison_without_variance_has_no_p_value_and_counts_as_1_in_its_family(
    tmp_path, correction: Correction
) -> None:
    definition = define(tmp_path, design={"correction": correction})
    alone = Campaign(segments={("gift", "vip"): Did(members=1), ("gift", "others"): Did(members=0)})
    family = overall_family(definition, Contrasts(alone.measure(definition).metrics), "spend")
    rows = {row.arm: row for row in effect_rows("spend", "secondary", family)}
    assert (rows["gift"].p_value, rows["gift"].p_value_adjusted) == (None, None)
    assert dict(zip(rows, family.p_values(), strict=True))["gift"] == 1.0
    for arm in ("points", "coupon"):
        assert rows[arm].p_value_adjusted >= rows[arm].p_value


def test_an_exact_test_of_a_rate_that_nobody_reaches_has_a_p_value(tmp_path) -> None:
    definition = define(tmp_path)
    nobody = Campaign(
        arms={arm: Did(members=40, rate=0.0) for arm in ("control", "points", "coupon", "gift")}
    )
    contrasts = Contrasts(nobody.measure(definition).metrics)
    rows = effect_rows("converted", "primary", overall_family(definition, contrasts, "converted"))
    assert {(row.method, row.p_value) for row in rows} == {("boschloo", 1.0)}
