"""Which block of the model a key path leads to: what else may stand there, and what each key means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from experiments.definition.block import Block
from experiments.definition.model import Definition
from experiments.definition.origin import KeyPath


def block_at(key_path: KeyPath, data: Any) -> type[Block] | None:
    """The block that stands at a key path of `data`; None where something else stands.

    >>> block_at(("goals", "guardrails", 0), {}).__name__
    'Guardrail'
    """
    kind: Any = Definition
    for part in key_path:
        if isinstance(kind, type) and issubclass(kind, Block):
            kind = kinds(kind).get(str(part))
        else:
            inner = [arg for arg in get_args(kind) if arg is not Ellipsis]
            kind = inner[-1] if inner else None
        data = _inside(data, part)
        kind = _unwrapped(kind, data)
    return kind if isinstance(kind, type) and issubclass(kind, Block) else None


def kinds(block: type[Block]) -> dict[str, Any]:
    """The keys of a block, as they are written, and the type of each."""
    return {field.alias or name: field.annotation for name, field in block.model_fields.items()}


def meanings(block: type[Block]) -> dict[str, str]:
    """The keys of a block, as they are written, and what each means."""
    return {field.alias or name: field.description or "" for name, field in block.model_fields.items()}


def places_of(key: str) -> tuple[str, ...]:
    """Where a key may stand in a definition, as dotted paths; `*` stands for a name or a number.

    >>> places_of("event_id")
    ('data.*.event_id',)
    """
    return tuple(dict.fromkeys(path for path in _paths(Definition, ()) if path.rpartition(".")[2] == key))


def _paths(kind: Any, at: tuple[str, ...], around: tuple[Any, ...] = ()) -> Iterator[str]:
    """Every key inside of a type; a block is not looked for inside of itself."""
    if isinstance(kind, type) and issubclass(kind, Block):
        for key, inner in () if kind in around else kinds(kind).items():
            yield ".".join((*at, key))
            yield from _paths(inner, (*at, key), (*around, kind))
        return
    arguments = get_args(kind)
    if get_origin(kind) is Annotated:
        yield from _paths(arguments[0], at, around)
    elif get_origin(kind) in {Union, UnionType}:
        for option in arguments:
            yield from _paths(option, at, around)
    elif arguments and get_origin(kind) is not Literal:
        yield from _paths(arguments[0 if arguments[-1] is Ellipsis else -1], (*at, "*"), around)


def _inside(data: Any, part: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(part)
    return data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def _unwrapped(kind: Any, data: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) not in {Union, UnionType}:
        return kind
    options = [_unwrapped(option, data) for option in get_args(kind) if option is not NoneType]
    blocks = [option for option in options if isinstance(option, type) and issubclass(option, Block)]
    tagged = [block for block in blocks if _tags(block, data)]
    containers = [option for option in options if get_args(option)]
    return next(iter([*tagged, *blocks, *containers]), None)


def _tags(block: type[Block], data: Any) -> bool:
    tags = [kind for kind in kinds(block).values() if get_origin(kind) is Literal]
    written = data.values() if isinstance(data, Mapping) else ()
    return any(isinstance(value, str) and value in get_args(tag) for tag in tags for value in written)
