"""What a comparison's `method` ends with, after the estimator's own, where it has the bounds of a look."""

from __future__ import annotations

GROUP_SEQUENTIAL = "group_sequential"
ALWAYS_VALID = "always_valid"
