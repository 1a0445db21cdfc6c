"""The generated campaign: deterministic, whole, loadable, and with the traps of real data."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from experiments.definition.errors import InputError
from experiments.definition.load import load
from offerwise.demo.campaign import generate, respond
from offerwise.demo.truth import MARGIN, PLANTED, WINDOW_DAYS
from tests.demo.answered import SEED, SIZE, TODAY, Answered


def fingerprints(directory: Path) -> dict[str, str]:
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): sha256(path.read_bytes()).hexdigest() for path in paths}


def test_same_seed_same_bytes_and_another_seed_other_members(tmp_path: Path) -> None:
    one, two, other = tmp_path / "one", tmp_path / "two", tmp_path / "other"
    for directory, seed in ((one, 1), (two, 1), (other, 2)):
        generate(directory, seed, members=3000, today=TODAY)
    assert fingerprints(one) == fingerprints(two)
    differing = {name for name, digest in fingerprints(one).items() if fingerprints(other)[name] != digest}
    assert differing >= {"members.parquet", "orders.parquet", "contacts.parquet", "staff.csv"}


def test_a_standing_campaign_is_kept_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    first = generate(directory, 1, members=3000, today=TODAY)
    before = fingerprints(directory)
    assert generate(directory, 1, members=3000, today=TODAY + timedelta(days=9)) == first
    assert fingerprints(directory) == before


def test_a_folder_that_holds_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no demo campaign"):
        generate(directory, 1, members=3000, today=TODAY)
    assert fingerprints(directory).keys() == {"diary.txt"}


def test_a_campaign_of_another_seed_is_never_mixed_in(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    generate(directory, 1, members=3000, today=TODAY)
    before = fingerprints(directory)
    with pytest.raises(InputError, match="seed 1 with 3,000 members"):
        generate(directory, 2, members=3000, today=TODAY)
    assert fingerprints(directory) == before


def test_what_a_killed_run_left_does_not_hinder_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".demo.partial"
    left.mkdir()
    (left / "orders.parquet").write_bytes(b"half")
    (tmp_path / "demo").mkdir()
    generate(tmp_path / "demo", 1, members=3000, today=TODAY)
    assert (tmp_path / "demo" / "members.parquet").stat().st_size > 1000
    assert not left.exists()


def test_the_definition_loads_and_says_what_is_planted(answered: Answered) -> None:
    definition = load(answered.campaign.definition)
    assert {arm.id for arm in definition.all_arms} == {truth.arm for truth in PLANTED.arms}
    assert definition.audience.snapshot == answered.campaign.snapshot == TODAY - timedelta(days=28)
    converted, profit = definition.metrics["converted"], definition.metrics["profit"]
    assert getattr(converted, "window_days", None) == WINDOW_DAYS
    assert f"{MARGIN:.2f} * net_revenue" in str(getattr(profit, "value", ""))
    assert definition.send is not None
    closes = max(definition.send.days) + timedelta(days=1 + WINDOW_DAYS)
    assert closes <= answered.campaign.until


def test_labels_are_in_the_language_asked_for_and_change_nothing_else(tmp_path: Path) -> None:
    english, chinese = (
        load(generate(tmp_path / language, 1, members=2000, today=TODAY, language=language).definition)
        for language in ("en", "zh")
    )
    assert english.arm("pts500__care").label == "500 points × Caring text"
    assert chinese.arm("pts500__care").label == "500 积分 × 关怀"
    assert chinese.title == "休眠会员召回 3 权益 × 2 文案"
    assert [arm.id for arm in english.all_arms] == [arm.id for arm in chinese.all_arms]
    for name in ("members", "orders", "contacts"):
        assert (tmp_path / "en" / f"{name}.parquet").read_bytes() == (
            tmp_path / "zh" / f"{name}.parquet"
        ).read_bytes()


def test_every_template_of_the_definition_is_there(answered: Answered) -> None:
    templates = {name for arm in answered.definition.all_arms for name in arm.templates}
    assert templates
    for name in templates:
        assert (answered.campaign.directory / name).read_text(encoding="utf8").strip()


def query(answered: Answered, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET timezone = 'Asia/Shanghai'")
        for source in ("members", "orders", "contacts", "redemptions", "feedback"):
            path = answered.campaign.directory / f"{source}.parquet"
            connection.read_parquet(str(path)).create_view(source)
        return connection.execute(sql).fetchall()


def test_members_are_unique_and_as_dirty_as_real_ones(answered: Answered) -> None:
    facts = query(
        answered,
        """SELECT count(*), count(DISTINCT member_id), count(*) FILTER (member_id LIKE '0%'), count(*) - count(tier),
                  count(*) - count(gender), count(*) - count(city_level), count(*) - count(sms_opt_in),
                  count(*) FILTER (birth_year = 1900), count(*) FILTER (NOT mobile_valid) FROM members""",
    )[0]
    assert facts[:2] == (SIZE, SIZE)
    assert all(isinstance(count, int) and count > 50 for count in facts[2:])


def test_last_orders_are_where_the_population_has_them(answered: Answered) -> None:
    rows = query(
        answered,
        f"""SELECT member_id, DATE '{answered.campaign.snapshot}' - max(CAST(paid_at AS DATE)) FROM orders
            WHERE status = 'paid' AND member_id <> 'guest'
              AND paid_at < TIMESTAMPTZ '{answered.campaign.snapshot} 00:00:00+08' GROUP BY 1""",
    )
    population = answered.population
    bought = population.days_since_last_order > 0
    expected = zip(population.member_id[bought], population.days_since_last_order[bought], strict=True)
    assert dict(rows) == {str(member): int(days) for member, days in expected}


def test_orders_follow_the_seasons_and_have_a_heavy_tail(answered: Answered) -> None:
    (busy,) = query(
        answered,
        """SELECT count(*) FILTER (month(paid_at) = 11 AND day(paid_at) = 11),
                  count(*) FILTER (month(paid_at) = 11 AND day(paid_at) = 21) FROM orders""",
    )
    assert busy[0] > 3 * busy[1] > 0
    ((median, extreme),) = query(
        answered, "SELECT median(amount), quantile_cont(amount, 0.9998) FROM orders WHERE status = 'paid'"
    )
    assert float(extreme) > 6 * float(median)
    refunds = dict(query(answered, "SELECT status, max(refund - amount) FROM orders GROUP BY 1"))
    assert refunds["paid"] < 0
    assert refunds["refunded"] == 0


def test_contact_caps_have_something_to_remove(answered: Answered) -> None:
    snapshot = f"TIMESTAMPTZ '{answered.campaign.snapshot} 00:00:00+08'"
    ((capped,),) = query(
        answered,
        f"""SELECT count(*) FROM (SELECT member_id FROM contacts WHERE channel = 'sms' AND kind = 'marketing'
            AND sent_at < {snapshot} AND sent_at >= {snapshot} - INTERVAL 30 DAY GROUP BY 1 HAVING count(*) >= 2)""",
    )
    assert 0.005 * SIZE < float(capped) < 0.1 * SIZE


def test_nothing_is_dated_after_today_and_answers_come_after_the_message(answered: Answered) -> None:
    until = f"TIMESTAMPTZ '{answered.campaign.until} 00:00:00+08'"
    for source, time in {
        "orders": "paid_at",
        "contacts": "sent_at",
        "redemptions": "redeemed_at",
        "feedback": "created_at",
    }.items():
        assert query(answered, f"SELECT count(*) FROM {source} WHERE {time} >= {until}") == [(0,)]
    offered = "SELECT member_id, sent_at FROM contacts WHERE starts_with(campaign, 'winback-demo')"
    early = query(
        answered,
        f"""SELECT count(*) FROM redemptions JOIN ({offered}) USING (member_id)
            WHERE starts_with(benefit, 'pts') AND redeemed_at < sent_at""",
    )
    assert early == [(0,)]


def test_answering_again_changes_nothing_and_keeps_history(answered: Answered) -> None:
    directory = answered.campaign.directory
    before = fingerprints(directory)
    assert respond(answered.campaign, answered.definition, pq.read_table(answered.ledger)) == answered.truth
    assert fingerprints(directory) == before
    fresh = generate(directory.with_name("fresh"), SEED, members=SIZE, today=TODAY)
    snapshot = f"TIMESTAMPTZ '{answered.campaign.snapshot} 00:00:00+08'"
    for source, time in {"orders": "paid_at", "contacts": "sent_at"}.items():
        path = fresh.directory / f"{source}.parquet"
        lost = query(answered, f"SELECT count(*) FROM (FROM '{path}' EXCEPT ALL FROM {source})")
        kept = query(answered, f"SELECT count(*) FROM {source} WHERE {time} < {snapshot}")
        assert lost == [(0,)]
        assert kept == query(answered, f"SELECT count(*) FROM '{path}'")


def test_the_day_of_the_campaign_is_today_by_default(tmp_path: Path) -> None:
    campaign = generate(tmp_path / "demo", 1, members=2000)
    assert abs((campaign.until - date.today()).days) <= 1  # noqa: DTZ011 - the zone may be a day ahead
