"""The page of outgoing webhooks tells what the code does."""

import re
from pathlib import Path

from kaskad.engine.herald import SCHEDULE_MS, TIMEOUT_S
from kaskad.engine.outbox import MEANINGS

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
UNITS = {"s": 1_000, "min": 60_000, "h": 3_600_000}


def test_every_type_of_event_is_told_with_its_meaning():
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert told == {kind.value: meaning for kind, meaning in MEANINGS.items()}


def test_the_schedule_is_the_real_one():
    (words,) = re.findall(r"tried again: after (.+?)\(each", PAGE, re.DOTALL)
    told = [int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", words)]
    assert tuple(told) == SCHEDULE_MS
    assert f"within {TIMEOUT_S:.0f} seconds" in PAGE
