"""The sentence on the chosen policy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.uplift.campaign import Campaign
from uplift.evidence import open_evidence
from uplift.gate import run_gate
from uplift.reading import read_sample
from uplift.rules import Everybody
from uplift.sentences import PolicyWords


def test_a_gain_over_an_arm_that_loses_is_not_told_as_one_over_no_contact(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path)
    campaign.make(3000)
    with campaign.open() as experiment:
        evidence = open_evidence(experiment)
        sample = read_sample(evidence, "profit").sample
        words = PolicyWords(evidence.sentences, sample, "profit")
    half = len(sample) // 2
    scores = np.column_stack([np.zeros(2 * half), np.tile([-0.4, -0.6], half)])
    single = np.repeat([0, 1], half)
    few = np.zeros(2 * half, dtype=int)
    few[:10] = 1
    gate = run_gate(scores, {"best_single_arm": single, "individual": few}, 2)
    (told,) = [each for each in gate.contenders if each.kind == "individual"]
    assert told.over_single.value > 0 > told.over_control.value
    said = words.reason(gate, "treat_nobody", Everybody(0), len(sample), ())
    low, high = (words.sentences.change("profit", bound) for bound in told.over_control.interval())
    assert words.sentences.change("profit", told.over_control.value) in said
    assert low in said
    assert high in said
