"""Whole numbers as they are kept in columns: little-endian, in as little room as they need."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Packed: TypeAlias = tuple[str, bytes]  # the kind, as numpy names it


def pack(numbers: NDArray[np.int64]) -> Packed:
    """Return numbers as they are kept."""
    low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    kinds = ("<u1", "<u2", "<u4") if low >= 0 else ("<i2", "<i4")
    kind = next((each for each in kinds if _holds(each, low, high)), "<i8")
    return kind, numbers.astype(kind).tobytes()


def _holds(kind: str, low: int, high: int) -> bool:
    limits = np.iinfo(kind)
    return bool(limits.min <= low and high <= limits.max)


def unpack(packed: Packed) -> NDArray[Any]:
    """Return the numbers of a column."""
    return np.frombuffer(packed[1], packed[0])
