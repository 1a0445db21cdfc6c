"""The command line: exit codes, one JSON document on standard output, and words instead of tracebacks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import IO

import jsonschema
import pytest

from offerwise.__main__ import main

WRONG = sorted((Path(__file__).parents[1] / "definition" / "wrong").glob("*.yml"))
SOUND = Path(__file__).parents[1] / "definition" / "wrong" / "sound" / "recorded.yml"


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


def test_faults_of_file_and_options_are_told_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = next(path for path in WRONG if path.stem == "misspelt-key")
    code, _, err = run(capsys, "assign", wrong, "--out", tmp_path, "--ledgers", tmp_path / "gone")
    assert (code, len(err.splitlines())) == (2, 2)
    assert err.startswith("--ledgers: there is no folder ")
    assert f"{wrong}:" in err
    for option in (("--table", "orders"), ("--ledgers", " ")):
        code, _, err = run(capsys, "assign", wrong, "--out", tmp_path, *option)
        assert (code, len(err.splitlines())) == (2, 2)
        assert err.startswith(f"{option[0]}: ")
        assert f"{wrong}:" in err


def test_errors_are_explained_in_the_language_of_the_reader(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of faults stay as scripts read them; what they consist of is told below."""
    wrong = next(path for path in WRONG if path.stem == "many-at-once")
    _, _, english = run(capsys, "validate", wrong, "--out", tmp_path)
    for option in (["--lang", "zh"], ["--lang=zh"]):
        code, _, chinese = run(capsys, "validate", wrong, "--out", tmp_path, *option)
        assert code == 2
        lines = chinese.splitlines()
        assert lines[:-1] == english.splitlines()
        assert "文件:行号: 键: 错在哪里; 怎么办" in lines[-1]
    monkeypatch.setattr("offerwise.cli.open_experiment", interrupted)
    for language, told in (("en", "Interrupted; nothing"), ("zh", "已中断")):
        code, _, err = run(capsys, "validate", SOUND, "--out", tmp_path, "--lang", language)
        assert (code, told in err) == (130, True)


def interrupted(*_: object, **__: object) -> None:
    """As if the reader pressed Ctrl-C."""
    raise KeyboardInterrupt


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
        (["validate", "{sound}", "--table", "members=a.csv", "--table", "members=b.csv"], "2 times"),
        (["validate", "{sound}", "--out", ""], "--out"),
        (["validate", "{sound}", "--engine", "duckdb://[::1"], "not a URL"),
        (["validate", "{sound}", "--engine", "duckdb://?memory_limit=banana"], "memory_limit"),
        (["validate", "{sound}", "--lang", "fr"], "fr"),
    ],
)
def test_a_wrong_command_line_ends_with_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *(argument.format(sound=SOUND) for argument in arguments))
    assert code == 2
    assert out == ""
    assert words in err
    assert "tiger" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["validate"], "FILE"),
        (["analyse", "x.yml"], "analyse"),
        (["validate", "x.yml", "--lang", "fr"], "fr"),
        (["validate", "x.yml", "--frob"], "--frob"),
        (["simulate", "x.yml", "--runs", "many"], "--runs"),
    ],
)
def test_a_wrong_command_line_as_json(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 2
    assert document["schema"] == "offerwise.error/1"
    (fault,) = document["faults"]
    assert words in fault["cause"]
    assert "--help" in fault["remedy"]
    assert words in err


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_debug_shows_the_traceback_and_keeps_the_exit_code(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "validate", tmp_path / "none.yml", "--debug", *arguments)
    assert code == 2
    assert "Traceback" in err
    assert "there is no such file" in err
    assert bool(out) == bool(arguments)


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A definition whose data are there."""
    text = """
        version: 1
        id: ready
        title: Ready
        owner: a@example.com
        hypothesis: Mail sells.
        currency: EUR
        timezone: Europe/Paris
        data: {members: {table: members.csv, key: id}}
        arms: {control: {share: 1/2}, offers: {mail: {share: 1/2}}}
        assignment: {method: recorded, from: members, column: arm}
        metrics: {bought: {type: binary, from: members, value: bought}}
        goals: {primary: {metric: bought}}
        decision: {}
    """
    file = tmp_path / "ready.yml"
    file.write_text(textwrap.dedent(text), encoding="utf8")
    rows = [f"{n},{('control', 'mail')[n % 2]},{int(n % 3 == 0)}" for n in range(60)]
    (tmp_path / "members.csv").write_text("\n".join(["id,arm,bought", *rows]), encoding="utf8")
    return file


def offerwise(*arguments: str | Path, stdout: int | IO[str]) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with its standard output somewhere else."""
    command = [sys.executable, "-m", "offerwise", *map(str, arguments)]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize(
    "arguments", [["validate", "{ready}"], ["validate", "{ready}", "--json"], ["schema"]]
)
def test_a_full_standard_output_ends_with_code_4_and_words(ready: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = offerwise(*(argument.format(ready=ready) for argument in arguments), stdout=full)
    assert done.returncode == 4
    assert "Could not write the answer to standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["validate", "{ready}"], ["validate", "{ready}", "--json"], ["schema"]]
)
def test_a_reader_who_has_left_is_no_error(ready: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = offerwise(*(argument.format(ready=ready) for argument in arguments), stdout=writing)
    os.close(writing)
    assert done.returncode == 0
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", ["x{", '{"schema": "offerwise.uplift/1"}', "[]", b"\xff", None])
def test_a_spoilt_document_of_another_step_is_left_out_of_the_report_and_never_stops_the_analysis(
    content: str | bytes | None, ready: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "ready"
    folder.mkdir(parents=True)
    for step in ("design", "assignment", "uplift", "rollout"):
        spoilt = folder / f"{step}.json"
        if content is None:
            spoilt.mkdir()
        else:
            spoilt.write_bytes(content.encode() if isinstance(content, str) else content)
    code, out, err = run(capsys, "analyze", ready, "--out", tmp_path / "runs", "--no-mlflow", "--json")
    assert code == 0
    assert json.loads(out)["schema"] == "offerwise.analysis/1"
    assert (folder / "report.html").exists()
    warned = [line for line in err.splitlines() if line.startswith("Warning: The report leaves out")]
    assert [line.split("`")[1] for line in warned] == ["uplift", "rollout", "assignment", "design"]


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
