"""Wrong definitions: each fault is found at its line, nothing else is, and none is a traceback.

A file in `wrong/` says on each line which faults stand there: `#! key: part of the sentence & key: ...`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.definition.errors import Fault, InputError
from experiments.definition.load import load

WRONG = Path(__file__).parent / "wrong"
FILES = sorted(WRONG.glob("*.yml"))


def expected(path: Path) -> list[tuple[int, str, str]]:
    """Line, key and a part of the sentence of each fault that the file announces."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), start=1):
        for fault in line.partition("#! ")[2].split(" & "):
            key, colon, words = fault.partition(": ")
            if colon:
                found.append((number, key, words.strip()))
            elif fault:
                found.append((number, "", fault.removeprefix(": ").strip()))
    return found


def faults_of(path: Path) -> tuple[Fault, ...]:
    with pytest.raises(InputError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    return caught.value.faults


@pytest.mark.parametrize("name", ["drawn", "recorded"])
def test_what_the_wrong_definitions_extend_is_sound(name: str) -> None:
    assert load(WRONG / "sound" / f"{name}.yml").id == name


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_each_fault_stands_at_its_line(path: Path) -> None:
    faults = faults_of(path)
    announced = expected(path)
    assert sorted((fault.line, fault.key) for fault in faults) == sorted(
        (line, key) for line, key, _ in announced
    )
    for line, key, words in announced:
        said = [str(fault) for fault in faults if (fault.line, fault.key) == (line, key)]
        assert any(words in sentence for sentence in said), said
    for fault in faults:
        assert fault.file == path.absolute()
        assert fault.cause
        assert fault.remedy
        assert "\n" not in str(fault)


def test_there_are_enough_of_them() -> None:
    assert len(FILES) >= 25
