"""A document that an earlier command left is read as it was written, or told as damaged with its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.definition.errors import InputError
from experiments.documents.storage import read_document, to_json


@dataclass(frozen=True)
class Figures:
    profit: float
    lift: float | None = None


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    assert read_document(Figures, path) is None
    path.write_text(to_json(Figures(1 / 3)), encoding="utf8")
    assert read_document(Figures, path) == Figures(1 / 3)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"profit": "much"}',
        b"{}",
        b'{"profit": NaN}',
        b'{"profit": 1, "lift": Infinity}',
        b"[" * 100_000,
    ],
)
def test_what_no_command_wrote_is_told_with_its_file(content: bytes, tmp_path: Path) -> None:
    """A figure that is no number would go on into whatever is computed from it."""
    path = tmp_path / "figures.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="run the command that wrote it again") as caught:
        read_document(Figures, path)
    assert caught.value.faults[0].file == path
