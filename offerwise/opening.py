"""Open an experiment for work: load its definition, connect its engine, know its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.audience.exclusion import EXCLUDE_LISTS, EXEMPT_LISTS
from experiments.definition.errors import Fault, InputError, collected
from experiments.definition.load import load
from experiments.definition.model import Definition
from experiments.definition.origin import FILE_ENDINGS
from experiments.engines.connect import connect
from experiments.experiment import Experiment
from experiments.files import DEFAULT_OUT, Workspace
from experiments.language import Language, Words
from experiments.progress import Progress, silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEFAULT_ENGINE = "duckdb://"


@contextmanager
def open_experiment(
    file: Path | str,
    *,
    engine: str | SparkSession = DEFAULT_ENGINE,
    out: Path | str = DEFAULT_OUT,
    language: Language = "en",
    tables: Mapping[str, str] | None = None,
    progress: Progress = silent,
    now: datetime | None = None,
    ledgers: Sequence[Path | str] = (),
) -> Iterator[Experiment]:
    """Give the experiment of a definition, ready for every step, and let go of its engine afterwards.

    Args:
        file: The definition.
        engine: URL of the engine that holds the data, or a session of Spark, which stays open.
        out: Everything is written under `out/<experiment id>/`.
        language: Of the sentences for people.
        tables: Data sources that are read from another file or table than the definition says.
        progress: Told what is being done.
        now: The moment that decides whether a window is open; the clock's when absent.
        ledgers: Folders that are `out` of other commands, in which tests of the exclusive group stand, too.

    Raises:
        InputError: The definition, a name in `tables`, `out`, a folder of `ledgers` or the engine's URL is wrong.
        OutsideError: The engine cannot be reached.
    """
    folder, beside = Path(out).absolute(), _absolute(ledgers)
    faults = [*_of_out(folder), *_of_ledgers(beside)]
    with collected(faults):
        definition = load(Path(file))
        mapped = _mapped(definition, tables or {})
    if faults:
        raise InputError(faults)
    workspace = Workspace(folder, definition.id)
    workspace.sweep()
    connected = connect(engine, files=[*_files(definition, mapped), *beside, workspace.out])
    try:
        yield Experiment(
            definition=definition,
            engine=connected,
            workspace=workspace,
            words=Words(language),
            now=now or datetime.now(UTC),
            tables=tuple(mapped.items()),
            progress=progress,
            ledgers=beside,
        )
    finally:
        connected.cancel_and_close()


def _mapped(definition: Definition, tables: Mapping[str, str]) -> dict[str, str]:
    """`--table` as the user gave it, files made absolute from the folder that the command runs in."""
    unknown = [
        Fault(
            None,
            None,
            "--table",
            f"the definition has no data source '{name}'",
            f"use one of {', '.join(definition.data)}",
        )
        for name in tables
        if name not in definition.data
    ]
    if unknown:
        raise InputError(unknown)
    return {
        name: str(Path(table).absolute()) if table.lower().endswith(FILE_ENDINGS) else table
        for name, table in tables.items()
    }


def _absolute(folders: Sequence[Path | str]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(folder).absolute() for folder in folders))


def _of_out(folder: Path) -> list[Fault]:
    """Inside of an experiment's own folder a second ledger would begin, and its members would be sent to again."""
    return [_of_one_test("--out", folder)] if _is_of_one_test(folder) else []


def _of_ledgers(folders: Sequence[Path]) -> list[Fault]:
    """Folders must be there and stand above those of the tests: of others no test would be seen."""
    remedy = "name a folder that was --out before"
    missing = [folder for folder in folders if not folder.is_dir()]
    return [
        *(Fault(None, None, "--ledgers", f"there is no folder {folder}", remedy) for folder in missing),
        *(_of_one_test("--ledgers", folder) for folder in folders if _is_of_one_test(folder)),
    ]


def _is_of_one_test(folder: Path) -> bool:
    own = Workspace(folder.parent, folder.name)
    return own.lock.is_file() or own.ledger.is_dir()


def _of_one_test(option: str, folder: Path) -> Fault:
    cause = f"{folder} is the folder of one test"
    return Fault(
        None, None, option, cause, f"name the folder in which it stands, {folder.parent}, as its --out was"
    )


def _files(definition: Definition, mapped: Mapping[str, str]) -> list[Path]:
    """Every file that the definition names, and so every file that the engine may read."""
    origin = definition.origin
    tables = [mapped.get(name) or origin.resolve_table(name) for name in definition.data]
    lists = [
        origin.resolve_file(("audience", lists.key, number), name)
        for lists in (EXCLUDE_LISTS, EXEMPT_LISTS)
        for number, name in enumerate(lists.files(definition))
    ]
    return [*(Path(table) for table in tables if table.lower().endswith(FILE_ENDINGS)), *lists]
