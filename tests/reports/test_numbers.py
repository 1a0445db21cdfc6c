"""Numbers as people read them."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.numbers import MINUS, Numbers, decimals

DOLLARS, YUAN = Numbers("en", "USD"), Numbers("zh", "CNY")


@pytest.mark.parametrize(
    ("numbers", "value", "text"),
    [
        (DOLLARS, 1234.5, "$1,234.50"),
        (DOLLARS, -0.00512, f"{MINUS}$0.00512"),
        (DOLLARS, 0.0, "$0.00"),
        (DOLLARS, 0.1, "$0.10"),
        (YUAN, 98765.4, "¥98,765.40"),
        (Numbers("en", "CNY"), 1.0, "CN¥1.00"),
        (Numbers("zh", "USD"), 1.0, "US$1.00"),
        (Numbers("en", "JPY"), 1200.0, "JP¥1,200"),
        (Numbers("en", "SEK"), 7.0, "SEK 7.00"),
    ],
)
def test_money_stands_in_the_currency_and_the_language(numbers: Numbers, value: float, text: str) -> None:
    assert numbers.money(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.904, "0.9040"), (1e-4, "0.0001"), (9.9e-5, "< 0.0001"), (0.0, "< 0.0001")]
)
def test_a_p_value_is_never_written_as_zero(value: float, text: str) -> None:
    assert DOLLARS.p_value(value) == text


def test_percentage_points_are_named_in_the_language() -> None:
    assert DOLLARS.points(0.07659, 2) == "+7.66 pp"
    assert YUAN.points(-0.0004, 3) == f"{MINUS}0.040 个百分点"


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_what_is_written_is_the_number_to_the_decimals_shown(value: float) -> None:
    text = DOLLARS.money(value, 2, sign=True)
    read = float(text.replace(MINUS, "-").replace("$", "").replace(",", ""))
    assert math.isclose(read, value, abs_tol=0.005001)
    assert text[0] in f"+{MINUS}" or not re.search("[1-9]", text)


@given(st.floats(1e-5, 1e9, allow_nan=False), st.integers(1, 4))
def test_decimals_show_the_significant_digits_asked_for(value: float, significant: int) -> None:
    shown = decimals(value, significant=significant)
    assert 0 <= shown <= 6
    if 0 < shown < 6:
        step = 10.0**-shown
        assert 10 ** (significant - 1) * 0.999 <= value / step < 10**significant * 1.001
