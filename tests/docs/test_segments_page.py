"""Every condition on the page of segments is one, and its commands are there."""

import re
from pathlib import Path

import pytest

from kaskad.domain.condition_kept import CASCADE_WORDS
from kaskad.domain.definition import load
from kaskad.domain.segment import READY, read
from kaskad.domain.segment_yaml import segments_of

PAGE = (Path(__file__).parents[2] / "docs" / "segments.md").read_text("utf-8")
ROWS = re.findall(r"^\|[^|]*\| `([^`]+)` \|", PAGE, re.MULTILINE)
TOLD = re.findall(r"--text '([^']+)'", PAGE)


@pytest.mark.parametrize("text", [*ROWS, *TOLD])
def test_the_conditions_of_the_page_are_read(text: str) -> None:
    read(text)


def test_ready_segments_are_on_the_page_and_are_conditions() -> None:
    for name, text in READY.items():
        assert f"`{name}`" in PAGE
        read(text)


def test_the_cascade_of_the_page_is_a_good_definition() -> None:
    segments, text = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert list(segments_of(segments)) == ["regulars", "sleepers"]
    assert load(text, name="page").errors == ()


def test_the_page_has_all_functions() -> None:
    assert len(ROWS) >= 20 and len(TOLD) == 2
    assert {"entered", "sent", "reacted", "converted"} <= {*CASCADE_WORDS}
    for word in (
        "in_list(",
        "reachable(",
        "consent(",
        "cascade(",
        "segment(",
        ".sum(",
        ".last",
        ".count(",
        "rfm.",
    ):
        assert any(word in row for row in ROWS), word
