"""Whatever happens to a definition's file, loading gives a definition or faults with places, never a traceback."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import offerwise
from experiments.definition.errors import Fault, InputError
from experiments.definition.load import load
from experiments.definition.yamlfile import read_yaml

EXAMPLES = Path(offerwise.__file__).parent / "examples"
TEXTS = [(EXAMPLES / f"{name}.yml").read_text(encoding="utf8") for name in ("winback", "hillstrom")]
DATA = [read_yaml(EXAMPLES / f"{name}.yml").data for name in ("winback", "hillstrom")]

FRAGMENTS = st.sampled_from(
    ["{", "}", "[", "]", ":", ": ", "- ", "\n", "\t", "  ", "#", "&a ", "*a", "!!str ", "|", ">", "'", '"', "~", ".nan",
     "-1", "1e400", "0", "1/3", "true", "otherwise", "members", "row_number", "from: ", "extends: ", "<<: ", "---\n", "\0",
     "﻿", "休", "%YAML 1.1\n", "? ", "=", ",", "control", "segment", "2026-13-40"]
)  # fmt: skip

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "control", "members", "orders", "segment", "otherwise", "1/3", "09:00", "2026-11-25", "profit"]
    ),
    st.sampled_from(
        ["recorded", "hash", "stratified", "row_number", "a = 1", "ratio", "formula", "dormancy", "days"]
    ),
    st.text(max_size=8),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("abfrom_", min_size=1, max_size=5), inner, max_size=3),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "x.yml"


def loads_or_faults(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf8", newline="")
    lines = text.count("\n") + text.count("\r") + 1
    for fault in faults_of(file):
        assert fault.file is not None
        assert fault.line is None or 1 <= fault.line <= lines
        assert fault.cause
        assert fault.remedy


def faults_of(file: Path) -> tuple[Fault, ...]:
    try:
        definition = load(file)
    except InputError as error:
        return error.faults
    assert len(definition.origin.sha256) == 64
    assert sum(arm.share for arm in definition.all_arms) == 1
    return ()


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of nested data."""
    keys = (
        list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    )
    return [(value, key) for key in keys] + [found for key in keys for found in nodes(value[key])]


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_changed_values(file: Path, data: st.DataObject) -> None:
    definition = copy.deepcopy(data.draw(st.sampled_from(DATA)))
    for _ in range(data.draw(st.integers(1, 4))):
        container, key = data.draw(st.sampled_from(nodes(definition)))
        change = data.draw(st.sampled_from(["replace", "replace", "delete", "rename", "copy"]))
        if change == "delete":
            del container[key]
        elif change == "rename" and isinstance(container, dict):
            container[data.draw(st.text(min_size=1, max_size=6))] = container.pop(key)
        elif change == "copy":
            other, place = data.draw(st.sampled_from(nodes(definition)))
            container[key] = copy.deepcopy(other[place])
        else:
            container[key] = data.draw(VALUES)
        if not definition:
            break
    loads_or_faults(file, json.dumps(definition, default=float, indent=1, ensure_ascii=False))


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_changed_characters(file: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.sampled_from([0, 0, 1, 5, 60])))
        text = text[:start] + data.draw(st.one_of(FRAGMENTS, st.text(max_size=3))) + text[end:]
    loads_or_faults(file, text)
