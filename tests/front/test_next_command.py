"""The next step can be typed as it is told: it works on the same experiment, in the same folder."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from offerwise.opening import open_experiment

DEFINITION = Path(__file__).parents[1] / "definition" / "wrong" / "sound" / "recorded.yml"


def test_the_default_folder_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "my test.yml"
    copy.write_text(DEFINITION.read_text(encoding="utf8"), encoding="utf8")
    monkeypatch.chdir(tmp_path)
    with open_experiment(copy) as experiment:
        assert experiment.arguments == "'my test.yml'"


def test_the_folder_and_the_tables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_experiment(DEFINITION, out=tmp_path / "a b", tables={"members": "m.parquet"}) as experiment:
        assert shlex.split(experiment.arguments) == [
            str(DEFINITION),
            "--out",
            "a b",
            "--table",
            f"members={Path('m.parquet').absolute()}",
        ]
