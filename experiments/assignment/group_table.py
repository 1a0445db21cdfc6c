"""The tests whose ledger is a table of the engine: in which exclusive group each is, and how long it measures.

The table `offerwise.exclusive_groups` has one row for each experiment and definition, so that tests that are assigned from
different folders and machines see one another. Tests in no group have a row, too: of one without, nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from experiments.engines.protocol import Engine, LastingTables
from experiments.queries import column, fetch_rows, named, number

TABLE = "exclusive_groups"
_KEY = ("experiment", "definition_sha256")


@dataclass(frozen=True)
class GroupMembership:
    """One test of a group.

    Attributes:
        experiment: Its id.
        definition_sha256: The lock of its definition.
        group: The exclusive group; None where it is in none.
        window_days: Its longest outcome window.
    """

    experiment: str
    definition_sha256: str
    group: str | None
    window_days: int


def announced_tests(engine: Engine, tables: LastingTables, group: str) -> tuple[GroupMembership, ...]:
    """The tests of a group that have been announced, in the order of their ids.

    Raises:
        OutsideError: The engine fails.
    """
    is_group = exp.EQ(this=column("exclusive_group"), expression=exp.Literal.string(group))
    return _announced(engine, tables, is_group)


def announced_names(engine: Engine, tables: LastingTables) -> frozenset[str]:
    """The tests that have been announced, those in no group among them.

    Raises:
        OutsideError: The engine fails.
    """
    return frozenset(each.experiment for each in _announced(engine, tables, exp.true()))


def prepare_groups(tables: LastingTables) -> None:
    """Create the table where it is not there.

    Raises:
        OutsideError: The engine fails, or does not permit it.
    """
    tables.prepare(TABLE, _shape(), _KEY)


def announce(engine: Engine, tables: LastingTables, test: GroupMembership) -> None:
    """Say in which group a test is, or that it is in none, before its first batch; call it while its ledger is held.

    A test that is announced and then stopped has no member, and so keeps nobody out.

    Raises:
        OutsideError: The engine fails, or does not permit it.
    """
    prepare_groups(tables)
    is_test = exp.EQ(this=column("experiment"), expression=exp.Literal.string(test.experiment))
    known = {each.definition_sha256 for each in _announced(engine, tables, is_test)}
    if test.definition_sha256 in known:
        return
    values = (
        exp.Literal.string(test.experiment),
        exp.Literal.string(test.definition_sha256),
        exp.cast(exp.null() if test.group is None else exp.Literal.string(test.group), exp.DType.TEXT),
        exp.cast(number(test.window_days), exp.DType.INT),
    )
    row = exp.select(
        *(named(value, name) for value, name in zip(values, _shape().named_selects, strict=True))
    )
    tables.append(TABLE, row, rows=1)


def _announced(engine: Engine, tables: LastingTables, wanted: exp.Expr) -> tuple[GroupMembership, ...]:
    if not tables.exists(TABLE):
        return ()
    query = exp.select(*map(column, _shape().named_selects)).from_(tables.qualified(TABLE)).where(wanted)
    rows = fetch_rows(engine, query.order_by(*map(column, _KEY)))
    return tuple(
        GroupMembership(
            row["experiment"], row["definition_sha256"], row["exclusive_group"], int(row["window_days"])
        )
        for row in rows
    )


def _shape() -> exp.Select:
    kinds = {
        "experiment": exp.DType.TEXT,
        "definition_sha256": exp.DType.TEXT,
        "exclusive_group": exp.DType.TEXT,
        "window_days": exp.DType.INT,
    }
    return exp.select(*(named(exp.cast(exp.null(), kind), name) for name, kind in kinds.items()))
