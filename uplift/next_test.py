"""The next test: from what is still uncertain, which arms to leave out, which to add, and how many members to take."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from experiments.definition.arms import LEVELS_JOINED_BY, Arm
from experiments.definition.model import Definition
from experiments.definition.origin import FILE_ENDINGS
from experiments.experiment import Experiment
from experiments.files import write_whole
from experiments.inference.power import PlannedMean, sample_size
from experiments.inference.tails import critical_value
from experiments.queries import column
from uplift.design_effect import design_effect
from uplift.documents import NextTest, Proposal
from uplift.evaluation import Estimate, estimate_mean
from uplift.evidence import Evidence
from uplift.features import Array
from uplift.sample import LearningSample
from uplift.sentences import PolicyWords

_LEVEL = 0.05
_SMALLEST = 0.25
"""Of the best arm's gain: a smaller difference between offers is not worth a test."""


@dataclass(frozen=True)
class _Found:
    """What the test says of its arms.

    Attributes:
        gains: Gain of each arm over control, control's own 0.
        best: The arm with the largest.
        dropped: Arms that are proven to be behind.
        added: Combinations of levels that were not tested and may be ahead.
    """

    gains: tuple[Estimate, ...]
    best: int
    dropped: tuple[int, ...]
    added: tuple[str, ...]


def propose_next(
    evidence: Evidence, sample: LearningSample, scores: Array, used: frozenset[int], words: PolicyWords
) -> NextTest:
    """Proposals, and a definition beside the other documents that holds them, where arms are ours to draw.

    An arm is left out where its value is behind that of the best arm, by held-out doubly robust scores, at one-sided 5 % over
    all arms (comparisons with the best, Hsu 1996, with Bonferroni's bound), and the policy gives it to nobody. A
    combination that was left out of the product is added where main effects of its levels add up to no less than the
    best arm's gain less its standard error. The size is that with which each other offer's difference from the best is
    found with the power and the level of the definition; the difference asked for is the one now seen between the two
    best, at least a quarter of the best arm's gain. Where members of one unit act alike, errors are those of units, and
    the size is raised by the design effect of this test.

    Args:
        evidence: The test.
        sample: The learning sample.
        scores: Shape (n, K): held-out doubly robust scores.
        used: Arms that the policy gives somebody.
        words: What people read.
    """
    experiment = evidence.experiment
    definition = experiment.definition
    clustering = design_effect(evidence, column(evidence.units.metric_columns[words.metric]))
    found = _judge(definition, sample, scores, used)
    kept = [k for k in range(1, len(sample.arms)) if k not in found.dropped]
    offers = len(kept) + len(found.added)
    effect = _effect(found, kept)
    members = _members(definition, sample, offers, effect, (found.best, *kept), clustering)
    proposals = (
        *(_drop(sample, found, k, words) for k in found.dropped),
        *(Proposal(arm, "add", words.next_test("add", arm=arm)) for arm in found.added),
    )
    draft_path(experiment).unlink(missing_ok=True)
    if members is not None and definition.assignment.method != "recorded":
        write_whole(draft_path(experiment), _draft(definition, sample.arms, kept, found.added, members))
    return NextTest(proposals, offers, members, effect, definition.design.power)


def draft_path(experiment: Experiment) -> Path:
    """Where the draft of the next test's definition stands."""
    return experiment.workspace.root / "next.yml"


def _judge(definition: Definition, sample: LearningSample, scores: Array, used: frozenset[int]) -> _Found:
    gains = tuple(estimate_mean(scores[:, k] - scores[:, 0], sample.unit) for k in range(scores.shape[1]))
    best = max(range(len(gains)), key=lambda k: gains[k].value)
    others = [k for k in range(1, len(gains)) if k != best]
    bound = critical_value(2 * _LEVEL / max(1, len(others)))
    dropped = []
    for k in others:
        behind = estimate_mean(scores[:, best] - scores[:, k], sample.unit)
        if k not in used and behind.value > bound * behind.std_error:
            dropped.append(k)
    return _Found(gains, best, tuple(dropped), _untested(definition, sample.arms, gains, best))


def _untested(
    definition: Definition, arms: Sequence[Arm], gains: Sequence[Estimate], best: int
) -> tuple[str, ...]:
    """Cells of the product that were left out and whose levels' main effects promise as much as the best arm."""
    if definition.arms.factors is None or not definition.arms.omit:
        return ()
    columns = sorted({level for arm in arms[1:] for level in arm.levels})
    design = np.array([[1.0, *(float(level in arm.levels) for level in columns)] for arm in arms[1:]])
    effects = np.linalg.lstsq(design, np.array([gain.value for gain in gains[1:]]), rcond=None)[0]
    least = gains[best].value - gains[best].std_error
    factors = list(definition.arms.factors)
    promising = []
    for cell in definition.arms.omit:
        levels = set(zip(factors, cell.split(LEVELS_JOINED_BY), strict=True))
        # A level that no arm had cannot be told.
        if levels <= set(columns):
            row = np.array([1.0, *(float(level in levels) for level in columns)])
            if float(row @ effects) >= least:
                promising.append(cell)
    return tuple(promising)


def _effect(found: _Found, kept: Sequence[int]) -> float:
    best = found.gains[found.best].value
    rest = [found.gains[k].value for k in (*kept, 0) if k != found.best]
    return max(best - max(rest), _SMALLEST * abs(best)) if rest else abs(best)


def _members(
    definition: Definition,
    sample: LearningSample,
    offers: int,
    effect: float,
    arms: Sequence[int],
    clustering: float,
) -> int | None:
    """Members in all, equal in every arm; None where there is nothing to find."""
    spread = float(np.max(sample.spread(np.ones(len(sample), dtype=bool))[list(arms)]))
    if not offers or effect <= 0 or spread <= 0:
        return None
    alpha = definition.design.alpha / offers
    each = sample_size(PlannedMean(spread), effect, power=definition.design.power, alpha=alpha)
    return math.ceil(each.arm * clustering) * (offers + 1)


def _drop(sample: LearningSample, found: _Found, arm: int, words: PolicyWords) -> Proposal:
    losing = found.gains[arm].interval()[1] < 0
    told = words.next_test(
        "drop_losing" if losing else "drop", arm=sample.arms[arm].id, best=sample.arms[found.best].id
    )
    return Proposal(sample.arms[arm].id, "drop", told)


def _draft(
    definition: Definition, arms: Sequence[Arm], kept: Sequence[int], added: Sequence[str], members: int
) -> str:
    """The definition with the next test's arms, equal shares and size; files as absolute paths, since it stands elsewhere."""
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    body = _plain(definition.origin.resolved)
    body["id"] = f"{definition.id}-next"
    share = str(Fraction(1, len(kept) + len(added) + 1))
    body["arms"]["control"]["share"] = share
    staying = {*(arms[k].id for k in kept), *added}
    if definition.arms.factors is not None:
        dropped = [arm.id for k, arm in enumerate(arms) if k and k not in kept]
        body["arms"]["omit"] = [*(cell for cell in definition.arms.omit if cell not in added), *dropped]
        body["arms"]["share_each"] = share
    else:
        body["arms"].pop("share_each", None)
        offers = {name: offer for name, offer in body["arms"]["offers"].items() if name in staying}
        body["arms"]["offers"] = {name: {**offer, "share": share} for name, offer in offers.items()}
    body["assignment"].pop("salt", None)
    body["assignment"]["sample_size"] = members
    body.pop("rollout", None)
    send = body.get("send") or {}
    for key in {"hours", "quiet_hours"} & {name for name, clocks in send.items() if clocks}:
        # Without quotes YAML 1.1 reads 10:00:00 as a number of seconds.
        send[key] = [DoubleQuotedScalarString(clock) for clock in send[key]]
    _with_absolute_files(definition, body)
    stream = io.StringIO()
    stream.write(
        "# A draft of the next test. Set audience.snapshot, send.days and the title before `offerwise design`.\n"
    )
    YAML().dump(body, stream)
    return stream.getvalue()


def _with_absolute_files(definition: Definition, body: dict[str, Any]) -> None:
    origin = definition.origin
    for source in body["data"]:
        body["data"][source]["table"] = origin.resolve_table(source)
    lists = body["audience"].get("exclude_lists", [])
    body["audience"]["exclude_lists"] = [
        str(origin.resolve_file(("audience", "exclude_lists", place), name))
        if name.lower().endswith(FILE_ENDINGS)
        else name
        for place, name in enumerate(lists)
    ]
    folder = Path(origin.path).parent
    groups = body["arms"].get("factors") or {"": body["arms"].get("offers", {})}
    for levels in groups.values():
        for offer in levels.values():
            if offer.get("template"):
                offer["template"] = str(folder / offer["template"])


def _plain(value: Any) -> Any:
    """A copy that may be changed."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
