"""Loading: the reference definitions become typed objects that know their lines; a brand's defaults resolve."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, time
from fractions import Fraction
from pathlib import Path

import pytest

import offerwise
from experiments.definition.errors import InputError
from experiments.definition.load import load
from experiments.definition.metrics import FormulaMetric, SumMetric

EXAMPLES = Path(offerwise.__file__).parent / "examples"


def test_winback_is_read_as_its_comments_say() -> None:
    winback = load(EXAMPLES / "winback.yml")
    assert winback.audience.snapshot == date(2026, 11, 25)
    assert [arm.id for arm in winback.all_arms] == [
        "control",
        *("pts500__care", "pts500__urgent", "cpn20__care", "cpn20__urgent", "gift__care", "gift__urgent"),
    ]
    assert sum(arm.share for arm in winback.all_arms) == 1
    assert winback.arm("cpn20__care").share == Fraction(12, 100)
    assert winback.arm("cpn20__care").benefits == ((20.0, "redeemed"),)
    assert winback.arm("cpn20__care").contact_cost == 0.05
    assert winback.arm("control").contact_cost == 0
    assert [segment.id for segment in winback.audience.segments if segment.is_otherwise] == ["dormant"]
    assert winback.send is not None
    assert winback.send.hours == (time(9), time(20))
    revenue, profit = winback.metrics["net_revenue"], winback.metrics["profit"]
    assert isinstance(revenue, SumMetric)
    assert isinstance(profit, FormulaMetric)
    assert (revenue.value.columns, revenue.winsorize_at) == (("amount", "refund"), 0.999)
    assert profit.value.columns == ("net_revenue", "benefit_cost", "contact_cost")
    assert (winback.goals.value_metric, winback.salt) == ("profit", "winback-2026q4.1")


def test_hillstrom_has_exact_thirds_and_defaults() -> None:
    hillstrom = load(EXAMPLES / "hillstrom.yml")
    assert [arm.share for arm in hillstrom.all_arms] == [Fraction(1, 3)] * 3
    assert hillstrom.decision.invalid_if.window_open is True
    assert hillstrom.design.looks.kind == "fixed"
    assert (hillstrom.salt, hillstrom.send) == ("hillstrom-2008", None)


@pytest.mark.parametrize("name", ["winback", "hillstrom"])
def test_examples_are_the_reference_definitions(shared: Path, name: str) -> None:
    ours, reference = load(EXAMPLES / f"{name}.yml"), load(shared / "design" / f"{name}.yml")
    tables = {key: source.table.removeprefix("../data/") for key, source in reference.data.items()}
    assert {key: source.table for key, source in ours.data.items()} == tables
    assert ours.model_dump(exclude={"data"}) == reference.model_dump(exclude={"data"})


def test_every_key_of_winback_knows_its_line() -> None:
    path = EXAMPLES / "winback.yml"
    origin, lines = load(path).origin, path.read_text(encoding="utf8").splitlines()
    assert origin.text.splitlines() == lines
    for key_path, place in origin.places.items():
        assert place.file == path
        if key_path and isinstance(key_path[-1], str):
            assert f"{key_path[-1]}:" in lines[place.line - 1]
    assert len(origin.places) > 200
    fault = origin.fault(("audience", "segments", 1, "nothing"), "cause", "remedy")
    assert (
        str(fault) == f"{path}:{origin.place(('audience', 'segments', 1)).line}: {fault.key}: cause; remedy"
    )


def test_a_brand_is_resolved_key_by_key() -> None:
    season = load(EXAMPLES / "new-season.yml")
    orders = season.features["orders_365d"]
    assert (orders.from_, orders.count, orders.days, str(orders.where)) == (
        "orders",
        "rows",
        365,
        "status = 'paid'",
    )
    converted = season.metrics["converted"]
    assert getattr(converted, "window_days", None) == 21
    assert season.holdout is not None
    assert season.holdout.share == Fraction(1, 50)
    assert (season.currency, season.decision.pick.by, season.decision.pick.tie) == (
        "CNY",
        "segment",
        "cheapest",
    )
    place = season.origin.place
    assert place(("metrics", "converted", "window_days")).file.name == "new-season.yml"
    assert place(("metrics", "converted", "type")).file.name == "brand.yml"
    assert place(("arms", "offers", "news")).file.name == "new-season.yml"
    assert place(("arms", "channel")).file.name == "brand.yml"


BRAND = (Path(__file__).parent / "wrong" / "sound" / "drawn.yml").read_text(encoding="utf8")


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf8")
    return folder


def faults(path: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(InputError) as caught:
        load(path)
    return [(fault.file.name if fault.file else "", fault.line, fault.key) for fault in caught.value.faults]


def test_extends_may_be_nested_and_files_belong_to_the_file_that_names_them(tmp_path: Path) -> None:
    write(
        tmp_path,
        group=BRAND,
        brand="extends: group.yml\ncurrency: EUR\naudience: {exclude_lists: [staff.csv]}\n",
        campaigns__one="extends: ../brand.yml\nid: one\ndata: {shops: {table: shops.parquet}}\n",
    )
    one = load(tmp_path / "campaigns" / "one.yml")
    assert (one.id, one.currency, one.title) == ("one", "EUR", "Six arms and a control")
    assert one.origin.resolve_table("orders") == str(tmp_path / "orders.parquet")
    assert one.origin.resolve_table("shops") == str(tmp_path / "campaigns" / "shops.parquet")
    assert one.origin.resolve_file(("audience", "exclude_lists", 0), "staff.csv") == tmp_path / "staff.csv"


def test_lists_replace_and_lose_the_lines_of_the_brand(tmp_path: Path) -> None:
    write(tmp_path, brand=BRAND, one="extends: brand.yml\nsend:\n  days: [2026-12-01]\n")
    one = load(tmp_path / "one.yml")
    assert one.send is not None
    assert one.send.days == (date(2026, 12, 1),)
    assert ("send", "days", 1) not in one.origin.places
    assert one.origin.place(("send", "days", 0)).line == 3


def test_a_table_of_the_engine_stays_as_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, one=BRAND.replace("orders.parquet", "crm.orders").replace("shops.csv", "/data/shops.CSV"))
    origin = load(tmp_path / "one.yml").origin
    assert origin.resolve_table("orders") == "crm.orders"
    assert origin.resolve_table("shops") == "/data/shops.CSV"


def test_a_fault_stands_in_the_file_of_its_cause(tmp_path: Path) -> None:
    brand = BRAND.replace("converted: {type: binary,", "converted: {type: binari,")
    write(tmp_path, brand=brand, one="extends: brand.yml\ngoals:\n  value: profits\n")
    line = next(number for number, text in enumerate(brand.splitlines(), 1) if "binari" in text)
    assert faults(tmp_path / "one.yml") == [
        ("brand.yml", line, "metrics.converted.type"),
        ("one.yml", 3, "goals.value"),
    ]


def test_broken_and_circular_brands_are_faults(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="version: 1\nextends: b.yml\n",
        b="extends: c.yml\n",
        c="id: c\nversion: 1\nextends: a.yml\n",
        d="extends: e.yml\n",
        e="id: e\nid: f\nversion: [\n",
        f="extends: 5\n",
        g="version: 1\nextends:\n",
        h="extends: folder\n",
    )
    (tmp_path / "folder").mkdir()
    assert faults(tmp_path / "a.yml") == [("c.yml", 3, "extends")]
    assert faults(tmp_path / "d.yml") == [("e.yml", 4, "")]
    assert faults(tmp_path / "f.yml") == [("f.yml", 1, "extends")]
    assert faults(tmp_path / "g.yml") == [("g.yml", 2, "extends")]
    assert faults(tmp_path / "h.yml") == [("h.yml", 1, "extends")]


def test_the_python_name_of_a_key_is_not_a_key(tmp_path: Path) -> None:
    write(tmp_path, one=BRAND.replace("{from: orders, days_since", "{from_: orders, days_since"))
    assert ("one.yml", 16, "features.days_since_last_order.from_") in faults(tmp_path / "one.yml")


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from experiments.definition.load import load; load(sys.argv[1]); "
        "print([name for name in ('numpy', 'pandas', 'scipy', 'pyarrow', 'duckdb') if name in sys.modules])"
    )
    run = [sys.executable, "-c", code, str(EXAMPLES / "winback.yml")]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=EXAMPLES.parents[1])
    assert done.stdout.strip() == "[]"
