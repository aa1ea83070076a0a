"""docs/figures.md says of each figure what the code says, and names no other."""

import re
from pathlib import Path

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
