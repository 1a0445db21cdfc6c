"""Where each arm's ranks end in a stratum, as a hash and a key: found by counting, so that few keys are ever sorted.

Ranks are those of (hash, key) within a stratum. A hash is spread evenly, so its first digits tell nearly where a rank lies: keys are
counted by them, and only the few that share them with the end of an arm are put in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from experiments.engines.protocol import Engine
from experiments.queries import coalesce, column, fetch_rows, named, number, relation, when

RANK_ENDS = "rank_ends"
"""The relation with one row a stratum: `stratum`, and for each arm but the last `digits_i` and `key_i`."""

_COUNTS = "rank_counts"
_WANTED = "rank_wanted"
_FIRST_DIGITS = 2
"""16^2 counts a stratum: so few keys are sorted that more would cost more than they save."""
_AFTER_ALL = "g"
"""Sorts after every hex digit."""


@dataclass(frozen=True)
class RankedKeys:
    """The keys that are ranked.

    Attributes:
        engine: Holds them.
        relation: One row a key, with `stratum` and `digits` (the hash of the key).
        key: The column with the key.
    """

    engine: Engine
    relation: str
    key: str

    def sizes(self) -> Mapping[str, int]:
        """Stratum to how many keys are ranked there; counts them for `create_ends`."""
        leading = self._leading(column("digits"))
        counted = exp.select(
            column("stratum"), named(leading, "leading"), named(exp.Count(this=exp.Star()), "ranked")
        )
        self.engine.create(
            _COUNTS, counted.from_(relation(self.relation)).group_by(column("stratum"), leading.copy())
        )
        total = exp.select(column("stratum"), named(exp.Sum(this=column("ranked")), "ranked"))
        found = fetch_rows(self.engine, total.from_(relation(_COUNTS)).group_by(column("stratum")))
        return {row["stratum"]: int(row["ranked"]) for row in found}

    def create_ends(self, ends: Mapping[str, Sequence[int]]) -> None:
        """Create `RANK_ENDS`: the first key that no longer belongs to an arm, after all keys where there is none.

        Args:
            ends: Stratum to the rank at which each arm but the last ends; as many in each, and at least one stratum.
        """
        self.engine.create(_WANTED, self._wanted(ends))
        found = self._found().subquery(_alias("found"))
        places = range(len(next(iter(ends.values()))))
        query = exp.select(named(column("stratum", _WANTED), "stratum"))
        for place in places:
            here = exp.EQ(this=column("place", _WANTED), expression=number(place))
            digits, key = (
                exp.Max(this=when(here.copy(), column(name, "found"))) for name in ("digits", "key")
            )
            query = query.select(
                named(coalesce(digits, exp.Literal.string(_AFTER_ALL)), f"digits_{place}"),
                named(key, f"key_{place}"),
            )
        same = exp.and_(
            *(
                exp.EQ(this=column(name, "found"), expression=column(name, _WANTED))
                for name in ("stratum", "place")
            )
        )
        query = query.from_(relation(_WANTED)).join(found, on=same, join_type="left")
        self.engine.create(RANK_ENDS, query.group_by(column("stratum", _WANTED)))

    def is_before_end(self, place: int, rows: str) -> exp.Expr:
        """Whether the key of a row of `rows`, beside its stratum's row of `RANK_ENDS`, comes before the end of an arm."""
        digits = self.engine.collated(column("digits", rows))
        key = self.engine.collated(column(self.key, rows))
        end, key_at_end = column(f"digits_{place}", RANK_ENDS), column(f"key_{place}", RANK_ENDS)
        same = exp.EQ(this=digits.copy(), expression=end.copy())
        tie = exp.and_(same, exp.LT(this=key, expression=key_at_end))
        return exp.or_(exp.LT(this=digits, expression=end), tie)

    def _leading(self, digits: exp.Expr) -> exp.Expr:
        return exp.Substring(this=digits, start=number(1), length=number(_FIRST_DIGITS))

    def _wanted(self, ends: Mapping[str, Sequence[int]]) -> exp.Select:
        """One row for each end: the first digits of the key with that rank, and how many of the same digits come before it."""
        rows = [
            (stratum, place, end) for stratum, of_arms in ends.items() for place, end in enumerate(of_arms)
        ]
        upto = exp.Window(
            this=exp.Sum(this=column("ranked")),
            partition_by=[column("stratum")],
            order=exp.Order(
                expressions=[exp.Ordered(this=self.engine.collated(column("leading")), nulls_first=False)]
            ),
        )
        running = exp.select(
            column("stratum"),
            column("leading"),
            column("ranked"),
            named(exp.cast(upto, exp.DType.BIGINT), "upto"),
        ).from_(relation(_COUNTS))
        before = exp.paren(exp.Sub(this=column("upto", "running"), expression=column("ranked", "running")))
        end = exp.column("end_rank", "ends")
        holds = exp.and_(
            exp.EQ(this=column("stratum", "running"), expression=exp.column("stratum", "ends")),
            exp.GTE(this=end, expression=before),
            exp.LT(this=end.copy(), expression=column("upto", "running")),
        )
        return (
            exp.select(
                named(exp.column("stratum", "ends"), "stratum"),
                named(exp.column("place", "ends"), "place"),
                named(column("leading", "running"), "leading"),
                named(exp.Sub(this=end.copy(), expression=before.copy()), "earlier"),
            )
            .from_(exp.values(rows, alias="ends", columns=["stratum", "place", "end_rank"]))
            .join(running.subquery(_alias("running")), on=holds, join_type="left")
        )

    def _found(self) -> exp.Select:
        """The key at each end: `stratum, place, digits, key`."""
        leading = self._leading(column("digits", "keys"))
        order = [
            exp.Ordered(this=self.engine.collated(column(name, "keys")), nulls_first=False)
            for name in ("digits", self.key)
        ]
        rank = exp.Window(
            this=exp.RowNumber(),
            partition_by=[column("stratum", "wanted"), column("place", "wanted")],
            order=exp.Order(expressions=order),
        )
        ranked = (
            exp.select(
                *(named(column(name, "wanted"), name) for name in ("stratum", "place", "earlier")),
                named(column("digits", "keys"), "digits"),
                named(column(self.key, "keys"), "key"),
                named(rank, "rank"),
            )
            .from_(relation(self.relation, "keys"))
            .join(
                relation(_WANTED, "wanted"),
                on=exp.and_(
                    exp.EQ(this=column("stratum", "wanted"), expression=column("stratum", "keys")),
                    exp.EQ(this=column("leading", "wanted"), expression=leading),
                ),
            )
        )
        at_end = exp.EQ(this=column("rank"), expression=exp.Add(this=column("earlier"), expression=number(1)))
        names = ("stratum", "place", "digits", "key")
        return exp.select(*map(column, names)).from_(ranked.subquery(_alias("ranked"))).where(at_end)


def _alias(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
