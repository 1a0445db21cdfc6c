"""Members who came first: what it means for figures that a test whose sample they lead hands on to others."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.assignment.sampled import classes_of_test, is_uneven, told_classes
from experiments.documents.analysis import Reason
from experiments.experiment import Experiment
from experiments.numbers import Numbers
from uplift.documents import RolloutClass

_PACKAGE = "uplift"


def told_sample(experiment: Experiment) -> tuple[Reason, ...]:
    """That the test's sample is no simple random one, where members under the floor of their stage came first in it.

    Raises:
        InputError: The document of `assign` is damaged.
    """
    return told_classes(experiment, classes_of_test(experiment))


def told_mix(experiment: Experiment, classes: Sequence[RolloutClass]) -> tuple[Reason, ...]:
    """By how much the mix of a rollout's members differs from that of the test, whose effects its forecast takes over.

    Raises:
        InputError: The document of `assign` is damaged.
    """
    tested, members = classes_of_test(experiment), sum(each.members for each in classes)
    sampled = sum(each.sampled for each in tested)
    if not is_uneven(tested) or not members or not sampled:
        return ()
    numbers = Numbers(experiment.words.language, experiment.definition.currency)
    text = experiment.words.say(
        _PACKAGE,
        "rollout.other_mix",
        tested=numbers.share(sum(each.sampled for each in tested if each.under_floor) / sampled),
        rolled=numbers.share(sum(each.members for each in classes if each.under_floor) / members),
    )
    return (Reason("other_mix", text),)
