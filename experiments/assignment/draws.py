"""Draws by md5: anyone can compute them again from the salt and the key alone.

Hashes are the lower-case hex digits of md5 over UTF-8 text; shares are exact fractions. A hash is compared
with a share by its first 13 digits, which are 52 bits, as text of equal length.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

from sqlglot import exp

from experiments.engines.protocol import Engine
from experiments.queries import coalesce, column, number

Purpose = Literal["sample", "send", "explore", "holdout", "fold", "learn"]
"""What a draw beside that of the arm is for; each has a hash of its own."""

DIGITS = 13
STEPS = 16**DIGITS
_SEPARATOR = "|"
_LEFT = f"left{_SEPARATOR}"
"""Before the key of a member who has left the data, where units are asked for."""


def unit_key(engine: Engine, unit: str | None) -> exp.Expr:
    """What a member of the assignment is drawn by: the key of `audience.unit`, else the member's own.

    A member who has left the data has no unit any more, and is one alone: marked, since shops and members may both be numbers.
    """
    if unit is None:
        return column("member")
    alone = exp.Concat(expressions=[exp.Literal.string(_LEFT), column("member")])
    return coalesce(engine.as_key(column(unit)), alone)


def arm_hash(engine: Engine, salt: str, key: exp.Expr) -> exp.Expr:
    """`md5(salt | key)`: the draw of the arm."""
    return engine.md5_hex(exp.Concat(expressions=[exp.Literal.string(f"{salt}{_SEPARATOR}"), key.copy()]))


def purpose_hash(engine: Engine, salt: str, purpose: Purpose, key: exp.Expr) -> exp.Expr:
    """`md5(salt | purpose | key)`: any other draw."""
    return arm_hash(engine, f"{salt}{_SEPARATOR}{purpose}", key)


def bound(share: Fraction) -> str:
    """The first 13-digit hash that is not below a share: ceil(share x 16^13) in hex; 14 digits for a share of 1, or so near.

    >>> bound(Fraction(1, 3)), bound(Fraction(0))
    ('5555555555556', '0000000000000')
    """
    return f"{math.ceil(share * STEPS):0{DIGITS}x}"


def below_share(engine: Engine, digits: exp.Expr, share: Fraction) -> exp.Expr:
    """Whether a hash lies in the first `share` of all hashes."""
    return is_below(engine.collated(digits), share)


def is_below(digits: exp.Expr, share: Fraction) -> exp.Expr:
    """Whether a collated hash comes before a share.

    The whole hash is compared: it comes before a text of 13 digits exactly when its own first 13 do. Every hash comes
    before a bound of 14 digits, which as a text would come first: that of 1, and of what rounds up to it.
    """
    end = bound(share)
    if len(end) > DIGITS:
        return exp.true()
    return exp.LT(this=digits.copy(), expression=exp.Literal.string(end))


def leading(digits: exp.Expr) -> exp.Expr:
    """The first 13 digits of a hash."""
    return exp.Substring(this=digits.copy(), start=number(1), length=number(DIGITS))


def slot(engine: Engine, digits: exp.Expr, slots: int) -> exp.Expr:
    """Which of `slots` equal parts of all hashes a hash lies in: floor(v x slots), v its first 13 digits over 16^13.

    Computed in two parts of 24 and 28 bits, so that no product leaves 64 bits for up to 2^35 slots.
    """
    high = engine.hex_integer(exp.Substring(this=digits.copy(), start=number(1), length=number(6)))
    low = engine.hex_integer(exp.Substring(this=digits.copy(), start=number(7), length=number(7)))
    carried = _whole(exp.Mul(this=low, expression=number(slots)), 1 << 28)
    return _whole(
        exp.Add(this=exp.paren(exp.Mul(this=high, expression=number(slots))), expression=carried), 1 << 24
    )


def _whole(value: exp.Expr, divisor: int) -> exp.Expr:
    """Whole division of a value that is not negative."""
    return exp.paren(exp.IntDiv(this=exp.paren(value), expression=number(divisor)))
