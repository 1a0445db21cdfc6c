"""Strata: the groups within which arms are drawn, by name, and the whole numbers of members that each arm gets there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from math import floor

from sqlglot import exp

from experiments.assignment.draws import DIGITS, STEPS
from experiments.engines.protocol import Engine
from experiments.queries import coalesce

_MISSING = r"\N"
_SEGMENT = "segment"
"""The segment, whose ids have nothing to escape."""


def stratum_name(engine: Engine, values: Sequence[exp.Expr]) -> exp.Expr:
    r"""The name of a member's stratum: its values joined by `|`, with `|` as `\|`, `\` as `\\` and NULL as `\N`.

    Where there are no strata it is the empty text.
    """
    parts: list[exp.Expr] = []
    for value in values:
        text = engine.as_key(value)
        if value.name != _SEGMENT:
            text = _replaced(_replaced(text, "\\", "\\\\"), "|", r"\|")
        parts += [exp.Literal.string("|")] if parts else []
        parts.append(coalesce(text, exp.Literal.string(_MISSING)))
    return exp.Concat(expressions=parts) if parts else exp.Literal.string("")


def _replaced(text: exp.Expr, old: str, new: str) -> exp.Expr:
    return exp.Anonymous(this="REPLACE", expressions=[text, exp.Literal.string(old), exp.Literal.string(new)])


def cumulative(shares: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The cumulative shares, from 0 to 1.

    >>> [str(share) for share in cumulative([Fraction(1, 3), Fraction(2, 3)])]
    ['0', '1/3', '1']
    """
    return tuple(accumulate(shares, initial=Fraction(0)))


def rank_bounds(
    shares: Sequence[Fraction], members: int, salt: str, stratum: str, batch: int
) -> tuple[int, ...]:
    """Where each arm's ranks begin, and after the last arm the number of members.

    Arm i owns the ranks in [floor(c_i n + u), floor(c_(i+1) n + u)), u in [0, 1) being the first 13 digits of
    `md5(salt | stratum | batch)` over 16^13: every count is within one of share x n, and over salts every
    member has each arm with exactly its share as probability.

    >>> rank_bounds([Fraction(1, 2), Fraction(1, 2)], 3, "salt", "vip", 0) in {(0, 1, 3), (0, 2, 3)}
    True
    """
    digits = hashlib.md5(f"{salt}|{stratum}|{batch}".encode()).hexdigest()[:DIGITS]
    offset = Fraction(int(digits, 16), STEPS)
    return tuple(floor(share * members + offset) for share in cumulative(shares))
