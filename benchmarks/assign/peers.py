"""Times other packages on the same draw; runs in an environment of its own, which has no Offerwise.

    python peers.py MEMBERS

Each gives seven arms to member keys M000000000, M000000001, ...: PlanOut by one `WeightedChoice` a member, which is how it is used;
Ambrosia by `Splitter.run` with `method="hash"`, stratified by two columns, which splits equal groups alone. Nothing is read from disk or written.
Prints one JSON object: package to its version and the seconds of one run.
"""

from __future__ import annotations

import collections
import collections.abc
import json
import sys
import time
from importlib.metadata import version

ARMS = ["control", *(f"offer{place}" for place in range(6))]


def planout(members: int) -> float:
    """One experiment object a member, as its documentation shows."""
    # PlanOut 0.6.0 is of before Python 3.10, where this name moved.
    collections.MutableMapping = collections.abc.MutableMapping  # type: ignore[attr-defined]
    from planout.experiment import SimpleExperiment
    from planout.ops.random import WeightedChoice

    class Campaign(SimpleExperiment):
        def setup(self) -> None:
            self.set_auto_exposure_logging(False)

        def assign(self, params, member: str) -> None:  # type: ignore[no-untyped-def]
            params.arm = WeightedChoice(choices=ARMS, weights=[28, *[12] * 6], unit=member)

        def configure_logger(self) -> None:
            pass

        def log(self, data: object) -> None:
            pass

        def previously_logged(self) -> None:
            pass

    started = time.perf_counter()
    for number in range(members):
        assert Campaign(member=f"M{number:09d}").get("arm") in ARMS
    return time.perf_counter() - started


def ambrosia(members: int) -> float:
    """A table of members with two columns to stratify by."""
    import pandas as pd
    from ambrosia.splitter import Splitter

    table = pd.DataFrame(
        {
            "member": [f"M{number:09d}" for number in range(members)],
            "segment": [("vip", "recent", "dormant")[number % 3] for number in range(members)],
            "tier": [("basic", "silver", "gold", "vip")[number % 4] for number in range(members)],
        }
    )
    started = time.perf_counter()
    found = Splitter().run(
        dataframe=table,
        method="hash",
        id_column="member",
        groups_number=len(ARMS),
        groups_size=members // len(ARMS),
        strat_columns=["segment", "tier"],
        salt="assign.1",
        labels=ARMS,
    )
    seconds = time.perf_counter() - started
    assert len(found)
    return seconds


def main(members: str) -> None:
    """Times both."""
    answer = {
        name: {"version": version(name), "members": int(members), "seconds": draw(int(members))}
        for name, draw in (("planout", planout), ("ambrosia", ambrosia))
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
