"""Types of single fields, as tight as the store is: what passes them never fails there."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, Field, JsonValue

from kaskad.web.api.views import LARGEST

DEEPEST = 20  # levels of a JSON value
LONGEST = 65_536  # characters of all its texts, and its parts
PLAIN = r"^[^\x00]*$"
# A name that stands in addresses: no slash, no control character, no space at its ends.
NAMED = r"^[^\s/\x00-\x1f\x7f]([^/\x00-\x1f\x7f]*[^\s/\x00-\x1f\x7f])?$"
COUNTRY = r"^[A-Za-z]{2}$"


def encodable(text: str) -> str:
    """Return a text that can be written down; raises ValueError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a character, which cannot be stored") from None
    return text


def storable(value: JsonValue) -> JsonValue:
    """Return a JSON value that can be kept; raises ValueError."""
    rest: list[tuple[JsonValue, int]] = [(value, 0)]
    size = 0
    while rest:
        one, depth = rest.pop()
        size += 1 + (len(one) if isinstance(one, str | list | dict) else 0)
        if size > LONGEST:
            raise ValueError(f"is longer than {LONGEST} characters")
        if depth > DEEPEST:
            raise ValueError(f"is deeper than {DEEPEST} levels")
        match one:
            case str():
                if "\0" in one:
                    raise ValueError("holds the character U+0000, which cannot be stored")
                encodable(one)
            case int() if abs(one) > LARGEST:
                raise ValueError("holds a whole number of more than 64 bits")
            case float() if not math.isfinite(one):
                raise ValueError("holds a number that is none")
            case dict():
                rest += [(part, depth + 1) for pair in one.items() for part in pair]
            case list():
                rest += [(part, depth + 1) for part in one]
    return value


Text = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN), AfterValidator(encodable)]
Words = Annotated[str, Field(max_length=2_000, pattern=PLAIN), AfterValidator(encodable)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=NAMED), AfterValidator(encodable)]
Country = Annotated[str, Field(pattern=COUNTRY, description="ISO 3166-1 alpha-2, such as KZ.")]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2}([_-][A-Za-z0-9]{1,8})*$", max_length=40)]
Json = Annotated[JsonValue, AfterValidator(storable)]
Instant = Annotated[AwareDatetime, Field(description="RFC 3339 with an offset.")]

InPath = Annotated[str, Path(min_length=1, max_length=200, pattern=PLAIN)]
WhoInPath = Annotated[
    InPath, Path(description="Its id (`con_…`), external id (a slash in it is `%2F`), e-mail or +phone.")
]
NameInPath = Annotated[str, Path(min_length=1, max_length=100, pattern=NAMED)]


def in_ms(at: datetime | None) -> int | None:
    """Return an instant in milliseconds since 1970 UTC."""
    return None if at is None else round(at.timestamp() * 1000)
