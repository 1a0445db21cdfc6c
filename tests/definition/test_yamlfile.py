"""Reading YAML: whatever the bytes are, the answer is data with lines or a fault with a line."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from experiments.definition.errors import Fault, InputError
from experiments.definition.load import load
from experiments.definition.yamlfile import MAX_BYTES, read_yaml


def only_fault(path: Path) -> Fault:
    """The one fault of reading; that required keys are missing is another matter."""
    with pytest.raises(InputError) as caught:
        load(path)
    (fault,) = [fault for fault in caught.value.faults if fault.cause != "is missing"]
    return fault


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"~\n", 1, "the file is empty"),
        (b"- a\n- b\n", 1, "not a list of `key: value` lines"),
        (b"just words\n", 1, "not a list of `key: value` lines"),
        (b"version: 1\nid: \xff\xfe\n", 2, "not UTF-8"),
        ("version: 1\n".encode("utf-16"), 1, "not UTF-8"),
        (b"version: 1\nid: a\x00b\n", 2, "not plain text"),
        (b"PAR1\x15\x04\x15\x00\x00", 1, "not plain text"),
        (b"version: 1\n---\nversion: 1\n", 2, "not YAML"),
        (b"version: 'one\n", 2, "not YAML"),
        (b"version: *nothing\n", 1, "not YAML"),
        (b"a: " + b"[" * 1500, 1, "nested too deeply"),
        (b"a: &a [*a]\n", 1, "repeat too much"),
        (
            b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + b"".join(
                f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n".encode()
                for i in range(9)
            ),
            1,
            "repeat too much",
        ),
        (b'version: 1\ntitle: "\\0"\n', 2, "no character"),
        (b'version: 1\ntitle: "\\ud800"\n', 2, "no character"),
        (b'version: 1\n"\\0": 2\n', 2, "not a word"),
        (b"version: 1\n? [a]\n: 2\n", 2, "not a word"),
        (b"a" * (MAX_BYTES + 1), None, "is larger than"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_unreadable_files_are_one_fault(tmp_path: Path, content: bytes, line: int | None, words: str) -> None:
    path = tmp_path / "x.yml"
    path.write_bytes(content)
    fault = only_fault(path)
    assert words in str(fault)
    assert fault.file == path
    assert fault.line == line


def test_no_file_and_no_file_but_a_folder(tmp_path: Path) -> None:
    assert "there is no such file" in str(only_fault(tmp_path / "none.yml"))
    assert "cannot be read" in str(only_fault(tmp_path))
    assert "cannot be read" in str(only_fault(tmp_path / "a\0b.yml"))


def test_scalars_keep_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text(
        "yes: no\non: 0o17\nday: 2026-11-25\nclock: 09:00\nshare: 0.1200\nthird: 1/3\nhuge: 1e999999\n"
        "flag: True\nnothing: null\nhex: 0x1F\nlong: 0.3333333333333333333333\ninf: .inf\n",
        encoding="utf-8-sig",
        newline="\r\n",
    )
    assert read_yaml(path).data == {
        "yes": "no",
        "on": 15,
        "day": "2026-11-25",
        "clock": "09:00",
        "share": Decimal("0.12"),
        "third": "1/3",
        "huge": "1e999999",
        "flag": True,
        "nothing": None,
        "hex": 31,
        "long": Decimal("0.3333333333333333333333"),
        "inf": Decimal("Infinity"),
    }


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text(
        "# comment\na:\n  b: [1,\n      2]\n  c: |\n    text\n    more\nd:\n- e: 1\n  f: 2\n- g\n"
    )
    places = read_yaml(path).places
    lines = {key_path: place.line for key_path, place in places.items()}
    assert lines == {
        (): 2,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 3,
        ("a", "b", 1): 4,
        ("a", "c"): 5,
        ("d",): 8,
        ("d", 0): 9,
        ("d", 0, "e"): 9,
        ("d", 0, "f"): 10,
        ("d", 1): 11,
    }


def test_what_is_no_regular_file_is_refused_without_being_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), Path("/dev/null")):
        assert only_fault(path).cause == "is not a regular file"
    folder = tmp_path / "folder.yml"
    folder.mkdir()
    assert "irectory" in only_fault(folder).cause or "regular" in only_fault(folder).cause
