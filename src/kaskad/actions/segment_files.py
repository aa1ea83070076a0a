"""Segments as a file of YAML: written, and taken in."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kaskad.actions import segments
from kaskad.actions.office import Office
from kaskad.domain.errors import Invalid
from kaskad.domain.segment_yaml import file_of, segments_of
from kaskad.domain.worded import worded

IS_NAME = re.compile(r"[^/\s\x00-\x1f](?:[^/\x00-\x1f]{0,98}[^/\s\x00-\x1f])?").fullmatch
MOST = 1_000  # segments of a file


def written(office: Office, names: Sequence[str] = ()) -> str:
    """Return segments as YAML: those that are named, else all that somebody has made. Raises NotFound."""
    known = (
        [segments.show(office, name) for name in names]
        if names
        else segments.listing(office, after="", limit=MOST)
    )
    return file_of({each.name: each.condition.tree for each in known})


def put(office: Office, text: str) -> list[str]:
    """Make or change the segments of a file, in its order, and return their names; raises Invalid.

    Where one is wrong nothing is changed; one may name another that stands before it.
    """
    told = segments_of(text)
    if wrong := [each for each in told if not IS_NAME(each)]:
        raise Invalid(
            [
                worded("%(name)r is no name of a segment: at most 100 characters, no slash.", name=each[:120])
                for each in wrong
            ]
        )
    if len(told) > MOST:
        raise Invalid([worded("A file has at most %(most)s segments.", most=MOST)])
    segments.put_all(office, told)
    return list(told)
