"""A definition that may still have faults: the blocks that can be read, so that rules between blocks are checked at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from pydantic import TypeAdapter, ValidationError

from experiments.definition.arms import Arms
from experiments.definition.assignment import Assignment
from experiments.definition.audience import Audience
from experiments.definition.decision import Decision
from experiments.definition.delivery import Delivery
from experiments.definition.design import Design
from experiments.definition.features import Feature
from experiments.definition.goals import Goals
from experiments.definition.holdout import Holdout
from experiments.definition.metrics import FormulaMetric, Metric, RatioMetric
from experiments.definition.model import MEMBERS, Definition
from experiments.definition.origin import KeyPath
from experiments.definition.rollout import Rollout
from experiments.definition.send import Send
from experiments.definition.sources import Source
from experiments.definition.uplift import Uplift


class Problem(NamedTuple):
    """One thing that is wrong at a key; its file and line are looked up later."""

    key_path: KeyPath
    cause: str
    remedy: str


_NAMED_PARTS = ("data", "features", "metrics")


@dataclass(frozen=True)
class Draft:
    """The blocks of a definition; None where a block is absent or cannot be read at all.

    A block that can be read without its faulty keys is here without them: ask `sound` before concluding from what
    is absent. Of `data`, `features` and `metrics` each entry that can be read is here.
    """

    written: Mapping[str, Any]
    faulty: frozenset[KeyPath]
    timezone: str | None
    data: Mapping[str, Source]
    features: Mapping[str, Feature]
    metrics: Mapping[str, Metric]
    audience: Audience | None
    holdout: Holdout | None
    arms: Arms | None
    assignment: Assignment | None
    send: Send | None
    goals: Goals | None
    delivery: Delivery | None
    design: Design | None
    decision: Decision | None
    uplift: Uplift | None
    rollout: Rollout | None

    @classmethod
    def of(cls, definition: Definition, written: Mapping[str, Any]) -> Draft:
        """The draft of a definition whose blocks all fit."""
        return cls(written, frozenset(), **{name: getattr(definition, name) for name in _PARTS})

    @classmethod
    def salvage(cls, written: Mapping[str, Any], faulty: frozenset[KeyPath]) -> Draft:
        """What can be read of data with faults at the given keys."""
        return cls(written, faulty, **{name: _salvage(name, written, faulty) for name in _PARTS})

    def sound(self, *key_path: str | int) -> bool:
        """Whether nothing is wrong at this key, inside of it, or with a block around it."""
        return not any(
            fault[: len(key_path)] == key_path or key_path[: len(fault)] == fault for fault in self.faulty
        )

    def names(self, block: str) -> tuple[str, ...]:
        """The names that `data`, `features` or `metrics` defines, faulty entries included."""
        written = self.written.get(block)
        return tuple(written) if isinstance(written, Mapping) else ()

    def says(self, *key_path: str) -> bool:
        """Whether this key was written, rather than left to its default."""
        here: Any = self.written
        for key in key_path:
            if not isinstance(here, Mapping) or key not in here:
                return False
            here = here[key]
        return True

    @property
    def is_recorded(self) -> bool:
        """Whether the arms are read from the data."""
        return self.assignment is not None and self.assignment.method == "recorded"

    @property
    def has_no_segments(self) -> bool:
        """Whether the audience is known to have no segments, rather than faulty ones."""
        sound = self.sound("audience", "segments") and self.sound("audience", "segment_grid")
        return self.audience is not None and not self.audience.segments and sound

    def is_event_metric(self, name: str) -> bool:
        """Whether a metric reads rows of an event source in a window."""
        metric = self.metrics.get(name)
        return not isinstance(metric, RatioMetric | FormulaMetric | None) and metric.from_ != MEMBERS


_PARTS = tuple(name for name in Draft.__dataclass_fields__ if name in Definition.model_fields)


def _salvage(name: str, written: Mapping[str, Any], faulty: frozenset[KeyPath]) -> Any:
    field = Definition.model_fields[name]
    if name in _NAMED_PARTS:
        item, entries = get_args(field.annotation)[-1], written.get(name)
        read = {key: _readable(item, value, (name, key), faulty) for key, value in _entries(entries)}
        return {key: value for key, value in read.items() if value is not None}
    if name not in written:
        return None if field.is_required() else field.get_default(call_default_factory=True)
    return _readable(field.annotation, written[name], (name,), faulty)


def _entries(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _readable(kind: Any, value: Any, at: KeyPath, faulty: frozenset[KeyPath]) -> Any:
    inside = {fault[len(at)] for fault in faulty if fault[: len(at)] == at and len(fault) > len(at)}
    kept = (
        {key: part for key, part in value.items() if key not in inside}
        if isinstance(value, Mapping)
        else value
    )
    try:
        return TypeAdapter(kind).validate_python(kept)
    except ValidationError:
        return None
