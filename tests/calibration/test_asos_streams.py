"""Peeking at the ASOS streams: the figures of `statistics.md`, and the error rates of the same rules without effect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.asos import Stream, error_rates, planned_looks, read_streams, rules, stops


@pytest.fixture(scope="module")
def streams(shared: Path) -> list[Stream]:
    return read_streams(shared / "data" / "asos_digital_experiments_dataset.parquet")


def test_how_many_streams_each_rule_stops_on(streams: list[Stream]):
    found = {rule.name: sum(stops(stream, rule) for stream in streams) for rule in rules()}
    assert len(streams) == 381
    assert found["fixed, at the last look"] == 105
    assert found["naive, every look"] == 225
    assert found["O'Brien-Fleming, 14 looks"] == pytest.approx(120, abs=2)
    assert found["always valid, every look"] == pytest.approx(105, abs=2)


def test_error_rates_without_effect(streams: list[Stream]):
    table = error_rates(streams[::8], np.random.default_rng(20261121), 100)
    assert not table.misses, table.markdown()
    assert next(cell.rate for cell in table.cells if cell.judge == "shown") > 0.15


def test_planned_looks_add_information_and_end_at_the_end(streams: list[Stream]):
    for stream in streams:
        places = planned_looks(stream, 14)
        assert places[-1] == len(stream.times) - 1
        assert len(places) <= 14
        assert (np.diff([0.0, *stream.information[places]]) > 0).all()
