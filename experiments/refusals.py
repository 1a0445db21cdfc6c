"""Refusals in the user's language: why something is not done, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.definition.errors import RefusedError
from experiments.language import Words

_PACKAGE = "experiments"
_NO_FACTS: Mapping[str, object] = {}


def refusal(
    words: Words, code: str, each: Sequence[Mapping[str, object]] = (_NO_FACTS,), **facts: object
) -> RefusedError:
    """The error of a refusal: its sentence once for each of `each`, and its next step.

    Args:
        words: The user's language.
        code: Of the sentences `refused.CODE` and `refused_next.CODE`.
        each: Facts of one sentence each.
        facts: Facts that all sentences may have.
    """
    reasons = [words.say(_PACKAGE, f"refused.{code}", **{**facts, **own}) for own in each]
    return RefusedError(reasons, words.say(_PACKAGE, f"refused_next.{code}", **facts))
