"""The registered policy as a function of Spark's columns gives what it gives in Python."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.engines.connect import connect
from reports.quiet_mlflow import quiet_mlflow
from reports.registry import pointed_at, register_policy
from reports.tracking import Tracker
from tests.uplift.campaign import Campaign
from uplift.features import FeatureSpace, Kind
from uplift.policy import ShippedPolicy
from uplift.rules import Tree
from uplift.serving import offers
from uplift.tree_nodes import Branch, CategorySplit, Leaf, NumberSplit

KINDS: dict[str, Kind] = {"days": "number", "城市": "category"}


@pytest.mark.slow
def test_spark_gives_the_same_offers(spark_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On unseen categories and missing values, by `mlflow.pyfunc.spark_udf` from the registry."""
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import struct

    frame = pd.DataFrame(
        {
            "days": np.where(np.arange(60) % 7 == 0, np.nan, np.linspace(30, 700, 60)),
            "城市": ["上海", "成都", None, "never seen"] * 15,
        }
    )
    space = FeatureSpace.fit(frame[frame["城市"] != "never seen"], KINDS)
    tree = Branch(
        NumberSplit("days", 365.0), Leaf(1), Branch(CategorySplit("城市", ("上海",)), Leaf(2), Leaf(0))
    )
    policy = ShippedPolicy(
        "0" * 64,
        "profit",
        "tree",
        True,
        ("control", "gift", "coupon"),
        ("",),
        KINDS,
        space,
        Tree(tree),
        (),
        0.2,
        0.05,
    )
    campaign = Campaign(tmp_path)
    campaign.define()
    engine = connect(spark_url)
    try:
        with campaign.open() as experiment:
            tracker = Tracker(None, experiment.workspace)
            with tracker.client("Making a run") as client:
                run = client.create_run(
                    client.create_experiment("scoring", str(tmp_path / "kept"))
                ).info.run_id
            uri = register_policy(tracker, experiment, policy, run)
            spark = SparkSession.active()
            # Workers need this environment's packages, whichever `python3` comes first on the path.
            monkeypatch.setattr(spark.sparkContext, "pythonExec", sys.executable)
            rows = [
                (place, *row)
                for place, row in enumerate(frame.astype(object).where(frame.notna(), None).values)
            ]
            table = spark.createDataFrame(rows, "place int, days double, `城市` string")
            with quiet_mlflow(), pointed_at(tracker.store.uri):
                import mlflow

                model = mlflow.pyfunc.spark_udf(
                    spark, model_uri=uri, result_type="string", env_manager="local"
                )
                found = table.select("place", model(struct(*KINDS)).alias("arm")).collect()
    finally:
        engine.cancel_and_close()
    given = [row["arm"] for row in sorted(found, key=lambda row: row["place"])]
    assert given == list(offers(policy, frame))
    assert set(given) == {"control", "gift", "coupon"}
