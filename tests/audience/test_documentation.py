"""Every example of docs/audience.md is loaded over a plain definition, and run on small data."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from experiments.audience.audience import build_audience
from experiments.data.catalogue import open_data
from experiments.definition.presets import POLICIES, SEVEN_LAYERS, STAGES
from experiments.definition.scenario import SCENARIOS
from experiments.definition.schema import json_schema
from experiments.definition.yamlfile import read_yaml
from offerwise.opening import open_experiment
from tests.assignment.campaign import definition, write_csv

PAGE = (Path(__file__).parents[2] / "docs" / "audience.md").read_text(encoding="utf8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
SNAPSHOT = datetime(2026, 11, 25)  # noqa: DTZ001 - local to the definition, as the data are


def write_data(folder: Path) -> None:
    keys = [f"m{n}" for n in range(40)]
    days = [SNAPSHOT - timedelta(days=9 * n, hours=1) for n in range(40)]
    write_csv(
        folder / "members.csv",
        [
            {"会员": key, "tier": ("ordinary", "vip")[n % 2], "joined_on": days[-n - 1].date(), "phone_valid": n % 3 > 0,
             "sms_opt_in": True, "wecom_friend": n % 2 > 0, "is_staff": n == 5}
            for n, key in enumerate(keys)
        ],
        ["会员", "tier", "joined_on", "phone_valid", "sms_opt_in", "wecom_friend", "is_staff"],
    )  # fmt: skip
    write_csv(
        folder / "orders.csv",
        [
            {"会员": key, "paid_at": days[n] - timedelta(days=20 * back), "amount": 10.5, "category": "skincare", "status": "paid"}
            for n, key in enumerate(keys[:35])
            for back in range(n % 4)
        ],
        ["会员", "paid_at", "amount", "category", "status"],
    )  # fmt: skip
    touched = [
        {"会员": key, "sent_at": days[0], "channel": "sms", "kind": ("care", "marketing")[n % 2]}
        for n, key in enumerate(keys[::2])
    ]
    write_csv(folder / "contacts.csv", touched, ["会员", "sent_at", "channel", "kind"])
    write_csv(
        folder / "feedback.csv",
        [{"会员": keys[3], "created_at": days[2], "kind": "unsubscribe"}],
        ["会员", "created_at", "kind"],
    )
    for name in ("complainers", "partners"):
        write_csv(folder / f"{name}.csv", [{"会员": keys[-1]}], ["会员"])


def brand() -> dict[str, Any]:
    body = definition(
        features={
            "days_since_last_order": {"from": "orders", "days_since": "last"},
            "orders_365d": {"from": "orders", "count": "rows", "days": 365},
            "spend_365d": {"from": "orders", "sum": "amount", "days": 365},
            "lifecycle": {"stages": "dormancy", "on": "days_since_last_order"},
        },
        audience={"snapshot": "2026-11-25"},
        assignment={"method": "hash"},
    )
    body["data"]["feedback"] = {"table": "feedback.csv", "key": "会员", "time": "created_at"}
    return body


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_is_loaded_and_run(tmp_path: Path, example: str) -> None:
    write_data(tmp_path)
    with (tmp_path / "brand.yml").open("w", encoding="utf8") as file:
        YAML().dump(brand(), file)
    (tmp_path / "test.yml").write_text("extends: brand.yml\n" + example, encoding="utf8")
    with open_experiment(tmp_path / "test.yml", out=tmp_path / "runs") as experiment:
        audience = build_audience(experiment, open_data(experiment))
    assert audience.members == 40
    assert 0 < audience.eligible <= 40


def test_an_editor_accepts_the_examples(tmp_path: Path) -> None:
    """An editor sees each example as it is written, over a brand or a scenario."""
    validator = jsonschema.Draft202012Validator(json_schema())
    for example in EXAMPLES:
        over = "" if example.startswith("scenario") else "extends: brand.yml\n"
        path = tmp_path / "test.yml"
        path.write_text(over + example, encoding="utf8")
        assert [error.message for error in validator.iter_errors(read_yaml(path).data)] == []


def test_the_page_tells_every_preset_as_it_is() -> None:
    for name, stages in STAGES.items():
        parts = [
            f"{stage} from {low}" if high is None else f"{stage} [{low}, {high})"
            for stage, (low, high) in stages.items()
        ]
        assert f"| `{name}` | {', '.join(parts)} |" in PAGE
    limits = ", ".join(f"{name} {value}" for name, value in SEVEN_LAYERS.limits.items())
    assert f"| `{SEVEN_LAYERS.name}` | {limits}, as below |" in PAGE
    for stage, limits_of in POLICIES["aftercare"].items():
        bounds = [limits_of["care"], limits_of["marketing"]]
        told = ["0" if each == (0, 0) else " to ".join(map(str, each)) for each in bounds]
        assert f"| {stage} | {limits_of['days']} | {told[0]} | {told[1]} |" in PAGE
    for name in SCENARIOS:
        assert f"| `{name}` |" in PAGE
