"""The report's page as data: the first screen, then sections of sentences, charts, tables and texts."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from experiments.experiment import Experiment
from reports.accounts import cost_table, money_table
from reports.charts import Forest, draw_forest
from reports.checks import checks_table
from reports.closed_arms import closed_arms_table
from reports.curves import Curve, draw_curve
from reports.delivery import compliers_table, delivery_table
from reports.detectable import detectable_curves, detectable_table
from reports.figures import metric_charts, segment_chart
from reports.follow_up import follow_up
from reports.glossary import Term, methods_used, terms_used
from reports.headline import Headline, read_headline
from reports.held_out import calibration_table, weighted_table
from reports.looks import looks_table, planned_looks_table
from reports.narrator import Narrator
from reports.plans import (
    assigned_table,
    balance_table,
    contact_levels_table,
    entry_table,
    guardrail_power_table,
    plan_table,
    power_table,
)
from reports.policies import (
    learners_table,
    policies_table,
    policy_chart,
    policy_segments_table,
    uplift_sentences,
)
from reports.reasons import drivers_table, further_sentences, next_test_table, parts_table, tree_charts
from reports.results import (
    comparisons_table,
    effects_table,
    factorial_table,
    guardrails_table,
    heterogeneity_table,
    odds_table,
    segments_table,
    unadjusted_table,
    winner_table,
    with_best_table,
)
from reports.rollouts import (
    budget_curves,
    limits_table,
    ramp_table,
    rollout_sentences,
    rollout_summary_table,
    rollout_table,
)
from reports.tables import Table
from reports.trees import TreeChart, draw_tree
from uplift.documents import Rollout, Uplift


@dataclass(frozen=True)
class Documents:
    """What the commands of one experiment have left so far; only the analysis is always there."""

    analysis: Analysis
    uplift: Uplift | None = None
    rollout: Rollout | None = None
    assignment: Assignment | None = None
    design: Design | None = None


@dataclass(frozen=True)
class Chart:
    """A chart with its title; the SVG is already escaped."""

    title: str
    svg: Markup
    has_outer: bool


@dataclass(frozen=True)
class TextBlock:
    """A text that is shown as it was written, such as the definition."""

    title: str
    text: str
    folded: bool = True

    def shown(self, limit: int) -> str:
        """The text, or its beginning where it is longer than the page can carry."""
        return self.text[:limit]

    def is_cut(self, limit: int) -> bool:
        """Whether the page shows only the beginning."""
        return len(self.text) > limit


@dataclass(frozen=True)
class Section:
    """A section: what it says, then charts, tables, folded tables, terms and texts; empty parts are left out."""

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    curves: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: tuple[Table, ...] = ()
    terms: tuple[Term, ...] = ()
    texts: tuple[TextBlock, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        parts = self.sentences, self.charts, self.curves, self.tables, self.folded, self.terms, self.texts
        return not any(parts)


@dataclass(frozen=True)
class Page:
    """The whole page."""

    narrator: Narrator
    experiment_title: str
    title: str
    meta: str
    headline: Headline
    sections: tuple[Section, ...]

    @property
    def html_language(self) -> str:
        """The language as HTML names it."""
        return {"en": "en", "zh": "zh-CN"}[self.narrator.words.language]

    @property
    def level(self) -> str:
        """The level of the intervals."""
        return self.narrator.level

    def say(self, code: str, **facts: object) -> str:
        """A sentence in the page's language."""
        return self.narrator.say(code, **facts)


def build_page(experiment: Experiment, documents: Documents) -> Page:
    """The page of an experiment: verdict first, then money, effects and checks, the definition last."""
    narrator = Narrator.of(experiment)
    definition = experiment.definition
    analysis = documents.analysis
    day = experiment.now.astimezone(definition.zone).date().isoformat()
    headline = follow_up(
        narrator, read_headline(narrator, analysis), analysis, documents.uplift, documents.rollout
    )
    health = checks_table(narrator, analysis.health), looks_table(narrator, analysis)
    checks = _section(narrator, "health", tables=health)
    results = _results(narrator, analysis)
    believed = analysis.verdict.status in {"rollout", "no_rollout"}
    sections = (
        *(results if believed else (checks,)),
        *_afterwards(narrator, documents),
        *_beforehand(narrator, documents),
        *((checks,) if believed else results),
        *_appendix(narrator, documents),
    )
    return Page(
        narrator=narrator,
        experiment_title=definition.title,
        title=narrator.say("page.title", title=definition.title),
        meta=narrator.say("page.meta", id=definition.id, owner=definition.owner, day=day),
        headline=headline,
        sections=tuple(section for section in sections if not section.is_empty),
    )


def _section(
    narrator: Narrator,
    name: str,
    *,
    sentences: tuple[str, ...] = (),
    charts: tuple[Forest | None, ...] = (),
    curves: tuple[Curve | TreeChart, ...] = (),
    tables: tuple[Table | None, ...] = (),
    folded: tuple[Table | None, ...] = (),
    terms: tuple[Term, ...] = (),
    texts: tuple[TextBlock, ...] = (),
) -> Section:
    # The SVG is built by an XML writer, which escapes every label; a template would escape it a second time.
    drawn = tuple(
        Chart(chart.title, Markup(draw_forest(chart)), chart.has_outer)  # noqa: S704
        for chart in charts
        if chart and chart.rows
    )
    return Section(
        name=name,
        title=narrator.say(f"section.{name}"),
        sentences=sentences,
        charts=drawn,
        curves=tuple(
            Chart(curve.title, Markup(svg), has_outer=False)  # noqa: S704
            for curve, svg in ((each, _drawn(each)) for each in curves)
            if svg
        ),
        tables=tuple(table for table in tables if table and table.rows),
        folded=tuple(table for table in folded if table and table.rows),
        terms=terms,
        texts=texts,
    )


def _drawn(curve: Curve | TreeChart) -> str:
    return draw_tree(curve) if isinstance(curve, TreeChart) else draw_curve(curve)


def _results(narrator: Narrator, analysis: Analysis) -> tuple[Section, ...]:
    return (
        _section(narrator, "money", tables=(money_table(narrator, analysis), cost_table(narrator, analysis))),
        _section(
            narrator,
            "effects",
            charts=metric_charts(narrator, analysis),
            tables=(winner_table(narrator, analysis),),
        ),
        _section(narrator, "guardrails", tables=(guardrails_table(narrator, analysis.guardrails),)),
        _section(
            narrator,
            "segments",
            sentences=_findings(analysis, "segments"),
            charts=(segment_chart(narrator, analysis),),
            tables=(heterogeneity_table(narrator, analysis),),
            folded=(segments_table(narrator, analysis), effects_table(narrator, analysis, by_segment=True)),
        ),
        _section(
            narrator,
            "comparisons",
            tables=(with_best_table(narrator, analysis), closed_arms_table(narrator, analysis)),
            folded=(comparisons_table(narrator, analysis),),
        ),
        _section(
            narrator,
            "delivery",
            tables=(delivery_table(narrator, analysis), compliers_table(narrator, analysis)),
        ),
        _section(
            narrator,
            "factorial",
            sentences=_findings(analysis, "factors"),
            tables=(factorial_table(narrator, analysis),),
        ),
    )


def _findings(analysis: Analysis, about: str) -> tuple[str, ...]:
    return tuple(finding.text for finding in analysis.findings if finding.about == about)


def _afterwards(narrator: Narrator, documents: Documents) -> tuple[Section, ...]:
    sections = []
    if documents.uplift is not None:
        uplift = documents.uplift
        sections.append(
            _section(
                narrator,
                "uplift",
                sentences=(*uplift_sentences(narrator, uplift), *further_sentences(narrator, uplift)),
                charts=(policy_chart(narrator, uplift),),
                curves=tree_charts(narrator, uplift),
                tables=(
                    policies_table(narrator, uplift),
                    parts_table(narrator, uplift),
                    next_test_table(narrator, uplift),
                ),
                folded=(
                    policy_segments_table(narrator, uplift),
                    drivers_table(narrator, uplift),
                    learners_table(narrator, uplift),
                    weighted_table(narrator, uplift),
                    calibration_table(narrator, uplift),
                ),
                texts=(TextBlock(narrator.say("uplift.sql"), uplift.chosen.sql),)
                if uplift.chosen.sql
                else (),
            )
        )
    if documents.rollout is not None:
        rollout = documents.rollout
        sections.append(
            _section(
                narrator,
                "rollout",
                sentences=rollout_sentences(rollout),
                curves=budget_curves(narrator, rollout),
                tables=(rollout_summary_table(narrator, rollout), rollout_table(narrator, rollout)),
                folded=(
                    ramp_table(narrator, rollout),
                    guardrails_table(narrator, rollout.ramp_guardrails, "ramp_guardrails"),
                    limits_table(narrator, rollout),
                ),
            )
        )
    return tuple(sections)


def _beforehand(narrator: Narrator, documents: Documents) -> tuple[Section, ...]:
    sections = []
    design, assignment = documents.design, documents.assignment
    if design is not None:
        sentences = tuple(reason.text for reason in design.reasons)
        planned = (
            plan_table(narrator, design),
            power_table(narrator, design),
            detectable_table(narrator, design),
            guardrail_power_table(narrator, design),
            planned_looks_table(narrator, design),
        )
        curves = detectable_curves(narrator, design)
        sections.append(_section(narrator, "plan", sentences=sentences, curves=curves, folded=planned))
    if assignment is not None:
        folded = (
            assigned_table(narrator, assignment),
            entry_table(narrator, assignment),
            contact_levels_table(narrator, assignment.contact_levels),
            balance_table(narrator, assignment),
        )
        sentences = tuple(note.text for note in assignment.notes)
        sections.append(_section(narrator, "draw", sentences=sentences, folded=folded))
    return tuple(sections)


def _appendix(narrator: Narrator, documents: Documents) -> tuple[Section, ...]:
    analysis, origin = documents.analysis, narrator.definition.origin
    tables = (
        effects_table(narrator, analysis, by_segment=False),
        unadjusted_table(narrator, analysis),
        odds_table(narrator, analysis),
    )
    terms = terms_used(
        narrator,
        analysis,
        documents.design,
        documents.assignment,
        policies=documents.uplift is not None,
        rollout=documents.rollout is not None,
    )
    lock = narrator.say("definition.locked" if analysis.locked else "definition.unlocked")
    hypothesis = f"{narrator.say('page.hypothesis')}: {narrator.definition.hypothesis}"
    digest = f"{narrator.say('definition.hash')}: {analysis.definition_sha256}"
    return (
        _section(narrator, "figures", folded=tables),
        _section(narrator, "methods", terms=methods_used(narrator, analysis)),
        _section(narrator, "glossary", terms=terms),
        _section(
            narrator,
            "definition",
            sentences=(hypothesis, lock, digest),
            texts=(TextBlock(narrator.say("definition.show"), origin.text),),
        ),
    )
