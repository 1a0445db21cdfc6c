"""What pydantic finds wrong, as problems in the words of somebody who edits a campaign's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from experiments.definition.draft import Problem
from experiments.definition.errors import BadValueError
from experiments.definition.origin import KeyPath
from experiments.definition.shape import block_at, meanings, places_of
from experiments.definition.suggest import choose, nearest


def explain(error: ValidationError, data: Mapping[str, Any]) -> list[Problem]:
    """Every problem once, at the key that has to change.

    A value that fits no branch of a union is one problem, and a block is not reported beside its own parts.
    """
    details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] == "literal_error")
    found: dict[tuple[KeyPath, bool], Problem] = {}
    for detail in details:
        key_path = _key_path(detail, data)
        found.setdefault(
            (key_path, detail["loc"][-1] == "[key]"), Problem(key_path, *_words(detail, key_path, data))
        )
    paths = {key_path for key_path, _ in found}
    around = {key_path[:depth] for key_path in paths for depth in range(len(key_path))}
    unknown = [problem.key_path for problem in found.values() if problem.cause == _UNKNOWN_KEY]
    return [
        problem
        for (key_path, _), problem in found.items()
        if key_path not in around and not (problem.cause == _MISSING and _is_misspelt(key_path, unknown))
    ]


def _is_misspelt(missing: KeyPath, unknown: list[KeyPath]) -> bool:
    return any(
        key_path[:-1] == missing[:-1] and nearest(str(key_path[-1]), [str(missing[-1])])
        for key_path in unknown
    )


def _key_path(detail: ErrorDetails, data: Any) -> KeyPath:
    """The error's location without the names of union branches, which stand in no file."""
    location = list(detail["loc"])
    if location[:1] == ["metrics"] or location[:2] == ["design", "looks"]:
        del location[2:3]
    key_path: list[str | int] = []
    for part in location:
        is_key = isinstance(data, Mapping) and part in data
        is_item = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if is_key or is_item:
            key_path.append(part)
            data = data[part]
    if detail["type"] == "missing" and isinstance(location[-1], str):
        key_path.append(location[-1])
    if detail["type"] == "union_tag_invalid":
        key_path.append(_discriminator(detail))
    return tuple(key_path)


def _discriminator(detail: ErrorDetails) -> str:
    return str(detail["ctx"]["discriminator"]).strip("'")


_FEW = 2
"""A key that stands in more blocks than this, such as `from`, tells nothing of which one was meant."""
_UNKNOWN_KEY = "there is no such key"
_MISSING = "is missing"

_NAMES: Mapping[str, str] = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": "use ASCII letters, digits, `.`, `_` and `-`, and begin with a letter or digit",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "use ASCII letters, digits and `_`, and begin with a letter",
    r"^[A-Z]{3}$": "write three capital letters, such as CNY",
}


def _words(detail: ErrorDetails, key_path: KeyPath, data: Mapping[str, Any]) -> tuple[str, str]:
    """Cause and remedy."""
    kind, value, ctx = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _UNKNOWN_KEY, _known_keys(key_path, data)
    if kind == "missing":
        return _missing(detail, key_path, data)
    if kind == "value_error" and isinstance(ctx.get("error"), BadValueError):
        return ctx["error"].cause, ctx["error"].remedy
    if value is None:
        return "has no value", "write one, or leave the key out where it is optional"
    if kind in {"literal_error", "union_tag_invalid"}:
        return _choice(detail)
    if kind == "union_tag_not_found":
        tag = _discriminator(detail)
        return f"has no `{tag}`", f"add `{tag}` to say which kind it is"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} is not a usable name", _NAMES.get(
            str(ctx["pattern"]), f"match {ctx['pattern']}"
        )
    for prefix, words in _BY_KIND.items():
        if kind.startswith(prefix):
            return words(shown(value), ctx)
    return f"{shown(value)} does not fit ({detail['msg']})", "correct the value"


def _known_keys(key_path: KeyPath, data: Mapping[str, Any]) -> str:
    """What was probably meant by an unknown key: one that is like it here, or the same in another block."""
    key, block = str(key_path[-1]), block_at(key_path[:-1], data)
    known = meanings(block) if block else {}
    near, elsewhere = nearest(key, known), places_of(key)
    if not elsewhere or len(elsewhere) > _FEW:
        return choose(key, known, "key")
    meant = [*elsewhere, *([near] if near else [])]
    return f"did you mean {' or '.join(f'`{each}`' for each in meant)}?"


def _missing(detail: ErrorDetails, key_path: KeyPath, data: Mapping[str, Any]) -> tuple[str, str]:
    if isinstance(detail["loc"][-1], int):
        whole = '["09:00", "20:00"]' if str(key_path[-1]).endswith("hours") else "[0, 90]"
        return (
            f"has {len(detail['input'])} of the values that belong here",
            f"write all of them, as in {whole}",
        )
    block = block_at(key_path[:-1], data)
    meaning = meanings(block).get(str(key_path[-1]), "") if block else ""
    return _MISSING, f"add `{key_path[-1]}: ...`" + (f" ({meaning.rstrip('.')})" if meaning else "")


def _choice(detail: ErrorDetails) -> tuple[str, str]:
    ctx = detail["ctx"]
    written = ctx.get("tag", detail["input"])
    expected = str(ctx.get("expected_tags", ctx.get("expected", ""))).replace(" or ", ", ")
    options = [option.strip("' ") for option in expected.split(",")]
    if len(options) == 1:
        return f"{shown(written)} is not {options[0]}", f"write {options[0]}"
    return f"{shown(written)} is not one of {', '.join(options)}", choose(str(written), options, "value")


def shown(value: object) -> str:
    """A value as it may stand in a sentence: short, and never a whole block."""
    if isinstance(value, Mapping):
        return "a block of keys"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


_Words = Callable[[str, Mapping[str, Any]], tuple[str, str]]
_BY_KIND: Mapping[str, _Words] = {
    "string_type": lambda value, _: (f"{value} is not text", "put it in quotes, or write the text"),
    "string_too_short": lambda _, __: ("is empty", "write a text"),
    "string_too_long": lambda value, ctx: (
        f"{value} is too long",
        f"use at most {ctx['max_length']} characters",
    ),
    "int": lambda value, _: (f"{value} is not a whole number", "write a whole number, such as 14"),
    "float": lambda value, _: (f"{value} is not a number", "write a number, such as 0.05"),
    "decimal": lambda value, _: (f"{value} is not a number", "write a number, such as 0.05"),
    "finite_number": lambda value, _: (f"{value} is not a finite number", "write a number"),
    "greater_than_equal": lambda value, ctx: (f"{value} is too small", f"write {ctx['ge']} or more"),
    "greater_than": lambda value, ctx: (f"{value} is too small", f"write more than {ctx['gt']}"),
    "less_than_equal": lambda value, ctx: (f"{value} is too large", f"write {ctx['le']} or less"),
    "less_than": lambda value, ctx: (f"{value} is too large", f"write less than {ctx['lt']}"),
    "bool": lambda value, _: (f"{value} is neither true nor false", "write true or false"),
    "date": lambda value, _: (f"{value} is not a day", "write YYYY-MM-DD, such as 2026-11-25"),
    "time": lambda value, _: (f"{value} is not a time of day", 'write HH:MM in quotes, such as "09:00"'),
    "tuple": lambda value, _: (f"{value} is not a list", "write a list, such as [a, b]"),
    "too_short": lambda _, ctx: (
        f"has {ctx['actual_length']} values, {ctx['min_length']} are the least",
        "add what is missing, or leave the key out where it is optional",
    ),
    "too_long": lambda _, ctx: (
        f"has {ctx['actual_length']} values, {ctx['max_length']} are the most",
        "shorten it",
    ),
    "dict": lambda value, _: (f"{value} is not a block of keys", "write `key: value` lines below it"),
    "mapping": lambda value, _: (f"{value} is not a block of keys", "write `key: value` lines below it"),
    "model": lambda value, _: (f"{value} is not a block of keys", "write `key: value` lines below it"),
}
