"""Documents as JSON: written with full precision, read back as the types that they were."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from experiments.definition.errors import InputError

Document = TypeVar("Document")


def to_json(document: Any, *, indent: int | None = 2) -> str:
    """A document as JSON: `schema` first, full-precision numbers, None as null.

    Raises:
        ValueError: A number is NaN or infinite; such a figure does not exist and must be None.
    """
    body = plain(document)
    if isinstance(body, dict) and "schema" in body:
        body = {"schema": body["schema"], **body}
    return json.dumps(body, ensure_ascii=False, allow_nan=False, indent=indent)


def read_document(kind: type[Document], path: Path) -> Document | None:
    """The document that an earlier command left at `path`, or None where there is none.

    Raises:
        InputError: The file cannot be read, or is not such a document.
    """
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
        # A figure that does not exist is null: NaN and Infinity are nothing that a command wrote.
        from_json(content, allow_inf_nan=False)
        return TypeAdapter(kind).validate_json(content)
    except OSError as error:
        raise InputError.single(
            f"cannot be read ({error.strerror})", "run the command that wrote it again", file=path
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError.single(
            f"is not a document of this version of Offerwise ({first['msg']})",
            "run the command that wrote it again",
            file=path,
            key=key,
        ) from error
    except ValueError as error:
        raise InputError.single(
            f"is not JSON ({error})", "run the command that wrote it again", file=path
        ) from error


def plain(value: Any) -> Any:
    """A document as dictionaries, lists and scalars of JSON.

    Raises:
        ValueError: A number is not finite.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot stand in a document; a figure that does not exist is None")
    return value
