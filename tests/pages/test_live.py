"""Live updates: a page keeps up by itself; a stream tells only what is new, and ends with its session."""

import json
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from kaskad.actions import sessions
from kaskad.store import sessions as session_store
from kaskad.web.pages import live as module
from support.faults import until


class Stream:
    """Reads events in a thread, as EventSource does."""

    def __init__(self, client: httpx2.Client, topics: str, since: str = "") -> None:
        self.events: list[dict[str, str]] = []
        self.over = threading.Event()
        self._client, self._path = client, f"/live?topics={topics}&since={since}"
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        event: dict[str, str] = {}
        with suppress(httpx2.TransportError), self._client.stream("GET", self._path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                elif "event" in event:
                    self.events.append(event)
                    event = {}
        self.over.set()

    def told(self) -> list[dict]:
        return [json.loads(each["data"]) for each in self.events if each["event"] == "news"]


def test_a_stream_tells_what_is_new_and_goes_on_where_one_was(site):
    with site.client("viewer") as client:
        first = Stream(client, "cascade:news,calls")
        until(lambda: len(first.told()) == 2)
        assert [told["topic"] for told in first.told()] == ["cascade:news", "calls"]
        page = client.get("/cascades/news").text
        assert f'data-live="cascade:news" data-shown="{first.told()[0]["digest"]}"' in page
        assert first.told()[0]["told"] == {"state": "active", "entered": 2, "under_way": 2}
        site.api.post("/cascades/news/pause")
        until(lambda: len(first.told()) == 3)
        assert first.told()[2]["told"]["state"] == "paused"
        assert first.told()[2]["digest"] != first.told()[0]["digest"]
    with site.client("viewer") as client:
        again = Stream(client, "cascade:news,calls", first.events[1]["id"])  # away while it was paused
        until(lambda: again.told())
        time.sleep(0.3)
        assert [told["topic"] for told in again.told()] == ["cascade:news"]
        site.api.post("/cascades/news/resume")


def test_a_stream_ends_with_its_session_and_is_for_those_who_may(site, monkeypatch):
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.1)
    with site.client("agent") as client:
        assert client.get("/live?topics=cascades").status_code == 403
        assert client.get("/live?topics=nonsense").status_code == 404
        assert client.get("/live").status_code == 204
        stream = Stream(client, "calls")
        until(lambda: stream.told())
        place = max(sessions.listing(site.service.office, site.users["agent"]), key=lambda one: one.id)
        site.service.office.write(lambda tx: session_store.end(tx, place.id))
        assert stream.over.wait(30) and stream.events[-1]["event"] == "over"


def test_a_page_keeps_up_by_itself_and_says_what_was_done(site, visit):
    page = visit("marketer").goto("/cascades/news")
    page.locator(".live[data-state=open]").wait_for()
    site.api.post("/cascades/news/pause")
    page.get_by_text("Paused: nothing is sent").wait_for()  # without a reload
    assert page.locator(".live").first.get_attribute("data-state") == "open", "still, of what came since"
    page.reload()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    page.get_by_text("The cascade goes on.").wait_for()
    assert site.api.get("/cascades/news")["state"] == "active"


def paused(site):
    site.api.post("/cascades/news/pause")

    def undo():
        site.api.post("/cascades/news/resume")
        with site.client("owner") as client:
            until(lambda: "Paused" not in client.get("/").text)  # what is remembered has gone too

    return undo


def off(site):
    site.api.post("/accounts/email/disable")
    return lambda: site.api.post("/accounts/email/enable")


def cancelled(site):
    for run in site.api.get("/runs?contact=ann")["items"]:
        site.api.post(f"/runs/{run['id']}/cancel")
    return lambda: None


@pytest.mark.parametrize(
    "path, topic, change, text",
    [
        ("/cascades/news", "cascade:news", paused, "Paused: nothing is sent"),
        ("/cascades", "cascades", paused, "Paused"),
        ("/", "cascades", paused, "Paused"),
        ("/channels", "accounts", off, "Paused"),
        ("/channels/accounts/email", "accounts", off, "Paused"),
        ("/contacts/ann", "contact:", cancelled, "The run was cancelled"),
    ],
)
def test_a_part_shows_what_happened_between_the_page_and_its_stream(site, visit, path, topic, change, text):
    opened, undo = visit("owner"), []

    def meanwhile(route):  # after the page was made, and before its stream begins
        undo.append((part.inner_text(), change(site)))
        route.continue_()

    part = opened.page.locator(f"[data-live^='{topic}'][data-shown]")
    opened.page.route("**/live?*", meanwhile, times=1)
    opened.goto(path)
    try:
        part.get_by_text(text).first.wait_for(timeout=20_000)
    finally:
        for _, back in undo:
            back()
    assert [text in before for before, _ in undo] == [False]


def test_a_page_that_is_being_left_asks_for_nothing_more(site, visit):
    opened = visit("owner")
    page = opened.goto("/cascades/news")
    page.locator(".live[data-state=open]").wait_for()
    asked, undo = [], []

    def slowly(route):  # between what was asked for and its answer, what the page shows changes
        undo.append(paused(site))
        time.sleep(2.5)  # a stream tells of it after 1.2 s at most
        route.continue_()

    page.on("request", lambda request: asked.append(request.url.removeprefix(site.url)))
    page.route("**/channels", slowly, times=1)
    try:
        page.get_by_role("link", name="Channels", exact=True).first.click()
        page.wait_for_url("**/channels")
        assert "/cascades/news" not in asked, asked
        page.go_back()
        page.get_by_text("Paused: nothing is sent").wait_for()
        page.locator(".live[data-state=open]").wait_for()
    finally:
        for back in undo:
            back()


def test_a_page_that_is_not_left_after_all_keeps_up_again(site, visit):
    opened = visit("owner")
    opened.page.clock.install()
    page = opened.goto("/cascades/news")
    followed, left = page.locator(".live[data-state=open]"), page.locator(".live[data-state=waiting]")
    followed.wait_for()
    with page.expect_download():
        page.get_by_role("link", name="CSV", exact=True).first.click()
    left.wait_for()
    undo = paused(site)
    try:
        page.clock.fast_forward(10_000)
        page.get_by_text("Paused: nothing is sent").wait_for()
        page.evaluate("dispatchEvent(new Event('beforeunload'))")  # or it is left, kept, and come back to
        left.wait_for()
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        followed.wait_for()
    finally:
        undo()


def test_what_keeps_up_says_what_it_shows_in_every_template():
    """A part that is fetched is written by the one macro; all others show themselves what they are told."""
    wrong = []
    for file in sorted((Path(module.__file__).parents[1] / "templates").glob("*.html")):
        text = re.sub(r"{% macro live\(.*", "", file.read_text())
        for tag in re.findall(r"<[a-z]+ [^<]*data-live=[^<]*|hx-trigger=\"[^\"]*live.*", text):
            if 'data-field="' not in tag and 'class="job"' not in tag:
                wrong.append((file.name, tag))
    assert wrong == []


def test_the_keyboard_leads_everywhere(site, visit):
    page = visit("owner").goto("/")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("news")
    page.locator("#found a").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/cascades/news")
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/settings")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_the_palette_finds_by_name_what_the_reader_may_see(site):
    site.api.put("/segments/vip-buyers", {"text": 'in_list("vip")'})
    text = {"channel": "part", "text": "The Shop"}
    site.api.put("/templates/vip-head", text)

    def found(role, q, **cookies):
        with site.client(role) as client:
            client.cookies.update(cookies)
            paths = re.findall(r'<a href="([^"]+)"', client.get("/find", params={"q": q}).text)
            for path in paths:
                assert client.get(path).status_code == 200, path
            return paths

    assert found("marketer", "vip") == [
        "/segments/of/vip-buyers", "/templates/of/vip-head?channel=part", "/segments/lists/of/vip",
    ]  # fmt: skip
    assert found("owner", "Стоп-лист", kaskad_lang="ru") == ["/settings/suppressions"]
    assert found("agent", "vip") == [] and found("owner", "") == []


def test_the_server_stops_at_once_though_pages_are_open(tmp_path):
    from support.site import installed

    with installed(tmp_path) as made, made.client("owner") as client:
        stream = Stream(client, "cascades")
        until(lambda: stream.told())
        began = time.monotonic()
    assert time.monotonic() - began < 8  # uvicorn would wait ten seconds for the stream


def test_the_first_page_is_light_and_quick(site, visit):
    opened, sizes = visit("owner"), []
    opened.page.on("response", lambda answer: sizes.append(answer.request.sizes()["responseBodySize"]))
    opened.goto("/")
    assert sum(sizes) <= 300_000, sizes
    times = site.times_ms("owner", "/", 20)
    assert times[len(times) // 2] < 100, times


def test_what_is_wrong_with_an_api_call_stands_beside_its_field(site, visit):
    page = visit("owner").goto("/ui")
    left = page.evaluate("""async () => {
        const app = await import(document.querySelector('script[src*="js/app.js"]').src);
        const form = document.querySelector("form.fields");
        try { await app.ask("POST", "/api/v1/users", {email: "nonsense", role: "agent"}) }
        catch (problem) { return problem.problems.map((each) => each.pointer) }
    }""")
    assert left == ["/email"]
    page.evaluate("""async () => {
        const app = await import(document.querySelector('script[src*="js/app.js"]').src);
        const form = document.querySelector("form.fields[method=get]");
        app.showProblems(form, [{pointer: "/title", detail: "Too long."}]);
    }""")
    assert page.get_by_label("Title", exact=True).first.get_attribute("aria-invalid") == "true"
    assert page.get_by_text("Too long.").is_visible()
    wrong = visit.visits[-1].wrong
    visit.visits[-1].wrong = [each for each in wrong if "422" not in each]  # Chromium tells of every 4xx
