"""The chosen policy in MLflow's model registry: a pyfunc with a signature, ready to be served or scored in batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

from experiments.definition.model import Definition
from experiments.experiment import Experiment
from reports.tracking import Tracker

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import PythonModel

Kind = Literal["number", "category"]

CHALLENGER, CHAMPION = "challenger", "champion"
_NEEDED = ("offerwise", "mlflow", "cloudpickle", "numpy", "pandas", "scikit-learn", "lightgbm", "causalml")


def register_policy(
    tracker: Tracker, experiment: Experiment, model: PythonModel, kinds: Mapping[str, Kind], run_id: str
) -> str:
    """Register a policy as a new version of the definition's model; its URI, such as `models:/winback-offers/3`.

    The newest version is the `challenger`; the first one is the `champion` too, until `promote` names another. The
    signature has the features in order, numbers as doubles and categories as text, none required, since a missing value
    is a value to the policy. The input example is made up. Requirements are given, so that nothing is looked up.

    Args:
        tracker: The store that also holds the registry.
        experiment: Names the model.
        model: Gives each row of features an arm.
        kinds: Feature to its kind, in the model's order.
        run_id: The run that the model belongs to.

    Raises:
        OutsideError: The store fails.
    """
    name = model_name(experiment.definition)
    experiment.progress("Registering the policy in MLflow")
    with tracker.client("Registering the policy") as client, _pointed_at(tracker.store.uri):
        import mlflow

        with _continued(run_id):
            logged = mlflow.pyfunc.log_model(
                name="policy",
                python_model=model,
                signature=signature(kinds),
                input_example=synthetic_rows(kinds),
                pip_requirements=requirements(),
                registered_model_name=name,
                await_registration_for=60,
            )
        number = str(logged.registered_model_version)
        client.set_model_version_tag(
            name, number, "offerwise.definition_sha256", experiment.definition.origin.sha256
        )
        client.set_registered_model_alias(name, CHALLENGER, number)
        if CHAMPION not in _aliases(client, name):
            client.set_registered_model_alias(name, CHAMPION, number)
    return f"models:/{name}/{number}"


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


def _aliases(client: MlflowClient, name: str) -> Mapping[str, str]:
    found: Mapping[str, str] = client.get_registered_model(name).aliases
    return found


@contextmanager
def _pointed_at(uri: str) -> Iterator[None]:
    """MLflow's global store and registry set to `uri` inside, and as before afterwards."""
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


@contextmanager
def _continued(run_id: str) -> Iterator[None]:
    """A run that has ended, open again while its model is logged."""
    import mlflow

    with mlflow.start_run(run_id=run_id):
        yield
