"""A rollout that is killed or whose disk is full at any moment ends as if nothing had happened, once it is run again."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from experiments.analysis import analyze
from experiments.definition.errors import InputError, OutsideError
from experiments.experiment import Experiment
from experiments.files import Workspace
from tests.uplift.campaign import DEFINITION, Campaign, keep_analysis
from uplift.rollout import rollout
from uplift.scoring import scratch

ROOT = Path(__file__).resolve().parents[2]
KILLED_AT = """
import os, sys
from pathlib import Path
import uplift.scoring
from tests.uplift.campaign import Campaign
from uplift.rollout import rollout
def die_at(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), 9)
rename, unlink = Path.replace, Path.unlink
Path.replace = lambda path, target: (die_at(Path(target).name), rename(path, target))[1]
Path.unlink = lambda path, missing_ok=False: (die_at(path.name), unlink(path, missing_ok))[1]
with Campaign(Path(sys.argv[1])).open() as experiment:
    rollout(experiment)
"""
SMALL = {**DEFINITION["assignment"], "sample_size": 3000}


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A test that has been analysed, and nothing rolled out."""
    campaign = Campaign(tmp_path_factory.mktemp("decided"))
    campaign.make(5000, equal=True, assignment=SMALL)
    with campaign.open() as experiment:
        keep_analysis(experiment, analyze(experiment))
    return campaign


@pytest.fixture(scope="module")
def undisturbed(decided: Campaign, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a rollout that nothing has disturbed."""
    campaign = copied(decided, tmp_path_factory.mktemp("undisturbed"))
    with campaign.open() as experiment:
        rollout(experiment)
    return written(campaign)


def copied(campaign: Campaign, folder: Path) -> Campaign:
    shutil.copytree(campaign.folder, folder, dirs_exist_ok=True)
    return Campaign(folder)


def written(campaign: Campaign) -> dict[str, bytes]:
    folder = Workspace(campaign.folder / "runs", "planted").rollout
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "moment", ["plan.json", "ledger.parquet", "given.parquet", "step-1.parquet", "gift__step1.csv"]
)
def test_killed_at_any_moment_and_run_again_it_is_the_same(
    decided: Campaign, undisturbed: dict[str, bytes], moment: str, tmp_path: Path
) -> None:
    """At `given.parquet` the ledger stands, and its scratch is just taken away."""
    campaign = copied(decided, tmp_path)
    command = [sys.executable, "-c", KILLED_AT, str(tmp_path), moment]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert written(campaign).keys() != undisturbed.keys()
    with campaign.open() as experiment:
        rollout(experiment)
    assert written(campaign) == undisturbed
    ledger = pd.read_parquet(experiment.workspace.rollout / "ledger.parquet")
    assert ledger["member"].is_unique


@pytest.mark.parametrize(
    "lost", [("ledger.parquet",), ("step-1.parquet",), ("ledger.parquet", "step-1.parquet")]
)
def test_what_is_lost_is_neither_drawn_nor_released_again(
    decided: Campaign, lost: tuple[str, ...], tmp_path: Path
) -> None:
    """With another ramp in between, members of a lost step would be in the next one, too."""
    campaign = copied(decided, tmp_path)
    with campaign.open() as experiment:
        rollout(experiment)
    for name in lost:
        (experiment.workspace.rollout / name).unlink()
    kept = written(campaign)
    with campaign.open() as experiment, pytest.raises(OutsideError, match=f"{', '.join(lost)} is gone"):
        rollout(experiment)
    assert written(campaign) == kept


def test_a_rollout_folder_that_is_a_file_is_told(decided: Campaign, tmp_path: Path) -> None:
    campaign = copied(decided, tmp_path)
    with campaign.open() as experiment:
        experiment.workspace.rollout.write_text("a note")
        with pytest.raises(OutsideError, match="rollout"):
            rollout(experiment)


@pytest.mark.parametrize("edit", [{"winner": "gifts"}, {"winner_by_segment": {"vip": "gifts"}}])
def test_an_analysis_whose_winner_is_no_arm_is_told(
    decided: Campaign, edit: dict[str, object], tmp_path: Path
) -> None:
    campaign = copied(decided, tmp_path)
    with campaign.open() as experiment:
        path = experiment.workspace.document("analysis")
        body = json.loads(path.read_text(encoding="utf8"))
        body["verdict"].update(edit)
        path.write_text(json.dumps(body), encoding="utf8")
        with pytest.raises(InputError, match=r"analysis\.json: verdict: .* no arms: gifts"):
            rollout(experiment)


def test_a_plan_without_its_curve_is_told(decided: Campaign, tmp_path: Path) -> None:
    campaign = copied(decided, tmp_path)
    with campaign.open() as experiment:
        rollout(experiment)
        path = experiment.workspace.rollout / "plan.json"
        body = json.loads(path.read_text(encoding="utf8"))
        path.write_text(json.dumps(body | {"budget_curve": []}), encoding="utf8")
        kept = written(campaign)
        with pytest.raises(InputError, match=r"plan\.json: .*more_budget without a budget_curve"):
            rollout(experiment)
    assert written(campaign) == kept


def write_to_full_disk(experiment: Experiment) -> None:
    with scratch(experiment) as folder:
        (folder / "given.parquet").symlink_to("/dev/full")
        parquet.write_table(pa.table({"member": ["a"]}), folder / "given.parquet")


def test_a_full_disk_under_the_scratch_is_told(decided: Campaign, tmp_path: Path) -> None:
    with copied(decided, tmp_path).open() as experiment:
        with pytest.raises(OutsideError, match="No space left on device"):
            write_to_full_disk(experiment)
        assert not list(experiment.workspace.rollout.iterdir())
