"""The lock follows the meaning: what changes nothing keeps it, what changes anything breaks it and is named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import offerwise
from experiments.definition.load import load
from experiments.definition.lock import canonical_json, differences

EXAMPLES = Path(offerwise.__file__).parent / "examples"
WINBACK = (EXAMPLES / "winback.yml").read_text(encoding="utf8")


@pytest.fixture
def lock_of(tmp_path: Path):
    def lock(text: str) -> tuple[str, str]:
        path = tmp_path / "x.yml"
        path.write_text(text, encoding="utf8")
        definition = load(path)
        return definition.origin.sha256, canonical_json(definition)

    return lock


def changed(*pairs: tuple[str, str]) -> str:
    text = WINBACK
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def test_the_lock_is_the_sha256_of_the_canonical_text() -> None:
    winback = load(EXAMPLES / "winback.yml")
    assert winback.origin.sha256 == hashlib.sha256(canonical_json(winback).encode()).hexdigest()
    assert json.loads(canonical_json(winback)) == winback.origin.resolved


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + WINBACK,
        changed(("share_each: 0.12 ", "share_each: 3/25 ")),
        changed(("alpha: 0.05 ", "alpha: 0.0500 ")),
        changed(("{metric: converted, better: up}", "{better: up, metric: converted}")),
        changed(("  omit: []                          # arm ids that may not be sent\n", "")),
        changed(("goals:", "goals:  # roles")),
        changed(("currency: CNY", "currency: &money CNY"), ("owner: lifecycle@example.com\n", ""),
                ("title:", "owner: lifecycle@example.com\ntitle:")),
        changed(("  orders_365d:           {from: orders, count: rows, days: 365}\n", ""),
                ("  lifecycle:  ", "  orders_365d: {days: 365, count: rows, from: orders}\n  lifecycle:  ")),
        changed(('hours: ["09:00", "20:00"]', "hours: [09:00:00, 20:00:00]")),
        changed(("id: near_dormant, when: days", "id: near_dormant, when: '  days"), ("<= 365}", "<= 365'}")),
        changed(("uplift:\n", "uplift:\n  folds: 5\n"), ("design:\n", "holdout:\ndesign:\n")),
    ],
)  # fmt: skip
def test_what_means_the_same_has_the_same_lock(lock_of, text: str) -> None:
    assert lock_of(text) == lock_of(WINBACK)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (changed(("alpha: 0.05", "alpha: 0.1")), ["design.alpha"]),
        (changed(("cpn20:  {label: 满 100 减 20, unit_cost: 20.00", "cpn20:  {label: 满 100 减 20, unit_cost: 21"),
                 ("window_days: 14}\n  net", "window_days: 7}\n  net")),
         ["arms.factors.incentive.cpn20.unit_cost", "metrics.converted.window_days"]),
        (changed(("      care:   {label: 关怀, template: copy/care.txt}\n", ""),
                 ("copy/urgent.txt}\n", "copy/urgent.txt}\n      care: {label: 关怀, template: copy/care.txt}\n")),
         ["arms.factors.copy"]),
        (changed(("when: days_since_last_order <= 365", "when: days_since_last_order < 365")),
         ["audience.segments[1].when"]),
        (changed(("covariates: [orders_365d, spend_365d,", "covariates: [spend_365d, orders_365d,")),
         ["design.covariates[0]", "design.covariates[1]"]),
        (changed(("exclude_lists: [staff.csv]", "exclude_lists: []")), ["audience.exclude_lists"]),
        (changed(("  exclusive_group: winback", "  # exclusive_group: winback")), ["audience.exclusive_group"]),
        (changed(("salt: winback-2026q4.1", "salt: winback-2026q4.2")), ["assignment.salt"]),
    ],
)  # fmt: skip
def test_what_differs_is_named(lock_of, text: str, keys: list[str]) -> None:
    (old_sha, old), (new_sha, new) = lock_of(WINBACK), lock_of(text)
    assert old_sha != new_sha
    assert [difference.key for difference in differences(old, new)] == keys
    assert [difference.key for difference in differences(new, old)] == keys
    assert differences(old, old) == []


def test_a_label_is_text_however_it_is_written(lock_of) -> None:
    recorded = (EXAMPLES / "hillstrom.yml").read_text(encoding="utf8")
    before = "{control: No E-Mail, mens: Mens E-Mail, womens: Womens E-Mail}"
    plain, quoted = "{control: 0, mens: true, womens: 2}", "{control: '0', mens: 'true', womens: '2'}"
    assert before in recorded
    assert lock_of(recorded.replace(before, plain)) == lock_of(recorded.replace(before, quoted))


def test_differences_give_both_values(lock_of) -> None:
    (_, old), (_, new) = lock_of(WINBACK), lock_of(changed(("sample_size: 180000", "sample_size: 90000")))
    assert differences(old, new) == [("assignment.sample_size", 180000, 90000)]


def test_extends_is_not_part_of_the_lock(tmp_path: Path) -> None:
    brand = (
        (EXAMPLES / "new-season.yml")
        .read_text(encoding="utf8")
        .replace("extends: brand", f"extends: {EXAMPLES}/brand")
    )
    (tmp_path / "whole.yml").write_text(brand, encoding="utf8")
    (tmp_path / "thin.yml").write_text("extends: whole.yml\n")
    whole, thin = load(tmp_path / "whole.yml"), load(tmp_path / "thin.yml")
    assert thin.origin.sha256 == whole.origin.sha256
    assert "extends" not in thin.origin.resolved
