"""The chosen policy in MLflow's model registry: a pyfunc with a signature, ready to be served or scored in batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from experiments.definition.model import Definition
from experiments.experiment import Experiment
from reports.store import TRACKING_URI
from reports.tracking import Tracker

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

    from uplift.features import Kind
    from uplift.policy import ShippedPolicy

CHALLENGER, CHAMPION = "challenger", "champion"
_NEEDED = ("offerwise", "mlflow", "cloudpickle", "numpy", "pandas", "scikit-learn", "lightgbm", "causalml")


def register_policy(tracker: Tracker, experiment: Experiment, policy: ShippedPolicy, run_id: str) -> str:
    """Register a policy as a new version of the definition's model; its URI, such as `models:/winback-offers/3`.

    The newest version is the `challenger`; the first one is the `champion` too, until `promote` names another. The
    signature has the features in order, numbers as doubles and categories as text, none required, since a missing value
    is a value to the policy. The input example is made up. Requirements are given, so that nothing is looked up.

    Args:
        tracker: The store that also holds the registry.
        experiment: Names the model.
        policy: What ships; the model gives each row of its inputs an arm.
        run_id: The run of the search that found it.

    Raises:
        OutsideError: The store fails.
    """
    name = model_name(experiment.definition)
    experiment.progress("Registering the policy in MLflow")
    # MLflow looks a version's source up in its global store, whatever store the client has.
    with tracker.client("Registering the policy") as client, pointed_at(tracker.store.uri):
        logged = _log_model(policy, run_id)
        _require_model(client, name)
        tags = {"offerwise.definition_sha256": policy.definition_sha256, "offerwise.policy": policy.kind}
        number = client.create_model_version(
            name, logged.model_uri, run_id, tags, model_id=logged.model_id
        ).version
        client.set_registered_model_alias(name, CHALLENGER, number)
        if CHAMPION not in client.get_registered_model(name).aliases:
            client.set_registered_model_alias(name, CHAMPION, number)
    return f"models:/{name}/{number}"


def _log_model(policy: ShippedPolicy, run_id: str) -> ModelInfo:
    """Log the model in its run, which has ended."""
    import mlflow

    from uplift.serving import pyfunc_model

    with mlflow.start_run(run_id=run_id):
        return mlflow.pyfunc.log_model(
            name="policy",
            python_model=pyfunc_model(policy),
            signature=signature(policy.inputs),
            input_example=synthetic_rows(policy.inputs),
            pip_requirements=requirements(),
        )


def _require_model(client: MlflowClient, name: str) -> None:
    """Create the registered model at its first version; whoever else creates it at the same moment did so for us too."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def promote(tracker: Tracker, model_uri: str) -> None:
    """Make the version that a rollout follows the `champion`.

    Raises:
        OutsideError: The store fails, or has no such version.
    """
    name, number = model_uri.removeprefix("models:/").rsplit("/", 1)
    with tracker.client("Naming the champion") as client:
        client.set_registered_model_alias(name, CHAMPION, number)


def model_name(definition: Definition) -> str:
    """The registered model's name: the definition's, else its id with `-offers`."""
    return definition.mlflow.model or f"{definition.id}-offers"


def signature(kinds: Mapping[str, Kind]) -> ModelSignature:
    """The features by name and type, none required; the answer is one arm for each row."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    types = {"number": "double", "category": "string"}
    inputs = [ColSpec(types[kind], name, required=False) for name, kind in kinds.items()]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("string", "arm")]))


def synthetic_rows(kinds: Mapping[str, Kind]) -> pd.DataFrame:
    """Two made-up rows of features; no member's values stand in a registry."""
    import pandas as pd

    values: dict[Kind, list[float] | list[str]] = {"number": [0.0, 1.0], "category": ["example", "other"]}
    return pd.DataFrame({name: values[kind] for name, kind in kinds.items()})


def requirements() -> list[str]:
    """What a server needs to load the model, at the versions of this machine."""
    return list(_pinned(_NEEDED))


def _pinned(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        try:
            yield f"{name}=={version(name)}"
        except PackageNotFoundError:
            continue


@contextmanager
def pointed_at(uri: str) -> Iterator[None]:
    """MLflow's own functions use the store `uri` inside; its setting and the environment are as before afterwards."""
    import mlflow

    before = os.environ.get(TRACKING_URI)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        if before is not None:
            os.environ[TRACKING_URI] = before
