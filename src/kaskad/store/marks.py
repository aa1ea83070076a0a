"""Does a text name a person? By an address or an id, written as services write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from json import dumps
from typing import Any
from urllib.parse import unquote_to_bytes

from kaskad.store.db import Row

_SHORTEST = 4  # shorter ids stand in every other text


class Marks:
    """Tells whether a text names a person: by an address or an id, written as services write them."""

    def __init__(self, terms: Iterable[str], exact: Iterable[str] = ()) -> None:
        self._terms = {form for term in terms if len(term) >= _SHORTEST for form in _forms(term)}
        self._exact = {text.lower().encode() for text in exact}

    def among(self, rows: Sequence[Row]) -> list[int]:
        """Return the ids, which come first, of the rows one of whose texts names the person."""
        texts = [_plain(b"\n".join(_bytes(part) for part in row[1:])) for row in rows]
        whole = b"\n".join(texts)  # most pieces name nobody: one look instead of many
        if not any(term in whole for term in (*self._terms, *self._exact)):
            return []
        return [row[0] for row, text in zip(rows, texts, strict=True) if self._names(text)]

    def name(self, text: str) -> bool:
        """Return whether the text names the person."""
        return self._names(_plain(text.encode()))

    def _names(self, text: bytes) -> bool:
        if any(exact in text for exact in self._exact):
            return True
        return any(_stands(term, text) for term in self._terms)


def _forms(term: str) -> set[bytes]:
    """Return how a term may be written in what services send, in lower case."""
    plain = term.removeprefix("+")
    return {text.lower().encode() for text in (plain, dumps(plain)[1:-1])}


def _plain(text: bytes) -> bytes:
    """Return a text in lower case, with what forms and URLs write as %40 written out."""
    return (unquote_to_bytes(text) if b"%" in text else text).lower()


def _stands(term: bytes, text: bytes) -> bool:
    """Return whether the term is there as a whole word."""
    at = text.find(term)
    while at >= 0:
        end = at + len(term)
        if not text[max(0, at - 1) : at].isalnum() and not text[end : end + 1].isalnum():
            return True
        at = text.find(term, at + 1)
    return False


def _bytes(part: Any) -> bytes:
    if part is None:
        return b""
    return part.encode() if isinstance(part, str) else bytes(part)
