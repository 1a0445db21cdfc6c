"""The features that learners and policies see: columns of any type as one matrix, the same for one row and for a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Kind = Literal["number", "category"]

# A level with fewer members than this share teaches nothing that would hold elsewhere; it joins the unseen ones.
_RARE = 0.001
_MOST_LEVELS = 100
# Beyond this a float32 overflows, and some libraries compute in it.
_LARGEST = 1e30


@dataclass(frozen=True)
class NumberFeature:
    """A numeric column; a missing value stays missing, or becomes the median for libraries that need a number."""

    name: str
    median: float


@dataclass(frozen=True)
class CategoryFeature:
    """A text or boolean column.

    Attributes:
        name: The column.
        levels: The levels seen in learning, None standing for missing; every other value is `unseen`.
    """

    name: str
    levels: tuple[str | None, ...]

    @property
    def unseen(self) -> int:
        """The code of a value that learning did not see."""
        return len(self.levels)


Feature = NumberFeature | CategoryFeature


@dataclass(frozen=True)
class FeatureSpace:
    """How columns become numbers, fixed once on the members that are learned from.

    `codes` keeps missing numbers as NaN and gives each category its level's number; `dense` has no missing value and no
    category, for libraries that take neither. Both work row by row: a row's numbers do not depend on other rows.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [20.0, None, 40.0], "city": ["a", "b", None]})
    >>> space = FeatureSpace.fit(frame, {"age": "number", "city": "category"})
    >>> space.codes(pd.DataFrame({"age": [25.0], "city": ["z"]}))
    array([[25.,  3.]])
    """

    features: tuple[Feature, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> FeatureSpace:
        """Medians and levels of the members in `frame`; outcomes are not looked at.

        Args:
            frame: One row for each member, with the columns of `kinds`.
            kinds: Column to `number` or `category`, in the order of the matrix.
        """
        return cls(tuple(_learn(frame[name], name, kind) for name, kind in kinds.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of the matrix."""
        return tuple(feature.name for feature in self.features)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Which columns of `codes` are categories."""
        return tuple(i for i, feature in enumerate(self.features) if isinstance(feature, CategoryFeature))

    def codes(self, frame: pd.DataFrame) -> Array:
        """The matrix of shape (rows, features): numbers with NaN where missing, level numbers for categories.

        Raises:
            ValueError: A column is absent, or a numeric one holds text.
        """
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            raise ValueError(
                f"the columns {', '.join(absent)} are missing; give every one of {', '.join(self.names)}"
            )
        matrix = np.empty((len(frame), len(self.features)))
        for i, feature in enumerate(self.features):
            column = frame[feature.name]
            matrix[:, i] = (
                _numbers(column) if isinstance(feature, NumberFeature) else _levels(column, feature)
            )
        return matrix

    def dense(self, codes: Array) -> Array:
        """`codes` without missing values: medians for missing numbers beside a flag, one column for each level."""
        widths = [2 if isinstance(item, NumberFeature) else len(item.levels) for item in self.features]
        dense, at = np.empty((len(codes), sum(widths))), 0
        for i, (feature, width) in enumerate(zip(self.features, widths, strict=True)):
            column = codes[:, i]
            if isinstance(feature, NumberFeature):
                missing = np.isnan(column)
                dense[:, at] = np.where(missing, feature.median, np.clip(column, -_LARGEST, _LARGEST))
                dense[:, at + 1] = missing
            else:
                dense[:, at : at + width] = column[:, None] == np.arange(width)
            at += width
        return dense

    def plain(self) -> list[dict[str, Any]]:
        """The space as JSON holds it."""
        return [
            {"name": item.name, "median": item.median}
            if isinstance(item, NumberFeature)
            else {"name": item.name, "levels": list(item.levels)}
            for item in self.features
        ]

    @classmethod
    def from_plain(cls, body: Sequence[Mapping[str, Any]]) -> FeatureSpace:
        """The space that `plain` wrote."""
        return cls(
            tuple(
                NumberFeature(item["name"], item["median"])
                if "median" in item
                else CategoryFeature(item["name"], tuple(item["levels"]))
                for item in body
            )
        )


def _learn(column: pd.Series, name: str, kind: Kind) -> Feature:
    if kind == "number":
        numbers = _numbers(column)
        known = np.clip(numbers[np.isfinite(numbers)], -_LARGEST, _LARGEST)
        return NumberFeature(name, float(np.median(known)) if known.size else 0.0)
    counts = _texts(column).value_counts()
    least = max(1.0, _RARE * len(column))
    kept = [level for level, count in counts.items() if count >= least][:_MOST_LEVELS]
    missing: list[str | None] = [None] if column.isna().any() else []
    return CategoryFeature(name, (*sorted(str(level) for level in kept), *missing))


def _numbers(column: pd.Series) -> Array:
    import pandas as pd

    try:
        return np.asarray(pd.to_numeric(column).to_numpy(dtype=float, na_value=np.nan), dtype=float)
    except (ValueError, TypeError) as error:
        raise ValueError(f"the column {column.name} must hold numbers; {error}") from error


def _texts(column: pd.Series) -> pd.Series:
    """Text as it is, booleans as an engine writes them; missing values stay missing."""
    import pandas as pd

    if isinstance(column.dtype, pd.StringDtype):
        return column
    return column.astype(object).map(_text, na_action="ignore")


def _text(value: object) -> object:
    return str(bool(value)).lower() if isinstance(value, bool | np.bool_) else value


def _levels(column: pd.Series, feature: CategoryFeature) -> Array:
    import pandas as pd

    levels = feature.levels
    codes = pd.Index([level for level in levels if level is not None], dtype=object).get_indexer(
        pd.Index(_texts(column).to_numpy(dtype=object), dtype=object)
    )
    found = np.where(codes < 0, feature.unseen, codes).astype(float)
    if None in levels:
        found[column.isna().to_numpy()] = levels.index(None)
    return found
