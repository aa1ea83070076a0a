"""docs/figures.md says of each figure what the code says, and names no other."""

import re
from pathlib import Path

import pytest

from kaskad.domain.figures import OF_STEPS
from kaskad.domain.measures import ALL

PAGE = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")


def test_each_figure_stands_there_in_the_words_of_the_code() -> None:
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \| (.*?) \| (.*?) ?\|$", PAGE, re.MULTILINE)
    assert {name: told for *told, name in ((c, s, w, n) for c, n, s, w in rows)} == {
        name: [one.called, one.says, one.wary] for name, one in ALL.items()
    }
    counts = re.findall(r"^\| `(\w+)` \| (.*?) \|$", PAGE, re.MULTILINE)
    assert dict(counts) == {name: one.says for name, one in OF_STEPS.items()}


@pytest.mark.parametrize(
    ("pitfall", "names", "says"),
    [
        ("a later step meets only the silent", ("goal_rate",), "sent to the silent only"),
        ("delivered and opened are different events", ("delivery_rate",), "different events"),
        ("peeking", ("goal_gain",), "every day"),
        ("one goal, two cascades", ("cr_entered",), "two cascades counts in both"),
        ("the control group is touched", ("cr_holdout",), "another cascade"),
        ("late receipts", ("reach_delivered",), "come late"),
        ("machines open", ("open_rate_raw", "ctor"), "[Mm]a(chines that open|il programs) "),
        ("opt-outs hide in messages", ("run_unsubscribe_rate",), "Counted by people"),
        ("returns come late", ("cr_kept", "revenue"), "[Rr]eturns (come|are deducted when)"),
        ("means of rates", ("ctr",), "not the mean"),
        ("what shops promise", ("goal_gain",), "gross"),
    ],
)
def test_each_pitfall_stands_beside_the_figure_it_concerns(
    pitfall: str, names: tuple[str, ...], says: str
) -> None:
    for name in names:
        (row,) = re.findall(rf"^\| .+? \| `{name}` \| .*? \| (.*?) \|$", PAGE, re.MULTILINE)
        assert re.search(says, row), f"{pitfall} is not told at {name}"


def test_what_the_trade_promises_is_told_as_that_and_is_no_default() -> None:
    table = PAGE[PAGE.index("promises** are advertising") :].split("\n## ")[0]
    for figure in ("two to three", "three to four", "30 to 50 %", "15 to 30 %", "60 to 70 %", "5 to 15 %"):
        assert figure in table and figure not in PAGE.replace(table, "")
