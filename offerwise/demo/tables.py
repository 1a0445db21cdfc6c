"""The campaign's tables as Parquet: exact money, instants with zone, one deterministic stream of chance per purpose."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.files import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]

DAY = 86_400_000_000
"""Microseconds in a day."""


def chance(seed: int, purpose: str) -> np.random.Generator:
    """The random numbers of one purpose: the same for the same seed, and not moved by what other purposes draw."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def money(cents: Integers) -> pa.Array:
    """Whole cents as exact DECIMAL(12, 2).

    >>> money(np.array([1999, -5])).to_pylist()
    [Decimal('19.99'), Decimal('-0.05')]
    """
    import pyarrow as pa

    words = np.empty((len(cents), 2), dtype="<i8")
    words[:, 0] = cents
    words[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(12, 2), len(cents), [None, pa.py_buffer(words.tobytes())])


def instants(microseconds: Integers) -> pa.Array:
    """Microseconds since 1970 in UTC as instants with zone."""
    import pyarrow as pa

    return pa.array(microseconds, type=pa.timestamp("us", tz="UTC"))


def picked(names: tuple[str, ...], codes: Integers) -> pa.Array:
    """Texts by their number in `names`; a negative number is a missing value."""
    import pyarrow as pa

    indices = pa.array(codes, mask=codes < 0, type=pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(names)).cast(pa.string())


def write_table(table: pa.Table, path: Path) -> Path:
    """Write a table as Parquet, whole or not at all; the same table gives the same bytes.

    Raises:
        OutsideError: The disk refuses.
    """
    import pyarrow.parquet as pq

    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return write_whole(path, buffer.getvalue())
