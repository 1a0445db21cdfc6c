"""The draw of one batch: each member's arm, by hash or by rank within a stratum, its propensity and planned time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from experiments.assignment.batch import ARM_OF_UNIT, ENTERING, ranks_units
from experiments.assignment.draws import is_below
from experiments.assignment.rank_ends import RANK_ENDS, RankedKeys
from experiments.assignment.send import planned_send_at
from experiments.assignment.strata import cumulative, rank_bounds
from experiments.audience.audience import snapshot_of
from experiments.definition.arms import Arm
from experiments.experiment import Experiment
from experiments.queries import coalesce, column, double, fetch_rows, is_null, named, relation

_UNITS = "ranked_units"


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
        ranks = experiment.definition.assignment.method == "stratified"
        rows = self._by_rank() if ranks else self._by_hash()
        entered = snapshot_of(experiment)
        planned = planned_send_at(experiment.definition, experiment.engine, column("member"), entered)
        selected = [
            *map(column, rows.named_selects),
            named(_propensity(experiment.definition.all_arms), "propensity"),
            named(planned, "planned_send_at"),
        ]
        count = exp.select(named(exp.Count(this=exp.Star()), "members")).from_(relation(ENTERING))
        (counted,) = fetch_rows(experiment.engine, count)
        return int(counted["members"]), exp.select(*selected).from_(rows.subquery("drawn"))

    def _by_hash(self) -> exp.Select:
        """Arm i owns the hashes from ceil(c_i x 16^13) on, up to the next arm's."""
        arms = self.experiment.definition.all_arms
        digits = self.experiment.engine.collated(column("digits", ENTERING))
        ends = [is_below(digits, share) for share in cumulative([arm.share for arm in arms])[1:-1]]
        return self._with_arm(self._first_arm(ends))

    def _by_rank(self) -> exp.Select:
        """Arm i owns the ranks by (hash, key) within the stratum from floor(c_i n + u) on, up to the next arm's.

        Members of one unit have one rank; units that have an arm already stand apart, and keep it.
        """
        definition = self.experiment.definition
        shares = [arm.share for arm in definition.all_arms]
        keys = self._ranked_keys()
        ends = {
            stratum: rank_bounds(shares, size, self.salt, stratum, self.batch)[1:-1]
            for stratum, size in keys.sizes().items()
        }
        keys.create_ends(ends or {"": (0,) * (len(shares) - 1)})
        arm = self._first_arm([keys.is_before_end(place, ENTERING) for place in range(len(shares) - 1)])
        if ranks_units(definition):
            arm = coalesce(column(ARM_OF_UNIT, ENTERING), arm)
        same = exp.EQ(this=column("stratum", RANK_ENDS), expression=column("stratum", ENTERING))
        return self._with_arm(arm).join(relation(RANK_ENDS), on=same, join_type="left")

    def _ranked_keys(self) -> RankedKeys:
        """Members, or units that have no arm yet."""
        engine = self.experiment.engine
        if not ranks_units(self.experiment.definition):
            return RankedKeys(engine, ENTERING, "member")
        new = exp.select(*map(column, ("stratum", "drawn_by", "digits"))).distinct().from_(relation(ENTERING))
        engine.create(_UNITS, new.where(is_null(column(ARM_OF_UNIT))))
        return RankedKeys(engine, _UNITS, "drawn_by")

    def _with_arm(self, arm: exp.Expr) -> exp.Select:
        names = ("member", "segment", "stratum")
        known = (named(column(name, ENTERING), name) for name in names)
        return exp.select(*known, named(arm, "arm")).from_(relation(ENTERING))

    def _first_arm(self, ends: Sequence[exp.Expr]) -> exp.Expr:
        arms = self.experiment.definition.all_arms
        case = exp.Case()
        for arm, is_before_end in zip(arms, ends, strict=False):
            case = case.when(is_before_end, exp.Literal.string(arm.id))
        return case.else_(exp.Literal.string(arms[-1].id))


def _propensity(arms: Sequence[Arm]) -> exp.Expr:
    """The share of the row's arm; the one that most arms have is left to ELSE."""
    by_share: dict[Fraction, list[exp.Expr]] = {}
    for arm in arms:
        by_share.setdefault(arm.share, []).append(exp.Literal.string(arm.id))
    usual = max(by_share, key=lambda share: len(by_share[share]))
    case = exp.Case()
    for share, names in by_share.items():
        if share != usual:
            case = case.when(exp.In(this=column("arm"), expressions=names), double(float(share)))
    return case.else_(double(float(usual))) if len(by_share) > 1 else double(float(usual))
