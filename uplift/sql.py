"""Policies as SQL: a CASE over the audience's columns that gives the same arms in an engine as in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from experiments.engines.protocol import Engine
from experiments.queries import as_double, column, double, is_null, when
from uplift.rules import Everybody, Rule, SegmentTable, Tree
from uplift.tree_nodes import CategorySplit, Leaf, Node, NumberSplit, Split

SEGMENT = "segment"

LeafValue = Callable[[Leaf], exp.Expr]


def cell_case(rule: Rule, engine: Engine, segments: Sequence[str]) -> exp.Expr | None:
    """The number of a member's cell (segment or leaf), as a query computes it; None for a rule that is a model."""
    if isinstance(rule, Everybody):
        return exp.Literal.number(0)
    if isinstance(rule, SegmentTable):
        return segment_number(engine, segments)
    if isinstance(rule, Tree):
        return _node_case(rule.root, engine, _numbered_leaves())
    return None


def arm_case(rule: Rule, engine: Engine, segments: Sequence[str], arms: Sequence[str]) -> exp.Expr | None:
    """The id of a member's arm, as a query computes it; None for a rule that is a model.

    Args:
        rule: The policy.
        engine: Its dialect renders the tree.
        segments: Names of the segments, by number.
        arms: Ids of the arms, by number.
    """
    if isinstance(rule, Everybody):
        return exp.Literal.string(arms[rule.arm])
    if isinstance(rule, SegmentTable):
        case = exp.Case()
        for name, arm in zip(segments, rule.arms, strict=True):
            case = case.when(_is_segment(engine, name), exp.Literal.string(arms[arm]))
        return case.else_(exp.Literal.string(arms[0]))
    if isinstance(rule, Tree):
        return _node_case(rule.root, engine, lambda leaf: exp.Literal.string(arms[leaf.arm]))
    return None


def segment_number(engine: Engine, segments: Sequence[str]) -> exp.Expr:
    """The number of a member's segment; -1 for one that the definition does not have."""
    case = exp.Case()
    for number, name in enumerate(segments):
        case = case.when(_is_segment(engine, name), exp.Literal.number(number))
    return case.else_(exp.Literal.number(-1))


def split_condition(split: Split, engine: Engine) -> exp.Expr:
    """Whether a member goes left; NULL, which CASE takes for no, where the feature is missing."""
    feature = column(split.feature)
    if isinstance(split, NumberSplit):
        if split.threshold is None:
            return exp.not_(is_null(feature))
        return exp.LTE(this=as_double(feature), expression=_threshold(split.threshold))
    return _one_of(split, engine)


def _one_of(split: CategorySplit, engine: Engine) -> exp.Expr:
    known = [exp.Literal.string(level) for level in split.levels if level is not None]
    text = engine.collated(engine.as_key(column(split.feature)))
    listed = exp.In(this=text, expressions=known) if known else exp.false()
    return exp.or_(listed, is_null(column(split.feature))) if None in split.levels else listed


def _threshold(value: float) -> exp.Expr:
    """A short decimal as people read it, which every engine takes for the nearest double; a longer one digit by digit."""
    text = repr(value)
    if "e" in text or len(text.replace("-", "").replace(".", "")) > 15:
        return double(value)
    return exp.Literal.number(text.removesuffix(".0"))


def _node_case(node: Node, engine: Engine, leaf_value: LeafValue) -> exp.Expr:
    if isinstance(node, Leaf):
        return leaf_value(node)
    left = _node_case(node.left, engine, leaf_value)
    return when(split_condition(node.split, engine), left, _node_case(node.right, engine, leaf_value))


def _numbered_leaves() -> LeafValue:
    numbers = iter(range(1 << 10))

    def of(leaf: Leaf) -> exp.Expr:  # noqa: ARG001 - leaves come from left to right
        return exp.Literal.number(next(numbers))

    return of


def _is_segment(engine: Engine, name: str) -> exp.Expr:
    segment = column(SEGMENT)
    if name == "":
        return is_null(segment)
    return exp.EQ(this=engine.collated(segment), expression=exp.Literal.string(name))
