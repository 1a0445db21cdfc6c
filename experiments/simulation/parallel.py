"""Trials over all cores: the same tallies for the same seed, however many processes there are."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import pairwise

from experiments.definition.errors import OutsideError
from experiments.simulation.tally import Tally
from experiments.simulation.trial import Trials

_CHUNKS = 20
"""Parts that the trials of a scenario are cut into: for progress, and for processes to share."""


def run_trials(trials: Trials, runs: int, done: Callable[[int], None], processes: int | None = None) -> Tally:
    """The tally of `runs` trials.

    Args:
        trials: The scenario; a copy goes to each process with each part of the work.
        runs: How many.
        done: Told how many trials have ended, each time that some have.
        processes: How many processes; one for each core when absent, and none beside this one for 1.

    Raises:
        OutsideError: A process was killed, or could not import the script that called this.
    """
    parts = _parts(runs)
    workers = min(processes or os.cpu_count() or 1, len(parts))
    found = (
        [trials.run(*part) for part in _telling(parts, done)]
        if workers == 1
        else _spread(trials, parts, workers, done)
    )
    return sum(found, start=Tally(0))


def _parts(runs: int) -> list[tuple[int, int]]:
    """The trials as ranges [first, last), about equally long."""
    ends = [runs * part // _CHUNKS for part in range(_CHUNKS + 1)]
    return [(first, last) for first, last in pairwise(ends) if last > first]


def _telling(parts: list[tuple[int, int]], done: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    for part in parts:
        yield part
        done(part[1])


def _spread(
    trials: Trials, parts: list[tuple[int, int]], workers: int, done: Callable[[int], None]
) -> list[Tally]:
    # A fork would copy the engine's threads in the middle of their work.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(trials.run, *part): part for part in parts}
        try:
            _follow(futures, done)
        except BrokenProcessPool as error:
            raise OutsideError(
                "A process of the simulation ended before its work was done",
                "Nothing was changed",
                'Make room in memory, or in a script call it under `if __name__ == "__main__":` or with processes=1',
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]


def _follow(futures: dict[Future[Tally], tuple[int, int]], done: Callable[[int], None]) -> None:
    """Tell of each part that ends; raise what a part raises."""
    waiting = set(futures)
    ended = 0
    while waiting:
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
            ended += futures[future][1] - futures[future][0]
        done(ended)
