"""A small campaign whose tables a test writes row by row, opened through the real definition, engine and catalogue."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from experiments.assignment.assigned import Assigned, assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import Catalogue, open_data
from experiments.definition.load import load
from experiments.documents.analysis import HealthCheck
from experiments.engines.connect import connect
from experiments.experiment import Experiment
from experiments.files import Workspace
from experiments.health.health import check_health
from experiments.language import Words
from experiments.measurement.measurement import Measurement, measure
from experiments.measurement.units import Units, build_units

NOW = datetime(2027, 1, 1, tzinfo=UTC)

ASSIGNED = pa.schema(
    [
        ("member", pa.string()),
        ("arm", pa.string()),
        ("segment", pa.string()),
        ("stratum", pa.string()),
        ("batch", pa.int32()),
        ("propensity", pa.float64()),
        ("planned_send_at", pa.timestamp("us", tz="UTC")),
    ]
)


def ledger_of(
    arms: Sequence[str],
    planned: Sequence[datetime],
    *,
    segments: Sequence[str] | None = None,
    propensity: float = 0.5,
) -> pa.Table:
    """Members 0, 1, 2, ... with these arms and planned moments, as the ledger holds them."""
    members = len(arms)
    columns = {
        "member": [str(number) for number in range(members)],
        "arm": arms,
        "segment": [None] * members if segments is None else segments,
        "stratum": [""] * members,
        "batch": [0] * members,
        "propensity": [propensity] * members,
        "planned_send_at": planned,
    }
    return pa.table(columns, schema=ASSIGNED)


HEAD = """
    version: 1
    id: small
    title: A small campaign
    owner: tests@example.com
    hypothesis: Mail sells.
    currency: EUR
    timezone: America/New_York
"""


@dataclass(frozen=True)
class Campaign:
    """An experiment whose members are assigned."""

    experiment: Experiment
    catalogue: Catalogue
    assigned: Assigned

    def units(self) -> Units:
        return build_units(self.experiment, self.catalogue, self.assigned)

    def measurement(self) -> Measurement:
        return measure(self.experiment, self.units())

    def health(self) -> dict[str, HealthCheck]:
        checks = check_health(self.experiment, self.assigned, self.measurement())
        return {check.check: check for check in checks}

    def rows(self, units: Units, *columns: str) -> dict[str, tuple[Any, ...]]:
        """The values of some columns of the units by member."""
        query = exp.select(*(exp.column(name, quoted=True) for name in ("member", *columns)))
        found = self.experiment.engine.rows(query.from_(units.relation))
        return {row[0]: row[1:] for row in found}


@contextmanager
def campaign(
    folder: Path,
    text: str,
    tables: Mapping[str, pa.Table],
    assigned: pa.Table | None,
    *,
    now: datetime = NOW,
    language: str = "en",
    differences: Sequence[tuple[str, Any, Any]] = (),
) -> Iterator[Campaign]:
    """Write the tables and the definition (`HEAD` and `text`), open them, and take `assigned` as drawn; None draws it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    if assigned is not None:
        pq.write_table(assigned, folder / "assigned_rows.parquet")
    file = folder / "small.yml"
    file.write_text(textwrap.dedent(HEAD) + textwrap.dedent(text), encoding="utf8")
    definition = load(file)
    engine = connect("duckdb://", files=[folder])
    try:
        words = Words("zh" if language == "zh" else "en")
        experiment = Experiment(definition, engine, Workspace(folder / "runs", definition.id), words, now)
        if assigned is None:
            assign(experiment)
            catalogue = open_data(experiment)
            yield Campaign(experiment, catalogue, assigned_members(experiment, catalogue))
            return
        catalogue = open_data(experiment)
        engine.read_files("assigned_rows", [folder / "assigned_rows.parquet"], exp.select("*"))
        drawn = Assigned(
            relation="assigned_rows",
            columns=engine.columns("assigned_rows"),
            locked=not differences,
            recorded=definition.assignment.method == "recorded",
            differences=tuple(differences),
        )
        yield Campaign(experiment, catalogue, drawn)
    finally:
        engine.cancel_and_close()
