"""Environments of other packages: each in a folder of its own under `benchmarks/.venvs`, made and filled once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / ".venvs"


def peer_interpreter(
    name: str, packages: Sequence[str], find_python: Callable[[], str] = lambda: sys.executable
) -> Path:
    """The interpreter of an environment that has these packages and no Offerwise; Python is looked for when it is made."""
    environment = FOLDER / name
    interpreter = environment / "bin" / "python"
    if not (environment / "ready").exists():
        subprocess.run([find_python(), "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *packages], check=True)
        (environment / "ready").touch()
    return interpreter
