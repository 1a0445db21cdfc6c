"""Karlan and List's letters from the file to the verdict. Figures: the data's README; contrasts by plain numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm

from experiments.definition.errors import InputError
from experiments.documents.analysis import Analysis, FactorialTerm
from tests.decision.karlan_list import ASKS, FACTORIAL, MATCH, RATIO, RATIOS, SIZES, analyze_letters


@pytest.fixture(scope="module")
def factorial(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    return analyze_letters(shared, tmp_path_factory.mktemp("karlan"), FACTORIAL, "zero")


@pytest.fixture(scope="module")
def cells(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rate of giving and its variance, shape (3, 4, 3), by pandas."""
    rows = pd.read_csv(shared / "data" / "karlan_list_2007.csv.gz")
    found = rows.groupby(["ratio", "size", "ask"]).gave.agg(["mean", "size"])
    index = pd.MultiIndex.from_product([list(RATIOS.values()), list(SIZES.values()), list(ASKS.values())])
    means, sizes = (found.loc[index, name].to_numpy().reshape(3, 4, 3) for name in ("mean", "size"))
    return means, means * (1 - means) / sizes


def term(analysis: Analysis, name: str, metric: str = "gave") -> FactorialTerm:
    return next(row for row in analysis.factorial if (row.metric, row.term) == (metric, name))


def test_any_match_against_none(shared: Path, tmp_path: Path) -> None:
    document = analyze_letters(shared, tmp_path, MATCH, "zero")
    (row,) = [row for row in document.effects if row.metric == "gave"]
    assert (row.members_versus, row.members_arm) == (16_687, 33_396)
    assert row.mean_versus * row.members_versus == pytest.approx(298)
    assert row.mean_arm * row.members_arm == pytest.approx(736)
    assert row.statistic == pytest.approx(3.101, abs=5e-4)
    assert (document.verdict.status, document.verdict.winner) == ("rollout", "match")


def test_ratios_against_none(shared: Path, tmp_path: Path) -> None:
    document = analyze_letters(shared, tmp_path, RATIO, "zero")
    rows = {row.arm: row for row in document.effects if row.metric == "gave"}
    assert [rows[arm].members_arm for arm in RATIOS] == [11_133, 11_134, 11_129]
    assert [round(rows[arm].mean_arm * rows[arm].members_arm) for arm in RATIOS] == [231, 252, 253]
    adjusted = [rows[arm].p_value_adjusted for arm in RATIOS]
    assert adjusted == pytest.approx([0.0837, 0.0128, 0.0128], abs=5e-5)


def test_unknown_amounts_are_refused_with_their_count(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.amount: .*missing in 2 rows.*missing: zero"):
        analyze_letters(shared, tmp_path, RATIO)


@pytest.mark.parametrize(("missing", "members"), [("zero", 50_083), ("drop", 50_081)])
def test_unknown_amounts_count_as_declared(shared: Path, tmp_path: Path, missing: str, members: int) -> None:
    document = analyze_letters(shared, tmp_path, MATCH, missing)
    (amount,) = [row for row in document.effects if row.metric == "amount"]
    assert amount.members_arm + amount.members_versus == members
    (gave,) = [row for row in document.effects if row.metric == "gave"]
    assert gave.members_arm + gave.members_versus == 50_083


def test_thirty_six_letters_and_control(factorial: Analysis) -> None:
    assert len(factorial.arms) == 37
    assert len([row for row in factorial.effects if row.metric == "gave"]) == 36
    assert factorial.verdict.status == "no_rollout"


def test_main_effects_are_averages_over_the_other_factors(
    factorial: Analysis, cells: tuple[np.ndarray, np.ndarray]
) -> None:
    means, variances = cells
    for axis, (factor, levels) in enumerate((("ratio", RATIOS), ("size", SIZES), ("ask", ASKS))):
        others = tuple(other for other in range(3) if other != axis)
        level = means.mean(axis=others)
        variance = variances.sum(axis=others) / np.prod([means.shape[other] for other in others]) ** 2
        for i, a in enumerate(levels):
            for j, b in enumerate(list(levels)[i + 1 :], start=i + 1):
                row = term(factorial, f"{factor}:{a} - {factor}:{b}")
                assert row.estimate == pytest.approx(level[i] - level[j], rel=1e-9)
                assert row.std_error == pytest.approx((variance[i] + variance[j]) ** 0.5, rel=1e-9)
                assert row.p_value == pytest.approx(2 * norm.sf(abs(level[i] - level[j]) / row.std_error))


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("ratio", (0,)),
        ("size", (1,)),
        ("ask", (2,)),
        ("ratio:size", (0, 1)),
        ("ratio:ask", (0, 2)),
        ("size:ask", (1, 2)),
    ],
)
def test_joint_tests_are_walds(
    factorial: Analysis, cells: tuple[np.ndarray, np.ndarray], name: str, kept: tuple[int, ...]
) -> None:
    """A contrast matrix by Kronecker products: successive differences of the factors, averages of the others."""
    matrix = np.ones((1, 1))
    for axis, levels in enumerate((3, 4, 3)):
        differences = np.diff(np.eye(levels), axis=0)
        matrix = np.kron(matrix, differences if axis in kept else np.full((1, levels), 1 / levels))
    means, variances = cells
    estimates = matrix @ means.ravel()
    statistic = estimates @ np.linalg.solve(matrix * variances.ravel() @ matrix.T, estimates)
    row = term(factorial, name)
    assert row.degrees == len(matrix)
    assert row.statistic == pytest.approx(statistic, rel=1e-6)
    assert row.p_value == pytest.approx(chi2.sf(statistic, len(matrix)), rel=1e-6)


def test_neither_factor_nor_interaction_is_found(factorial: Analysis) -> None:
    """The paper's finding: larger ratios, other sizes and other asks add nothing to a match."""
    assert min(row.p_value for row in factorial.factorial if row.metric == "gave") > 0.2
    assert min(row.p_value_adjusted for row in factorial.factorial if row.metric == "gave") > 0.5
