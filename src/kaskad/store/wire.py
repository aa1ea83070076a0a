"""How values go to PostgreSQL and come back: arrays in its own binary form, numbers as SQLite gives them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from struct import Struct, pack, unpack_from
from sys import byteorder
from typing import Any, Final

from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format
from psycopg.types.numeric import NumericBinaryLoader

# How a numeric begins: how many digits of base 10 000, the first one's power, the sign's word, the scale.
_NUMERIC: Final = Struct("!HhHH")
_SIGNS: Final = {0x0000: 1, 0x4000: -1}  # all other words are no number


class _Array:
    """A parameter already in PostgreSQL's binary form."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _Bigints(_Array):
    __slots__ = ()


class _Integers(_Array):
    __slots__ = ()


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Array) -> Buffer:
        return obj.data


class _BigintsDumper(_ArrayDumper):
    oid = 1016


class _IntegersDumper(_ArrayDumper):
    oid = 1007


class _BigintDumper(Dumper):
    format = Format.BINARY
    oid = 20

    def dump(self, obj: int) -> Buffer:
        return pack("!q", obj)


class _NumberLoader(NumericBinaryLoader):
    """Whole numbers as int, others as float, as SQLite gives them."""

    def load(self, data: Buffer) -> Any:
        digits, weight, sign, _ = _NUMERIC.unpack_from(data)
        if sign in _SIGNS and digits <= weight + 1:  # nothing behind the point: read in a fifth of the time
            whole = 0
            for digit in unpack_from(f"!{digits}H", data, _NUMERIC.size):
                whole = whole * 10_000 + digit
            return int(whole * 10_000 ** (weight + 1 - digits) * _SIGNS[sign])
        number = super().load(data)
        return int(number) if number == number.to_integral_value() else float(number)


def _packed(values: array[int], oid: int) -> bytes:
    """Return numbers as a binary array: twice as fast to make and to read as its text.

    An element is its length in 4 bytes and its value, so the bytes are laid out column by column.
    """
    if byteorder == "little":
        values.byteswap()
    plain, count, size = values.tobytes(), len(values), values.itemsize
    width = size + 4
    data = bytearray(width * count)
    data[3::width] = bytes((size,)) * count
    for place in range(size):
        data[4 + place :: width] = plain[place::size]
    return pack("!iiIii", 1, 0, oid, count, 1) + data


def bigints(values: Sequence[int | None]) -> _Array | str:
    """Return the array in binary form, or as text where a value is missing."""
    try:
        return _Bigints(_packed(array("q", values), 20))  # type: ignore[arg-type]
    except TypeError:  # there is a None, which this form has no room for
        return _numbers(values)


def _integers(values: Sequence[int | None]) -> _Array | str:
    try:
        return _Integers(_packed(array("i", values), 23))  # type: ignore[arg-type]
    except TypeError:
        return _numbers(values)


def _numbers(values: Sequence[int | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(int(value)) for value in values]) + "}"


def texts(values: Sequence[str | None]) -> str:
    """Return the array as text, which psycopg hands over faster than a list."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _byteas(values: Sequence[bytes | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _floats(values: Sequence[float | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else repr(float(value)) for value in values]) + "}"


ARRAYS: Final[dict[str, Callable[[Any], _Array | str]]] = {
    "bigint": bigints,
    "integer": _integers,
    "int": _integers,
    "text": texts,
    "bytea": _byteas,
    "float8": _floats,
}


def adapt(adapters: AdaptersMap) -> None:
    """Let a connection's values go and come in these forms."""
    for kind in (int, bool):  # one type for all numbers, so that a statement is prepared once
        adapters.register_dumper(kind, _BigintDumper)
    adapters.register_dumper(_Bigints, _BigintsDumper)
    adapters.register_dumper(_Integers, _IntegersDumper)
    adapters.register_loader("numeric", _NumberLoader)  # SUM of bigint: SQLite gives an integer too
