"""The simulations of `benchmarks/calibration`, small; and that a wrong rate would be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.calibration.__main__ import main
from benchmarks.calibration.departures import departures
from benchmarks.calibration.families import family_errors
from benchmarks.calibration.grid import ARMS, SCHEDULES, SHARES, Method, methods, rejections, type_one_errors
from benchmarks.calibration.guardrails import guardrails
from benchmarks.calibration.intervals import coverage
from benchmarks.calibration.judging import Cell, Table
from benchmarks.calibration.population import binary, covaried, orders, spending
from benchmarks.calibration.winners import winners

QUICK = tuple(method for method in methods() if method.name in {"score", "welch", "delta", "lin"})


@pytest.mark.parametrize(
    ("simulate", "runs"),
    [(coverage, 1500), (family_errors, 1500), (winners, 1500), (guardrails, 1500), (departures, 150)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_rate_is_what_it_should_be(simulate, runs):
    for table in simulate(np.random.default_rng(20261121), runs):
        assert not table.misses, table.markdown()


@pytest.mark.parametrize("method", QUICK, ids=lambda method: method.name)
def test_type_one_errors_by_arms_shares_and_looks(method: Method):
    cells = [
        Cell(f"{arms} arms, {shares}", schedule.name, hits, 600, 0.05, schedule.judge(arms, method))
        for shares in SHARES
        for (arms, schedule), hits in rejections(method, shares, np.random.default_rng(7), 600).items()
    ]
    assert len(cells) == len(ARMS) * len(SCHEDULES) * len(SHARES)
    table = Table(method.name, "", tuple(cells))
    assert not table.misses, table.markdown()
    naive = [cell.rate for cell in cells if cell.judge == "shown" and cell.row.startswith("2 arms")]
    assert min(naive) > 0.12


@pytest.mark.parametrize("name", ["score", "delta", "lin"])
def test_screening_leaves_no_rejection_out(name: str):
    method = next(method for method in methods() if method.name == name)
    screened, whole = (
        rejections(method, "control 9 x an arm", np.random.default_rng(3), 6, screen=screen)
        for screen in (True, False)
    )
    assert screened == whole


def test_grid_holds_every_method():
    runs = 4
    tables = list(type_one_errors(np.random.default_rng(1), runs))
    rows = len(methods()) * len(SHARES)
    exact = 2 * len(SHARES)
    assert [len(table.cells) for table in tables] == [rows * len(SCHEDULES) - exact] * len(ARMS)


@pytest.mark.parametrize("population", [binary(0.3), spending(0.4), orders(), covaried([0.5, 0.3, 0.2])])
def test_moments_of_drawn_members_are_those_of_their_rows(population):
    counts = population.draw(np.random.default_rng(5), np.array([500]), 1)[0, 0]
    for members, values, moments in zip(counts, population.values, population.moments(counts), strict=True):
        rows = np.repeat(values, members, axis=0)
        assert moments.count == len(rows)
        assert moments.mean == pytest.approx(rows.mean(axis=0))
        assert moments.comoment / (len(rows) - 1) == pytest.approx(np.atleast_2d(np.cov(rows.T)))
        assert list(moments.nonzero) == list((rows != 0).sum(axis=0))


def test_a_wrong_rate_misses_on_the_side_that_counts():
    def table(hits: int, judge) -> Table:
        return Table(
            "t", "q", (Cell("a", "b", hits, 20_000, 0.05, judge), Cell("c", "b", 1000, 20_000, 0.05))
        )

    assert not table(1000, "both").misses
    assert table(1200, "both").misses
    assert table(1200, "upper").misses
    assert table(800, "both").misses
    assert not table(800, "upper").misses
    assert not table(5000, "shown").misses
    assert "**0.0600**" in table(1200, "both").markdown()


def test_the_command_writes_a_page_and_fails_with_its_cells(tmp_path: Path, capsys, monkeypatch):
    page = tmp_path / "calibration.md"
    assert main(["--runs", "200", "--only", "guardrails", "--page", str(page)]) == 0
    assert "## Guardrails" in page.read_text(encoding="utf8")
    assert "--runs 200" in page.read_text(encoding="utf8")
    monkeypatch.setattr("benchmarks.calibration.guardrails.LEVEL", 0.2)
    assert main(["--runs", "200", "--only", "guardrails"]) == 1
    assert "miss" in capsys.readouterr().out
