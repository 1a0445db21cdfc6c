"""The JSON Schema of a definition, for editors: names, meanings and choices of every key."""

from __future__ import annotations

from typing import Any

from experiments.definition.extends import EXTENDS
from experiments.definition.model import Definition

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, in JSON Schema draft 2020-12.

    It knows each key by itself; what `offerwise validate` finds between keys and in the data is not in it. With
    `extends` a required key may stand in the brand's file.

    >>> sorted(json_schema()["properties"])[:4]
    ['arms', 'assignment', 'audience', 'currency']
    """
    schema = Definition.model_json_schema(by_alias=True, mode="validation")
    _close(schema)
    schema["properties"][EXTENDS] = {
        "type": "string",
        "minLength": 1,
        "title": "Extends",
        "description": "A file of a brand's defaults, relative to this file: maps merge, lists replace.",
    }
    schema["anyOf"] = [{"required": schema.pop("required")}, {"required": [EXTENDS]}]
    return {"$schema": DIALECT, **schema, "title": "An Offerwise experiment"}


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
