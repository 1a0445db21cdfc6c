"""From a YAML file to a definition: read, resolve, check, lock."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from experiments.definition.errors import Fault, InputError
from experiments.definition.lock import canonical, sha256
from experiments.definition.model import Definition
from experiments.definition.origin import KeyPath, Origin, dotted, place_of
from experiments.definition.yamlfile import read_yaml


def load(path: str | Path) -> Definition:
    """Load a definition.

    Raises:
        InputError: With every fault of the file, each at its line.
    """
    file = read_yaml(Path(path))
    try:
        definition = Definition.model_validate(file.data)
    except ValidationError as error:
        faults = []
        for e in error.errors():
            key_path: KeyPath = tuple(e["loc"])
            place = place_of(file.places, key_path)
            faults.append(Fault(place.file, place.line, dotted(key_path), e["msg"], "correct it"))
        raise InputError(faults) from None
    definition._origin = Origin(file.path, sha256(definition), canonical(definition), file.text, file.places)
    return definition
