"""causalml, imported where learning starts: it takes seconds, hundreds of megabytes and other packages' warnings."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CausalML:
    """The classes of causalml that are used here."""

    s_learner: Any
    t_learner: Any
    x_learner: Any
    dr_learner: Any
    r_learner: Any
    uplift_forest: Any


def load_causalml() -> CausalML:
    """Import causalml without what it prints and warns while it imports shap and duecredit."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", category=PendingDeprecationWarning, module=r"shap\.")
        from causalml.inference import meta, tree
    return CausalML(
        meta.BaseSRegressor,
        meta.BaseTRegressor,
        meta.BaseXRegressor,
        meta.BaseDRRegressor,
        meta.BaseRRegressor,
        tree.UpliftRandomForestClassifier,
    )
