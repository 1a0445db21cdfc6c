"""The JSON Schema of a definition, for editors: names, meanings and choices of every key."""

from __future__ import annotations

from typing import Any

from experiments.definition.extends import EXTENDS
from experiments.definition.model import Definition
from experiments.definition.scenario import SCENARIO

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DEFS = "#/$defs/"
_PARTIAL = "Partial"


def json_schema() -> dict[str, Any]:
    """The schema, in JSON Schema draft 2020-12.

    It knows each key by itself; what `offerwise validate` finds between keys and in the data is not in it. In a
    file with `extends` or `scenario` nothing is required, because the brand's file or the scenario may hold it.

    >>> json_schema()["$defs"]["Definition"]["required"][:3]
    ['version', 'id', 'title']
    """
    whole = Definition.model_json_schema(by_alias=True, mode="validation")
    blocks: dict[str, Any] = whole.pop("$defs") | {"Definition": whole}
    _close(blocks)
    extends = {
        "type": "string",
        "minLength": 1,
        "title": "Extends",
        "description": "A file of a brand's defaults, relative to this file: maps merge, lists replace.",
    }
    partial = {f"{_PARTIAL}{name}": _without_required(block) for name, block in blocks.items()}
    partial[f"{_PARTIAL}Definition"]["properties"][EXTENDS] = extends
    return {
        "$schema": DIALECT,
        "title": "An Offerwise experiment",
        "type": "object",
        "properties": {EXTENDS: extends},
        "if": {"anyOf": [{"required": [EXTENDS]}, {"required": [SCENARIO]}]},
        "then": {"$ref": f"{_DEFS}{_PARTIAL}Definition"},
        "else": {"$ref": f"{_DEFS}Definition"},
        "$defs": blocks | partial,
    }


def _close(schema: Any) -> None:
    """Let no name through that a map's pattern does not allow; pydantic leaves such maps open."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)


def _without_required(schema: Any) -> Any:
    """A copy in which keys may be missing, so that a block may fit several branches of a union."""
    if isinstance(schema, list):
        return [_without_required(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {
        "anyOf" if key == "oneOf" else key: _without_required(part)
        for key, part in schema.items()
        if not (key == "required" and isinstance(part, list)) and key != "discriminator"
    }
    if isinstance(copy.get("$ref"), str):
        copy["$ref"] = copy["$ref"].replace(_DEFS, f"{_DEFS}{_PARTIAL}")
    return copy
