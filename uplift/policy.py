"""The policy that ships: a rule, the space of its features, and what it was seen to do, as one JSON file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.definition.errors import InputError, OutsideError
from experiments.definition.uplift import PolicyKind
from experiments.files import Workspace, write_whole
from uplift.features import FeatureSpace, Kind
from uplift.reading import segment_numbers
from uplift.rules import Everybody, Individual, Rule, SegmentTable, Tree
from uplift.sample import Integers, Members
from uplift.sql import SEGMENT
from uplift.tree_nodes import node_from_plain, plain_node

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "offerwise.policy/1"
_DIGEST = "content_sha256"


@dataclass(frozen=True)
class CellFigures:
    """What the test showed for one part of the audience, by arm, over no contact.

    Attributes:
        members: Members of the test in it.
        gains: Shape (K,): mean gain of each arm, from doubly robust scores; 0 for control.
        std_errors: Shape (K,): their standard errors.
        spread: Shape (K,): standard deviation of the value among the members of each arm.
    """

    members: int
    gains: tuple[float, ...]
    std_errors: tuple[float, ...]
    spread: tuple[float, ...]


@dataclass(frozen=True)
class ShippedPolicy:
    """A policy that is ready for use.

    Attributes:
        definition_sha256: The definition that it was learned under.
        value_metric: What it maximises.
        kind: Its kind.
        proven: Whether it passed the gate; False for one arm for everybody.
        arms: Ids of the arms, control first.
        segments: Names of the segments, the empty name for members of none.
        kinds: Feature to its kind, in the order of the matrix.
        space: How features become numbers.
        rule: Gives each member an arm.
        cells: What was seen in each part of the audience.
        held_out_gain: Gain per member over no contact on members that the policy was not learned from.
        held_out_error: Its standard error.
    """

    definition_sha256: str
    value_metric: str
    kind: PolicyKind
    proven: bool
    arms: tuple[str, ...]
    segments: tuple[str, ...]
    kinds: Mapping[str, Kind]
    space: FeatureSpace
    rule: Rule
    cells: tuple[CellFigures, ...]
    held_out_gain: float
    held_out_error: float

    @property
    def inputs(self) -> dict[str, Kind]:
        """The columns that it reads: the segment for a segment table, else the features."""
        return {SEGMENT: "category"} if isinstance(self.rule, SegmentTable) else dict(self.kinds)

    def members(self, frame: pd.DataFrame) -> Members:
        """A frame with the columns of `inputs` as the rule takes it."""
        if isinstance(self.rule, SegmentTable):
            return Members(np.empty((len(frame), 0)), segment_numbers(self.segments, frame[SEGMENT]))
        return Members(self.space.codes(frame), np.zeros(len(frame), dtype=np.int64))

    def choose(self, frame: pd.DataFrame) -> Integers:
        """The number of each row's arm; a row's arm does not depend on the other rows."""
        return self.rule.choose(self.space, self.members(frame))


def save_policy(policy: ShippedPolicy, workspace: Workspace) -> None:
    """Write the policy to `policy.json`, and a model beside it to `policy.model`, each whole.

    The file names the SHA-256 of what it says, so that members are sent nothing by a policy that was changed by hand.

    Raises:
        OutsideError: The disk refuses.
    """
    body = {"schema": SCHEMA, **_plain(policy)}
    if isinstance(policy.rule, Individual):
        model = _dump(policy.rule)
        body["rule"] = {"model_sha256": hashlib.sha256(model).hexdigest()}
        write_whole(_model_path(workspace), model)
    body[_DIGEST] = _digest(body)
    write_whole(workspace.document("policy"), json.dumps(body, ensure_ascii=False, allow_nan=False, indent=2))


def load_policy(workspace: Workspace) -> ShippedPolicy | None:
    """The policy that `save_policy` wrote; None where there is none.

    Raises:
        InputError: The file is damaged, was changed, or is of another version.
        OutsideError: The model beside it is absent, or not the one that the file names.
    """
    path = workspace.document("policy")
    if not path.exists():
        return None
    body = _read_whole(path)
    model = body["rule"].get("model_sha256")
    return _from_plain(body, None if model is None else _load_model(workspace, model))


def _read_whole(path: Path) -> dict[str, Any]:
    """What the file says, if it says what was written."""
    try:
        body = json.loads(path.read_bytes())
        written = body.pop(_DIGEST) if body["schema"] == SCHEMA else None
        whole = written is not None and written == _digest(body)
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _unusable(path, f"is not a policy of this version of Offerwise ({SCHEMA})") from error
    if not whole:
        what = "was changed after it was written" if written else "is of another version of Offerwise"
        raise _unusable(path, what)
    return dict(body)


def _unusable(path: Path, cause: str) -> InputError:
    return InputError.single(cause, "run `offerwise uplift` again", file=path)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _plain(policy: ShippedPolicy) -> dict[str, Any]:
    return {
        "definition_sha256": policy.definition_sha256,
        "value_metric": policy.value_metric,
        "kind": policy.kind,
        "proven": policy.proven,
        "arms": list(policy.arms),
        "segments": list(policy.segments),
        "kinds": dict(policy.kinds),
        "features": policy.space.plain(),
        "rule": _plain_rule(policy.rule),
        "cells": [asdict(cell) for cell in policy.cells],
        "held_out_gain": policy.held_out_gain,
        "held_out_error": policy.held_out_error,
    }


def _plain_rule(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, Everybody):
        return {"everybody": rule.arm}
    if isinstance(rule, SegmentTable):
        return {"segments": list(rule.arms)}
    return {"tree": plain_node(rule.root)} if isinstance(rule, Tree) else {}


def _rule_from_plain(body: Mapping[str, Any]) -> Rule:
    if "everybody" in body:
        return Everybody(body["everybody"])
    if "segments" in body:
        return SegmentTable(tuple(body["segments"]))
    return Tree(node_from_plain(body["tree"]))


def _from_plain(body: Mapping[str, Any], model: Individual | None) -> ShippedPolicy:
    return ShippedPolicy(
        definition_sha256=body["definition_sha256"],
        value_metric=body["value_metric"],
        kind=body["kind"],
        proven=body["proven"],
        arms=tuple(body["arms"]),
        segments=tuple(body["segments"]),
        kinds=body["kinds"],
        space=FeatureSpace.from_plain(body["features"]),
        rule=model or _rule_from_plain(body["rule"]),
        cells=tuple(
            CellFigures(
                each["members"], tuple(each["gains"]), tuple(each["std_errors"]), tuple(each["spread"])
            )
            for each in body["cells"]
        ),
        held_out_gain=body["held_out_gain"],
        held_out_error=body["held_out_error"],
    )


def _model_path(workspace: Workspace) -> Path:
    return workspace.document("policy").with_suffix(".model")


def _dump(rule: Individual) -> bytes:
    import joblib  # type: ignore[import-untyped]

    stream = io.BytesIO()
    joblib.dump(rule, stream, compress=3)
    return stream.getvalue()


def _load_model(workspace: Workspace, sha256: str) -> Individual:
    """The model, if its bytes are the ones that the policy names: a pickle of another origin is not opened."""
    import joblib

    path = _model_path(workspace)
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise OutsideError(
            f"Could not read the model {path}: it is not the one that the policy names",
            "Nothing was changed",
            "Run `offerwise uplift` again",
        )
    rule = joblib.load(io.BytesIO(content))
    assert isinstance(rule, Individual)
    return rule
