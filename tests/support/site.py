"""An installation with data and people of every role, and a browser that looks at its pages.

A page test asks for `visit` (tests/pages/conftest.py): `visit("viewer").goto("/")` is a page of Chromium,
signed in, watched: an error on the console, a broken policy, a failed answer, a request to another host fail
the test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import Browser, Page, expect, sync_playwright

from kaskad import log
from kaskad.actions import sessions, users
from kaskad.actions.roles import ROLES
from kaskad.actions.sessions import Who
from kaskad.cli.playground import Playground
from kaskad.config import Settings
from kaskad.web.auth import SESSION_COOKIE
from kaskad.web.service import Service, serving

from .api import Api
from .databases import lay
from .faults import PATIENCE_S

FRONTEND = Path(__file__).parents[2] / "frontend"
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SHOTS = os.environ.get("KASKAD_TEST_SHOTS", "")  # where `Visit.shoot` puts pictures; "": nowhere
PASSWORD = "correct horse battery"
WIDTHS = {"wide": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}
AXE_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
    "iframes": False,  # previews are letters of others, in frames where no script runs
}
# What is right is not told: all of it takes as long to bring here as to find.
AXE = "async rules => (await axe.run(document, rules)).violations"


class Site:
    """An installation; `users` are the ids of owner@example.org and so on, one of each role."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.url = service.url
        self.api = Api(service)
        self.users = {role: self._user(role) for role in ROLES}

    def _user(self, role: str) -> int:
        invited = users.add(self.service.office, f"{role}@example.org", role.title(), role)
        return users.accept(self.service.office, invited.link.partition("token=")[2], PASSWORD).id

    def token(self, role: str) -> str:
        """Return the cookie of a new session in that role."""
        who = Who("127.0.0.1", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0")
        return sessions.begin(self.service.office, who, user_id=self.users[role], name="")

    def client(self, role: str, **more: Any) -> httpx2.Client:
        """Return a browser without eyes, signed in in that role; "" in none."""
        cookies = {SESSION_COOKIE: self.token(role)} if role else {}
        return httpx2.Client(base_url=self.url, cookies=cookies, timeout=60, trust_env=False, **more)

    def times_ms(self, role: str, path: str, count: int = 40) -> list[float]:
        """Return how long the server took to answer with a page, sorted, but for waiting for a processor."""
        with self.client(role) as client:
            client.get(path)
            return sorted(_timed(client, path) for _ in range(count))


def _timed(client: httpx2.Client, path: str) -> float:
    unserved, began = _unserved_s(), time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return (time.perf_counter() - began - (_unserved_s() - unserved)) * 1000


def _unserved_s() -> float:
    """Return how long threads of this process could have run, had others let them; 0: not known."""
    waited_ns = 0
    for thread in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError):  # it has ended
            waited_ns += int(thread.read_text().split()[1])
    return waited_ns / 1e9


@cache
def build() -> None:
    """Make what pages run in the browser, unless it is there."""
    subprocess.run([sys.executable, str(FRONTEND / "build.py")], check=True)


@contextmanager
def installed(folder: Path, **settings: str) -> Iterator[Site]:
    """Run an installation with people of every role until the end of the block."""
    build()
    lay(folder / "kaskad.db")
    own = Settings(
        database=f"sqlite:{folder / 'kaskad.db'}", listen="127.0.0.1:0", private_webhooks="yes", **settings
    )
    log.configure("warning", "json")  # the text form of a traceback takes seconds
    with serving(own, "the tests", playground=Playground(0, 0)) as service:
        yield Site(service)


class Visit:
    """A page of the browser, and what was wrong with it."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.wrong: list[str] = []
        self.bytes: dict[str, int] = {}
        page.on("console", lambda said: said.type in ("error", "warning") and self.wrong.append(said.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on("response", lambda answer: answer.status >= 500 and self.wrong.append(answer.url))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and not url.startswith(self.site.url):
            self.wrong.append(f"asked another host: {url}")

    def goto(self, path: str) -> Page:
        """Open a page and return it once it has come to rest."""
        self.page.goto(self.site.url + path, wait_until="load")
        return self.page

    def resize(self, width: str) -> None:
        """Give the window one of the three widths."""
        wide, high = WIDTHS[width]
        self.page.set_viewport_size({"width": wide, "height": high})

    def axe(self) -> list[str]:
        """Return what axe-core finds wrong with the page, once nothing of it is on its way: that is paler."""
        for _ in range(100):
            if not self.page.locator("[aria-busy=true], [data-busy=yes]").count():
                break
            self.page.wait_for_timeout(50)
        source = (FRONTEND / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
        self.page.evaluate(source)
        found: list[dict[str, Any]] = self.page.evaluate(AXE, AXE_RULES)
        return [
            f"{each['id']}: {node['html'][:160]} {node['failureSummary']}"
            for each in found
            for node in each["nodes"]
        ]

    def overflows(self) -> bool:
        """Say whether the page stays wider than the window; a chart takes a moment to follow it."""
        for _ in range(20):
            if not self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                return False
            self.page.wait_for_timeout(50)
        return True

    def shoot(self, name: str) -> None:
        """Take a picture of the whole page, where pictures are wanted (KASKAD_TEST_SHOTS)."""
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            file = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
            self.page.screenshot(path=f"{SHOTS}/{file}.png", full_page=True)


class Eyes:
    """A browser that opens visits: in a role, a language, colours, a width."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self.visits: list[Visit] = []

    def __call__(
        self, role: str = "owner", *, language: str = "en", theme: str = "light", width: str = "wide",
        script: bool = True,
    ) -> Visit:  # fmt: skip
        wide, high = WIDTHS[width]
        context = self._browser.new_context(
            locale={"en": "en-GB", "ru": "ru-RU"}[language],
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": wide, "height": high}, timezone_id="Asia/Almaty", java_script_enabled=script,
            reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_S * 1000)
        if role:
            cookie = {"name": SESSION_COOKIE, "value": self._site.token(role), "url": self._site.url}
            context.add_cookies([{**cookie, "httpOnly": True}])
        made = Visit(context.new_page(), self._site)
        self.visits.append(made)
        return made

    def close(self) -> list[str]:
        """Close every page; return what was wrong with any."""
        wrong = [each for visit in self.visits for each in visit.wrong]
        for visit in self.visits:
            visit.page.context.close()
        self.visits.clear()
        return wrong


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium until the end of the block."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_S * 1000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
