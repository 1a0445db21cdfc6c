"""The way of the data decides where code lives: which room may import which, and what may load at start."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "experiments.definition": set(),
    "experiments.engines": {"experiments.definition"},
    "experiments.inference": set(),
    "experiments": {"experiments.definition", "experiments.engines", "experiments.inference"},
    "uplift": {"experiments", "experiments.definition", "experiments.engines", "experiments.inference"},
    "reports": {
        "uplift",
        "experiments",
        "experiments.definition",
        "experiments.engines",
        "experiments.inference",
    },
    "offerwise": {
        "reports",
        "uplift",
        "experiments",
        "experiments.definition",
        "experiments.engines",
        "experiments.inference",
    },
}

PURE = {"numpy", "scipy", "statsmodels"}
"""What the statistics may use from outside; the standard library besides."""

HEAVY = {
    "pandas",
    "scipy.stats",
    "statsmodels",
    "causalml",
    "econml",
    "mlflow",
    "matplotlib",
    "pyspark",
    "sklearn",
    "lightgbm",
}


LONGEST_MODULE, LONGEST_FUNCTION = 420, 65
"""Lines that are read in one sitting, and on one screen."""


def room_of(module: str) -> str:
    """The room that a dotted module name lives in: the longest that fits."""
    return max((room for room in MAY_IMPORT if module == room or module.startswith(room + ".")), key=len)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in ("offerwise", "experiments", "uplift", "reports"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf8"))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def imports_at_load(tree: ast.Module) -> Iterator[str]:
    """What importing the module imports: not what stands in functions or under TYPE_CHECKING."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


@pytest.mark.parametrize(("name", "tree"), [pytest.param(n, t, id=n) for n, t in modules()])
def test_a_room_imports_only_the_rooms_before_it(name: str, tree: ast.Module) -> None:
    room = room_of(name)
    ours = {i for i in imports(tree) if re.match(r"(offerwise|experiments|uplift|reports)\b", i)}
    wrong = {i for i in ours if room_of(i) != room and room_of(i) not in MAY_IMPORT[room]}
    assert not wrong


def test_the_statistics_are_pure() -> None:
    outside = {
        imported.split(".")[0]
        for name, tree in modules()
        if room_of(name) == "experiments.inference"
        for imported in imports(tree)
    }
    assert outside - set(sys.stdlib_module_names) - PURE <= {"experiments"}


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    """Only the statistics, which nothing imports at start, may load scipy with the module."""
    wrong = {
        (name, imported)
        for name, tree in modules()
        if room_of(name) != "experiments.inference"
        for imported in imports_at_load(tree)
        for heavy in HEAVY
        if imported == heavy or imported.startswith(heavy + ".")
    }
    assert not wrong


def test_modules_and_functions_are_short() -> None:
    long = [
        (name, getattr(node, "name", ""))
        for name, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Module) and node.body and (node.body[-1].end_lineno or 0) > LONGEST_MODULE)
        or (isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION)
    ]
    assert not long


def _user_cpu_and_modules(arguments: list[str]) -> tuple[float, set[str]]:
    """User CPU seconds of a command in a process of its own, and the modules it had loaded at its end."""
    code = (
        "import atexit, os, sys\n"
        "from offerwise.__main__ import main\n"
        "atexit.register(lambda: print('\\n@', os.times().user, *sys.modules, file=sys.stderr))\n"
        f"main({arguments!r})\n"
    )
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    user, *loaded = done.stderr.rpartition("\n@ ")[2].split()
    return float(user), set(loaded)


@pytest.mark.parametrize("command", ["help", "validate"])
def test_the_start_is_light(command: str, shared: Path, tmp_path: Path) -> None:
    arguments = {
        "help": ["--help"],
        "validate": ["validate", str(shared / "design" / "hillstrom.yml"), "--out", str(tmp_path)],
    }[command]
    _user_cpu_and_modules(arguments)
    users, loaded = zip(*(_user_cpu_and_modules(arguments) for _ in range(3)), strict=True)
    assert not loaded[0] & HEAVY
    assert min(users) < 0.8
