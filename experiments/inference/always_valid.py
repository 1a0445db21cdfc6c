"""Always valid inference: intervals and p-values that may be looked at as often as one likes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from experiments.inference.tails import Alternative, require_probability


@dataclass(frozen=True)
class ConfidenceSequence:
    """Asymptotic confidence sequence of an effect at the current look (Waudby-Smith et al. 2024, Annals).

    The intervals of all looks hold the effect together with probability 1 - alpha, asymptotically: use it from
    about 100 events on. The mixture is tuned to be narrowest at the planned number of members, which must be
    fixed beforehand.

    Attributes:
        estimate: The effect.
        std_error: Its standard error at this look.
        members: Members seen by now, in both arms.
        planned: Planned members of both arms.
        alpha: Two-sided level.

    Raises:
        ValueError: A value is out of range.

    >>> sequence = ConfidenceSequence(0.02, 0.004, members=5_000, planned=20_000, alpha=0.05)
    >>> low, high = sequence.interval
    >>> round(low, 4), round(high, 4), round(sequence.p_value(), 5)
    (0.0069, 0.0331, 0.00042)
    """

    estimate: float
    std_error: float
    members: float
    planned: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        require_probability(self.alpha, "alpha")
        if not (self.std_error > 0 and self.members > 0 and self.planned > 0):
            raise ValueError(
                f"a confidence sequence needs a standard error, members and a plan, all positive; got "
                f"{self.std_error}, {self.members}, {self.planned}"
            )

    @property
    def interval(self) -> tuple[float, float]:
        """The 1 - alpha interval at this look."""
        half = self.critical(self.alpha) * self.std_error
        return self.estimate - half, self.estimate + half

    def critical(self, alpha: float) -> float:
        """Half the width of the 1 - alpha interval in standard errors; the tuning stays that of the own level.

        Raises:
            ValueError: alpha is not in (0, 1).
        """
        require_probability(alpha, "alpha")
        spread = self._spread
        return math.sqrt((spread + 1) / spread * (math.log(spread + 1) - 2 * math.log(alpha)))

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """The alpha at which this look's interval just excludes the null.

        One-sided: half of it where the estimate lies on the alternative's side, else one minus half of it.
        """
        spread = self._spread
        z = (self.estimate - null) / self.std_error
        exponent = math.log(spread + 1) / 2 - z**2 * spread / (spread + 1) / 2
        p = math.exp(min(exponent, 0.0))
        if alternative == "two-sided":
            return p
        on_its_side = z > 0 if alternative == "greater" else z < 0
        return p / 2 if on_its_side else 1 - p / 2

    @property
    def _spread(self) -> float:
        """Members times the squared tuning parameter, which is best at the planned number."""
        log_alpha = -2 * math.log(self.alpha)
        return self.members * (log_alpha + math.log(log_alpha + 1)) / self.planned
