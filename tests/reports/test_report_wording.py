"""Words for everything that a document may hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import experiments.health
from experiments.definition.uplift import LearnerName, PolicyKind
from experiments.documents.analysis import CheckStatus, GuardrailStatus, Role, VerdictStatus
from experiments.health.stages import Stage
from experiments.language import Words, sentences


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        ("verdict", get_args(VerdictStatus)),
        ("status", get_args(CheckStatus)),
        ("guardrail_status", get_args(GuardrailStatus)),
        ("role", get_args(Role)),
        ("policy", get_args(PolicyKind)),
        ("learner", get_args(LearnerName)),
    ],
)
def test_every_code_of_a_document_has_words(table: str, codes: tuple[str, ...]) -> None:
    assert [code for code in codes if not Words().has("reports", f"{table}.{code}")] == []


def test_every_check_of_health_has_a_name_and_a_remedy() -> None:
    """The codes of the checks are the names that the room of health gives them."""
    room = Path(experiments.health.__path__[0])
    told = {
        code
        for path in room.glob("*.py")
        for code in re.findall(r'(?:told\(\s*|CHECK = )"(\w+)"', path.read_text(encoding="utf8"))
    }
    told |= {
        f"sample_ratio_at_{stage}{by}" for stage in get_args(Stage) for by in ("", "_by_segment", "_by_day")
    }
    told |= {"sample_ratio_by_segment", "sample_ratio_by_day"}
    assert len(told) > 20
    for table in ("check", "remedy"):
        assert told == {
            code.split(".")[1] for code in sentences("reports", "en") if code.startswith(f"{table}.")
        }


def test_every_method_that_has_a_name_is_explained_and_every_term_too() -> None:
    codes = set(sentences("reports", "en"))
    for table, explained in (("method", "computed"), ("term", "glossary")):
        names = {code.split(".", 1)[1] for code in codes if code.startswith(f"{table}.")}
        assert names == {code.split(".", 1)[1] for code in codes if code.startswith(f"{explained}.")}
