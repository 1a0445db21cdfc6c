"""The README is true: its commands run, in their order, on what the commands before them have left."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf8")
COMMANDS = re.findall(r"^\$ (.+)$", README, flags=re.MULTILINE)
PYTHON = re.search(r"```python\n(.+?)```", README, flags=re.DOTALL)

pytestmark = pytest.mark.slow


def recipe(target: str) -> list[str]:
    """What a target of the Makefile runs, once everything is installed."""
    lines = (ROOT / "Makefile").read_text(encoding="utf8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"{target}:")) + 1
    return [line.strip().replace("$(BIN)/", "") for line in lines[start:] if line.startswith("\t")][:1]


def digest(folder: Path) -> dict[str, str]:
    """The arms as they were drawn: every file of the ledger, and every list."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in {".parquet", ".csv"}]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder in which the commands of the README have run, and what each of them said.

    The commands run with this interpreter's `offerwise`; `make demo` is what the Makefile says, after the installation.
    """
    folder = tmp_path_factory.mktemp("newcomer")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONWARNINGS": "default", "COLUMNS": "100"}
    said: dict[str, str] = {}
    arms: dict[str, str] = {}
    for command in COMMANDS:
        if command in {"make test", ". .venv/bin/activate"}:
            continue
        for line in recipe("demo") if command == "make demo" else [command]:
            done = subprocess.run(
                line.split(), cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr
            said[command] = done.stdout
        if command == "make demo":
            arms = digest(folder / "demo" / "runs")
    assert digest(folder / "demo" / "runs") == arms
    return folder, said


def test_every_command_of_the_readme_runs(told: tuple[Path, dict[str, str]]) -> None:
    _, said = told
    assert {command.split()[1] for command in said} == {
        "demo",
        "validate",
        "design",
        "assign",
        "analyze",
        "uplift",
        "rollout",
    }


def test_the_demo_ends_with_a_verdict_a_report_and_the_runs(told: tuple[Path, dict[str, str]]) -> None:
    folder, said = told
    ending = said["make demo"]
    report = folder / "demo" / "runs" / "winback-demo" / "report.html"
    assert report.stat().st_size < 400_000
    assert "report.html" in ending
    assert "mlflow ui" in ending
    assert "was over when the arms were drawn" not in " ".join(ending.split())
    assert "✗" not in ending.partition("Found beside planted")[2]


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_of_the_readme_runs(told: tuple[Path, dict[str, str]]) -> None:
    assert PYTHON is not None
    assert run_python(PYTHON.group(1), told[0]).startswith("rollout {")


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, told: tuple[Path, dict[str, str]]) -> None:
    """Cell after cell; what a notebook asserts holds."""
    cells = json.loads(notebook.read_text(encoding="utf8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert run_python(code, told[0])
