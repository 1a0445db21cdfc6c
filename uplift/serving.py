"""The shipped policy as an MLflow model: a frame of features in, one arm for each row out."""

# No annotations as text here: MLflow reads the type of `predict`, and warns about one that it cannot find.

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from uplift.policy import ShippedPolicy

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.pyfunc import PythonModel


def pyfunc_model(policy: ShippedPolicy) -> "PythonModel":
    """The policy as a pyfunc; `policy.inputs` names its columns and their kinds, for the signature.

    Missing columns of a row count as missing values, unknown categories as unseen. One row, a batch and the reloaded model
    give the same arms, since nothing is fitted at prediction.
    """
    import pandas as pd

    # MLflow warns about types of its own while it is imported, and asks that its warnings be shown; they are recorded.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        from mlflow.pyfunc import PythonModel

    class OfferModel(PythonModel):  # type: ignore[misc]  # mlflow is imported where it is used
        """Gives each row of features an arm."""

        def __init__(self, shipped: ShippedPolicy) -> None:
            self.policy = shipped

        def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:  # noqa: ARG002
            """The arm of each row, as text."""
            return offers(self.policy, model_input)

    return OfferModel(policy)


def offers(policy: ShippedPolicy, frame: "pd.DataFrame") -> np.ndarray:
    """The id of each row's arm, shape (rows,); a column that is absent is missing for every row."""
    names = list(policy.inputs)
    complete = frame.reindex(columns=names)
    return np.array(policy.arms, dtype=object)[policy.choose(complete)]
