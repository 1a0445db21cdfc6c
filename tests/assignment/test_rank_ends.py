"""Where ranks end, against sorting everybody: strata of every size, hashes that are the same, arms without anybody."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from experiments.assignment.rank_ends import RANK_ENDS, RankedKeys
from experiments.engines.duckdb import DuckDBEngine
from experiments.queries import column, named, relation

STRATA = ("", "vip", r"a\|b")
HASHES = tuple(f"{first}{rest * 30}" for first in ("00", "7f", "80", "ff") for rest in "0af")
ROWS = st.dictionaries(
    st.text("aAbB北0", min_size=1, max_size=4),
    st.tuples(st.sampled_from(STRATA), st.sampled_from(HASHES)),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_keys_before_an_end_are_those_of_lower_rank(
    rows: dict[str, tuple[str, str]], data: st.DataObject
) -> None:
    ranked: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for key, (stratum, digits) in rows.items():
        ranked[stratum].append((digits, key.encode()))
    ends = {
        stratum: sorted(data.draw(st.lists(st.integers(0, len(keys)), min_size=2, max_size=2)))
        for stratum, keys in ranked.items()
    }
    assert before_ends(rows, ends) == {
        (key.decode(), place)
        for stratum, keys in ranked.items()
        for place, end in enumerate(ends[stratum])
        for _, key in sorted(keys)[:end]
    }


def before_ends(rows: dict[str, tuple[str, str]], ends: dict[str, list[int]]) -> set[tuple[str, int]]:
    engine = DuckDBEngine(threads=1)
    try:
        written = [(key, stratum, digits) for key, (stratum, digits) in rows.items()]
        values = exp.values(written, alias="rows", columns=["member", "stratum", "digits"])
        engine.create("keys_in_strata", exp.select("*").from_(values))
        keys = RankedKeys(engine, "keys_in_strata", "member")
        assert keys.sizes() == {
            stratum: sum(of == stratum for of, _ in rows.values())
            for stratum in {stratum for stratum, _ in rows.values()}
        }
        keys.create_ends(ends)
        same = exp.EQ(this=column("stratum", RANK_ENDS), expression=column("stratum", "keys_in_strata"))
        query = exp.select(
            column("member"),
            *(named(keys.is_before_end(place, "keys_in_strata"), f"p{place}") for place in (0, 1)),
        )
        found = engine.rows(query.from_(relation("keys_in_strata")).join(relation(RANK_ENDS), on=same))
    finally:
        engine.cancel_and_close()
    assert len(found) == len(rows)
    return {(key, place) for key, *before in found for place, is_before in enumerate(before) if is_before}
