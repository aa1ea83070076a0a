"""One installation with data, and one browser, for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import equip, people, taking
from support.site import CHROMIUM, Eyes, Site, chromium, installed

CASCADE = """cascade: {slug}
title: "{title}"
class: service
goal: {{event: purchase}}
holdout: 0%
trigger: {{broadcast: all}}
steps:
  - {{id: chat, channel: telegram, text: "Hello", wait: 1h}}
  - {{id: letter, channel: email, subject: News, text: "Hello", wait: 1h}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return an installation: two people, one cascade that has reached them, one draft."""
    folder: Path = tmp_path_factory.mktemp("site")
    with installed(folder) as made, taking() as taker:
        taker.refusing.add("bob@telegram.example.org")
        equip(made.service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
        people(made.service, "ann", "bob", listed="vip")
        for slug, title in (("news", "<News> & more"), ("draft", "Draft")):
            made.api.put(f"/cascades/{slug}", content=CASCADE.format(slug=slug, title=title))
        made.api.post("/cascades/news/activate")
        made.api.post("/cascades/news/launch", {"list": "vip"})
        until(lambda: {line["id"]: line["sent"] for line in made.api.get("/cascades/news/report")["lines"]}
              == {"chat": 1, "letter": 1}, 30)  # fmt: skip
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return one Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    with chromium() as made:
        yield made


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Eyes]:
    """Return what opens pages; the test fails where any of them was wrong."""
    eyes = Eyes(browser, site)
    yield eyes
    assert eyes.close() == []
