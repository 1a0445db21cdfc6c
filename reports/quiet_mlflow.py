"""MLflow without its noise: nothing on the terminal, nothing to its maker, and no endless retries."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("mlflow", "alembic", "urllib3", "sqlalchemy")
_SETTINGS = (
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
    ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
    ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
    ("MLFLOW_HTTP_REQUEST_TIMEOUT", "30"),
    ("MLFLOW_CONFIGURE_LOGGING", "false"),
    ("GIT_PYTHON_REFRESH", "quiet"),
)
"""Settings of MLflow that a user may override in the environment; telemetry is read when MLflow is first imported."""


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Use MLflow inside; logging levels, warnings and the environment are as before afterwards.

    MLflow sends usage data to its maker unless told not to before its first import. Campaign data stay with the brand,
    so it is told not to.
    """
    added = [name for name, _ in _SETTINGS if name not in os.environ]
    os.environ.update({name: value for name, value in _SETTINGS if name in added})
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        # MLflow asks that its own warnings always be shown, so they are recorded instead of filtered.
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            from mlflow.utils import logging_utils

            was_enabled = logging_utils.MLFLOW_LOGGING_STREAM.enabled
            logging_utils.disable_logging()
            try:
                yield
            finally:
                logging_utils.MLFLOW_LOGGING_STREAM.enabled = was_enabled
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name in added:
            os.environ.pop(name, None)
