"""The same assignment as one would write it by hand in DuckDB, without checks: the floor that `assign` is measured against.

    python -m benchmarks.assign.floor FOLDER OUT THREADS MEMORY staged|single

`staged` keeps temporary tables between its steps, `single` computes the ledger in one statement. Both write the same
ledger and send lists as `assign`. Prints one JSON object: `wall` and `cpu` in seconds, and `members` assigned.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import duckdb

from benchmarks.assign.tables import SALT

ARMS = (
    "control",
    *(f"{gift}__{text}" for gift in ("pts500", "cpn20", "gift") for text in ("care", "urgent")),
)
SHARES = (Fraction(28, 100), *([Fraction(12, 100)] * 6))
SLOTS = 2 * 11 * 60

ORDERS = """
    SELECT member_id, max(paid_at) AS last_paid_at,
           count(*) FILTER (paid_at >= DATE '2026-11-25' - 365) AS orders_365d,
           sum(amount) FILTER (paid_at >= DATE '2026-11-25' - 365 AND status = 'paid') AS spend_365d
    FROM read_parquet('{folder}/orders.parquet') WHERE paid_at < DATE '2026-11-25' GROUP BY member_id
"""
CONTACTS = """
    SELECT member_id, count(*) FILTER (channel = 'sms' AND kind = 'marketing') AS marketing, count(*) AS contacts
    FROM read_parquet('{folder}/contacts.parquet')
    WHERE sent_at < DATE '2026-11-25' AND sent_at >= DATE '2026-11-25' - 30 AND channel IN ('sms', 'ai_call', 'wecom')
    GROUP BY member_id
"""
PROFILE = """
    SELECT member_id, tier, coalesce(orders_365d, 0) AS orders_365d, coalesce(spend_365d, 0) AS spend_365d, days,
           CASE WHEN days < 90 THEN 'active' WHEN days < 180 THEN 'silent' WHEN days < 365 THEN 'near_dormant'
                WHEN days < 730 THEN 'dormant' WHEN days >= 730 THEN 'churned' END AS lifecycle
    FROM (SELECT *, DATE '2026-11-25' - last_paid_at::DATE AS days
          FROM read_parquet('{folder}/members.parquet') LEFT JOIN orders USING (member_id)
          LEFT JOIN contacts USING (member_id))
    WHERE days >= 30 AND sms_opt_in AND coalesce(marketing, 0) < 2 AND coalesce(contacts, 0) < 4
"""
ENTERING = """
    SELECT member_id, segment, segment || '|' || tier AS stratum, md5('{salt}|' || member_id) AS digits
    FROM (SELECT *, CASE WHEN tier IN ('gold', 'vip') THEN 'vip' WHEN days <= 180 THEN 'recent' ELSE 'dormant' END AS segment
          FROM profile)
"""
BOUNDS = """
    SELECT stratum, {ends}
    FROM (SELECT stratum, count(*)::HUGEINT AS members, ('0x' || md5('{salt}|' || stratum || '|0')[:13])::BIGINT AS u
          FROM entering GROUP BY stratum)
"""
RANKED = """
    SELECT member_id, segment, stratum,
           row_number() OVER (PARTITION BY stratum ORDER BY digits, member_id) - 1 AS rank
    FROM entering
"""
LEDGER = """
    SELECT 'assign' AS experiment, member_id AS member,
           CASE {arms} END AS arm, segment, stratum, 0::INTEGER AS batch,
           CASE WHEN arm = 'control' THEN 0.28 ELSE 0.12 END::DOUBLE AS propensity,
           CASE WHEN slot < 660 THEN TIMESTAMPTZ '2026-11-26 01:00:00+00' + to_minutes(slot)
                ELSE TIMESTAMPTZ '2026-11-27 01:00:00+00' + to_minutes(slot - 660) END AS planned_send_at,
           TIMESTAMPTZ '2026-11-25 00:00:00+00' AS assigned_at, '{sha256}' AS definition_sha256
    FROM (SELECT *, (('0x' || md5('{salt}|send|' || member_id)[:13])::BIGINT * {slots}::HUGEINT >> 52)::BIGINT AS slot
          FROM ranked JOIN bounds USING (stratum))
"""
SEND_LIST = """
    COPY (SELECT member, arm, 'sms' AS channel, '' AS template,
                 strftime(planned_send_at AT TIME ZONE 'Asia/Shanghai', '%Y-%m-%dT%H:%M:%S+08:00') AS planned_send_at
          FROM {ledger} WHERE arm = '{arm}' ORDER BY {ledger}.planned_send_at, member)
    TO '{path}' (FORMAT csv, HEADER)
"""


class Floor:
    """One connection that assigns by hand-written statements."""

    def __init__(self, folder: Path, out: Path, threads: int, memory: str) -> None:
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        settings = {"threads": threads, "memory_limit": memory, "temp_directory": str(out / "spill")}
        self.session = duckdb.connect(config=settings)
        self.session.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        ends = ", ".join(
            f"((members * {share.numerator} << 52) + u * {share.denominator}::HUGEINT) // ({share.denominator}::HUGEINT << 52) AS end_{place}"
            for place, share in enumerate(list(accumulate(SHARES))[:-1])
        )
        arms = " ".join(f"WHEN rank < end_{place} THEN '{arm}'" for place, arm in enumerate(ARMS[:-1]))
        parts = {"orders": ORDERS, "contacts": CONTACTS, "profile": PROFILE, "entering": ENTERING, "bounds": BOUNDS,
                 "ranked": RANKED, "ledger": LEDGER}  # fmt: skip
        facts = {"folder": folder, "salt": SALT, "slots": SLOTS, "sha256": "0" * 64, "ends": ends}
        self.steps = {
            name: text.format(**facts, arms=f"{arms} ELSE '{ARMS[-1]}'") for name, text in parts.items()
        }

    def staged(self) -> int:
        """A temporary table for each step but the ranking, which flows into the ledger."""
        for name in ("orders", "contacts", "profile", "entering", "bounds"):
            self.session.execute(f"CREATE TEMP TABLE {name} AS {self.steps[name]}")
        self.session.execute(f"CREATE TEMP VIEW ranked AS {self.steps['ranked']}")
        self.session.execute(f"CREATE TEMP TABLE ledger AS {self.steps['ledger']}")
        self.session.execute(f"COPY ledger TO '{self.out}/ledger.parquet' (FORMAT parquet, COMPRESSION zstd)")
        return self._send_lists()

    def single(self) -> int:
        """The ledger in one statement; the lists read its file."""
        *before, ledger = self.steps.items()
        steps = ", ".join(f"{name} AS ({text})" for name, text in before)
        self.session.execute(
            f"COPY (WITH {steps} {ledger[1]}) TO '{self.out}/ledger.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
        self.session.execute(f"CREATE TEMP VIEW ledger AS FROM read_parquet('{self.out}/ledger.parquet')")
        return self._send_lists()

    def _send_lists(self) -> int:
        for arm in ARMS[1:]:
            self.session.execute(SEND_LIST.format(ledger="ledger", arm=arm, path=self.out / f"{arm}.csv"))
        (members,) = self.session.execute("SELECT count(*) FROM ledger").fetchone() or (0,)
        return int(members)


def main(folder: str, out: str, threads: str, memory: str, form: str) -> None:
    """Assigns once, in the form that is asked for."""
    started = time.perf_counter()
    run = Floor(Path(folder), Path(out), int(threads), memory)
    members = run.staged() if form == "staged" else run.single()
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"wall": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime}
    print(json.dumps({**took, "members": members}))


if __name__ == "__main__":
    main(*sys.argv[1:])
