"""Findings: factors that matter and those that do not, omitted combinations, segments that are only thought to be special."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from experiments.documents.analysis import Analysis
from experiments.inference.corrections import adjust
from tests.decision.campaign import Campaign, Did, analysis, define
from tests.decision.karlan_list import FACTORIAL, analyze_letters

OFFERS = ("pts", "cpn", "gift")
COPIES = ("care", "urgent")


def arms(share_each: str = "1/7", **more: object) -> dict[str, object]:
    labels = {"pts": "Points", "cpn": "Coupon", "gift": "Gift", "care": "Care", "urgent": "Urgent"}
    factors = {
        "incentive": {level: {"label": labels[level]} for level in OFFERS},
        "copy": {level: {"label": labels[level]} for level in COPIES},
    }
    return {
        "=": {
            "control": {"share": "1/7"},
            "factors": factors,
            "share_each": share_each,
            "channel": {"id": "sms", "cost_per_send": 0.05},
            **more,
        }
    }


def told(document: Analysis, about: str, metric: str = "converted") -> list[tuple[str, str]]:
    return [(f.code, f.text) for f in document.findings if (f.about, f.metric) == (about, metric)]


def rates(of: dict[str, float]) -> Campaign:
    return Campaign({arm: Did(rate=rate) for arm, rate in of.items()})


def test_the_copy_matters_and_the_incentive_does_not(tmp_path: Path) -> None:
    did = {f"{offer}__{copy}": 0.06 if copy == "care" else 0.05 for offer in OFFERS for copy in COPIES}
    document = analysis(define(tmp_path, arms=arms()), rates(did))
    ((code, text),) = told(document, "factors")
    assert code == "factors_some"
    assert text == (
        "For converted this matters: copy (adjusted p < 0.0001; Care minus Urgent: +1.00 points). "
        "This does not, as far as the test can tell: incentive (adjusted p = 1.0000)."
    )
    chinese = analysis(define(tmp_path, arms=arms()), rates(did), language="zh")
    assert "起作用的是：copy（校正后 p < 0.0001；Care 减 Urgent" in told(chinese, "factors")[0][1]


def test_levels_that_differ_are_named(tmp_path: Path) -> None:
    did = {f"{offer}__{copy}": 0.06 if offer == "gift" else 0.05 for offer in OFFERS for copy in COPIES}
    document = analysis(define(tmp_path, arms=arms()), rates(did))
    ((code, text),) = told(document, "factors")
    assert code == "factors_some"
    assert "Points minus Gift: −1.00 points; Coupon minus Gift: −1.00 points" in text
    assert "Points minus Coupon" not in text


def test_factors_that_depend_on_each_other_are_not_read_alone(tmp_path: Path) -> None:
    did = {
        f"{offer}__{copy}": 0.07 if (offer == "pts") == (copy == "care") else 0.05
        for offer in OFFERS
        for copy in COPIES
    }
    codes = [code for code, _ in told(analysis(define(tmp_path, arms=arms()), rates(did)), "factors")]
    assert codes[-1] == "factors_interact"


def test_no_factor_without_an_effect(tmp_path: Path) -> None:
    document = analysis(define(tmp_path, arms=arms()), Campaign())
    assert [code for code, _ in told(document, "factors")] == ["factors_none"]
    assert analysis(define(tmp_path / "list"), Campaign()).findings == ()


def test_each_kind_of_term_is_a_family(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    did = {f"{offer}__{copy}": 0.05 + 0.004 * rng.random() for offer in OFFERS for copy in COPIES}
    document = analysis(define(tmp_path, arms=arms()), rates(did))
    rows = {row.term: row for row in document.factorial if row.metric == "converted"}
    mains, pairs = ["incentive", "copy"], [term for term in rows if " - " in term]
    assert len(pairs) == 3
    for family in (mains, pairs, ["incentive:copy"]):
        expected = adjust([rows[term].p_value for term in family], "holm")
        assert [rows[term].p_value_adjusted for term in family] == pytest.approx(expected, rel=1e-12)


def test_omitted_combinations_are_left_out_of_every_average_and_said(tmp_path: Path) -> None:
    """Without gift__urgent, gift is compared with the others in the copy that it has (statsmodels has no such contrast)."""
    did = {
        "pts__care": 0.06,
        "pts__urgent": 0.09,
        "cpn__care": 0.05,
        "cpn__urgent": 0.05,
        "gift__care": 0.055,
    }
    definition = define(tmp_path, arms=arms(share_each="6/35", omit=["gift__urgent"]))
    document = analysis(definition, rates(did))
    assert len(document.arms) == 6
    rows = {row.term: row for row in document.factorial if row.metric == "converted"}
    assert rows["incentive:pts - incentive:gift"].estimate == pytest.approx(0.06 - 0.055)
    assert rows["incentive:pts - incentive:cpn"].estimate == pytest.approx((0.01 + 0.04) / 2)
    assert rows["copy"].estimate == pytest.approx((-0.03 + 0.0) / 2)
    variance = sum(did[arm] * (1 - did[arm]) / 20_000 for arm in did if not arm.startswith("gift")) / 4
    assert rows["copy"].p_value == pytest.approx(2 * norm.sf(0.015 / variance**0.5), rel=1e-6)
    assert rows["incentive:copy"].degrees == 1
    assert "1 combinations were not sent" in told(document, "factors")[-1][1]


def test_a_matching_grants_ratio_size_and_ask_do_not_matter(shared: Path, tmp_path: Path) -> None:
    document = analyze_letters(shared, tmp_path, FACTORIAL, "zero")
    ((code, text),) = told(document, "factors", "gave")
    assert code == "factors_none"
    assert all(f"{factor} (adjusted p = 1.0000)" in text for factor in ("ratio", "size", "ask"))


def test_a_segment_that_is_only_the_clearest_is_called_what_it_is(tmp_path: Path) -> None:
    same_everywhere = {
        ("points", "vip"): Did(members=40_000, rate=0.056),
        ("control", "vip"): Did(members=40_000, rate=0.05),
        ("points", "others"): Did(members=4_000, rate=0.055),
        ("control", "others"): Did(members=4_000, rate=0.05),
    }
    document = analysis(define(tmp_path), Campaign({}, same_everywhere))
    ((code, text),) = told(document, "segments")
    assert code == "segment_not_special"
    assert "Points (points) is significant on converted in vip and not in others" in text
    group = next(g for g in document.segments if (g.metric, g.arm) == ("converted", "points"))
    assert group.p_value > 0.5


def test_a_segment_that_differs_or_segments_that_agree_need_no_warning(tmp_path: Path) -> None:
    differs = Campaign({}, {("points", "vip"): Did(members=40_000, rate=0.07)})
    assert analysis(define(tmp_path / "differs"), differs).findings == ()
    agree = Campaign({"points": Did(members=40_000, rate=0.06)})
    assert analysis(define(tmp_path / "agree"), agree).findings == ()
