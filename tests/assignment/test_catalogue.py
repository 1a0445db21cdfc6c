"""What is wrong with the data is told at once, each fault at the definition's line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlglot import exp

from experiments.assignment.assigned import assigned_members
from experiments.data.catalogue import open_data
from experiments.definition.errors import InputError
from experiments.engines.protocol import ColumnType
from experiments.measurement.units import build_units
from offerwise.opening import open_experiment
from tests.assignment.campaign import Campaign, Row, members

ROOT = Path(__file__).resolve().parents[2]
ORDERS: list[Row] = [
    {"会员": "000000", "paid_at": "2026-11-01 10:00:00", "amount": 1.5, "status": "paid", "is_gift": "true"},
    {"会员": "nobody", "paid_at": "2026-11-02 10:00:00", "amount": 2.5, "status": "open", "is_gift": "false"},
]


def faults(campaign: Campaign) -> list[tuple[str, str]]:
    """`(key, cause; remedy)` of every fault, after checking that the line is where the key stands."""
    with campaign.open() as experiment:
        with pytest.raises(InputError) as caught:
            open_data(experiment)
        text = (campaign.folder / "test.yml").read_text().splitlines()
        for fault in caught.value.faults:
            assert fault.file == campaign.folder / "test.yml"
            assert fault.line is not None
            last = fault.key.split(".")[-1]
            if not last.endswith("]"):
                assert last in text[fault.line - 1]
    return [(fault.key, f"{fault.cause}; {fault.remedy}") for fault in caught.value.faults]


def recorded(**changes: Any) -> dict[str, Any]:
    return {
        "assignment": {
            "method": "recorded",
            "from": "members",
            "column": "arm",
            "values": {"control": "No", "a": 1, "b": "B"},
        },
        "metrics": {"visited": {"type": "binary", "from": "members", "value": "visit"}},
        "goals": {"primary": {"metric": "visited"}},
        **changes,
    }


def people(count: int = 30) -> list[dict[str, object]]:
    labels = ["No", "1", "B"]
    return [
        {**person, "arm": labels[n % 3], "visit": n % 2, "spend": n}
        for n, person in enumerate(members(count))
    ]


def test_a_sound_campaign_opens(campaign: Campaign) -> None:
    campaign.write(people(), ORDERS, **recorded())
    with campaign.open() as experiment:
        catalogue = open_data(experiment)
    assert catalogue.members.columns["会员"] is ColumnType.TEXT
    assert catalogue.member_kinds["orders_before"] is ColumnType.INTEGER
    assert set(catalogue.sources) == {"members", "orders", "contacts"}


def test_missing_columns_and_wrong_types_come_all_at_once(campaign: Campaign) -> None:
    campaign.write(
        people(),
        ORDERS,
        features={
            "city": {"from": "orders", "count": "rows"},
            "spend_all": {"from": "orders", "sum": "status"},
            "gifts": {"from": "orders", "sum": "is_gift"},
            "paid": {"from": "orders", "count": "rows", "where": "amount"},
            "shops": {"from": "orders", "distinct": "shop"},
        },
        audience={
            "snapshot": "2026-11-25",
            "include": "Tier = 'vip' AND spend > '3'",
            "exclude_lists": ["staff.csv"],
            "contact_caps": [{"channels": ["sms"], "kind": "care", "max": 1, "days": 3}],
            "segments": [{"id": "x", "when": "visit"}, {"id": "rest", "when": "otherwise"}],
        },
        assignment={"method": "stratified", "strata": ["segment", "citty"]},
        design={"covariates": ["orders_befor", "tier"]},
        uplift={"features": ["spend", "nothing_like_it"]},
        metrics={
            "bought": {"type": "binary", "from": "orders", "where": "stat = 'paid'", "window_days": 14},
            "revenue": {"type": "sum", "from": "orders", "value": "status", "window_days": 14},
            "returned": {"type": "binary", "from": "orders", "where": 'status = "paid"', "window_days": 14},
        },
        contacts=[{"会员": "000000", "sent_at": "soon", "channel": 7}],
    )
    found = dict(faults(campaign))
    expected = {
        "data.contacts.time": ("`sent_at` is text, not a date or a time", "name a column of that type"),
        "features.city": ("the name of a column of the members", "give it another name"),
        "features.spend_all.sum": ("`status` is text, not a number", "write a number"),
        "features.gifts.sum": ("`is_gift` is true or false, not a number", "write a number"),
        "features.paid.where": ("`amount` is a number, not true or false", "write a condition"),
        "features.shops.distinct": ("there is no column `shop`", "choose one of: 会员, paid_at"),
        "audience.include": ("there is no column `Tier`", "did you mean `tier`?"),
        "audience.exclude_lists[0]": ("there is no file", "check the path"),
        "audience.contact_caps": ("`channel` in contacts is integer, not text", "name a column of that type"),
        "audience.contact_caps[0].kind": (
            "there is no column `kind` in contacts",
            "choose one of",
        ),
        "audience.segments[0].when": ("`visit` is a number, not true or false", "write a condition"),
        "assignment.strata[1]": ("there is no column `citty`", "did you mean `city`?"),
        "design.covariates[0]": ("there is no column `orders_befor`", "choose one of"),
        "design.covariates[1]": ("`tier` is text, not a number", "name a column of that type"),
        "uplift.features[1]": ("there is no column `nothing_like_it`", "choose one of"),
        "metrics.bought.where": ("there is no column `stat`", "did you mean `status`?"),
        "metrics.revenue.value": ("`status` is text, not a number", "write a number"),
        "metrics.returned.where": ("there is no column `paid`", "a text stands in single quotes, 'paid'"),
    }
    for key, (cause, remedy) in expected.items():
        assert cause in found[key].partition("; ")[0], key
        assert remedy in found[key].partition("; ")[2], key
    assert set(found) == set(expected)


def test_keys_must_be_there_and_unique(campaign: Campaign) -> None:
    rows = people()
    rows[3]["会员"] = rows[0]["会员"]
    rows[4]["会员"] = ""
    campaign.write(rows, ORDERS, **recorded())
    found = faults(campaign)
    assert [key for key, _ in found] == ["data.members.key"] * 2
    assert "`会员` is missing in 1 row of members" in found[0][1]
    assert f"`会员` repeats in 1 row of members, for example {rows[0]['会员']}" in found[1][1]


@pytest.mark.parametrize(("kind", "said"), [("DOUBLE", "float"), ("DATE", "date"), ("BOOLEAN", "boolean")])
def test_keys_are_text_or_integers(campaign: Campaign, kind: str, said: str) -> None:
    campaign.write(
        people(), ORDERS, **recorded(data={"members": {"table": "m.parquet", "key": "id"}}, features=None)
    )
    value = {"DOUBLE": "1e7", "DATE": "'2026-01-01'", "BOOLEAN": "true"}[kind]
    duckdb.sql(f"SELECT CAST({value} AS {kind}) AS id, 'No' AS arm, 1 AS visit, 'vip' AS tier").write_parquet(
        str(campaign.folder / "m.parquet")
    )
    assert faults(campaign) == [
        (
            "data.members.key",
            f"the column `id` is {said}, not text or an integer; name a column of that type, or change the type in the data",
        )
    ]


def test_recorded_labels_must_be_arms(campaign: Campaign) -> None:
    rows = people()
    for place, label in enumerate(["b", "b", "a", ""]):
        rows[place]["arm"] = label
    campaign.write(rows, ORDERS, **recorded())
    assert set(faults(campaign)) == {
        (
            "assignment.column",
            "`arm` holds 'a', which is no arm, in 1 row; choose one of: No, 1, B",
        ),
        ("assignment.column", "`arm` is missing in 1 row; take them out, or give them their arm"),
        ("assignment.column", "`arm` holds 'b', which is no arm, in 2 rows; did you mean `B`?"),
    }


def test_a_column_that_holds_no_arms_is_told_in_few_lines(campaign: Campaign) -> None:
    changes = recorded()
    changes["assignment"] = {"method": "recorded", "from": "members", "column": "household"}
    campaign.write(people(60), ORDERS, **changes)
    found = faults(campaign)
    assert len(found) == 6
    assert sum("`household` holds 15 more values that are no arm" in text for _, text in found) == 1


@pytest.mark.parametrize(
    ("metric", "missing"),
    [
        ({"type": "sum", "value": "spend"}, 3),
        ({"type": "sum", "value": "spend", "where": "visit = 1"}, 3),
        ({"type": "sum", "value": "COALESCE(spend, 0)"}, 0),
        ({"type": "binary", "value": "spend > 3"}, 3),
        ({"type": "binary", "where": "visit = 1"}, 1),
        ({"type": "sum", "value": "spend", "missing": "zero"}, 0),
        ({"type": "sum", "value": "spend", "missing": "drop"}, 0),
    ],
)
def test_missing_recorded_outcomes_are_counted(
    campaign: Campaign, metric: dict[str, Any], missing: int
) -> None:
    rows = people()
    for place, (visit, spend) in enumerate([(1, ""), (1, ""), ("", 2)]):
        rows[place] |= {"visit": visit, "spend": spend}
    rows[3]["spend"] = ""
    rows[3]["visit"] = 0
    changes = recorded()
    changes["metrics"] = {"m": {"from": "members", **metric}}
    changes["goals"] = {"primary": {"metric": "m"}}
    campaign.write(rows, ORDERS, **changes)
    if missing == 0:
        with campaign.open() as experiment:
            open_data(experiment)
        return
    ((key, text),) = faults(campaign)
    assert key == "metrics.m"
    assert (
        text
        == f"the value is missing in {missing} row{'s' if missing > 1 else ''} of members; say `missing: zero` or `missing: drop`, or mend the data"
    )


@pytest.mark.parametrize(
    ("metric", "wrong"),
    [
        ({"value": "visits"}, 3),
        ({"value": "visits", "where": "tier = 'vip'"}, 1),
        ({"value": "visits / 2"}, 6),
        ({"value": "visits > 0"}, 0),
        ({"value": "seen"}, 0),
        ({"value": "visit"}, 0),
    ],
)
def test_a_binary_outcome_is_0_or_1(campaign: Campaign, metric: dict[str, str], wrong: int) -> None:
    """Of 30 members 5 have 1 visit, those at 0, 10 and 11 have 2, 3 and -1; every fifth is a vip."""
    visits = {0: 2, 10: 2, 11: -1} | dict.fromkeys((1, 2, 3, 4, 6), 1)
    rows = [{**row, "visits": visits.get(n, 0), "seen": n % 2 == 0} for n, row in enumerate(people())]
    rows[10]["tier"] = "basic"
    metrics = {"m": {"type": "binary", "from": "members", **metric}}
    campaign.write(rows, ORDERS, **recorded(metrics=metrics, goals={"primary": {"metric": "m"}}))
    if not wrong:
        with campaign.open() as experiment:
            open_data(experiment)
        return
    ((key, said),) = faults(campaign)
    assert key == "metrics.m.value"
    assert f"is neither 0 nor 1 in {wrong} row" in said
    assert "> 0`" in said


def test_moments_outside_of_the_calendar_are_told_with_source_and_column(campaign: Campaign) -> None:
    campaign.write(
        people(), ORDERS, audience={"snapshot": "2026-11-25", "include": "until > DATE '2026-01-01'"}
    )
    duckdb.sql(
        "SELECT '1' AS \"会员\", unnest([TIMESTAMP '2026-01-01', 'infinity', '290000-01-01', '9999-12-30']) AS paid_at"
    ).write_parquet(str(campaign.folder / "orders.parquet"))
    duckdb.sql(
        "SELECT *, CASE WHEN visit = 1 THEN DATE '-infinity' ELSE DATE '9999-12-31' END AS until, "
        f"DATE 'infinity' AS unused FROM '{campaign.folder}/members.csv'"
    ).write_parquet(str(campaign.folder / "members.parquet"))
    data = {
        "members": {"table": "members.parquet", "key": "会员"},
        "orders": {"table": "orders.parquet", "key": "会员", "time": "paid_at"},
        "contacts": {"table": "contacts.csv", "key": "会员", "time": "sent_at"},
    }
    audience = {"snapshot": "2026-11-25", "include": "until > DATE '2026-01-01'"}
    campaign.define(data=data, audience=audience, assignment={"method": "hash"})
    found = dict(faults(campaign))
    assert set(found) == {"data.orders.time", "data.members.table"}
    assert found["data.orders.time"].startswith(
        "the column `paid_at` lies outside of the years 1 to 9999 in 2 rows of orders"
    )
    assert "`until` lies outside of the years 1 to 9999 in 15 rows of members" in found["data.members.table"]


def test_names_of_the_assignment_are_not_taken(campaign: Campaign) -> None:
    rows = [{**row, "stratum": 1} for row in people()]
    campaign.write(rows, ORDERS, **recorded(uplift={"features": ["stratum", "spend"]}))
    assert faults(campaign) == [
        (
            "uplift.features[0]",
            "the column `stratum` has a name that Offerwise uses itself; rename it in the data",
        )
    ]


@pytest.mark.parametrize("name", ["value__spent", "METRIC__spent", "raw__spent", "covariate__spent", "Batch"])
def test_no_column_of_the_data_takes_the_place_of_a_computed_one(campaign: Campaign, name: str) -> None:
    """Wherever a column would be carried beside the metrics it is refused; a condition alone may read it."""
    rows = [{**row, name: n} for n, row in enumerate(people())]
    lists: dict[str, Any] = {"design": {"covariates": [name]}, "uplift": {"features": [name]}}
    audience = {"snapshot": "2026-11-25", "unit": name, "include": f'"{name}" < 10'}
    campaign.write(
        rows, ORDERS, audience=audience, assignment={"method": "stratified", "strata": [name]}, **lists
    )
    assert {key for key, _ in faults(campaign)} == {
        "audience.unit",
        "assignment.strata[0]",
        "design.covariates[0]",
        "uplift.features[0]",
    }
    metrics = {"spent": {"type": "sum", "from": "members", "value": "spend"}}
    goals = {"primary": {"metric": "spent"}}
    conditions = {"snapshot": "2026-11-25", "include": f'"{name}" < 10'}
    campaign.write(rows, ORDERS, **recorded(audience=conditions, metrics=metrics, goals=goals))
    with campaign.open() as experiment:
        catalogue = open_data(experiment)
        units = build_units(experiment, catalogue, assigned_members(experiment, catalogue))
        total = exp.select(exp.Sum(this=exp.column(units.metric_columns["spent"]))).from_(units.relation)
        assert experiment.engine.rows(total) == [(45.0,)]


def test_every_member_belongs_to_a_unit(campaign: Campaign) -> None:
    rows = people()
    rows[0]["household"] = rows[1]["household"] = ""
    audience = {"snapshot": "2026-11-25", "unit": "household"}
    campaign.write(rows, ORDERS, audience=audience, assignment={"method": "hash"})
    assert faults(campaign) == [
        (
            "audience.unit",
            "`household` is missing in 2 rows of members; give a member who belongs to nobody a value of its own",
        )
    ]


def test_a_members_column_with_a_taken_name_serves_in_conditions(campaign: Campaign) -> None:
    rows = [{**row, "segment": "gold" if n % 2 else "tin"} for n, row in enumerate(people())]
    audience = {
        "segments": [{"id": "shiny", "when": "segment = 'gold'"}, {"id": "rest", "when": "otherwise"}]
    }
    campaign.write(rows, ORDERS, **recorded(audience={"snapshot": "2026-11-25", **audience}))
    with campaign.open() as experiment:
        assigned = assigned_members(experiment, open_data(experiment))
        counts = experiment.engine.rows(
            exp.select("segment", exp.Count(this=exp.Star())).from_(assigned.relation).group_by("segment")
        )
    assert sorted(counts) == [("rest", 15), ("shiny", 15)]


def test_hillstrom_is_validated_within_its_budget(shared: Path, tmp_path: Path) -> None:
    """Under 0.8 s of user CPU with every import, none of them heavy; and a wrong label is found in the real file."""
    code = (
        "import resource, sys; from offerwise.opening import open_experiment; from experiments.data.catalogue import open_data\n"
        "with open_experiment(sys.argv[1], out=sys.argv[2]) as experiment: open_data(experiment)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)\n"
        "print({'numpy', 'pandas', 'pyarrow', 'scipy', 'mlflow'} & set(sys.modules))"
    )
    definition = shared / "design" / "hillstrom.yml"
    done = subprocess.run(
        [sys.executable, "-c", code, str(definition), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, heavy = done.stdout.split("\n")[:2]
    assert float(seconds) < 0.8
    assert heavy == "set()"
    wrong = tmp_path / "wrong.yml"
    text = (
        definition.read_text()
        .replace("../data", str(shared / "data"))
        .replace("Mens E-Mail, womens", "Men E-Mail, womens")
    )
    wrong.write_text(text)
    with open_experiment(wrong, out=tmp_path) as experiment, pytest.raises(InputError) as caught:
        open_data(experiment)
    (fault,) = caught.value.faults
    assert "`segment` holds 'Mens E-Mail', which is no arm, in 21,307 rows" in fault.cause
    assert "Men E-Mail" in fault.remedy


def test_contacts_that_no_limit_would_count_are_told(campaign: Campaign) -> None:
    """Capitals and spaces make another label; a label that is like none is the brand's own affair."""
    labels = [("SMS ", "Care"), ("SMS ", "marketing"), ("sms", "receipt"), ("letter", "care"), (None, "care")]
    contacts = [
        {"会员": f"{n:06d}", "sent_at": "2026-11-01 10:00:00", "channel": channel, "kind": kind}
        for n, (channel, kind) in enumerate(labels)
    ]
    policy = {"on": "stage", "stages": {"active": {"days": 30, "care": [1, 2]}}}
    audience = {
        "snapshot": "2026-11-25",
        "contact_caps": [{"channels": ["wecom", "sms"], "max": 2, "days": 30}],
        "contact_policy": policy,
    }
    features = {
        "last": {"from": "orders", "days_since": "last"},
        "stage": {"stages": "dormancy", "on": "last"},
    }
    strata = {"method": "hash"}
    campaign.write(members(20), contacts=contacts, audience=audience, features=features, assignment=strata)
    assert faults(campaign) == [
        (
            "audience.contact_caps[0].channels[1]",
            "`channel` is `SMS ` in 2 rows of contacts, which is not `sms`, so that none of them counts; write `sms` in the data",
        ),
        (
            "audience.contact_policy",
            "`kind` is `Care` in 1 row of contacts, which is not `care`, so that none of them counts; write `care` in the data",
        ),
    ]
    del audience["contact_policy"], audience["contact_caps"]
    campaign.define(audience=audience, features=features, assignment=strata)
    with campaign.open() as experiment:
        open_data(experiment)
