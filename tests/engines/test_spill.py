"""Spilled rows do not outlive the process that spilled them: not when it ends, and not for long when it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.engines.connect import connect
from experiments.engines.spill import SpillFolder

SPILL_AND_WAIT = """
from experiments.engines.connect import connect
engine = connect()
print(engine._spill.path, flush=True)
input()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_a_folder_goes_with_its_engine_or_with_the_next_after_a_kill(temporary: Path) -> None:
    (temporary / "offerwise-notes").mkdir()
    running, killed = (
        subprocess.Popen(
            [sys.executable, "-c", SPILL_AND_WAIT],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    )
    folders = []
    for process in (running, killed):
        assert process.stdout is not None
        folders.append(Path(process.stdout.readline().strip()))
        (folders[-1] / "duckdb_temp_block.tmp").write_text("m1,m2")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert all(folder.is_dir() and folder.parent == temporary for folder in folders)

    engine = connect()
    own = {folder for folder in temporary.iterdir() if folder not in folders} - {
        temporary / "offerwise-notes"
    }
    assert len(own) == 1
    assert [folder.is_dir() for folder in folders] == [True, False]
    engine.cancel_and_close()
    assert not own.pop().exists()
    running.communicate("\n")
    connect().cancel_and_close()
    assert list(temporary.iterdir()) == [temporary / "offerwise-notes"]


def test_folders_that_are_made_at_once_are_not_swept_by_each_other(tmp_path: Path) -> None:
    """A folder was taken away between its making and its locking, and its session ended at the next thing it wrote."""

    def make_and_remove(_: int) -> bool:
        folder = SpillFolder.make(tmp_path)
        stands = folder.path.is_dir()
        folder.remove()
        return stands

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(make_and_remove, range(2000)))
    assert not list(tmp_path.iterdir())
