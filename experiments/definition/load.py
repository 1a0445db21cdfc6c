"""From a YAML file to a definition: read, resolve a brand's defaults, check everything, lock."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from experiments.definition.draft import Draft, Problem
from experiments.definition.errors import Fault, InputError
from experiments.definition.explain import explain
from experiments.definition.extends import Resolved, resolve
from experiments.definition.lock import canonical, sha256
from experiments.definition.model import Definition
from experiments.definition.origin import Origin, dotted, place_of
from experiments.definition.rules import check
from experiments.definition.scenario import with_scenario


def load(path: str | Path) -> Definition:
    """Load a definition.

    Raises:
        InputError: With every fault of the file and of the files it extends, each at its line.
    """
    resolved = with_scenario(resolve(Path(path)))
    try:
        definition = Definition.model_validate(resolved.data, by_alias=True, by_name=False)
        problems, draft = [], Draft.of(definition, resolved.data)
    except ValidationError as error:
        definition = None
        problems = explain(error, resolved.data)
        draft = Draft.salvage(resolved.data, frozenset(problem.key_path for problem in problems))
    faults = [*resolved.faults, *(_fault(resolved, problem) for problem in [*problems, *check(draft)])]
    if faults or definition is None:
        raise InputError(faults)
    return definition.read_from(
        Origin(resolved.path, sha256(definition), canonical(definition), resolved.text, resolved.places)
    )


def _fault(resolved: Resolved, problem: Problem) -> Fault:
    place = place_of(resolved.places, problem.key_path)
    return Fault(place.file, place.line, dotted(problem.key_path), problem.cause, problem.remedy)
