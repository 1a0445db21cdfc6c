"""What is refused is refused in the user's language: why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from experiments.assignment.assignment import assign
from experiments.assignment.explanation import explain_assignment
from experiments.definition.errors import RefusedError
from experiments.experiment import Experiment
from experiments.language import Words
from experiments.monitor import monitor
from tests.assignment.campaign import NOW, Campaign, members
from tests.assignment.test_closing import close

GROUP = {"snapshot": "2026-11-25", "exclusive_group": "winback", "yields_to": ["other"]}


def told(campaign: Campaign, command: Callable[[Experiment], object], days: int = 0) -> tuple[str, str]:
    """What the command says in English and in Chinese."""
    said = []
    for language in ("en", "zh"):
        with campaign.open(NOW + timedelta(days=days)) as opened, pytest.raises(RefusedError) as refused:
            command(replace(opened, words=Words(language)))
        assert refused.value.reasons
        said.append("\n".join([*refused.value.reasons, refused.value.next_step]))
    return said[0], said[1]


def test_refusals_of_an_assignment_are_told_in_both_languages(campaign: Campaign) -> None:
    campaign.write(members(60))
    english, chinese = told(campaign, monitor)
    assert "nobody has been assigned to test-1" in english
    assert "还没有会员分到 test-1" in chinese
    campaign.define(audience=GROUP, assignment={"method": "hash"})
    english, chinese = told(campaign, assign)
    assert "other comes first in the group winback, and has assigned nobody under" in english
    assert "other 在互斥组 winback 中优先" in chinese
    nobody = {"snapshot": "2026-11-25", "include": "tier = 'none'"}
    campaign.define(audience=nobody, assignment={"method": "hash"})
    english, chinese = told(campaign, assign)
    assert "none of 60 members may enter; removed by include 60" in english
    assert "60 名会员都不能进入；排除原因：include 60" in chinese
    campaign.define()
    with campaign.open() as experiment:
        assign(experiment)
    campaign.define(title="Another")
    english, chinese = told(campaign, lambda experiment: explain_assignment(experiment, "000000"))
    assert "title was A test when arms were drawn and is Another now" in english
    assert "title 在抽组时是 A test，现在是 Another" in chinese
    close(campaign)
    english, chinese = told(campaign, assign, days=3)
    assert "a is closed from 2026-11-27, and this is 2026-11-28" in english
    assert "a 自 2026-11-27 起关闭，而今天是 2026-11-28" in chinese
