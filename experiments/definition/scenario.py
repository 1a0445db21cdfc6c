"""Scenarios: what a kind of campaign usually asks, as features, audience, primary metric and window under a definition's own keys."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from experiments.definition.extends import Resolved, merge
from experiments.definition.yamlfile import read_yaml

SCENARIO = "scenario"

Scenario = Literal[
    "store_opening",
    "grand_promotion",
    "mid_month_push",
    "new_season",
    "online_to_store",
    "online_gmv",
    "referral_seeds",
    "membership_renewal",
    "repurchase_cycle",
]
SCENARIOS: tuple[str, ...] = get_args(Scenario)

FOLDER = Path(__file__).parent / "scenarios"
"""One file for each scenario, in the words of a definition."""


def with_scenario(resolved: Resolved) -> Resolved:
    """The definition over the scenario that it names: maps merge, everything else is the definition's.

    What is wrong with a scenario's key (a source that the data do not have) is said at the line that names the scenario,
    since that is where it can be put right.
    """
    name = resolved.data.get(SCENARIO)
    if name not in SCENARIOS:
        return resolved
    scenario = read_yaml(FOLDER / f"{name}.yml")
    here = resolved.places[SCENARIO,]
    places = dict.fromkeys(scenario.places, here) | {(): resolved.places[()]}
    data = merge(scenario.data, resolved.data, (), places, resolved.places)
    return Resolved(resolved.path, resolved.text, data, places, resolved.faults)
