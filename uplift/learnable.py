"""Whether there is something to learn from: members of every arm in every fold, and a feature by which members differ."""

from __future__ import annotations

import numpy as np

from experiments.definition.errors import InputError
from experiments.experiment import Experiment
from experiments.refusals import refusal
from uplift.features import Array, CategoryFeature
from uplift.sample import LearningSample

_FEWEST_OF_ARM = 20
_SMALLEST_LEAF = 60
"""Half as many again as a leaf of the outcome models must have, since folds and halves differ by chance."""
_SMALLEST_SHARE = 0.015


def require_learnable(experiment: Experiment, sample: LearningSample) -> None:
    """Every arm has members in every fold, and the smallest part that a model learns from can be split by some feature.

    A model would else be asked about an arm that it never saw, or have no feature left.

    Raises:
        RefusedError: There are too few members.
        InputError: There are enough, and nearly all of them have the same value of each feature.
    """
    counts = np.zeros((sample.folds, len(sample.arms)), dtype=np.int64)
    np.add.at(counts, (sample.fold, sample.arm), 1)
    few = [arm.id for k, arm in enumerate(sample.arms) if counts[:, k].min() < _FEWEST_OF_ARM]
    file, words = experiment.arguments, experiment.words
    if few:
        raise refusal(words, "too_few_to_learn", arms=", ".join(few), folds=sample.folds, file=file)
    # The mean is learned from halves of the members outside of two folds, and of half of all members.
    smallest = len(sample) * min((sample.folds - 2) / sample.folds, 0.5) / 2
    leaf = max(_SMALLEST_LEAF, _SMALLEST_SHARE * smallest)
    if smallest < 2 * leaf:
        raise refusal(words, "too_small_to_learn", members=len(sample), folds=sample.folds, file=file)
    if smaller_side(sample) / len(sample) * smallest < leaf:
        cause = "nearly all members of the test have the same value of each feature, so that no offer can depend on it"
        remedy = "name features by which members differ, or leave `uplift` out"
        raise InputError([experiment.definition.origin.fault(("uplift", "features"), cause, remedy)])


def smaller_side(sample: LearningSample) -> int:
    """The members on the smaller side of the most even split that a feature allows."""
    codes = sample.members.codes
    return max(
        (
            _of_levels(codes[:, place])
            if isinstance(feature, CategoryFeature)
            else _of_numbers(codes[:, place])
        )
        for place, feature in enumerate(sample.space.features)
    )


def _of_levels(codes: Array) -> int:
    _, counts = np.unique(codes, return_counts=True)
    return int(np.minimum(counts, len(codes) - counts).max())


def _of_numbers(values: Array) -> int:
    """Missing values are at the upper end."""
    _, counts = np.unique(values, return_counts=True)
    below = counts.cumsum()
    return int(np.minimum(below, len(values) - below).max())
