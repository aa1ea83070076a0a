"""The page for operators names every figure that there is, and none besides."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2]


def test_the_figures_of_the_page_are_those_of_the_code():
    page = (SOURCE / "docs" / "operations.md").read_text("utf-8")
    code = (SOURCE / "src" / "kaskad" / "web" / "metrics.py").read_text("utf-8")
    told = {name.removesuffix("_total") for name in re.findall(r"`(kaskad_\w+)", page)}
    assert told == set(re.findall(r'"(kaskad_\w+)"', code))
