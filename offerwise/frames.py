"""Documents as pandas frames, for a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from experiments.documents.storage import plain

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[Any]) -> pd.DataFrame:
    """Rows of a document (`analysis.effects`, `analysis.money`, ...) as a frame, one column for each field.

    A figure that does not exist is missing in the frame.

    >>> from experiments.documents.assignment import ArmMembers
    >>> frame([ArmMembers("control", 28, 0.28)]).to_dict("records")
    [{'arm': 'control', 'members': 28, 'share': 0.28}]
    """
    import pandas as pd

    return pd.DataFrame([plain(row) for row in rows])
