"""`extends: brand.yml`: a brand's defaults and the definition's own keys as one concrete definition.

Maps merge, everything else is replaced. Each value keeps the file and the line in which it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.definition.errors import Fault, InputError
from experiments.definition.origin import KeyPath, Place, without_dots
from experiments.definition.yamlfile import YamlFile, read_yaml

EXTENDS = "extends"


@dataclass(frozen=True)
class Resolved:
    """A definition with its brand's defaults, as plain data.

    Attributes:
        path: The file that was asked for, absolute.
        text: As written.
        data: The merged data, without `extends`.
        places: The file and the line of every key and list item.
        faults: What was already wrong in the files.
    """

    path: Path
    text: str
    data: dict[str, Any]
    places: Mapping[KeyPath, Place]
    faults: tuple[Fault, ...]


def resolve(path: Path) -> Resolved:
    """Read a file and every file that it extends.

    Raises:
        InputError: One of the files cannot be read, or they extend each other in a circle.
    """
    return _resolve(read_yaml(path), ())


def _resolve(file: YamlFile, above: tuple[Path, ...]) -> Resolved:
    own = {key: value for key, value in file.data.items() if key != EXTENDS}
    places = {key_path: place for key_path, place in file.places.items() if key_path[:1] != (EXTENDS,)}
    if EXTENDS not in file.data:
        return Resolved(file.path, file.text, own, places, file.faults)
    try:
        brand = _resolve(_read_brand(file, above), (*above, file.path.resolve()))
    except InputError as error:
        raise InputError(file.faults + error.faults) from None
    merged_places = {**brand.places, (): places[()]}
    data = merge(brand.data, own, (), merged_places, places)
    return Resolved(file.path, file.text, data, merged_places, file.faults + brand.faults)


def _read_brand(file: YamlFile, above: tuple[Path, ...]) -> YamlFile:
    def refuse(cause: str, remedy: str) -> InputError:
        line = file.places[EXTENDS,].line
        return InputError.single(cause, remedy, file=file.path, line=line, key=EXTENDS)

    name = file.data[EXTENDS]
    if not isinstance(name, str) or not name:
        raise refuse("is not the name of a file", "write the brand's file, such as `extends: brand.yml`")
    path = without_dots(file.path.parent / name)
    if not path.is_file():
        raise refuse(f"there is no file {path}", "write its path relative to this file")
    if path.resolve() in (*above, file.path.resolve()):
        raise refuse(
            f"{name} extends this file in turn", "let a file extend only files that do not lead back to it"
        )
    return read_yaml(path)


def merge(
    base: Mapping[str, Any],
    own: Mapping[str, Any],
    at: KeyPath,
    places: dict[KeyPath, Place],
    own_places: Mapping[KeyPath, Place],
) -> dict[str, Any]:
    """`own` over `base`: maps merge, everything else is `own`'s; `places` becomes the place of what is kept."""
    merged = dict(base)
    for key, value in own.items():
        here = (*at, key)
        before = base.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            places[here] = own_places[here]
            merged[key] = merge(before, value, here, places, own_places)
            continue
        for key_path in [known for known in places if known[: len(here)] == here]:
            del places[key_path]
        places.update({known: place for known, place in own_places.items() if known[: len(here)] == here})
        merged[key] = value
    return merged
