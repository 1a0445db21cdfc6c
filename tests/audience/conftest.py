"""The campaign of the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assignment.campaign import Campaign


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(tmp_path)
