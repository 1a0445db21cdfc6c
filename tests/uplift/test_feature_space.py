"""Features: one row, a batch and a space that was written and read give the same numbers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uplift.features import CategoryFeature, FeatureSpace

KINDS = {"age": "number", "city": "category", "app": "category"}
FRAME = pd.DataFrame(
    {
        "age": [20.0, None, 40.0, 30.0],
        "city": ["上海", "b", None, "b"],
        "app": [True, False, True, None],
    }
)
SPACE = FeatureSpace.fit(FRAME, KINDS)  # type: ignore[arg-type]

ROWS = st.fixed_dictionaries(
    {
        "age": st.none() | st.floats(-1e6, 1e6) | st.integers(-5, 200),
        "city": st.none() | st.sampled_from(["上海", "b", "never seen", ""]),
        "app": st.none() | st.booleans() | st.sampled_from(["true", "false"]),
    }
)


@given(st.lists(ROWS, min_size=1, max_size=8))
@settings(max_examples=60)
def test_a_row_does_not_depend_on_its_batch(rows: list[dict[str, object]]) -> None:
    reloaded = FeatureSpace.from_plain(json.loads(json.dumps(SPACE.plain())))
    batch = SPACE.codes(pd.DataFrame(rows, columns=list(KINDS)))
    alone = np.vstack([reloaded.codes(pd.DataFrame([row], columns=list(KINDS))) for row in rows])
    np.testing.assert_array_equal(batch, alone)
    dense = SPACE.dense(batch)
    assert np.isfinite(dense).all()
    np.testing.assert_array_equal(dense[:1], SPACE.dense(batch[:1]))


def test_missing_unseen_and_known_are_told_apart() -> None:
    city = next(feature for feature in SPACE.features if feature.name == "city")
    assert isinstance(city, CategoryFeature)
    frame = pd.DataFrame(
        {"age": [None, 1, 2], "city": [None, "never seen", "b"], "app": [None, "maybe", True]}
    )
    codes = SPACE.codes(frame)
    assert codes[:, 1].tolist() == [city.levels.index(None), city.unseen, city.levels.index("b")]
    assert len(set(codes[:, 2])) == 3
    assert np.isnan(codes[0, 0])
    assert SPACE.dense(codes)[0, :2].tolist() == [30.0, 1.0]


def test_what_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match="city"):
        SPACE.codes(FRAME[["age", "app"]])
    with pytest.raises(ValueError, match="age must hold numbers"):
        SPACE.codes(FRAME.assign(age=["old", "young", "?", "!"]))


def test_rare_levels_join_the_unseen_ones() -> None:
    column = pd.Series(["a"] * 5000 + ["b"] * 4000 + ["rare"])
    (feature,) = FeatureSpace.fit(pd.DataFrame({"x": column}), {"x": "category"}).features
    assert isinstance(feature, CategoryFeature)
    assert feature.levels == ("a", "b")


def test_numbers_at_the_end_of_what_a_float_holds_have_a_median() -> None:
    """The mean of the two in the middle would be infinite, and no JSON file could keep it."""
    frame = pd.DataFrame({"x": [-1.7e308, -1.7e308, 1.0, np.inf]})
    space = FeatureSpace.fit(frame.iloc[[0, 1, 3]], {"x": "number"})
    json.dumps(space.plain(), allow_nan=False)
    assert np.isfinite(space.dense(space.codes(frame))).all()
