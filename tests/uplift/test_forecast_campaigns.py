"""One whole campaign of the benchmark `benchmarks.forecast`, from its members to what the rollout's holdout shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.forecast import run_campaign


@pytest.mark.slow
def test_the_interval_covers_what_the_holdout_shows(tmp_path: Path) -> None:
    """The benchmark counts how often it does; this seed is one of those in which it does."""
    found = run_campaign(tmp_path, 6)
    assert found.verdict == "rollout"
    assert found.inside
    # The holdout's own error is part of the interval, beside that of the test.
    assert 2 * 1.96 * found.std_error < (found.high - found.low) * 1.2
