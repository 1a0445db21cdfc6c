"""Numbers as people of one language read them: money in one currency, shares, percentage points, p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from experiments.language import Language

MINUS = "−"
"""The minus sign, which stands as wide as a plus and never breaks from its number."""

_SYMBOLS: Mapping[str, str] = MappingProxyType(
    {"EUR": "€", "GBP": "£", "HKD": "HK$", "JPY": "JP¥", "KRW": "₩", "INR": "₹"}
)
_OWN_SYMBOLS: Mapping[tuple[Language, str], str] = MappingProxyType(
    {("en", "USD"): "$", ("zh", "USD"): "US$", ("en", "CNY"): "CN¥", ("zh", "CNY"): "¥"}
)
_NO_MINOR_UNIT = frozenset({"JPY", "KRW", "VND", "CLP", "ISK"})


@dataclass(frozen=True)
class Numbers:
    """How numbers are written.

    Attributes:
        language: Decides the currency's symbol and the words of a percentage point.
        currency: The ISO 4217 code of every amount.

    >>> numbers = Numbers("en", "USD")
    >>> numbers.money(-1234.5), numbers.share(0.33333), numbers.p_value(5e-20)
    ('−$1,234.50', '33.3%', '< 0.0001')
    """

    language: Language
    currency: str

    def count(self, value: float) -> str:
        """A whole number with its thousands apart."""
        return signless(f"{abs(value):,.0f}", value)

    def number(self, value: float, places: int | None = None, *, sign: bool = False) -> str:
        """A plain number; without `places`, with three significant digits."""
        shown = decimals(value, significant=3) if places is None else places
        return _signed(f"{abs(value):,.{shown}f}", value, sign=sign)

    def money(self, value: float, places: int | None = None, *, sign: bool = False) -> str:
        """An amount; without `places`, with the currency's own, and more where an amount below one needs them."""
        if places is None:
            minor = 0 if self.currency in _NO_MINOR_UNIT else 2
            places = minor if abs(value) >= 1 else max(minor, decimals(value, significant=3))
            while places > minor and round(value, places) == round(value, places - 1):
                places -= 1
        common = _SYMBOLS.get(self.currency, f"{self.currency} ")
        symbol = _OWN_SYMBOLS.get((self.language, self.currency), common)
        return _signed(f"{symbol}{abs(value):,.{places}f}", value, sign=sign)

    def share(self, value: float, places: int | None = None, *, sign: bool = False) -> str:
        """A share or a ratio as a percentage; without `places`, with three significant digits."""
        percent = 100 * value
        shown = min(decimals(percent, significant=3), 4) if places is None else places
        return _signed(f"{abs(percent):,.{shown}f}%", value, sign=sign)

    def level(self, value: float) -> str:
        """A chosen level, such as a confidence or a power, with no more decimals than it was chosen with."""
        return f"{100 * value:.4g}%"

    def points(self, value: float, places: int, *, sign: bool = True) -> str:
        """A difference of two shares, in percentage points."""
        unit = " pp" if self.language == "en" else " 个百分点"
        return _signed(f"{100 * abs(value):,.{places}f}", value, sign=sign) + unit

    def p_value(self, value: float) -> str:
        """A p-value with four decimals; a smaller one is said to be smaller."""
        return probability(value).removeprefix("= ")

    def interval(self, low: str, high: str) -> str:
        """Two bounds, already written, as one interval."""
        return f"{low} to {high}" if self.language == "en" else f"{low} 至 {high}"


def probability(value: float) -> str:
    """A p-value behind the letter p in a sentence.

    >>> probability(0.01234), probability(1e-9)
    ('= 0.0123', '< 0.0001')
    """
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}"


def decimals(value: float, *, significant: int = 2, most: int = 6) -> int:
    """How many decimals show `significant` digits of a number, at most `most`.

    >>> decimals(0.0123), decimals(12.3), decimals(1234.0), decimals(0.0)
    (3, 0, 0, 0)
    """
    if value == 0 or not math.isfinite(value):
        return 0
    return min(max(significant - 1 - math.floor(math.log10(abs(value))), 0), most)


def _signed(digits: str, value: float, *, sign: bool) -> str:
    is_zero = not any(character in "123456789" for character in digits)
    if is_zero:
        return digits
    return (MINUS if value < 0 else "+" if sign else "") + digits


def signless(digits: str, value: float) -> str:
    """Digits with a minus sign where the value is below zero, and no plus."""
    return _signed(digits, value, sign=False)
