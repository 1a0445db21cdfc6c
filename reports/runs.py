"""What a run in MLflow says about one command: parameters, metrics and tags, made from the definition and a document."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.definition.model import Definition
from experiments.documents.storage import plain

LONGEST_KEY = 250
LONGEST_VALUE = 500
"""Older tracking servers refuse longer parameters; the definition is an artifact as a whole."""

_IDENTITY = ("scenario", "check", "name", "kind", "feature", "term", "metric", "arm", "versus")
"""The fields that tell one row of a list from another, in the order in which they name it."""

_TOO_MANY = frozenset({"segments", "files", "curve_by_members", "curve_by_days"})
_REFUSED = re.compile(r"[^A-Za-z0-9_./-]+")


@dataclass(frozen=True)
class RunContent:
    """One run, ready to be logged.

    Attributes:
        command: `design`, `assignment`, `analysis`, `uplift`, `rollout` or `simulation`; also the run's name and its document's.
        parameters: The definition, flattened: dotted key to text.
        metrics: ASCII name to finite number.
        tags: Under `offerwise.`: the command, the experiment, the definition's lock, the verdict.
    """

    command: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def run_content(definition: Definition, command: str, document: object, verdict: str) -> RunContent:
    """What a run of `command` says; it holds aggregates only, so no member can be found in it.

    Args:
        definition: Gives the parameters and the lock.
        command: The command that made the document.
        document: The command's document; its numbers become metrics, rows of single segments excepted.
        verdict: The answer in one word.
    """
    tags = {
        "offerwise.command": command,
        "offerwise.experiment": definition.id,
        "offerwise.definition_sha256": definition.origin.sha256,
        "offerwise.verdict": verdict,
    }
    return RunContent(
        command=command,
        parameters={
            ascii_name(key): cut(value) for key, value in flat_parameters(definition.origin.resolved)
        },
        metrics=dict(flat_metrics(plain(document))),
        tags=tags,
    )


def ascii_name(text: str) -> str:
    """A name that every tracking server takes; where letters are lost, a short hash keeps names apart.

    >>> ascii_name("arms.control.share"), ascii_name("权益 A")
    ('arms.control.share', '_A_729eede6')
    """
    clean = _REFUSED.sub("_", text)
    if clean == text and len(text) <= LONGEST_KEY:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{clean[: LONGEST_KEY - 9]}_{digest}"


def cut(value: str) -> str:
    """A value that is no longer than a parameter may be, with an ellipsis where it was cut."""
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def flat_parameters(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The scalars of plain data with their dotted keys; a list of scalars is one value.

    >>> list(flat_parameters({"send": {"days": ["2026-11-26", "2026-11-27"]}, "seen": True}))
    [('send.days', '2026-11-26, 2026-11-27'), ('seen', 'true')]
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flat_parameters(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping | list | tuple) for item in value):
        for place, item in enumerate(value):
            yield from flat_parameters(item, f"{path}.{place}")
    elif isinstance(value, list | tuple):
        yield path, ", ".join(_scalar(item) for item in value)
    else:
        yield path, _scalar(value)


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def flat_metrics(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of a document with their names; what does not exist has none.

    >>> list(flat_metrics({"money": [{"arm": "care", "cost": 1.5, "roi": None}], "locked": True}))
    [('money/care/cost', 1.5), ('locked', 1.0)]
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _TOO_MANY:
                yield from flat_metrics(item, f"{path}/{key}" if path else key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, item in enumerate(value):
            if isinstance(item, Mapping) and item.get("segment") is None:
                yield from flat_metrics(item, f"{path}/{_identity(item, place)}")
    elif isinstance(value, int | float) and math.isfinite(value):
        yield ascii_name(path), float(value)


def _identity(item: Mapping[str, Any], place: int) -> str:
    names = [str(item[key]) for key in _IDENTITY if item.get(key) is not None]
    return "/".join(names) or str(place)
