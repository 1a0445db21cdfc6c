"""Does a rollout's 95 % prediction interval cover what its own holdout shows? Campaigns like the demo's, from the first row to the last.

    python -m benchmarks.forecast --campaigns 100

Each campaign has its own members, arms, test and outcomes. It is analysed, a policy is sought, the rollout is drawn and
its members answer by the planted truth; what the holdout shows is measured from their orders as everything else is. Beside it stands the
truth: what the contacts are expected to bring, over many draws of what the same members do, which shows a bias of the
forecast with far less noise. The exit code is 1 when the covered campaigns are fewer than 90 in 100.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.audience.audience import build_audience
from experiments.data.catalogue import open_data
from experiments.definition.arms import Arm
from experiments.documents.storage import to_json
from experiments.experiment import Experiment
from experiments.files import write_whole
from offerwise.demo.calendar import Season
from offerwise.demo.campaign import EVENTS, Campaign, generate, respond
from offerwise.demo.members import HISTORY_DAYS, Population, draw_population
from offerwise.demo.outcomes import Latents, PotentialOutcomes
from offerwise.demo.responses import Drawn, draw_responses
from offerwise.demo.truth import PLANTED
from offerwise.opening import open_experiment
from uplift.ramp import measure_released, read_released, step_path
from uplift.realised import realised
from uplift.rollout import rollout
from uplift.search import find_policy

MEMBERS = 60_000
TODAY = date(2026, 11, 1)
LEAST = 0.90
_AFTER = timedelta(days=20)
_TRUTH_DRAWS = 20


@dataclass(frozen=True)
class Covered:
    """One campaign: what was forecast, with its interval, and what the holdout showed; None where nothing was rolled out."""

    seed: int
    verdict: str
    follows: str | None = None
    forecast: float = 0.0
    low: float = 0.0
    high: float = 0.0
    shown: float = 0.0
    std_error: float = 0.0
    truth: float = 0.0
    seconds: float = 0.0

    @property
    def inside(self) -> bool:
        return self.low <= self.shown <= self.high

    @property
    def excess(self) -> float:
        """How much too high the forecast was against the truth, in standard errors of its interval."""
        return (self.forecast - self.truth) / ((self.high - self.low) / (2 * 1.96))


def run_campaign(folder: Path, seed: int, members: int = MEMBERS) -> Covered:
    """One campaign in a folder of its own."""
    started = time.perf_counter()
    campaign = generate(folder / "campaign", seed, members=members, today=TODAY)
    _simplify(campaign)
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 2, tzinfo=UTC)
    with _open(campaign, now) as experiment:
        assign(experiment)
        respond(campaign, experiment.definition, pq.read_table(experiment.workspace.ledger / "batches"))
    with _open(campaign, now) as experiment:
        analysis = analyze(experiment)
        write_whole(experiment.workspace.document("analysis"), to_json(analysis))
        if analysis.verdict.status != "rollout":
            return Covered(seed, analysis.verdict.status, seconds=time.perf_counter() - started)
        find_policy(experiment, explain=False)
        document = rollout(experiment)
        truth = answer(campaign, experiment, seed)
    with _open(campaign, now + _AFTER) as experiment:
        catalogue = open_data(experiment)
        audience = build_audience(experiment, catalogue)
        read_released(experiment, [1])
        measured = measure_released(experiment, catalogue, audience)
        shown = realised(measured.metrics[experiment.definition.goals.value_metric])
    return Covered(
        seed,
        "rollout",
        document.follows,
        document.expected_profit,
        document.low,
        document.high,
        shown.total,
        shown.std_error,
        truth,
        time.perf_counter() - started,
    )


def answer(campaign: Campaign, experiment: Experiment, seed: int) -> float:
    """Add to the event files what the members of the rollout do from its release on, by the planted truth.

    Returns:
        What the rollout's contacts are expected to bring over no contact.
    """
    season = Season.before(campaign.snapshot, HISTORY_DAYS)
    population = draw_population(campaign.seed, campaign.members, season)
    drawn = Drawn.of(pq.read_table(step_path(experiment, 1)), population)
    arms, seeds = experiment.definition.all_arms, itertools.count(seed + 1_000_003, 1_000_003)
    first = next(seeds)
    potential = _potential(population, drawn, Latents.draw(population, first), np.arange(len(drawn.member)))
    until = campaign.until + _AFTER
    responses = draw_responses(population, drawn, potential, arms, campaign.until, until, first)
    for source in EVENTS:
        path = campaign.directory / f"{source}.parquet"
        pq.write_table(pa.concat_tables([pq.read_table(path), getattr(responses, source)]), path)
    totals = [_profit(population, drawn, arms, next(seeds)) for _ in range(_TRUTH_DRAWS)]
    return float(np.mean(totals))


def _profit(population: Population, drawn: Drawn, arms: Sequence[Arm], seed: int) -> float:
    """What the contacted members bring over what the same members would have brought, for one draw of what they do."""
    latents, total = Latents.draw(population, seed), 0.0
    control, *offers = arms
    for offer in offers:
        given = np.flatnonzero(drawn.arm == offer.id)
        if len(given):
            effects = _potential(population, drawn, latents, given).true_effects([control, offer])
            effect = effects.find("profit", offer.id)
            assert effect is not None
            total += len(given) * effect.difference
    return total


def _potential(
    population: Population, drawn: Drawn, latents: Latents, among: np.ndarray
) -> PotentialOutcomes:
    members = drawn.member[among]
    return PotentialOutcomes(
        drawn.segment[among], population.eagerness[members], latents.take(members), PLANTED
    )


def _simplify(campaign: Campaign) -> None:
    """Half of the arms for fewer members, one ramp step, so that the whole rollout answers, and quick policies."""
    text = campaign.definition.read_text(encoding="utf8")
    text = text.replace(
        "share_each: 0.12", "share_each: 0.24\n  omit: [pts500__urgent, cpn20__urgent, gift__urgent]"
    )
    text = text.replace("guardrails: all_pass, ", "")
    text = text.replace("ramp: [0.10, 0.50, 1.00]", "ramp: [1.00]")
    text = text.replace(
        "kinds: [best_single_arm, by_segment, tree, individual]", "kinds: [best_single_arm, by_segment, tree]"
    )
    text = text.replace("max_depth: 3", "max_depth: 2")
    write_whole(campaign.definition, text)


def _open(campaign: Campaign, now: datetime) -> AbstractContextManager[Experiment]:
    return open_experiment(
        campaign.definition, engine="duckdb://?threads=1", out=campaign.directory / "runs", now=now
    )


def main() -> int:
    """Run campaigns, one line of JSON each, and judge them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--first", type=int, default=1, help="seed of the first campaign")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument(
        "--keep", type=Path, help="a file to which campaigns are added, and whose seeds are not run again"
    )
    given = parser.parse_args()
    found = _kept(given.keep)
    for seed in range(given.first, given.first + given.campaigns):
        if seed in found:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found[seed] = run_campaign(Path(folder), seed, given.members)
        line = json.dumps(asdict(found[seed]))
        print(line, flush=True)
        if given.keep:
            with given.keep.open("a", encoding="utf8") as file:
                file.write(line + "\n")
    return _judge(list(found.values()))


def _kept(path: Path | None) -> dict[int, Covered]:
    if path is None or not path.exists():
        return {}
    rows = [Covered(**json.loads(line)) for line in path.read_text(encoding="utf8").splitlines()]
    return {row.seed: row for row in rows}


def _judge(found: list[Covered]) -> int:
    rolled = [each for each in found if each.verdict == "rollout"]
    if not rolled:
        print("no campaign was rolled out")
        return 1
    share = float(np.mean([each.inside for each in rolled]))
    width = float(np.mean([each.high - each.low for each in rolled]))
    excess = np.array([each.excess for each in rolled])
    promised, brought = (
        float(np.mean(of)) for of in zip(*((e.forecast, e.truth) for e in rolled), strict=True)
    )
    kinds = {each.follows: sum(other.follows == each.follows for other in rolled) for each in rolled}
    print(f"campaigns {len(found)}, rolled out {len(rolled)} ({kinds})")
    print(
        f"covered {share:.1%}; interval width {width:,.0f}; forecast {promised:,.0f}, truth {brought:,.0f} on average"
    )
    precision = float(excess.std() / np.sqrt(len(excess)))
    print(f"forecast less truth {excess.mean():+.2f} standard errors of the interval, +- {precision:.2f}")
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
