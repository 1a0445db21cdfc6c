"""The report as a file: what it says, that it needs nothing else, and that it stays small."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from experiments.documents.analysis import Analysis, VerdictStatus, WinnerCorrected
from experiments.experiment import Experiment
from experiments.language import Language
from reports.html import MOST_BYTES, render_report
from tests.reports.report_examples import (
    ARMS,
    CHINESE,
    ENGLISH,
    HOSTILE,
    SEGMENTS,
    analysis,
    assignment,
    design,
    effect,
    money,
    open_experiment,
    rollout,
    uplift,
)

STATUSES: tuple[VerdictStatus, ...] = ("rollout", "no_rollout", "invalid", "too_early")


class Reader(HTMLParser):
    """The visible text of each element with an id, headings in order, and every attribute value."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.attributes: list[str] = []
        self.cells: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [value or "" for _, value in attrs]
        self._open.append(tag)
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag + " ")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"h1", "h2", "h3"}:
            self.headings[-1] += data
        if self._open and self._open[-1] in {"td", "th"}:
            self.cells.append(data)


def whole(experiment: Experiment) -> str:
    return render_report(
        experiment, analysis(experiment), uplift(), rollout(), assignment(experiment), design(experiment)
    )


@pytest.mark.parametrize(("language", "labels"), [("en", ENGLISH), ("zh", CHINESE)])
@pytest.mark.parametrize("status", STATUSES)
def test_the_report_is_one_small_file_that_loads_nothing(
    tmp_path: Path, language: Language, labels: dict[str, str], status: VerdictStatus
) -> None:
    experiment = open_experiment(tmp_path, labels, language)
    page = render_report(experiment, analysis(experiment, status))
    assert len(page.encode()) < MOST_BYTES
    assert "://" not in page.replace(experiment.definition.origin.text, "")
    assert not re.search(r"<(script|link rel=.stylesheet|img|iframe|object)|@import|url\(", page)


@pytest.mark.parametrize("status", STATUSES)
def test_no_effect_is_shown_where_the_verdict_forbids_it(tmp_path: Path, status: VerdictStatus) -> None:
    experiment = open_experiment(tmp_path)
    headings = Reader(render_report(experiment, analysis(experiment, status))).headings
    shown = {"h2 Money", "h2 Effects with their intervals"} & set(headings)
    assert bool(shown) == (status in {"rollout", "no_rollout"})
    assert "h2 Health checks" in headings


def test_the_verdict_is_money_for_a_thousand_members_with_its_corrected_interval(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    headings = Reader(render_report(experiment, analysis(experiment))).headings
    assert headings[0] == (
        "h1 Send “Care message with 500 points”: +$216 profit per 1,000 members "
        "(95% interval +$98 to +$331), against no contact."
    )


def test_the_verdict_speaks_chinese_with_the_same_figures(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path, CHINESE, "zh")
    page = render_report(experiment, analysis(experiment))
    verdict = Reader(page).headings[0]
    assert [figure in verdict for figure in ("500 积分 × 关怀", "+¥216", "+¥98", "+¥331", "95%")] == [
        True
    ] * 5
    assert '<html lang="zh-CN">' in page


def test_nobody_wins_and_the_report_says_what_the_best_arm_showed(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    page = render_report(experiment, analysis(experiment, "no_rollout"))
    verdict = Reader(page).headings[0]
    assert verdict.startswith("h1 No offer passed the decision rule")
    assert page.count("Roll nothing out") == 1
    assert "+$231" in verdict


def test_labels_with_markup_stay_text(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path, HOSTILE)
    page = whole(experiment)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "{0} {{ 7*7 }}" in page


def test_every_table_has_a_caption_headings_and_a_description(tmp_path: Path) -> None:
    page = whole(open_experiment(tmp_path))
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert len(tables) > 12
    for table in tables:
        assert re.search(r"<caption>[^<]+</caption>", table)
        assert 'scope="col"' in table
        described = re.search(r'aria-describedby="([^"]+)"', table)
        assert described is not None
        assert f'id="{described[1]}"' in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_every_chart_has_a_title_and_a_description(tmp_path: Path) -> None:
    charts = re.findall(r"<svg.*?</svg>", whole(open_experiment(tmp_path)), re.DOTALL)
    assert len(charts) >= 5
    assert all(re.search(r"<title[^>]*>[^<]+</title><desc[^>]*>[^<]+</desc>", chart) for chart in charts)


def test_figures_that_do_not_exist_are_dashes_with_their_reason(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    page = render_report(experiment, with_nulls(analysis(experiment)))
    assert "a lift needs two means above zero" in page
    assert "there are no incremental buyers to share the cost" in page
    assert "the data set no bound" in page
    cells = Reader(page).cells
    assert not {"None", "nan", "inf", "null"} & set(cells)
    assert cells.count("—") > 10


def with_nulls(document: Analysis) -> Analysis:
    """The analysis with None wherever its types allow it."""

    def emptied(item: object) -> object:
        fields = dataclasses.fields(item)  # type: ignore[arg-type]
        empty = {
            field.name: None for field in fields if "None" in str(field.type) and field.name != "segment"
        }
        return dataclasses.replace(item, **empty)  # type: ignore[type-var]

    blocks = ("health", "effects", "arm_comparisons", "factorial", "segments", "guardrails", "money")
    return dataclasses.replace(
        document, **{block: tuple(emptied(item) for item in getattr(document, block)) for block in blocks}
    )


def test_the_definition_stands_in_the_report_with_its_lock(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    locked = render_report(experiment, analysis(experiment))
    assert experiment.definition.origin.sha256 in locked
    assert "hypothesis: At least one offer" in locked
    assert "Locked when the arms were drawn" in locked
    changed = render_report(experiment, dataclasses.replace(analysis(experiment), locked=False))
    assert "Not locked" in changed


def test_methods_and_terms_are_explained_where_they_are_used(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    page = render_report(experiment, analysis(experiment))
    assert "Miettinen–Nurminen" in page
    assert "Boschloo" not in page
    assert "Qini" not in page
    assert "Qini" in whole(experiment)


def test_a_huge_experiment_still_fits_and_says_what_it_left_out(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    many = tuple(
        dataclasses.replace(effect(metric, arm, place, segment), arm=f"{arm}_{copy}")
        for metric in ("converted", "profit", "net_revenue")
        for copy in range(60)
        for segment in SEGMENTS
        for place, arm in enumerate(ARMS)
    )
    document = analysis(experiment)
    page = render_report(experiment, dataclasses.replace(document, effects=(*document.effects, *many)))
    assert len(page.encode()) < MOST_BYTES
    assert "every row is in" in page


def test_the_winner_of_a_definition_whose_value_is_a_share_is_told_in_members(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    goals = experiment.definition.goals.model_copy(update={"value": None})
    definition = experiment.definition.model_copy(update={"goals": goals})
    experiment = dataclasses.replace(experiment, definition=definition)
    corrected = (WinnerCorrected(None, "converted", "care", 0.0061, 0.0058, 0.0031, 0.0085, "hybrid"),)
    document = dataclasses.replace(analysis(experiment), winner_corrected=corrected)
    verdict = Reader(render_report(experiment, document)).headings[0]
    assert "+5.8 conversion per 1,000 members (95% interval +3.1 to +8.5)" in verdict


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    assert whole(experiment) == whole(experiment)


def test_attributed_and_incremental_stand_side_by_side(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    cells = Reader(render_report(experiment, analysis(experiment))).cells
    line = money("care", 0)
    start = cells.index(f"{line.attributed_buyers}")
    assert cells[start : start + 6] == ["729", "+146", "$99,120", "+$17,040", "$35,528", "+$5,544"]


def test_a_stated_prior_findings_and_curves_stand_in_the_report(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    page = render_report(experiment, analysis(experiment), design=design(experiment))
    assert "://" not in page.replace(experiment.definition.origin.text, "")
    assert "normal, mean" in page
    assert ">flat<" in page
    assert "For profit this matters: copy &lt;adjusted&gt;." in page
    assert "Care is significant in vip only." in page
    assert "may be the best" in page
    assert page.count('class="forest curve"') == 2
    assert "detectable-days-title" in page


def test_the_effect_on_those_reached_says_what_it_rests_on(tmp_path: Path) -> None:
    experiment = open_experiment(tmp_path)
    document = analysis(experiment)
    page = render_report(experiment, document)
    assert "Whom the messages reached" in page
    assert "nobody of control was reached" in page
    assert "hardly more members than control" in page
    mixed = tuple(dataclasses.replace(line, one_sided=False) for line in document.compliers)
    page = render_report(experiment, dataclasses.replace(document, compliers=mixed))
    assert "keeps nobody from being reached" in page
    page = render_report(experiment, dataclasses.replace(document, delivery=(), compliers=()))
    assert "Whom the messages reached" not in page
