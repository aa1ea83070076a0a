"""Pages over HTTP: who gets in, what they show in two languages, and that looking changes nothing."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx2
import pytest
from msgspec.structs import replace

from kaskad.actions import sign_in
from kaskad.domain.terms import Channel
from kaskad.web.pages.remembered import Remembered
from kaskad.web.pages.words import WORDS
from support.faults import until
from support.shop import equip, people, taking

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
COOKIE = "kaskad_session"


@pytest.fixture(scope="module")
def ready(api) -> Iterator[None]:
    with taking() as taker:
        taker.refusing.add("bob@telegram.example.org")
        equip(api.service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
        people(api.service, "ann", "bob", listed="vip")
        for slug, title in (("news", "<News> & more"), ("draft", "Draft")):
            api.put(f"/cascades/{slug}", content=CASCADE.format(slug=slug, title=title))
        api.post("/cascades/news/activate")
        api.post("/cascades/news/launch", {"list": "vip"})
        until(lambda: {line["id"]: line["sent"] for line in api.get("/cascades/news/report")["lines"]}
              == {"chat": 1, "letter": 1}, 30)  # fmt: skip
        yield


@pytest.fixture
def browser(api) -> Iterator[httpx2.Client]:
    """A browser that nobody has signed in."""
    with httpx2.Client(base_url=api.service.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def signed_in(api, browser) -> httpx2.Client:
    link = sign_in.link(api.service.office)
    assert browser.get(link).headers["location"] == "/welcome"  # there is no owner yet
    return browser


def post(browser: httpx2.Client, path: str, **more) -> httpx2.Response:
    """Send a form as the page does: with the token that stands in it."""
    (token,) = set(re.findall(r'name="csrf" value="([0-9a-f]+)"', browser.get("/account").text))
    return browser.post(path, data={"csrf": token}, **more)


class Reader(HTMLParser):
    """The words of a page, its tags, and that they are nested rightly."""

    VOID = ("meta", "link", "input", "rect", "path", "br", "hr", "use")

    def __init__(self, page: httpx2.Response) -> None:
        super().__init__()
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page.text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_nobody_sees_pages_without_signing_in(ready, browser):
    for path in ("/", "/cascades/news"):
        asked = browser.get(path)
        assert asked.status_code == 303 and asked.headers["location"] == f"/sign-in?next={path}"
    form = browser.get("/sign-in?next=/cascades/news")
    assert form.status_code == 200 and "<code>kaskad key create</code> makes one" in form.text  # nobody yet
    fields = [attrs for tag, attrs in Reader(form).tags if tag == "input"]
    assert {"next": "/cascades/news", "key": ""}.items() <= {
        f["name"]: f.get("value") for f in fields
    }.items()


def test_a_link_signs_in_once(api, ready, browser):
    link = sign_in.link(api.service.office)
    first = browser.get(link)
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Max-Age=2592000" in cookie
    assert browser.get("/").status_code == 200
    browser.cookies.clear()
    again = browser.get(link)
    assert again.status_code == 403 and "has been used or has expired" in again.text
    assert browser.get("/").status_code == 303


def test_a_key_signs_in_as_long_as_it_opens_something(api, ready, browser):
    key = api.post("/keys", {"name": "office", "scopes": ["cascades:read"]})["key"]
    entered = browser.post("/sign-in", data={"key": f" {key} ", "next": "/cascades/news"})
    assert entered.status_code == 303 and entered.headers["location"] == "/cascades/news"
    page = browser.get("/cascades/news")
    assert page.status_code == 200 and "/cascades/news/pause" not in page.text  # this key only reads
    refused = post(browser, "/cascades/news/pause")
    assert refused.status_code == 403 and "cascades:write" in refused.text
    api.delete("/keys/office")
    assert browser.get("/").status_code == 303


def test_a_key_that_opens_no_pages_is_told_so(api, ready, browser):
    key = api.post("/keys", {"name": "events", "scopes": ["events:write"]})["key"]
    for given, code, words in (
        (key, 403, "opens no page"),
        ("nonsense", 401, "opens nothing"),
        ("", 401, ""),
    ):
        answer = browser.post("/sign-in", data={"key": given})
        assert answer.status_code == code and words in answer.text
        assert COOKIE not in browser.cookies


@pytest.mark.parametrize(
    "strange", ["//evil.example.org", "https://evil.example.org", "/\\evil.example.org", "x"]
)
def test_signing_in_leads_to_no_other_site(api, ready, browser, strange):
    entered = browser.post("/sign-in", data={"key": api.key, "next": strange})
    assert entered.headers["location"] == "/"


def test_a_changed_cookie_opens_nothing(ready, signed_in):
    token = signed_in.cookies[COOKIE]
    signed_in.cookies.clear()
    for broken in (token[:-1] + ("A" if token[-1] != "A" else "B"), "", "é".encode().decode("latin-1")):
        asked = signed_in.get("/", headers={"Cookie": f"{COOKIE}={broken}".encode("latin-1")})
        assert asked.status_code == 303


def test_a_form_of_another_site_is_refused(ready, signed_in):
    for headers in ({"Origin": "https://evil.example.org"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = post(signed_in, "/cascades/news/pause", headers=headers)
        assert refused.status_code == 403 and "another site" in refused.text
        assert "That did not work" in refused.text and "gives roles" not in refused.text
    for token in ("", "0" * 32):
        refused = signed_in.post("/cascades/news/pause", data={"csrf": token})
        assert refused.status_code == 403 and "too old" in refused.text
        assert "That did not work" in refused.text and "gives roles" not in refused.text, "it is the page"


def test_the_overview_shows_what_runs(ready, signed_in):
    page = Reader(signed_in.get("/"))
    assert "Running cascades 1 2 people under way" in page.text and "Engine: works" in page.text
    assert "<News> & more active" in page.text and "Draft draft" in page.text
    assert "Entered 2 Under way 2 Reached in 7 days 0 Cost in 7 days ₸30" in page.text
    assert "Sent in this hour and the last 2" in page.text
    assert all(attrs["src"].startswith("/static/") for tag, attrs in page.tags if tag == "script")


def test_a_report_tells_of_every_step_in_words(ready, signed_in):
    text = Reader(signed_in.get("/cascades/news")).text
    assert "1 chat Telegram 1 sent 0 delivered 0 seen 0 reacted 1 failures ₸15" in text
    assert "Failed: 1 wrong address (E404)" in text
    assert "2 letter email 1 sent" in text
    assert "list vip 2 of 2 as fast as it goes done" in text
    assert "This is a draft" in Reader(signed_in.get("/cascades/draft")).text


def test_pages_speak_the_readers_language_and_keep_the_one_chosen(ready, signed_in):
    russian = signed_in.get("/cascades/news", headers={"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.5"})
    assert 'lang="ru"' in russian.text and "Не доставлено" in russian.text and "15\u00a0₸" in russian.text
    assert "Каскадов работает" in signed_in.get("/?lang=ru").text
    assert "Каскадов работает" in signed_in.get("/").text  # the cookie remembers
    assert "Running cascades" in signed_in.get("/?lang=en").text
    assert "Running cascades" in signed_in.get("/?lang=xx").text


def test_every_word_that_a_report_can_hold_has_its_text():
    from kaskad.domain.terms import Outcome, Reason, SkipReason

    for kind, words in (("outcome", Outcome), ("skip", SkipReason), ("reason", Reason), ("channel", Channel)):
        assert {word.value for word in words} == set(WORDS[kind])


def test_pausing_and_going_on_by_form(api, ready, signed_in):
    origin = {"Origin": str(signed_in.base_url).rstrip("/")}
    assert post(signed_in, "/cascades/news/pause", headers=origin).headers["location"] == "/cascades/news"
    assert api.get("/cascades/news")["state"] == "paused"
    assert "nothing is sent" in signed_in.get("/cascades/news").text
    post(signed_in, "/cascades/news/resume")
    assert api.get("/cascades/news")["state"] == "active"
    assert signed_in.get("/cascades/news/resume").status_code == 405


def test_pages_let_nothing_foreign_in(ready, signed_in):
    for path in ("/", "/cascades/news", "/sign-in", "/cascades/nothing", "/cascades/No%20Name"):
        page = signed_in.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        sources = [
            attrs.get("src") or attrs.get("href") or "" for tag, attrs in Reader(page).tags if tag != "a"
        ]
        assert not [source for source in sources if source.startswith(("http:", "https:", "//"))]
        assert ' style="' not in page.text
    assert signed_in.get("/cascades/nothing").status_code == 404
    asked = signed_in.get("/sign-in?next=/%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>" not in asked and "&lt;script&gt;" in asked
    assert signed_in.get("/cascades/No%20Name").status_code == 404


def test_files_are_kept_by_browsers_until_they_change(browser):
    page = browser.get("/sign-in").text
    (path,) = re.findall(r'href="(/static/[0-9a-f]{12}/css/app\.css)"', page)
    style = browser.get(path)
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"] and style.headers["content-encoding"] == "gzip"
    assert browser.get("/static/0/css/app.css").headers["cache-control"] == "no-store"
    for strange in ("css/base.css", "../app.py", "%2e%2e/app.py", "vendor/made-of.txt"):
        assert browser.get(f"/static/0/{strange}").status_code == 404


def test_signing_out_ends_it(ready, signed_in):
    cookie = dict(signed_in.cookies)
    assert post(signed_in, "/sign-out").status_code == 303
    assert signed_in.get("/").status_code == 303
    signed_in.cookies.update(cookie)  # the session itself has ended, not only the cookie
    assert signed_in.get("/").status_code == 303


def test_what_took_long_to_count_is_not_counted_again_at_once():
    counted = []
    kept: Remembered[int] = Remembered()
    for _ in range(3):
        assert kept.get("a", lambda: counted.append(1) or len(counted)) == 1
    kept.forget("a")
    assert kept.get("a", lambda: counted.append(1) or len(counted)) == 2


def test_while_one_counts_the_others_see_what_was_counted_before():
    kept: Remembered[int] = Remembered()
    kept.get("a", lambda: 1)
    kept._kept["a"] = replace(kept._kept["a"], until=0.0)  # long ago

    def make() -> int:
        assert kept.get("a", lambda: 3) == 1  # somebody else, meanwhile
        return 2

    assert kept.get("a", make) == 2 == kept.get("a", make)
