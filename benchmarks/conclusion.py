"""How long is the conclusion of the largest campaign, once the engine has its moments?

    python -m benchmarks.conclusion

23 arms x 30,000 members x 6 metrics x 5 segments, from moments to the whole document. Prints a Markdown table of
medians; the exit code is 1 when one takes 2 seconds or more.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np

from benchmarks.campaign import Campaign, decide

LIMIT = 2.0
RUNS = 5


def main() -> int:
    """Prints the table; 1 when a correction takes too long, else 0."""
    campaign = Campaign(offers=22, segments=5, members=6_000)
    rates = {arm: 0.05 if arm == "control" else 0.07 for arm in campaign.arms}
    measurement = campaign.draw(np.random.default_rng(20261121), rates, effect=0.1)
    print("| correction | seconds |\n| --- | --- |")
    slowest = 0.0
    for correction in ("holm", "dunnett"):
        definition = campaign.definition(correction=correction)
        seconds = []
        for _ in range(RUNS):
            started = time.perf_counter()
            decide(definition, measurement)
            seconds.append(time.perf_counter() - started)
        slowest = max(slowest, median(seconds))
        print(f"| {correction} | {median(seconds):.2f} |", flush=True)
    return int(slowest >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
