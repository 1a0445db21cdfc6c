"""The report as a director opens it: in a real browser, on a phone, in the dark, on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.documents.analysis import VerdictStatus
from experiments.language import Language
from reports.html import render_report
from tests.reports.report_examples import (
    CHINESE,
    ENGLISH,
    HOSTILE,
    analysis,
    assignment,
    design,
    open_experiment,
    rollout,
    uplift,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def write_report(
    folder: Path, labels: dict[str, str], language: Language, status: VerdictStatus = "rollout"
) -> Path:
    experiment = open_experiment(folder, labels, language)
    documents = (uplift(), rollout(), assignment(experiment), design(experiment))
    path = folder / "report.html"
    path.write_text(render_report(experiment, analysis(experiment, status), *documents), encoding="utf8")
    return path


def open_quietly(page: Page, path: Path) -> tuple[list[str], list[str]]:
    """Open a file; what the console said, and what was asked of the network."""
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    return said, [url for url in asked if url != path.as_uri() and not url.startswith("data:")]


@pytest.mark.parametrize(
    ("labels", "language", "status", "verdict"),
    [
        (ENGLISH, "en", "rollout", "Send “Care message with 500 points”: +$216 profit per 1,000 members"),
        (ENGLISH, "en", "invalid", "Do not act on these results"),
        (CHINESE, "zh", "rollout", "发送“500 积分 × 关怀”"),
        (CHINESE, "zh", "too_early", "为时尚早"),
    ],
)
def test_the_verdict_is_on_the_first_screen_and_nothing_is_asked_of_the_network(
    browser: Browser,
    tmp_path: Path,
    labels: dict[str, str],
    language: Language,
    status: VerdictStatus,
    verdict: str,
) -> None:
    with browser.new_context(viewport=WIDE) as context:
        page = context.new_page()
        said, asked = open_quietly(page, write_report(tmp_path, labels, language, status))
        heading = page.locator("h1")
        assert verdict in heading.inner_text()
        box = heading.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < WIDE["height"]
        assert page.locator(".lead").is_visible()
        assert (said, asked) == ([], [])


def test_markup_in_labels_does_not_run(browser: Browser, tmp_path: Path) -> None:
    with browser.new_context(viewport=WIDE) as context:
        page = context.new_page()
        said, asked = open_quietly(page, write_report(tmp_path, HOSTILE, "en"))
        assert page.evaluate("window.hacked") is None
        assert HOSTILE["care"] in page.locator("h1").inner_text()
        assert (said, asked) == ([], [])


@pytest.mark.parametrize(("labels", "language"), [(ENGLISH, "en"), (CHINESE, "zh")])
def test_a_phone_scrolls_tables_and_not_the_page(
    browser: Browser, tmp_path: Path, labels: dict[str, str], language: Language
) -> None:
    with browser.new_context(viewport=PHONE) as context:
        page = context.new_page()
        open_quietly(page, write_report(tmp_path, labels, language))
        page.evaluate("document.querySelectorAll('details').forEach(block => block.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        overlapping = page.evaluate(
            """[...document.querySelectorAll('svg.forest g')].filter(row => {
                const [label, figure] = [...row.querySelectorAll('text')]
                    .map(text => text.getBoundingClientRect()).filter(box => box.width > 0);
                return figure && label.right > figure.left;
            }).map(row => row.textContent)"""
        )
        assert overlapping == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark(browser: Browser, tmp_path: Path, scheme: str) -> None:
    with browser.new_context(viewport=WIDE, color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        open_quietly(page, write_report(tmp_path, ENGLISH, "en"))
        assert page.evaluate(LOW_CONTRAST) == []


LOW_CONTRAST = """() => {
    const parse = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, k) => sum + c * [.2126, .7152, .0722][k], 0);
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length < 4 || colour[3] > .99) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll('h1, h2, p, li, td, th, small, summary, dt, dd, .status, .badge, a')) {
        if (!element.textContent.trim() || !element.getClientRects().length || element.matches('.skip')) continue;
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 4.5) poor.push(element.tagName + ': ' + element.textContent.trim().slice(0, 40));
    }
    return poor;
}"""
"""Elements whose text has less than the contrast of 4.5 that WCAG 2.2 asks for."""


def test_paper_shows_what_is_folded_on_the_screen(browser: Browser, tmp_path: Path) -> None:
    with browser.new_context(viewport=WIDE) as context:
        page = context.new_page()
        open_quietly(page, write_report(tmp_path, ENGLISH, "en"))
        folded = page.locator("#table-effects tbody tr").first
        assert not folded.is_visible()
        page.emulate_media(media="print")
        assert folded.is_visible()
        assert not page.locator("nav").is_visible()
        assert page.pdf()[:5] == b"%PDF-"
