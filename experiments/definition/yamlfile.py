"""A YAML 1.2 file as plain data with the line of every key and list item; never a traceback.

Numbers keep every digit (`Decimal`), so that shares can add to 1 exactly; days stay text until a block reads them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from experiments.definition.errors import Fault, InputError
from experiments.definition.origin import KeyPath, Place, dotted

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
"""Aliases of aliases would otherwise grow without end."""

_MAX_DIGITS = 40
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class YamlFile:
    """What a file says, before anything in it has a meaning.

    Attributes:
        path: The file, absolute.
        text: As written.
        data: Dicts, lists, text, numbers (int, Decimal), booleans and None.
        places: The line of every key and list item; `()` is the line on which the data begins.
        faults: Keys that stand twice (the first one counts), tags and merges without meaning.
    """

    path: Path
    text: str
    data: dict[str, Any]
    places: Mapping[KeyPath, Place]
    faults: tuple[Fault, ...]


def read_yaml(path: Path) -> YamlFile:
    """Read one YAML file whose root is a mapping.

    Raises:
        InputError: It cannot be read, is not YAML 1.2, or is empty.
    """
    path = path.absolute()
    text = _read_text(path)
    node = _compose(path, text)
    if node is None or (isinstance(node, ScalarNode) and node.tag == f"{_TAG}null"):
        raise InputError.single(
            "the file is empty", "start from `winback.yml` of the examples", file=path, line=1
        )
    if not isinstance(node, MappingNode):
        raise InputError.single(
            "the file is not a list of `key: value` lines",
            "start from `winback.yml` of the examples",
            file=path,
            line=node.start_mark.line + 1,
        )
    builder = _Builder(path)
    data = builder.build(node, (), frozenset())
    return YamlFile(path, text, data, builder.places, tuple(builder.faults))


def _read_text(path: Path) -> str:
    try:
        raw = _read_bytes(path)
    except (OSError, ValueError) as error:
        cause = (
            "there is no such file"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read ({_why(error)})"
        )
        raise InputError.single(cause, "check the path", file=path) from None
    if raw is None:
        raise InputError.single("is not a regular file", "give the YAML definition", file=path)
    if len(raw) > MAX_BYTES:
        raise InputError.single(f"is larger than {MAX_BYTES:,} bytes", "give the YAML definition", file=path)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError.single(
            "the file is not UTF-8 text", "save it as UTF-8", file=path, line=line
        ) from None


def _read_bytes(path: Path) -> bytes | None:
    """The file, or of a large one a byte more than is read; None where it is no file, such as a pipe or a device."""
    # A pipe without a writer would block even the opening.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(MAX_BYTES + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else None


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _compose(path: Path, text: str) -> Node | None:
    try:
        return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
    except RecursionError:
        raise InputError.single(
            "the file is nested too deeply", "write it flatter", file=path, line=1
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError.single(
            f"this is not YAML: {error.problem or error.context}",
            "check indentation, colons, quotes and brackets here and on the line above",
            file=path,
            line=1 if mark is None else mark.line + 1,
        ) from None
    except (YAMLError, ValueError) as error:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        raise InputError.single(
            "the file is not plain text", "give a YAML file", file=path, line=line
        ) from None


class _Builder:
    """Turns nodes into data; collects places and faults on the way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = 0
        self.places: dict[KeyPath, Place] = {}
        self.faults: list[Fault] = []

    def build(self, node: Node, key_path: KeyPath, around: frozenset[int]) -> Any:
        self._values += 1
        self.places.setdefault(key_path, Place(self._path, node.start_mark.line + 1))
        if self._values > MAX_VALUES or id(node) in around:
            self._give_up(node, key_path)
        if isinstance(node, MappingNode):
            return self._mapping(node, key_path, around | {id(node)})
        if isinstance(node, SequenceNode):
            return [
                self.build(item, (*key_path, index), around | {id(node)})
                for index, item in enumerate(node.value)
            ]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, key_path)

    def _mapping(self, node: MappingNode, key_path: KeyPath, around: frozenset[int]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str) or not _is_text(key) or key_node.tag == f"{_TAG}null":
                self._fault(key_node, key_path, "a key is not a word", "write `key: value`")
                continue
            here = (*key_path, key)
            if key_node.tag == f"{_TAG}merge":
                self._fault(
                    key_node, here, "merging with `<<` is not YAML 1.2", "use `extends` or write the keys out"
                )
            elif key in data:
                first = self.places[here].line
                self._fault(
                    key_node, here, f"the key stands twice, first on line {first}", "delete one of them"
                )
            else:
                self.places[here] = Place(self._path, key_node.start_mark.line + 1)
                data[key] = self.build(value_node, here, around)
        return data

    def _scalar(self, node: ScalarNode, key_path: KeyPath) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind in {"int", "float"}:
            return _number(kind, text)
        if text and not _is_text(text):
            self._fault(node, key_path, "holds an escape that is no character", "write the character itself")
            return repr(text)
        if kind not in {"str", "timestamp"}:
            self._fault(node, key_path, f"the tag {node.tag} has no meaning here", "write the plain value")
        return text

    def _fault(self, node: Node, key_path: KeyPath, cause: str, remedy: str) -> None:
        self.faults.append(Fault(self._path, node.start_mark.line + 1, dotted(key_path), cause, remedy))

    def _give_up(self, node: Node, key_path: KeyPath) -> NoReturn:
        self._fault(node, key_path, "aliases (`*name`) repeat too much", "write the values out")
        raise InputError(self.faults)


def _is_text(text: str) -> bool:
    """Whether it can be written to a file: neither empty, nor with NUL, nor with half of a surrogate pair."""
    return (
        bool(text) and "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
    )


def _number(kind: str, text: str) -> int | Decimal | str:
    """The number, with every digit; what no key can mean (too long, too large) stays text."""
    plain = text.replace("_", "")
    if len(plain) > _MAX_DIGITS:
        return text
    try:
        if kind == "int":
            return int(plain, 0) if plain.lstrip("+-").lower().startswith(("0x", "0o")) else int(plain)
        number = Decimal(plain.replace(".inf", "Infinity").replace(".Inf", "Infinity").replace(".nan", "NaN"))
    except (InvalidOperation, ValueError):
        return text
    return number if not number.is_finite() or abs(number.adjusted()) < 300 else text
