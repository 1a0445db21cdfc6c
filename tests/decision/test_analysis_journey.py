"""From assigned members to a verdict in time: nobody assigned, too early, decided, and a changed definition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from experiments.analysis import analyze
from experiments.assignment.assignment import assign
from experiments.assignment.file_ledger import FileLedger
from experiments.definition.errors import RefusedError
from experiments.documents.analysis import Analysis
from offerwise.opening import open_experiment
from tests.decision.dormant import SNAPSHOT, past_orders, write_campaign, write_orders

SOON = datetime(2026, 12, 1, tzinfo=UTC)
LATER = datetime(2026, 12, 20, tzinfo=UTC)


def analysis(file: Path, now: datetime) -> Analysis:
    with open_experiment(file, out=file.parent / "runs", now=now) as experiment:
        return analyze(experiment)


def answer(file: Path) -> tuple[int, int]:
    """Assign, let all who got the offer buy and nobody else; the members of control and of the arm."""
    import pyarrow.parquet as pq

    with open_experiment(file, out=file.parent / "runs", now=SOON) as experiment:
        assign(experiment)
        batches = FileLedger(experiment.workspace, experiment.engine).batch_files()
    drawn = [row for batch in batches for row in pq.read_table(batch).to_pylist()]
    mailed = [int(row["member"][1:]) for row in drawn if row["arm"] == "mail"]
    write_orders(file.parent, past_orders() + [(member, SNAPSHOT + timedelta(days=3)) for member in mailed])
    return len(drawn) - len(mailed), len(mailed)


def test_the_verdict_waits_for_every_window_and_tells_a_changed_definition(tmp_path: Path) -> None:
    file = write_campaign(tmp_path)
    with pytest.raises(RefusedError, match="nobody has been assigned"):
        analysis(file, LATER)
    control, mailed = answer(file)
    assert control + mailed == 90

    early = analysis(file, SOON)
    assert early.verdict.status == "too_early"
    assert (early.effects, early.money, early.bayes, early.winner_corrected) == ((), (), (), ())
    assert [arm.members for arm in early.arms] == [control, mailed]
    assert "offerwise analyze" in early.verdict.next_step

    decided = analysis(file, LATER)
    assert decided.locked
    assert (decided.verdict.status, decided.verdict.winner) == ("rollout", "mail")
    (row,) = decided.effects
    assert (row.mean_arm, row.mean_versus, row.difference) == (1.0, 0.0, 1.0)
    assert row.lift is None

    changed = analysis(write_campaign(tmp_path, hypothesis="Something else."), LATER)
    assert not changed.locked
    assert changed.verdict.reasons[0].code == "definition_changed"
    assert "hypothesis" in changed.verdict.reasons[0].text
