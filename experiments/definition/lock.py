"""The lock: one canonical text for each meaning of a definition, its SHA-256, and what differs between two.

Defaults are filled in and a brand's keys resolved, so comments, the order of keys, writing a default out, `0.10` for
`0.1` and `2/6` for `1/3` change nothing. The order of arms decides who gets which, so it counts, as any list's does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from experiments.definition.model import Definition
from experiments.definition.origin import KeyPath, dotted


class Difference(NamedTuple):
    """One key whose value differs between two locks; None where it has no value."""

    key: str
    old: Any
    new: Any


def canonical(definition: Definition) -> dict[str, Any]:
    """The resolved definition as plain JSON data, defaults filled in, keys without a value left out."""
    data = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    ordered: dict[str, Any] = _sorted(data, ())
    return ordered


def canonical_json(definition: Definition) -> str:
    """The canonical text, in UTF-8 characters, ready to be written beside the ledger."""
    return _text(canonical(definition))


def sha256(definition: Definition) -> str:
    """The SHA-256 of the canonical text, as 64 lower-case hex digits."""
    return hashlib.sha256(canonical_json(definition).encode()).hexdigest()


def differences(old: str, new: str) -> list[Difference]:
    """The keys that differ between two canonical texts, the deepest that tell them apart, in the order of the keys.

    >>> differences('{"design": {"alpha": 0.05}}', '{"design": {"alpha": 0.1}}')
    [Difference(key='design.alpha', old=0.05, new=0.1)]
    """
    return _differences(json.loads(old), json.loads(new), ())


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _is_ordered(key_path: KeyPath) -> bool:
    """Whether the order of the keys of the map at `key_path` decides the order of the arms."""
    return key_path in {("arms", "offers"), ("arms", "factors")} or (
        key_path[:2] == ("arms", "factors") and len(key_path) == 3
    )


def _sorted(value: Any, at: KeyPath) -> Any:
    if isinstance(value, dict):
        keys = list(value) if _is_ordered(at) else sorted(value)
        return {key: _sorted(value[key], (*at, key)) for key in keys}
    return value


def _differences(old: Any, new: Any, at: KeyPath) -> list[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        inside = [found for key in keys for found in _differences(old.get(key), new.get(key), (*at, key))]
        if not inside and _is_ordered(at) and list(old) != list(new):
            return [Difference(dotted(at), list(old), list(new))]
        return inside
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [
            found for index, (before, after) in pairs for found in _differences(before, after, (*at, index))
        ]
    return [] if old == new and type(old) is type(new) else [Difference(dotted(at), old, new)]
