"""`assign` in a process of its own, which says what it is doing and can be killed then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.assignment.campaign import NOW, Campaign

ROOT = Path(__file__).resolve().parents[2]
ASSIGN = """
import sys
from datetime import datetime
from offerwise.opening import open_experiment
from experiments.assignment.assignment import assign
def say(doing):
    print(doing, flush=True)
definition, out, engine, now = sys.argv[1:]
with open_experiment(definition, engine=engine, out=out, now=datetime.fromisoformat(now), progress=say) as experiment:
    assign(experiment)
"""


def start(campaign: Campaign) -> subprocess.Popen[str]:
    given = (campaign.folder / "test.yml", campaign.folder / "runs", campaign.engine, NOW.isoformat())
    command = [sys.executable, "-c", ASSIGN, *map(str, given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_in(stage: str, campaign: Campaign, after: float) -> bool:
    """Start it, and kill it so many seconds after it has begun a stage; whether it was still running then."""
    process = start(campaign)
    assert process.stdout is not None
    while (doing := process.stdout.readline()) and not doing.startswith(stage):
        pass
    time.sleep(after)
    process.kill()
    killed = process.wait() == -signal.SIGKILL
    process.communicate()
    return killed
