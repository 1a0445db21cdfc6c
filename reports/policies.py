"""The tables of the uplift step: policies, learners, offers by segment."""

from __future__ import annotations

from experiments.numbers import decimals
from reports.charts import Forest, ForestRow
from reports.narrator import PER, Narrator
from reports.tables import Cell, Column, Row, Table, absent, row, words
from uplift.documents import Learner, Policy, SegmentOffer, Uplift

_ONE_FOR_ALL = frozenset({"best_single_arm"})


def uplift_sentences(narrator: Narrator, uplift: Uplift) -> tuple[str, ...]:
    """What the search for a policy found, in a sentence each."""
    say = narrator.say
    test = uplift.heterogeneity
    p = say("why.no_p_value") if test.p_value is None else f"p {_p(narrator, test.p_value)}"
    found = say("uplift.found" if test.found else "uplift.not_found")
    model = (say("uplift.model", uri=uplift.model_uri),) if uplift.model_uri else ()
    return (
        uplift.chosen.reason,
        say("uplift.chosen", policy=_kind(narrator, uplift.chosen.kind)),
        f"{found} {say('uplift.heterogeneity', test=test.test, p=p)}",
        *model,
    )


def _p(narrator: Narrator, value: float) -> str:
    text = narrator.numbers.p_value(value)
    return text if text.startswith("<") else f"= {text}"


def _kind(narrator: Narrator, kind: str) -> str:
    return narrator.say_or(f"policy.{kind}", kind.replace("_", " "))


def policies_table(narrator: Narrator, uplift: Uplift) -> Table:
    """The held-out value of each kind of policy, and its paired gains."""
    say = narrator.say
    return Table(
        name="policies",
        title=say("policies.title"),
        about=say(
            "policies.about",
            metric=narrator.metric(uplift.value_metric),
            members=narrator.numbers.count(uplift.members),
            sampled=narrator.numbers.count(uplift.sampled),
        ),
        columns=(
            Column(say("column.policy"), align="left"),
            Column(say("column.policy_value")),
            Column(say("column.gain_control")),
            Column(say("column.gain_single")),
            Column(say("column.proven"), align="left"),
            Column(say("column.stability")),
        ),
        rows=tuple(_policy_row(narrator, uplift, policy) for policy in uplift.policies),
    )


def _policy_row(narrator: Narrator, uplift: Uplift, policy: Policy) -> Row:
    metric = uplift.value_metric
    itself = absent(narrator.say("why.no_gain"))
    single, nobody = policy.kind in _ONE_FOR_ALL, policy.kind == "treat_nobody"
    gain = (policy.gain_over_best_single_arm, policy.gain_low, policy.gain_high)
    proven = Cell(narrator.say("policies.proven"), status="pass")
    unproven = Cell(narrator.say("policies.unproven"), status="unclear")
    detail = policy.detail
    if policy.kind == "individual":
        detail = narrator.say_or(f"learner.{detail}", detail)
    stability = absent(narrator.say("why.no_stability"))
    if policy.stability is not None:
        stability = Cell(narrator.numbers.share(policy.stability))
    return row(
        [
            words(_kind(narrator, policy.kind), detail),
            _level(narrator, metric, policy.value, policy.low, policy.high),
            itself if nobody else _gain(narrator, metric, policy.gain_over_control),
            itself if single else _gain(narrator, metric, *gain),
            itself if single else proven if policy.proven else unproven,
            stability,
        ],
        strong=policy.kind == uplift.chosen.kind,
    )


def _gain(
    narrator: Narrator, metric: str, value: float, low: float | None = None, high: float | None = None
) -> Cell:
    return Cell(*narrator.difference(metric, value, low, high, times=PER))


def _level(narrator: Narrator, metric: str, value: float, low: float, high: float) -> Cell:
    return Cell(*narrator.difference(metric, value, low, high, times=PER, sign=False))


def policy_chart(narrator: Narrator, uplift: Uplift) -> Forest | None:
    """Paired gains over the best single arm; None where no other policy was valued."""
    others = [policy for policy in uplift.policies if policy.kind not in _ONE_FOR_ALL]
    rows = tuple(_gain_row(narrator, uplift.value_metric, policy) for policy in others)
    if not rows:
        return None
    money = narrator.unit(uplift.value_metric) == "money"
    numbers = narrator.numbers

    def tick(value: float) -> str:
        places = min(decimals(value, significant=1), 4)
        return numbers.money(value, places, sign=True) if money else numbers.number(value, places, sign=True)

    return Forest(
        name="chart-policies",
        title=narrator.say("chart.policies"),
        summary=narrator.say("chart.policies_summary"),
        rows=rows,
        tick=tick,
    )


def _gain_row(narrator: Narrator, metric: str, policy: Policy) -> ForestRow:
    gain, low, high = policy.gain_over_best_single_arm, policy.gain_low, policy.gain_high
    text, interval = narrator.difference(metric, gain, low, high, times=PER)
    return ForestRow(
        label=_kind(narrator, policy.kind),
        figure=f"{text} ({interval})" if interval else text,
        estimate=gain * PER,
        inner=(low * PER, high * PER),
    )


def learners_table(narrator: Narrator, uplift: Uplift) -> Table:
    """Each learner's held-out value and ranking quality by arm."""
    say = narrator.say
    return Table(
        name="learners",
        title=say("learners.title"),
        about=say("learners.about"),
        columns=(
            Column(say("column.learner"), align="left"),
            Column(say("column.policy_value")),
            Column(say("column.arm"), align="left"),
            Column(say("column.qini")),
            Column(say("column.auuc")),
            Column(say("column.seconds")),
        ),
        rows=tuple(
            _learner_row(narrator, uplift.value_metric, learner, arm, first=place == 0)
            for learner in uplift.learners
            for place, arm in enumerate(learner.qini or {"": None})
        ),
    )


def _learner_row(narrator: Narrator, metric: str, learner: Learner, arm: str, *, first: bool) -> Row:
    blank, why = Cell(""), narrator.say("why.no_ranking")
    value = _level(narrator, metric, learner.policy_value, learner.low, learner.high)
    return row(
        [
            words(narrator.say_or(f"learner.{learner.name}", learner.name)),
            value if first else blank,
            words(narrator.arm(arm)) if arm else absent(why),
            narrator.number_cell(learner.qini.get(arm), why),
            narrator.number_cell(learner.auuc.get(arm), why),
            words(narrator.numbers.number(learner.seconds, 1)) if first else blank,
        ]
    )


def policy_segments_table(narrator: Narrator, uplift: Uplift) -> Table:
    """What the chosen policy gives in each segment, and its value there."""
    say = narrator.say
    return Table(
        name="policy_segments",
        title=say("policy_segments.title"),
        about=say("policy_segments.about"),
        columns=(
            Column(say("column.segment"), align="left"),
            Column(say("column.offer"), align="left"),
            Column(say("column.members")),
            Column(say("column.value_per_1000", value=narrator.metric(uplift.value_metric))),
        ),
        rows=tuple(_offer_row(narrator, uplift.value_metric, offer) for offer in uplift.offers_by_segment),
    )


def _offer_row(narrator: Narrator, metric: str, offer: SegmentOffer) -> Row:
    return row(
        [
            words(narrator.segment(offer.segment)),
            narrator.arm_cell(offer.arm),
            words(narrator.numbers.count(offer.members)),
            _level(narrator, metric, offer.value, offer.low, offer.high),
        ]
    )
