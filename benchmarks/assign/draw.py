"""Draws the arms of a table in memory into another one, by the product's own code: no ledger, no file, no send times.

    python -m benchmarks.assign.draw MEMBERS THREADS MEMORY hash|stratified

The members and their two columns are those of `benchmarks.assign.peers`, and so are the seven arms; `stratified` ranks them within
segment and tier. Members, their segment and their arm are kept: others give neither strata nor
propensities nor times. Prints one JSON object: `wall` and `cpu` in seconds of the draw alone, and `members`.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from sqlglot import exp

from benchmarks.assign.tables import define
from experiments.assignment.batch import create_entering
from experiments.assignment.draw import Draw
from experiments.assignment.ledger import ledger_shape
from experiments.audience.audience import build_audience
from experiments.data.catalogue import open_data
from experiments.queries import column
from offerwise.opening import open_experiment

GIVEN = ("member", "segment", "arm")
"""What others give, too; the ledger has the stratum, the propensity and a planned time beside it."""

_MEMBERS = """
    COPY (SELECT 'M' || lpad(i::VARCHAR, 9, '0') AS member_id, false AS bought,
                 list_extract(['vip', 'recent', 'dormant'], 1 + i % 3) AS segment_of,
                 list_extract(['basic', 'silver', 'gold', 'vip'], 1 + i % 4) AS tier
          FROM range(?) AS rows(i)) TO '{path}' (FORMAT parquet)
"""


def main(members: str, threads: str, memory: str, method: str) -> None:
    """Draws once."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        definition = _write(folder, int(members), method)
        engine = f"duckdb://?threads={threads}&memory_limit={memory}"
        with open_experiment(definition, engine=engine, out=folder / "out") as experiment:
            audience = build_audience(experiment, open_data(experiment))
            experiment.engine.read_files("ledger", [], ledger_shape())
            started, before = time.perf_counter(), _cpu()
            create_entering(experiment, audience, "ledger", None, experiment.definition.salt)
            drawn, rows = Draw(experiment, 0, experiment.definition.salt).drawn()
            given = exp.select(*map(column, GIVEN)).from_(rows.subquery("rows"))
            experiment.engine.create("drawn_arms", given)
            took = {"wall": time.perf_counter() - started, "cpu": _cpu() - before}
            count = exp.select(exp.Count(this=exp.Star())).from_("drawn_arms")
            assert experiment.engine.rows(count) == [(drawn,)] == [(int(members),)]
    print(json.dumps({**took, "members": drawn}))


def _write(folder: Path, members: int, method: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(_MEMBERS.format(path=folder / "members.parquet"), [members])
    body = define()
    del body["send"], body["decision"]
    body["data"] = {"members": {"table": "members.parquet", "key": "member_id"}}
    body["features"], body["design"] = {}, {}
    offers = {f"offer{place}": {"share": "0.12"} for place in range(6)}
    body["arms"] = {"control": {"share": "0.28"}, "offers": offers, "channel": body["arms"]["channel"]}
    body["audience"] = {
        "snapshot": body["audience"]["snapshot"],
        "segments": [
            {"id": "vip", "when": "segment_of = 'vip'"},
            {"id": "recent", "when": "segment_of = 'recent'"},
            {"id": "dormant", "when": "otherwise"},
        ],
    }
    if method == "hash":
        body["assignment"] = {"method": "hash", "salt": body["assignment"]["salt"]}
    body["metrics"] = {"bought": {"type": "binary", "from": "members", "value": "bought"}}
    body["decision"] = {"invalid_if": {}}
    definition = folder / "assign.yml"
    definition.write_text(json.dumps(body), encoding="utf8")
    return definition


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(*sys.argv[1:])
