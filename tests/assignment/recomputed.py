"""The contract's draw in plain Python, written from its text and not from the product's code."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from hashlib import md5
from math import ceil, floor


def h(*parts: object) -> str:
    return md5("|".join(str(part) for part in parts).encode("utf-8")).hexdigest()


def by_hash(keys: Sequence[str], shares: Sequence[tuple[str, Fraction]], salt: str) -> dict[str, str]:
    arms = {}
    for key in keys:
        v, c = h(salt, key)[:13], Fraction(0)
        for place, (arm, share) in enumerate(shares):
            low, high = ceil(c * 16**13), ceil((c + share) * 16**13)
            c += share
            above = place == 0 or v >= format(low, "013x")
            below = place == len(shares) - 1 or v < format(high, "013x")
            if above and below:
                arms[key] = arm
    return arms


def by_rank(
    strata: Mapping[str, str], shares: Sequence[tuple[str, Fraction]], salt: str, batch: int
) -> dict[str, str]:
    """Arms of one batch; `strata` is key to the name of its stratum."""
    groups: dict[str, list[str]] = defaultdict(list)
    for key, stratum in strata.items():
        groups[stratum].append(key)
    arms = {}
    for stratum, keys in groups.items():
        u = Fraction(int(h(salt, stratum, batch)[:13], 16), 16**13)
        ordered, c = sorted(keys, key=lambda key: (h(salt, key), key.encode())), Fraction(0)
        for arm, share in shares:
            low, high = floor(c * len(keys) + u), floor((c + share) * len(keys) + u)
            arms |= dict.fromkeys(ordered[low:high], arm)
            c += share
    return arms


def sample(keys: Sequence[str], salt: str, size: int) -> list[str]:
    return sorted(keys, key=lambda key: (h(salt, "sample", key), key.encode()))[:size]


def slot_of(key: str, salt: str, slots: int) -> int:
    return floor(Fraction(int(h(salt, "send", key)[:13], 16), 16**13) * slots)
