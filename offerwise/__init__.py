"""Offerwise: A/B testing and uplift for CRM campaigns, from one YAML file to a verdict in money.

The Python API is four names:

- `load(file)` reads a definition;
- `open_experiment(file, ...)` opens it for work, with its data;
- `Journey(experiment)` takes the steps: `design()`, `assign()`, `analyze()`, `uplift()`, `rollout()`;
- `frame(rows)` turns the rows of a step's document into a pandas frame.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.definition.load import load
    from offerwise.frames import frame
    from offerwise.journey import Journey
    from offerwise.opening import open_experiment

__all__ = ["Journey", "frame", "load", "open_experiment"]

_HOMES = {
    "Journey": "offerwise.journey",
    "frame": "offerwise.frames",
    "load": "experiments.definition.load",
    "open_experiment": "offerwise.opening",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that the command line starts quickly."""
    if name not in _HOMES:
        raise AttributeError(f"module 'offerwise' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
