"""What every block of the definition shares: it is frozen, it knows its keys, and its scalars have exact types."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from experiments.definition.errors import BadValueError


class Block(BaseModel):
    """A block of the file: an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
    )


_SHARE_REMEDY = "write a decimal such as 0.28 or a fraction such as 1/3"
_WRITTEN_SHARE = re.compile(r"\s*(\d{1,30})\s*/\s*(\d{1,30})\s*|\s*\d{0,30}\.?\d{0,60}\s*")


def exact_fraction(value: Any) -> Fraction:
    """Read a share as the decimal or the fraction that was written, without rounding.

    Raises:
        BadValueError: The value is neither a number nor a fraction such as `1/3`.

    >>> exact_fraction(0.28), exact_fraction("27523/689693")
    (Fraction(7, 25), Fraction(27523, 689693))
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise BadValueError("is not a share", _SHARE_REMEDY)
    # A number with an exponent of millions would take its digits' worth of memory as a fraction.
    text = value if isinstance(value, str) else format(Decimal(str(value)), "f")
    if not _WRITTEN_SHARE.fullmatch(text):
        raise BadValueError(f"{text[:60]!r} is not a share", _SHARE_REMEDY)
    try:
        return Fraction(text.replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise BadValueError(f"{text[:60]!r} is not a share", _SHARE_REMEDY) from None


Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]
"""An id that becomes a file name: ASCII letters, digits, `.`, `_`, `-`."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=60)]
"""An id that becomes a column: ASCII letters, digits and `_`, no digit first."""

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]


def number_as_written(value: Any) -> Any:
    """A number, which `true` is not, though Python counts it as 1.

    Raises:
        BadValueError: The value is true or false.
    """
    if isinstance(value, bool):
        raise BadValueError(f"{str(value).lower()} is not a number", "write a number")
    return value


Proportion = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Probability = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Money = Annotated[float, BeforeValidator(number_as_written), Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(number_as_written), Field(ge=0)]
Days = Annotated[int, Field(gt=0, le=3660)]

_WRITTEN_AS_FRACTION = {"type": "string", "pattern": r"^\s*[0-9]+\s*/\s*[0-9]+\s*$"}

_Exact = Annotated[Fraction, BeforeValidator(exact_fraction), PlainSerializer(str, return_type=str)]

ExactShare = Annotated[
    _Exact,
    Field(gt=0, lt=1),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, _WRITTEN_AS_FRACTION]}
    ),
]

ExactPart = Annotated[
    _Exact,
    Field(gt=0, le=1),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, _WRITTEN_AS_FRACTION]}
    ),
]
"""A share that may be all of it."""
