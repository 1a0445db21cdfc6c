"""The draw of one batch: each member's arm, by hash or by rank within a stratum, its propensity and planned time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from experiments.assignment.draws import bound, leading
from experiments.assignment.entering import ARM_OF_UNIT, ENTERING, ranks_units
from experiments.assignment.send import planned_send_at
from experiments.assignment.strata import cumulative, rank_bounds
from experiments.audience.audience import snapshot_of
from experiments.experiment import Experiment
from experiments.queries import coalesce, column, double, fetch_rows, is_null, named, number, relation, when

_RANKED = "ranked"


@dataclass(frozen=True)
class Draw:
    """The arms of one batch, over the relation of those who enter.

    Attributes:
        experiment: The experiment.
        batch: The number of the batch, from 0.
        salt: What draws the arms.
    """

    experiment: Experiment
    batch: int
    salt: str

    def drawn(self) -> tuple[int, exp.Select]:
        """How many enter, and them with `arm`, `propensity` and `planned_send_at`."""
        experiment = self.experiment
        stratum = column("stratum")
        query = exp.select(
            stratum, named(exp.Count(this=exp.Star()), "members"), named(self._ranked_keys(), "ranked")
        ).from_(relation(ENTERING))
        found = fetch_rows(experiment.engine, query.group_by(stratum.copy()))
        sizes = {row["stratum"]: int(row["ranked"]) for row in found}
        if experiment.definition.assignment.method == "hash":
            rows, arm = exp.select("*").from_(relation(ENTERING)), self._arm_by_hash()
        else:
            rows, arm = self._ranked(sizes), self._arm_by_rank()
        drawn = exp.select("*", named(arm, "arm")).from_(rows.subquery(_RANKED))
        entered = snapshot_of(experiment)
        planned = planned_send_at(experiment.definition, experiment.engine, column("member"), entered)
        propensity = exp.Case()
        for each in experiment.definition.all_arms:
            is_arm = exp.EQ(this=column("arm"), expression=exp.Literal.string(each.id))
            propensity = propensity.when(is_arm, double(float(each.share)))
        names = ("member", "segment", "stratum", "arm")
        selected = [
            *(column(name) for name in names),
            named(propensity, "propensity"),
            named(planned, "planned_send_at"),
        ]
        members = sum(int(row["members"]) for row in found)
        return members, exp.select(*selected).from_(drawn.subquery("drawn"))

    @property
    def _ranks_units(self) -> bool:
        return ranks_units(self.experiment.definition)

    def _ranked_keys(self) -> exp.Expr:
        """How many are ranked in a stratum: members, or units that have no arm yet."""
        if not self._ranks_units:
            return exp.Count(this=exp.Star())
        new = when(is_null(column(ARM_OF_UNIT)), column("drawn_by"))
        return exp.Count(this=exp.Distinct(expressions=[new]))

    def _arm_by_hash(self) -> exp.Expr:
        """Arm i owns the hashes from ceil(c_i x 16^13) on, up to the next arm's."""
        arms = self.experiment.definition.all_arms
        first_digits = self.experiment.engine.collated(leading(column("digits")))
        ends = [
            exp.LT(this=first_digits.copy(), expression=exp.Literal.string(bound(share)))
            for share in cumulative([arm.share for arm in arms])[1:-1]
        ]
        return self._first_arm(ends)

    def _arm_by_rank(self) -> exp.Expr:
        arms = self.experiment.definition.all_arms
        ends = [
            exp.LT(this=column("rank"), expression=column(f"end_{place}")) for place in range(len(arms) - 1)
        ]
        arm = self._first_arm(ends)
        return coalesce(column(ARM_OF_UNIT), arm) if self._ranks_units else arm

    def _first_arm(self, ends: Sequence[exp.Expr]) -> exp.Expr:
        arms = self.experiment.definition.all_arms
        case = exp.Case()
        for arm, is_before_end in zip(arms, ends, strict=False):
            case = case.when(is_before_end, exp.Literal.string(arm.id))
        return case.else_(exp.Literal.string(arms[-1].id))

    def _ranked(self, sizes: dict[str, int]) -> exp.Select:
        """Everybody with the rank 0..n-1 by (hash, key) within the stratum, and where each arm's ranks end there.

        Members of one unit have one rank; units that have an arm already stand apart.
        """
        engine, salt = self.experiment.engine, self.salt
        shares = [arm.share for arm in self.experiment.definition.all_arms]
        known = [column(ARM_OF_UNIT, ENTERING)] if self._ranks_units else []
        key = column("drawn_by" if self._ranks_units else "member", ENTERING)
        rank = exp.Window(
            this=exp.DenseRank() if self._ranks_units else exp.RowNumber(),
            partition_by=[column("stratum", ENTERING), *(is_null(arm) for arm in known)],
            order=exp.Order(
                expressions=[
                    exp.Ordered(this=engine.collated(column("digits", ENTERING)), nulls_first=False),
                    exp.Ordered(this=engine.collated(key), nulls_first=False),
                ]
            ),
        )
        ends = [f"end_{place}" for place in range(len(shares) - 1)]
        names = ("member", "segment", "stratum", "drawn_by")
        rows = [
            (stratum, *rank_bounds(shares, size, salt, stratum, self.batch)[1:-1])
            for stratum, size in sizes.items()
        ] or [("", *(0 for _ in ends))]
        bounds = exp.values(rows, alias="bounds", columns=["stratum", *ends])
        return (
            exp.select(
                *(named(column(name, ENTERING), name) for name in names),
                *(named(arm.copy(), ARM_OF_UNIT) for arm in known),
                *(named(exp.column(name, "bounds"), name) for name in ends),
                named(exp.paren(exp.Sub(this=rank, expression=number(1))), "rank"),
            )
            .from_(relation(ENTERING))
            .join(
                bounds,
                on=exp.EQ(this=exp.column("stratum", "bounds"), expression=column("stratum", ENTERING)),
            )
        )
