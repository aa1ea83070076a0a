"""docs/providers.md says what the providers' classes say; `--update-pages` writes it anew."""

from pathlib import Path

import pytest

from kaskad.providers import PROVIDERS
from kaskad.providers.reference import BEGIN, page

PAGE = Path(__file__).parents[2] / "docs/providers.md"


def test_the_page_is_that_of_the_code(request: pytest.FixtureRequest) -> None:
    written = PAGE.read_text("utf-8")
    head, found, rest = written.partition(BEGIN + "\n\n")
    assert found, f"docs/providers.md has no line {BEGIN}"
    if request.config.getoption("--update-pages", default=False):
        PAGE.write_text(head + found + page(PROVIDERS), "utf-8")
        return
    assert rest == page(PROVIDERS), "run pytest tests/docs --update-pages, and read the difference"
