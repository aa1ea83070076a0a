"""The page of guardrails tells of every alarm that there is, and of no other."""

import re
from pathlib import Path

from kaskad.actions.alarms import KINDS

PAGE = (Path(__file__).parents[2] / "docs/guardrails.md").read_text("utf-8")


def test_the_table_of_alarms_is_that_of_the_code():
    _, _, table = PAGE.partition("| kind | when |\n|---|---|\n")
    rows = table.partition("\n\n")[0].splitlines()
    told = [kind for row in rows for kind in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told) == sorted(KINDS)
