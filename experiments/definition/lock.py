"""The lock: one canonical text for each meaning of a definition, its SHA-256, and what differs between two."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from experiments.definition.model import Definition


def canonical(definition: Definition) -> dict[str, Any]:
    """The resolved definition as plain data, defaults filled in, what has no value left out."""
    return definition.model_dump(mode="json", by_alias=True, exclude_none=True)


def canonical_json(definition: Definition) -> str:
    """The canonical text."""
    return json.dumps(canonical(definition), ensure_ascii=False, sort_keys=True, indent=1)


def sha256(definition: Definition) -> str:
    """The lock."""
    return hashlib.sha256(canonical_json(definition).encode()).hexdigest()
