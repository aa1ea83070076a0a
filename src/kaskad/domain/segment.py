"""A segment of the simple kind: attributes that equal something, all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

Value = str | bool | int | float


class Equals(Struct, frozen=True):
    """The contact's attribute has this value."""

    attribute: str
    equals: Value

    def test(self, attributes: Mapping[str, Any]) -> bool:
        """Tell whether it holds; true is not 1, and 1 is 1.0."""
        value = attributes.get(self.attribute)
        return isinstance(value, bool) == isinstance(self.equals, bool) and bool(value == self.equals)


class Segment(Struct, frozen=True):
    """Who has all of these attributes; without any, everybody."""

    all: tuple[Equals, ...]

    def test(self, attributes: Mapping[str, Any]) -> bool:
        """Tell whether a contact with these attributes is in the segment."""
        return all(condition.test(attributes) for condition in self.all)

    def needle(self) -> str:
        """Return a text that stands in the attributes of whoever is in the segment, as they are kept: compact
        JSON by msgspec. "" where there is none: a number may be written in several ways."""
        written = [
            msgspec.json.encode({each.attribute: each.equals}).decode()[1:-1]
            for each in self.all
            if isinstance(each.equals, str | bool)
        ]
        return max(written, key=len, default="")
