"""The SQL of an experiment for a warehouse that Offerwise does not run on: audience, draw, ledger, units and moments."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from experiments.assignment.assigned import assigned_members
from experiments.assignment.assignment import assign
from experiments.data.catalogue import open_data
from experiments.definition.errors import OutsideError
from experiments.documents.validation import WarehouseSQL
from experiments.engines.script import BigQueryScript, Recorder, SnowflakeScript, Warehouse
from experiments.experiment import Experiment
from experiments.files import Workspace
from experiments.measurement.measurement import measure
from experiments.measurement.units import build_units

Script = BigQueryScript | SnowflakeScript

_SCRIPTS: Mapping[Warehouse, type[Script]] = {"bigquery": BigQueryScript, "snowflake": SnowflakeScript}
_HEAD = (
    "-- {id}: audience, draw and moments for {dialect}, written by Offerwise; it has not been run there.",
    "-- Each source is the table of its name, with the columns of the definition. Sizes of strata, caps and pilots in it are",
    "-- those of the data that it was written from, and the draw is the first batch; other experiments are left out.",
)
_OPENING: Mapping[Warehouse, tuple[str, ...]] = {
    "bigquery": (),
    "snowflake": ("ALTER SESSION SET TIMEZONE = 'UTC';",),
}


def warehouse_sql(experiment: Experiment, dialect: Warehouse) -> WarehouseSQL:
    """Write what `assign` and `analyze` compute in the engine as a script for another one.

    The road is taken on the experiment's own engine first, in a folder of its own that is gone afterwards, and then once more
    to write it down. Nothing of the experiment changes.

    Raises:
        InputError: The data do not fit the definition.
        RefusedError: Nobody may enter.
        OutsideError: The engine or the disk fails.
    """
    out = experiment.workspace.out
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".warehouse-sql-", dir=out) as folder:
            recorder = Recorder(experiment.engine)
            aside = Workspace(Path(folder) / "asked", experiment.definition.id)
            _take_road(replace(experiment, engine=recorder.as_engine, workspace=aside, ledgers=()))
            script = _SCRIPTS[dialect](recorder.answers)
            written = Workspace(Path(folder) / "written", experiment.definition.id)
            alone = replace(experiment, engine=script, workspace=written, progress=script.note, ledgers=())
            _take_road(alone, script)
    except OSError as error:
        raise OutsideError(
            f"Could not write under {out}: {error.strerror}",
            "Nothing was changed",
            "Give a folder that you may write with --out",
        ) from error
    head = [line.format(id=experiment.definition.id, dialect=dialect) for line in _HEAD]
    text = "\n\n".join(["\n".join(head), *_OPENING[dialect], *script.statements])
    return WarehouseSQL(experiment.definition.id, dialect, f"{text}\n")


def _take_road(experiment: Experiment, script: Script | None = None) -> None:
    if experiment.definition.assignment.method != "recorded":
        assign(experiment)
    catalogue = open_data(experiment)
    units = build_units(experiment, catalogue, assigned_members(experiment, catalogue))
    if script is not None:
        script.asks = True
    measure(experiment, units)
