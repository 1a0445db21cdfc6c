"""The report: one HTML file that needs nothing else, small enough to mail."""

from __future__ import annotations

from experiments.documents.analysis import Analysis
from experiments.documents.assignment import Assignment
from experiments.documents.design import Design
from experiments.experiment import Experiment
from reports.page import Documents, Page, build_page
from uplift.documents import Rollout, Uplift

MOST_BYTES = 400_000
"""A report is smaller than this, whatever the experiment."""

_ROWS_AND_TEXT = ((None, 120_000), (400, 60_000), (150, 40_000), (60, 20_000), (20, 5_000), (5, 1_000))
"""How many rows a table and how many characters a text may have, from generous to tight."""


def render_report(
    experiment: Experiment,
    analysis: Analysis,
    uplift: Uplift | None = None,
    rollout: Rollout | None = None,
    assignment: Assignment | None = None,
    design: Design | None = None,
) -> str:
    """The report of an experiment in the experiment's language, with a section for each document that is there.

    The file loads nothing: styles and charts stand in it, and its content policy forbids any request. Long tables and
    the definition are cut, with a note, only as far as the size limit asks.

    Raises:
        ValueError: The page is too large even when cut, which no experiment of this product's limits reaches.
    """
    page = build_page(experiment, Documents(analysis, uplift, rollout, assignment, design))
    for rows, characters in _ROWS_AND_TEXT:
        text = _render(page, rows, characters)
        if len(text.encode()) < MOST_BYTES:
            return text
    raise ValueError(f"the report of {experiment.definition.id} does not fit into {MOST_BYTES:,} bytes")


def _render(page: Page, rows: int | None, characters: int) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(page=page, limit=rows, text_limit=characters)
