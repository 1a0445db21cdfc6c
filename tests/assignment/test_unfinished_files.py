"""What a kill leaves in the middle of a file holds members: the next command in the workspace takes it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assignment.campaign import Campaign, members

ROOT = Path(__file__).resolve().parents[2]
KILLED_BEFORE_THE_RENAME = """
import os, sys
from pathlib import Path
from offerwise.journey import Journey
from offerwise.opening import open_experiment
rename = Path.replace
def killed(path, target):
    if Path(target).name == sys.argv[3]:
        os.kill(os.getpid(), 9)
    return rename(path, target)
Path.replace = killed
with open_experiment(sys.argv[1], out=sys.argv[2]) as experiment:
    Journey(experiment).assign()
"""


@pytest.mark.parametrize("file", ["a.csv", "assignment.json"])
def test_the_next_command_takes_away_what_a_killed_one_left(campaign: Campaign, file: str) -> None:
    campaign.write(members(60))
    runs = campaign.folder / "runs"
    command = [
        sys.executable,
        "-c",
        KILLED_BEFORE_THE_RENAME,
        str(campaign.folder / "test.yml"),
        str(runs),
        file,
    ]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -signal.SIGKILL
    (left,) = runs.rglob(".*.unfinished")
    assert left.name.startswith(f".{file}.")
    assert left.stat().st_size > 0
    running = left.with_name(f".{file}.{os.getpid()}.unfinished")
    other = left.with_name(".notes.unfinished")
    for path in (running, other):
        path.write_text("kept")
    with campaign.open():
        assert sorted(runs.rglob(".*.unfinished")) == sorted([running, other])
