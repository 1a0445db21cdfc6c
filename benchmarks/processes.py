"""Runs one side of a benchmark in a process of its own, and says what it answered and held."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """What one process answered, and the most memory that it and its children held, in bytes."""

    answer: Mapping[str, Any]
    memory: int


def run(command: Sequence[str]) -> Run:
    """Run a process that prints one JSON object last."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(json.loads(printed.splitlines()[-1]), used.ru_maxrss * 1024)
