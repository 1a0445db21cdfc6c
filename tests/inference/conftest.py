"""The reference figures, and members drawn at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Figure = tuple[Any, Any]


@pytest.fixture(scope="session")
def golden(shared: Path) -> Callable[[str], Figure]:
    """Inputs and expected values of a reference figure of ../shared/golden/stats.json, by id."""
    entries = {entry["id"]: entry for entry in json.loads((shared / "golden" / "stats.json").read_text())}
    return lambda figure: (entries[figure]["inputs"], entries[figure]["expected"])


@pytest.fixture
def rng() -> np.random.Generator:
    """The same draws in every run."""
    return np.random.default_rng(20261121)
