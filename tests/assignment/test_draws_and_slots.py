"""Hashes, shares and slots in the engine against exact fractions in Python; slots where clocks change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from experiments.assignment.draws import arm_hash, below_share, bound, purpose_hash, slot
from experiments.assignment.send import send_days
from experiments.engines.connect import connect
from experiments.engines.protocol import Engine
from tests.assignment.campaign import NOW, Campaign, members
from tests.assignment.recomputed import h


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = connect("duckdb://?threads=1")
    yield engine
    engine.cancel_and_close()


def one(engine: Engine, value: exp.Expr) -> object:
    return engine.rows(exp.select(value))[0][0]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
digits = st.integers(0, 16**32 - 1).map(lambda number: f"{number:032x}")


@given(salt=texts, key=texts)
def test_hashes_are_md5_over_utf8(engine: Engine, salt: str, key: str) -> None:
    literal = exp.Literal.string(key)
    assert one(engine, arm_hash(engine, salt, literal)) == h(salt, key)
    assert one(engine, purpose_hash(engine, salt, "send", literal)) == h(salt, "send", key)


@given(drawn=digits, slots=st.integers(1, 2**30))
def test_a_slot_is_the_floor_of_the_exact_product(engine: Engine, drawn: str, slots: int) -> None:
    v = Fraction(int(drawn[:13], 16), 16**13)
    assert one(engine, slot(engine, exp.Literal.string(drawn), slots)) == floor(v * slots)


@given(drawn=digits, share=st.fractions(0, 1, max_denominator=10**6))
def test_a_share_is_compared_exactly(engine: Engine, drawn: str, share: Fraction) -> None:
    for first in (drawn, bound(share)[-13:], f"{max(0, ceil(share * 16**13) - 1):013x}"):
        expected = Fraction(int(first[:13], 16), 16**13) < share
        assert one(engine, below_share(engine, exp.Literal.string(first), share)) is expected


@pytest.mark.parametrize("drawn", ["0" * 32, "8" * 32, "f" * 31 + "e"])
def test_a_share_that_rounds_up_to_all_is_all(engine: Engine, drawn: str) -> None:
    """A bound of 14 digits would come before most hashes as a text."""
    nearly = 1 - Fraction(1, 16**14)
    assert one(engine, below_share(engine, exp.Literal.string(drawn), nearly)) is True


@pytest.mark.parametrize(
    ("day", "hours", "minutes", "opens"),
    [
        ("2026-03-28", ["01:00", "04:00"], 180, datetime(2026, 3, 28, 0, tzinfo=UTC)),
        ("2026-03-29", ["01:00", "04:00"], 120, datetime(2026, 3, 29, 0, tzinfo=UTC)),
        ("2026-10-25", ["01:00", "04:00"], 240, datetime(2026, 10, 24, 23, tzinfo=UTC)),
        ("2026-06-01", ["09:00", "09:01"], 1, datetime(2026, 6, 1, 7, tzinfo=UTC)),
    ],
)
def test_a_day_has_the_minutes_that_pass(
    campaign: Campaign, day: str, hours: list[str], minutes: int, opens: datetime
) -> None:
    """Berlin skips an hour on March 29 and repeats one on October 25."""
    campaign.write(
        members(9),
        timezone="Europe/Berlin",
        arms={"control": {"share": 0.5}, "offers": {"a": {"share": 0.5}}, "channel": {"id": "email"}},
        audience={"snapshot": "2026-03-01", "segments": [{"id": "all", "when": "otherwise"}]},
        send={"days": [day, "2026-12-01"], "hours": hours},
    )
    with campaign.open() as experiment:
        send = experiment.definition.send
        assert send is not None
        first, second = send_days(experiment.definition, send, NOW.date())
    assert (first.first, first.slots, first.opens) == (0, minutes, opens)
    assert second.first == minutes
    assert second.opens - first.opens > timedelta(days=1)
