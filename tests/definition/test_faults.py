"""Faults as people read them: one line each, whatever the definition says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.definition.errors import Fault, InputError
from experiments.definition.load import load


@given(st.text(), st.text(), st.text(), st.text(min_size=1))
def test_a_fault_is_one_line_without_control_characters(key: str, cause: str, remedy: str, name: str) -> None:
    line = str(Fault(Path(name), 3, key, cause, remedy))
    assert len(line.splitlines()) == 1
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in line)


@pytest.mark.parametrize("quote", ["'", "`"])
def test_a_long_value_is_cut_and_the_rest_is_told(quote: str) -> None:
    fault = Fault(None, None, "id", f"a member's {quote}{'x' * 5000}{quote} is not an id", "give another")
    assert str(fault) == f"id: a member's {quote}{'x' * 119}…{quote} is not an id; give another"
    short = Fault(None, None, "id", f"{quote}{'x' * 120}{quote} is not an id", "give another")
    assert "x" * 120 in str(short)


@pytest.mark.parametrize(
    "written",
    [
        'timezone: "Europe/\\nParis\\e[31m"',
        'currency: "\\r\\nEUR\\u2028"',
        f"timezone: {'Z' * 4000}",
        f"{'k' * 4000}: 1",
        f'"a\\nb": "{"v" * 4000}"',
        f"goals: {{primary: {{metric: {'m' * 4000}}}}}",
        f"decision: {{eligible_if: {{primary: '{'p' * 4000}'}}}}",
        f"assignment: {{method: '{'p' * 4000}\\n'}}",
    ],
)
def test_the_faults_of_a_definition_are_short_lines(tmp_path: Path, written: str) -> None:
    file = tmp_path / "x.yml"
    file.write_text(f"version: 1\n{written}\n", encoding="utf8")
    with pytest.raises(InputError) as refused:
        load(file)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(refused.value.faults)
    assert all(line.startswith(f"{file}:") for line in lines)
    assert max(map(len, lines)) < len(str(file)) + 700
