"""Other packages on the same draw; runs in an environment of its own, which has no Offerwise.

    python peers.py MEMBERS planout|hash|stratified|random

Each gives seven arms to member keys M000000000, M000000001, ...: PlanOut by one `WeightedChoice` a member, which is how it is used;
Ambrosia by `Splitter.run`, which splits equal groups alone: with `method="hash"`, with the same stratified by two columns, and at
random (`method="simple"`) stratified by them, which nobody can compute again. Nothing is read from disk or written.
Prints one JSON object: `name` and `version` of the package, `members`, and `wall` and `cpu` in seconds.
"""

from __future__ import annotations

import collections
import collections.abc
import json
import resource
import sys
import time
from importlib.metadata import version

ARMS = ["control", *(f"offer{place}" for place in range(6))]


def planout(members: int) -> tuple[float, float]:
    """One experiment object a member, as its documentation shows; wall and CPU seconds."""
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

    started, before = time.perf_counter(), _cpu()
    for number in range(members):
        assert Campaign(member=f"M{number:09d}").get("arm") in ARMS
    return time.perf_counter() - started, _cpu() - before


def ambrosia(members: int, task: str) -> tuple[float, float]:
    """A table of members with two columns to stratify by; wall and CPU seconds."""
    import pandas as pd
    from ambrosia.splitter import Splitter

    table = pd.DataFrame(
        {
            "member": [f"M{number:09d}" for number in range(members)],
            "segment": [("vip", "recent", "dormant")[number % 3] for number in range(members)],
            "tier": [("basic", "silver", "gold", "vip")[number % 4] for number in range(members)],
        }
    )
    started, before = time.perf_counter(), _cpu()
    found = Splitter().run(
        dataframe=table,
        method="simple" if task == "random" else "hash",
        id_column=None if task == "random" else "member",
        groups_number=len(ARMS),
        groups_size=members // len(ARMS),
        strat_columns=None if task == "hash" else ["segment", "tier"],
        salt="assign.1",
        labels=ARMS,
    )
    took = time.perf_counter() - started, _cpu() - before
    assert len(found)
    return took


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(members: str, task: str) -> None:
    """Times one."""
    name = "planout" if task == "planout" else "ambrosia"
    wall, cpu = planout(int(members)) if task == "planout" else ambrosia(int(members), task)
    print(
        json.dumps(
            {"name": name, "version": version(name), "members": int(members), "wall": wall, "cpu": cpu}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
