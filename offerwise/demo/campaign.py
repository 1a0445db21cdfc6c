"""The demo campaign on disk: made once from a seed, answered once its arms are drawn."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from experiments.definition.errors import InputError, OutsideError
from experiments.documents.storage import to_json
from experiments.files import write_whole
from experiments.language import Language, Words
from offerwise.demo.truth import MARGIN, PLANTED, WINDOW_DAYS, TrueEffects

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.definition.model import Definition
    from offerwise.demo.calendar import Season
    from offerwise.demo.members import Population

SEED = 2026
MEMBERS = 240_000
SNAPSHOT_DAYS_AGO = 28
"""The message goes out on the two days after the snapshot, so that every window is closed by today."""

MANIFEST = "campaign.json"
DEFINITION = "winback.yml"
TRUTH = "truth.json"
LABELS = ("title", "control", "pts500", "cpn20", "gift", "care", "urgent")
"""What the definition says in the language of who runs the demo."""
EVENTS = {"contacts": "sent_at", "orders": "paid_at", "redemptions": "redeemed_at", "feedback": "created_at"}


@dataclass(frozen=True)
class Campaign:
    """A campaign that was generated.

    Attributes:
        directory: Where its files stand.
        seed: What all chance in it comes from.
        members: How many members the brand has.
        snapshot: Eligibility is decided on what was known before this day.
        until: Nothing is known from this day on.
    """

    directory: Path
    seed: int
    members: int
    snapshot: date
    until: date

    @property
    def definition(self) -> Path:
        """The experiment's definition."""
        return self.directory / DEFINITION

    @property
    def truth(self) -> Path:
        """The planted truth and the true effects; there once the campaign is answered."""
        return self.directory / TRUTH


def generate(
    directory: Path,
    seed: int = SEED,
    *,
    members: int = MEMBERS,
    today: date | None = None,
    language: Language = "en",
) -> Campaign:
    """Make the world as it was before the snapshot, with the definition of an experiment on it.

    The same seed, size and day give the same bytes. The folder appears whole or not at all. A folder that
    already holds this campaign is left as it is, answers included, whatever day it is now.

    Args:
        directory: A folder that does not exist yet, is empty, or holds the campaign of this seed and size.
        seed: What all chance comes from.
        members: How many members the brand has; the test takes 17 in 30 of them.
        today: The day before which everything happened; the current day of the campaign's time zone by default.
        language: Of the definition's title and labels, from which no figure follows.

    Raises:
        InputError: The folder holds something else.
        OutsideError: The disk refuses.
    """
    standing = _standing(directory, seed, members)
    if standing is not None:
        return standing
    from offerwise.demo.calendar import ZONE

    until = today or datetime.now(ZONE).date()
    campaign = Campaign(directory, seed, members, until - timedelta(days=SNAPSHOT_DAYS_AGO), until)
    partial = directory.with_name(f".{directory.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _write_world(campaign, partial)
        _write_definition(campaign, partial, Words(language))
        write_whole(partial / MANIFEST, _manifest(campaign))
        partial.replace(directory)
    except OSError as error:
        raise OutsideError(
            f"Could not make the demo campaign in {directory}: {error.strerror}",
            "Nothing stands in that folder",
            "Make room or give another folder, then run the same command again",
        ) from error
    return campaign


def respond(campaign: Campaign, definition: Definition, ledger: pa.Table) -> TrueEffects:
    """Add to the event files what happened after the snapshot, given the arms that members were drawn into.

    Rows before the snapshot stay; all later ones are made anew from the seed and the ledger, so that doing it again
    changes nothing. Each file is replaced whole.

    Args:
        campaign: What `generate` made.
        definition: The campaign's definition, loaded.
        ledger: The rows of the assignment ledger.

    Returns:
        The true effects over the members assigned, also written to `truth.json`.
    """
    from offerwise.demo.members import draw_population
    from offerwise.demo.outcomes import Latents, PotentialOutcomes
    from offerwise.demo.responses import Drawn, draw_responses

    population = draw_population(campaign.seed, campaign.members, _season(campaign))
    drawn = Drawn.of(ledger, population)
    latents = Latents.draw(population, campaign.seed).take(drawn.member)
    potential = PotentialOutcomes(drawn.segment, population.eagerness[drawn.member], latents, PLANTED)
    responses = draw_responses(
        population, drawn, potential, definition.all_arms, campaign.snapshot, campaign.until, campaign.seed
    )
    for source, time in EVENTS.items():
        _append(campaign, source, time, getattr(responses, source))
    effects = potential.true_effects(definition.all_arms)
    write_whole(campaign.truth, to_json(effects))
    return effects


def _standing(directory: Path, seed: int, members: int) -> Campaign | None:
    manifest = directory / MANIFEST
    if manifest.is_file():
        facts = json.loads(manifest.read_text(encoding="utf8"))
        if (facts["seed"], facts["members"]) == (seed, members):
            days = (date.fromisoformat(facts["snapshot"]), date.fromisoformat(facts["until"]))
            return Campaign(directory, seed, members, *days)
        cause = f"holds the demo campaign of seed {facts['seed']} with {facts['members']:,} members"
    elif directory.is_dir() and not any(directory.iterdir()):
        return None
    elif directory.exists():
        cause = "exists and holds no demo campaign"
    else:
        return None
    raise InputError.single(f"{directory} {cause}", "give a folder that does not exist yet")


def _manifest(campaign: Campaign) -> str:
    facts = {
        "schema": "offerwise.campaign/1",
        "seed": campaign.seed,
        "members": campaign.members,
        "snapshot": campaign.snapshot.isoformat(),
        "until": campaign.until.isoformat(),
    }
    return json.dumps(facts, indent=2) + "\n"


def _season(campaign: Campaign) -> Season:
    from offerwise.demo.calendar import Season
    from offerwise.demo.members import HISTORY_DAYS

    return Season.before(campaign.snapshot, HISTORY_DAYS)


def _write_world(campaign: Campaign, directory: Path) -> None:
    from offerwise.demo import history
    from offerwise.demo.members import draw_population, members_table, staff
    from offerwise.demo.tables import write_table

    seed, season = campaign.seed, _season(campaign)
    population: Population = draw_population(seed, campaign.members, season)
    write_table(members_table(population, seed, season), directory / "members.parquet")
    orders = history.past_orders(population, seed, season).table(population, "H")
    write_table(orders, directory / "orders.parquet")
    write_table(history.past_contacts(population, seed, season), directory / "contacts.parquet")
    write_table(history.past_redemptions(population, seed, season), directory / "redemptions.parquet")
    write_table(history.past_feedback(population, seed, season), directory / "feedback.parquet")
    write_whole(directory / "staff.csv", "\n".join(["member_id", *staff(population, seed)]) + "\n")


def _write_definition(campaign: Campaign, directory: Path, words: Words) -> None:
    template = files("offerwise.demo").joinpath("template")
    facts = {name: words.say("offerwise.demo", f"label.{name}") for name in LABELS} | {
        "snapshot": campaign.snapshot,
        "first_day": campaign.snapshot + timedelta(days=1),
        "second_day": campaign.snapshot + timedelta(days=2),
        "window_days": WINDOW_DAYS,
        "margin": f"{MARGIN:.2f}",
        "sample_size": campaign.members * 17 // 30,
        "budget": campaign.members // 40,
    }
    text = Template(template.joinpath(DEFINITION).read_text(encoding="utf8")).substitute(facts)
    write_whole(directory / DEFINITION, text)
    for copy in ("care.txt", "urgent.txt"):
        write_whole(directory / "copy" / copy, template.joinpath("copy", copy).read_bytes())


def _append(campaign: Campaign, source: str, time: str, later: pa.Table) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from offerwise.demo.calendar import midnight
    from offerwise.demo.tables import write_table

    path = campaign.directory / f"{source}.parquet"
    before = pa.scalar(midnight(campaign.snapshot), type=pa.timestamp("us", tz="UTC"))
    rows = pq.read_table(path)
    write_table(pa.concat_tables([rows.filter(pc.less(rows[time], before)), later]), path)
