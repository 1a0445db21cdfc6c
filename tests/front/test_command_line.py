"""The command line: exit codes, one JSON document on standard output, and words instead of tracebacks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from offerwise.__main__ import main

WRONG = sorted((Path(__file__).parents[1] / "definition" / "wrong").glob("*.yml"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("path", WRONG, ids=[path.stem for path in WRONG])
def test_a_wrong_definition_ends_with_code_2_and_its_lines(
    path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "validate", path, "--out", tmp_path)
    announced = [n for n, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1) if "#! " in line]
    assert code == 2
    assert out == ""
    assert announced
    for line in announced:
        assert f"{path}:{line}: " in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_definition_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = next(path for path in WRONG if path.stem == "many-at-once")
    code, out, _ = run(capsys, "analyze", path, "--out", tmp_path, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 2
    assert document["schema"] == "offerwise.error/1"
    assert len(document["faults"]) > 1
    assert all(fault["line"] and fault["cause"] and fault["remedy"] for fault in document["faults"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["validate"], "FILE"),
        (["analyse", "x.yml"], "analyse"),
        (["validate", "none.yml"], "none.yml"),
        (["validate", "{sound}", "--engine", "oracle://scott:tiger@db/x"], "oracle"),
        (["validate", "{sound}", "--table", "members"], "NAME=TABLE"),
        (["validate", "{sound}", "--table", "members=a.csv", "--table", "ordrs=b.csv"], "ordrs"),
        (["validate", "{sound}", "--lang", "fr"], "fr"),
    ],
)
def test_a_wrong_command_line_ends_with_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = Path(__file__).parents[1] / "definition" / "wrong" / "sound" / "recorded.yml"
    code, out, err = run(capsys, *(argument.format(sound=sound) for argument in arguments))
    assert code == 2
    assert out == ""
    assert words in err
    assert "tiger" not in err
    assert "Traceback" not in err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in (
        "demo",
        "validate",
        "schema",
        "design",
        "assign",
        "analyze",
        "uplift",
        "rollout",
        "simulate",
    ):
        assert command in out


def test_schema_is_a_schema_that_the_examples_meet(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema")
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_analyze_says_nothing_but_json(shared: Path, tmp_path: Path) -> None:
    """In a process of its own, where a library's print would be seen."""
    command = ["analyze", str(shared / "design" / "hillstrom.yml"), "--json", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "offerwise", *command],
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    assert document["schema"] == "offerwise.analysis/1"
    assert document["verdict"]["winner"] == "mens"
    assert document["mlflow_run_id"]
    assert Path(document["files"]["report"]).stat().st_size < 400_000
    assert json.loads(Path(document["files"]["analysis"]).read_text(encoding="utf8")) == document


def test_data_faults_stand_at_the_definition_s_line(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (shared / "design" / "hillstrom.yml").read_text(encoding="utf8")
    text = text.replace("../data/", f"{shared / 'data'}/").replace("value: visit}", "value: visits}")
    path = tmp_path / "hillstrom.yml"
    path.write_text(text, encoding="utf8")
    line = next(n for n, written in enumerate(text.splitlines(), 1) if "value: visits}" in written)
    code, _, err = run(capsys, "validate", path, "--out", tmp_path)
    assert code == 2
    assert f"{path}:{line}: metrics.visited.value: " in err
    assert "visit" in err


def test_a_full_disk_ends_with_code_4(
    tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that cannot be made stands for a disk that refuses; root may write anywhere else."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be", encoding="utf8")
    code, out, err = run(
        capsys, "analyze", shared / "design" / "hillstrom.yml", "--out", blocked, "--no-mlflow", "--json"
    )
    assert code == 4
    assert json.loads(out)["schema"] == "offerwise.error/1"
    assert "Traceback" not in err
    shutil.rmtree(blocked, ignore_errors=True)
