"""The JSON Schema accepts what loads, and refuses what an editor can see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

import offerwise
from experiments.definition.extends import resolve
from experiments.definition.schema import DIALECT, json_schema
from experiments.definition.yamlfile import read_yaml

EXAMPLES = Path(offerwise.__file__).parent / "examples"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def messages(validator: jsonschema.Draft202012Validator, data: Any) -> list[str]:
    return [error.message for error in validator.iter_errors(data)]


@pytest.mark.parametrize("name", ["winback", "hillstrom", "new-season"])
def test_each_example_fits_as_written(validator: jsonschema.Draft202012Validator, name: str) -> None:
    assert messages(validator, read_yaml(EXAMPLES / f"{name}.yml").data) == []


def test_a_resolved_definition_fits_without_extends(validator: jsonschema.Draft202012Validator) -> None:
    assert messages(validator, resolve(EXAMPLES / "new-season.yml").data) == []


@pytest.mark.parametrize("name", ["winback", "hillstrom"])
def test_reference_definitions_fit(
    validator: jsonschema.Draft202012Validator, shared: Path, name: str
) -> None:
    assert messages(validator, read_yaml(shared / "design" / f"{name}.yml").data) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("audience", "segmnts"), []),
        (("metrics", "converted", "windowdays"), 14),
        (("metrics", "1st"), {"type": "binary", "from": "orders"}),
        (("arms", "factors", "copy", "会员"), {}),
        (("design", "correction"), "holms"),
        (("design", "looks"), {"kind": "fixed", "at": [1]}),
        (("design", "alpha"), 0),
        (("arms", "share_each"), "third"),
        (("metrics", "profit", "value"), 3),
        (("version",), 2),
    ],
)
def test_the_schema_refuses(
    validator: jsonschema.Draft202012Validator, path: tuple[str, ...], value: object
) -> None:
    data = read_yaml(EXAMPLES / "winback.yml").data
    block = data
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    assert messages(validator, data)


def test_only_extends_lets_required_keys_stand_elsewhere(validator: jsonschema.Draft202012Validator) -> None:
    data = read_yaml(EXAMPLES / "new-season.yml").data
    del data["extends"]
    assert any("required" in message for message in messages(validator, data))


def test_every_key_says_what_it_means() -> None:
    schema = json_schema()
    silent = [
        f"{name}.{key}"
        for name, block in schema["$defs"].items()
        for key, value in block.get("properties", {}).items()
        if not value.get("description")
    ]
    assert silent == []
    assert schema["$schema"] == DIALECT
