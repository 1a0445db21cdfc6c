"""What every comparison of two arms answers, and the choice of the unadjusted estimator."""

from __future__ import annotations

from typing import Literal, Protocol

from experiments.inference.lift import Lift
from experiments.inference.means import WelchComparison
from experiments.inference.moments import Moments
from experiments.inference.proportions import compare_proportions, tabulate
from experiments.inference.tails import Alternative

Kind = Literal["binary", "mean"]


class Comparison(Protocol):
    """An arm compared with another on one metric, intention to treat: everybody assigned counts.

    Attributes:
        method: Estimator, as a row of the analysis shows it.
        members_arm: Members assigned to the arm.
        members_versus: Members assigned to the other.
        mean_arm: Estimated mean (rate, ratio) of the arm.
        mean_versus: The other's.
        variance_arm: Squared standard error of `mean_arm`; None where the data show none.
        variance_versus: The other's; the two are independent.
        difference: `mean_arm - mean_versus`.
        std_error: Standard error of the difference; None where the data show no variance.
        statistic: Statistic of the hypothesis of no difference; None where it does not exist.
        has_test: Whether the data can test a difference at all; where they cannot, every p-value is 1.
    """

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def members_arm(self) -> int: ...  # noqa: D102
    @property
    def members_versus(self) -> int: ...  # noqa: D102
    @property
    def mean_arm(self) -> float: ...  # noqa: D102
    @property
    def mean_versus(self) -> float: ...  # noqa: D102
    @property
    def variance_arm(self) -> float | None: ...  # noqa: D102
    @property
    def variance_versus(self) -> float | None: ...  # noqa: D102
    @property
    def difference(self) -> float: ...  # noqa: D102
    @property
    def std_error(self) -> float | None: ...  # noqa: D102
    @property
    def statistic(self) -> float | None: ...  # noqa: D102
    @property
    def has_test(self) -> bool: ...  # noqa: D102

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """P-value of H0: difference = null (`two-sided`), <= null (`greater`), >= null (`less`)."""

    def ratio_p_value(self, ratio: float, alternative: Alternative = "two-sided") -> float:
        """P-value of H0: mean_arm = ratio x mean_versus, or <= (`greater`), or >= (`less`)."""

    def interval(self, alpha: float) -> tuple[float, float]:
        """Two-sided 1 - alpha interval for the difference; (-inf, inf) where the data set no bound."""

    def lift(self, alpha: float) -> Lift | None:
        """Lift with its 1 - alpha interval; None where either mean is not positive."""


def compare(arm: Moments, versus: Moments, metric: str, kind: Kind = "mean") -> Comparison:
    """Unadjusted comparison of a metric: score or exact for `binary`, Welch for `mean`.

    Args:
        arm: Moments of the arm.
        versus: Moments of the arm that it is compared with (control, for an effect).
        metric: The column.
        kind: `binary` where each member's value is 0 or 1, else `mean`.

    Raises:
        ValueError: An arm has no members, or a binary metric has values other than 0 and 1.

    >>> control = Moments.from_rows(("visited",), [[1.0]] * 30 + [[0.0]] * 270)
    >>> mail = Moments.from_rows(("visited",), [[1.0]] * 60 + [[0.0]] * 240)
    >>> effect = compare(mail, control, "visited", "binary")
    >>> effect.method, round(effect.difference, 3), round(effect.p_value(), 4)
    ('score', 0.1, 0.0006)
    """
    if kind == "binary":
        return compare_proportions(tabulate(arm, versus, metric))
    return WelchComparison(arm, versus, metric)
