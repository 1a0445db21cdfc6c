"""Members who came first: what it means for figures that a test whose sample they lead hands on to others."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.assignment.sampled import classes_of_test, is_uneven, told_classes
from experiments.decision.sentences import Sentences
from experiments.documents.analysis import Reason
from experiments.experiment import Experiment
from uplift.documents import OtherMix, RolloutClass

_PACKAGE = "uplift"


def told_sample(experiment: Experiment) -> tuple[Reason, ...]:
    """That the test's sample is no simple random one, where members under the floor of their stage came first in it.

    Raises:
        InputError: The document of `assign` is damaged.
    """
    return told_classes(experiment, classes_of_test(experiment))


def has_other_mix(experiment: Experiment, classes: Sequence[RolloutClass]) -> bool:
    """Whether the test's sample was led by one class, so that a rollout's mix is another.

    Raises:
        InputError: The document of `assign` is damaged.
    """
    tested = classes_of_test(experiment)
    return (
        is_uneven(tested) and any(each.sampled for each in tested) and any(each.members for each in classes)
    )


def told_mix(
    experiment: Experiment, classes: Sequence[RolloutClass], mix: OtherMix | None, metric: str
) -> tuple[Reason, ...]:
    """By how much the mix of a rollout's members differs from that of the test, and what that changes of its forecast.

    Args:
        experiment: The experiment.
        classes: Of the rollout, whose mix is another.
        mix: What it changes; None where that cannot be told.
        metric: The value metric.
    """
    tested, members = classes_of_test(experiment), sum(each.members for each in classes)
    sampled = sum(each.sampled for each in tested)
    sentences = Sentences(experiment.definition, experiment.words)
    say, numbers = experiment.words.say, sentences.numbers
    text = say(
        _PACKAGE,
        "rollout.other_mix",
        tested=numbers.share(sum(each.sampled for each in tested if each.under_floor) / sampled),
        rolled=numbers.share(sum(each.members for each in classes if each.under_floor) / members),
    )
    if mix is None:
        return (Reason("other_mix", text),)
    shift, low, high = (sentences.total(metric, value, sign=True) for value in (mix.shift, mix.low, mix.high))
    facts = {"metric": metric, "shift": shift, "low": low, "high": high}
    weighed = [Reason("mix_weighed", say(_PACKAGE, "rollout.mix_weighed", **facts))]
    if mix.untold:
        told = say(_PACKAGE, "rollout.mix_untold", members=numbers.count(mix.untold))
        weighed.append(Reason("mix_untold", told))
    return (Reason("other_mix", text), *weighed)
