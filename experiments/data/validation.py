"""Whether a definition and the data it names are in order."""

from __future__ import annotations

from experiments.data.catalogue import open_data
from experiments.documents.validation import SourceCheck, Validation
from experiments.experiment import Experiment


def validate(experiment: Experiment) -> Validation:
    """Open every data source and check it as the definition uses it.

    Raises:
        InputError: Something does not fit; all faults at once.
        OutsideError: The engine fails.
    """
    catalogue = open_data(experiment)
    definition = experiment.definition
    return Validation(
        experiment=definition.id,
        definition_sha256=definition.origin.sha256,
        arms=tuple(arm.id for arm in definition.all_arms),
        metrics=tuple(definition.metrics),
        sources=tuple(
            SourceCheck(name, experiment.table_of(name), len(catalogue.sources[name].columns), source.key)
            for name, source in definition.data.items()
        ),
    )
