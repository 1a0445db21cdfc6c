"""Findings: what factors and segments say beside the verdict, in sentences that claim no more than was tested."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from experiments.decision.contrasts import Contrasts
from experiments.decision.effects import deciding_metrics, segment_family
from experiments.decision.sentences import Sentences
from experiments.definition.model import Definition
from experiments.documents.analysis import FactorialTerm, Finding, SegmentHeterogeneity
from experiments.numbers import probability


def factor_findings(
    definition: Definition, terms: Sequence[FactorialTerm], sentences: Sentences
) -> tuple[Finding, ...]:
    """Which factors matter and which do not, for each metric, and whether any depends on another.

    A factor matters where the test of all its levels, corrected over the factors, rejects at alpha; not to reject is said
    as what the test can tell. Where an interaction, corrected over the interactions, rejects, main effects alone mislead.

    Args:
        definition: Names factors, levels, omitted arms and alpha.
        terms: The factorial's rows with their corrected p-values.
        sentences: Words.
    """
    found: list[Finding] = []
    for metric in dict.fromkeys(term.metric for term in terms):
        rows = _Terms(definition, sentences, metric, [term for term in terms if term.metric == metric])
        found += rows.findings()
    return tuple(found)


@dataclass(frozen=True)
class _Terms:
    """The rows of one metric."""

    definition: Definition
    sentences: Sentences
    metric: str
    rows: list[FactorialTerm]

    def findings(self) -> list[Finding]:
        factors = [row for row in self.rows if row.term in (self.definition.arms.factors or {})]
        proven = [row for row in factors if self._rejects(row)]
        rest = [row for row in factors if not self._rejects(row)]
        facts = {"matter": self._listed(map(self._told, proven)), "rest": self._listed(map(self._told, rest))}
        code = "factors_some" if proven and rest else "factors_all" if proven else "factors_none"
        told = [self._say(code, **facts)]
        depend = [row for row in self.rows if self._is_interaction(row) and self._rejects(row)]
        told += [self._say("factors_interact", factors=self._told(row)) for row in depend]
        omitted = self.definition.arms.omit
        return [*told, self._say("factors_omitted", count=len(omitted))] if omitted else told

    def _say(self, code: str, **facts: object) -> Finding:
        text = self.sentences.finding(code, metric=self.metric, **facts)
        return Finding("factors", code, self.metric, text)

    def _rejects(self, row: FactorialTerm) -> bool:
        return row.p_value_adjusted is not None and row.p_value_adjusted <= self.definition.design.alpha

    def _is_interaction(self, row: FactorialTerm) -> bool:
        return ":" in row.term and " - " not in row.term

    def _told(self, row: FactorialTerm) -> str:
        """A term with its corrected p-value, and where its levels are told apart, by how much."""
        p = self.sentences.no_test
        if row.p_value_adjusted is not None:
            p = probability(row.p_value_adjusted)
        differences = self._listed(self._differences(row))
        name = row.term.replace(":", " × ")
        if not differences:
            return self.sentences.finding("factor", factor=name, p=p)
        return self.sentences.finding("factor_with", factor=name, p=p, differences=differences)

    def _differences(self, row: FactorialTerm) -> list[str]:
        """The proven differences between a proven factor's levels."""
        levels = (self.definition.arms.factors or {}).get(row.term, {})
        if not self._rejects(row) or not levels:
            return []
        if len(levels) == 2:
            first, second = levels
            return [self._difference(row.term, first, second, row)]
        pairs = [pair for pair in self.rows if pair.term.startswith(f"{row.term}:") and " - " in pair.term]
        told = []
        for pair in filter(self._rejects, pairs):
            first, second = (level.removeprefix(f"{row.term}:") for level in pair.term.split(" - "))
            told.append(self._difference(row.term, first, second, pair))
        return told

    def _difference(self, factor: str, first: str, second: str, row: FactorialTerm) -> str:
        levels = (self.definition.arms.factors or {})[factor]
        names = {"first": levels[first].label or first, "second": levels[second].label or second}
        size = self.sentences.change(self.metric, row.estimate or 0.0)
        return self.sentences.finding("levels", difference=size, **names)

    def _listed(self, items: Iterable[str]) -> str:
        return self.sentences.finding("semicolon").join(items)


def segment_findings(
    definition: Definition,
    contrasts: Contrasts,
    segments: Sequence[SegmentHeterogeneity],
    sentences: Sentences,
) -> tuple[Finding, ...]:
    """Arms that are significant in some segments only, although nothing shows that their effect differs between segments.

    The difference between significant and not significant is itself not tested by either (Gelman and Stern 2006, American
    Statistician 60); Cochran's Q is. Significance within segments is by the segment family's adjusted p-values.

    Args:
        definition: Names segments, arms, metrics and alpha.
        contrasts: Those that the decision reads.
        segments: The heterogeneity of each arm on each metric.
        sentences: Words.
    """
    alpha, comma = definition.design.alpha, sentences.finding("comma")
    found = []
    for metric in deciding_metrics(definition.goals):
        family = segment_family(definition, contrasts, metric)
        adjusted = list(zip(family.contrasts, family.p_values(), strict=True))
        for group in segments:
            if group.metric != metric or group.p_value is None or group.p_value <= alpha:
                continue
            inside = {c.segment or "": p <= alpha for c, p in adjusted if c.arm == group.arm}
            if not (any(inside.values()) and not all(inside.values())):
                continue
            text = sentences.finding(
                "segment_not_special",
                arm=sentences.arm(group.arm),
                metric=metric,
                significant=comma.join(segment for segment, proven in inside.items() if proven),
                others=comma.join(segment for segment, proven in inside.items() if not proven),
                p=probability(group.p_value),
            )
            found.append(Finding("segments", "segment_not_special", metric, text))
    return tuple(found)
