"""The cascades: listed, paused, launched; the report with its ways and the people behind its figures."""

import csv
import io
import json
import re
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Timer

import pytest
from python_calamine import CalamineWorkbook

from kaskad.actions import hindsight, mailboxes, uplift
from kaskad.analytics.calibration import Held, calibration
from kaskad.cli.root import run
from kaskad.domain.errors import Conflict
from kaskad.domain.terms import Kind
from kaskad.store import courses, launch_dates
from kaskad.store.cascades import by_slug
from kaskad.store.contacts import Contact, upsert
from kaskad.store.suppressions import hash_key
from kaskad.web import soon
from kaskad.web.pages import forecasts
from support.counted import counting_held
from support.effects import TRIED, put_tried
from support.faults import until

PAGES = (
    "/cascades", "/cascades/news", "/cascades/news/launch?audience=list vip", "/",
    "/cascades/tried/uplift", "/cascades/news/uplift",
    "/cascades/news/people?figure=sent&step=letter", "/cascades/news/people?figure=waiting&step=chat",
)  # fmt: skip


@pytest.fixture(scope="module")
def opened(site):
    """Return the site after Bob has opened his letter and bought, and Ann's was opened by a machine."""
    office = site.service.office

    def change(tx):
        rows = tx.all("report_who_runs", contact_id=0, run_id=0, scan=99, cascade_id=1, limit=9, whole=1,
                      people="", version_id=0, since=0, until=2**62, holdout=0, outcome=-1, some=0,
                      delivered=0, any_message=1, channel=-1, marks=0)  # fmt: skip
        for row in rows:
            kind = Kind.OPENED if row[2] == "bob" else Kind.MACHINE_OPENED
            tx.script(f"UPDATE messages SET mask = mask | {kind.bit} "
                      f"WHERE contact_id = {row[0]} AND run_id = {row[1]} AND step = 1")  # fmt: skip
            if row[2] == "bob":
                tx.script(f"UPDATE runs SET marks = marks | {Kind.GOAL.bit}, value = 150000 "
                          f"WHERE contact_id = {row[0]} AND id = {row[1]}")  # fmt: skip
        courses.due(tx, {row[:2] for row in rows})

    office.write(change)
    site.api.put("/cascades/tried", content=TRIED)
    site.api.post("/cascades/tried/activate")
    versions = {row[1]: row[0] for row in office.write(lambda tx: tx.all("version_cascades"))}
    version_id = versions[office.write(lambda tx: by_slug(tx, "tried")).id]
    office.write(lambda tx: put_tried(tx, version_id, office.now()))
    return site


def test_the_pages_are_accessible_and_fit(visit, opened):
    wrong = []
    looks = (("ru", "light", "wide"), ("en", "dark", "phone"), ("ru", "dark", "tablet"))
    for language, theme, width in looks:
        eyes = visit("owner", language=language, theme=theme, width=width)
        for path in PAGES:
            eyes.goto(path)
            drawn = {"/cascades/news": "#ways", "/cascades/tried/uplift": "#steps"}.get(path)
            if drawn:
                eyes.page.wait_for_selector(f"{drawn} svg")
            eyes.shoot(f"{path} {width} {language} {theme}")
            if width != "tablet":  # both languages and both colours have been looked at
                wrong += [f"{path} {width}: {each}" for each in eyes.axe()]
            wrong += [f"{path} is too wide for a {width}"] if eyes.overflows() else []
    assert wrong == []


def test_of_nobody_there_is_no_share(opened):
    with opened.client("viewer") as client:
        nobody, some = (client.get(f"/cascades/news?{when}").text for when in ("until=2000-01-01", ""))
    plain = [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in (nobody, some)]
    assert "Reached 0 — of those who entered Messages for each — on the average" in plain[0]
    assert "A message was delivered to 0 — —" in plain[0] and "0%" not in plain[0]
    assert re.search(r"Reached [12] \d+% of those who entered Messages for each 1.0 on", plain[1])


def test_days_that_are_none_are_said_to_be_none(opened):
    """They were told as days on which nobody entered, or as all days."""
    with opened.client("viewer") as client:
        for page in ("news", "news/figures", "news/uplift"):
            for when, said in (
                ("since=2026-12-01&until=2026-11-01", "ends before it begins"),
                ("since=soon", "Write days like 2026-11-26."),
            ):
                told = client.get(f"/cascades/{page}?{when}")
                assert told.status_code == 422 and said in told.text, (page, when)
                assert told.text.count("aria-invalid") == 1
        for part in ("news/report.csv", "news/figures.csv", "news/people", "news/money"):
            assert client.get(f"/cascades/{part}?since=soon").status_code == 422, part
        assert "Write days like" in client.get("/customers?since=soon").text


def test_the_way_of_a_marketer_by_keyboard(visit, opened):
    eyes = visit("marketer")
    page = eyes.goto("/cascades")
    page.keyboard.press("/")
    page.keyboard.type("news")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"q=news"))
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="<News> & more", exact=True).press("Enter")
    page.wait_for_selector("#ways svg")
    ways = json.loads(page.locator("#ways").get_attribute("data-told"))
    assert {(each["source"], each["target"]): each["value"] for each in ways["links"]} == {
        ("entered", "step:chat"): 2, ("step:chat", "end:under_way"): 1, ("step:chat", "step:letter"): 1,
        ("step:letter", "end:under_way"): 1,
    }  # fmt: skip
    tabs = page.get_by_role("navigation", name="Pages of this cascade").get_by_role("link")
    assert tabs.first.get_attribute("href") == "/cascades/news" and "Editor" in tabs.all_inner_texts()
    page.get_by_role("region", name="Step by step").get_by_role("link").first.press("Enter")
    page.wait_for_url(re.compile(r"/people\?.*figure=sent"))
    assert page.locator("tbody tr").count() == 1 and "Ann" in page.content()
    page.goto(f"{opened.url}/cascades")
    page.get_by_role("button", name="Pause <News> & more").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Pause").press("Enter")
    page.wait_for_selector("text=The cascade is paused.")
    assert opened.api.get("/cascades/news")["state"] == "paused"
    opened.api.post("/cascades/news/resume")


def test_a_launch_shows_what_is_refused_before_it_begins(visit, opened):
    office, news = opened.service.office, opened.api.get("/cascades/news")
    text = news["source"].replace("cascade: news", "cascade: late").replace(news["title"], "Late")
    opened.api.put("/cascades/late", content=text)
    opened.api.post("/cascades/late/activate")
    office.write(lambda tx: upsert(tx, hash_key(tx, opened.service.vault), [Contact(external_id="carl")], 1))
    opened.api.post("/lists", {"name": "late"})
    opened.api.post("/lists/late/members", {"contacts": ["carl"]})
    page = visit("marketer").goto("/cascades/late/launch")
    page.get_by_label("Who enters").select_option("list late")
    page.get_by_role("button", name="Show who that is").click()
    page.wait_for_selector("text=Launch for 1 person")
    assert "no address" in page.locator("tbody").last.inner_text()
    _ways_are_drawn_and_told(page)
    page.get_by_role("button", name="Launch for 1 person").click()
    page.wait_for_selector("text=Launched for 1 person.")
    until(lambda: opened.api.get("/cascades/late/report")["skips"].get("chat"))


def test_a_launch_is_planned_changed_and_called_off(visit, opened):
    at = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=3)
    friday, later = (each.strftime("%Y-%m-%dT10:00") for each in (at, at + timedelta(days=1)))
    looks = visit("marketer")
    page = looks.goto("/cascades/news/launch")
    page.get_by_label("Who enters").select_option("list vip")
    page.get_by_label("By whose clock").select_option("own")
    page.get_by_role("button", name="Show who that is").click()
    page.get_by_role("button", name="Plan the launch").click()
    page.wait_for_selector("text=Say date and time")
    page.get_by_label("By whose clock").select_option("brand")
    page.get_by_label("When").fill("2020-01-01T10:00")
    page.get_by_role("button", name="Show who that is").click()
    page.get_by_role("button", name="Plan the launch").click()
    page.wait_for_selector("text=That time is over by the clock of")
    looks.wrong.clear()  # Chromium tells of every 422
    page.get_by_label("When").fill(friday)
    page.get_by_label("By whose clock").select_option("own")
    page.get_by_role("button", name="Show who that is").click()
    page.get_by_role("button", name="Plan the launch").click()
    page.wait_for_selector("text=Planned: everybody enters when it is")
    one = opened.api.get("/cascades/news/launches")["items"][0]
    assert (one["state"], one["at"], one["own_clock"]) == ("planned", friday, True)
    looks.shoot("planned launch")
    for language, theme, width in (("ru", "dark", "phone"), ("ru", "light", "wide")):
        seen = visit("marketer", language=language, theme=theme, width=width)
        seen.goto("/cascades/news")
        assert not seen.axe() and not seen.overflows()
        seen.shoot(f"planned launch {language} {theme} {width}")
        listed = seen.goto("/cascades")
        assert "по их часам" in listed.locator("tr", has_text="news").inner_text()
        assert not seen.axe() and not seen.overflows()
        seen.shoot(f"list with a planned launch {language} {theme} {width}")
    told = {"list": "vip", "at": friday, "own_clock": False, "canary": "20%", "canary_after": "6h"}
    opened.api.put(f"/cascades/news/launches/{one['id']}", told)
    page.get_by_role("link", name="Change").click()
    assert page.get_by_label("When").input_value() == friday
    page.get_by_label("When").fill(later)
    page.get_by_label("By whose clock").select_option("brand")
    page.get_by_role("button", name="Show who that is").click()
    page.get_by_role("button", name="Change the planned launch").click()
    page.wait_for_selector("text=Planned: it begins")
    changed = opened.api.get("/cascades/news/launches")["items"][0]
    assert (changed["id"], changed["at"], changed["own_clock"]) == (one["id"], later, False)
    with opened.service.office.read() as tx:
        (planned,) = launch_dates.planned(tx)
    assert (planned.date.canary, planned.date.canary_after) == ("20%", "6h"), "the page does not ask for it"
    page.get_by_role("button", name="Call off").click()
    page.wait_for_selector("text=Nobody enters by this launch any more")
    assert opened.api.get("/cascades/news/launches")["items"][0]["state"] == "stopped"


def _cells_fold_whole(page):
    """On phones words beside an element of a cell would stand in the column of names."""
    split = """cells => cells.filter((cell) => cell.children.length && [...cell.childNodes].slice(1)
        .some((each) => each.nodeType === 3 && each.textContent.trim())).length"""
    cells = page.locator(".table.folds td[data-label]")
    assert cells.count() and cells.evaluate_all(split) == 0


def _ways_are_drawn_and_told(page):
    """Where people are expected to go: the same ways in the drawing, with their ranges, and in a table."""
    page.wait_for_selector("#ways svg")
    _cells_fold_whole(page)
    told = json.loads(page.locator("#ways").get_attribute("data-told"))
    names = {node["name"]: node["label"] for node in told["nodes"]}
    drawn = {(names[link["source"]], names[link["target"]], link["count"]) for link in told["links"]}
    assert drawn and all(re.fullmatch(r"likely \d+ to \d+", link["range"]) for link in told["links"])
    page.get_by_text("The same as a table").click()
    rows = page.locator(".chart .twin tbody tr")
    cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
    assert drawn <= {(row[0], row[1], row[3]) for row in cells} and cells[0][0] == "Entered"


ENDS = ("откликнулись", "дошли до цели", "все шаги пройдены, молчат", "отписались", "не дозвонились")


def ways_of(count, ends=ENDS):
    """Return the ways of 500 people over so many steps, to ends with such names."""
    nodes, links = [{"name": "in", "label": "Вошли", "kind": "entered", "paint": ""}], []
    for n in range(count):
        links.append({"source": f"step:{n - 1}" if n else "in", "target": f"step:{n}", "value": 500 - 50 * n})
        nodes.append({"name": f"step:{n}", "label": f"письмо-{n}", "kind": "step", "paint": "email"})
        links += [{"source": f"step:{n}", "target": end, "value": 1 + 45 * (n % 5 == at)}
                  for at, end in enumerate(ends)]  # fmt: skip
    nodes += [{"name": end, "label": end, "kind": "end", "paint": "converted"} for end in ends]
    return {"nodes": [node | {"count": "500"} for node in nodes], "links": links, "people": "людей"}


COVERED = """place => {
  const frame = place.getBoundingClientRect();
  const all = [...place.querySelectorAll("svg text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  const outside = (box) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
  const covered = all.flatMap(([name, a], at) =>
    all.slice(at + 1).filter(([, b]) => meet(a, b)).map(([other]) => `${name} × ${other}`));
  return [all.length, all.filter(([, box]) => outside(box)).map(([name]) => name), covered];
}"""  # noqa: E501


def _once_drawn(page, ways):
    """Return what is found once the drawing stands: what was there before may have had as many names."""
    before, now = None, ways.evaluate(COVERED)
    while now != before:
        page.wait_for_timeout(200)
        before, now = now, ways.evaluate(COVERED)
    return now


def _names_that_cover(page, counts, ends=ENDS):
    """Draw ways of so many steps, one after the other, and find no name outside or over another."""
    page.wait_for_selector("#ways svg")
    ways = page.locator("#ways")
    for count in counts:
        ways.evaluate("(place, told) => { place.dataset.told = told }", json.dumps(ways_of(count, ends)))
        page.evaluate("document.dispatchEvent(new Event('htmx:after:swap'))")
        least = count + 2 * len(ends) + 1
        page.wait_for_function("n => document.querySelectorAll('#ways svg text').length > n", arg=least)
        named, out, covered = _once_drawn(page, ways)
        assert (named >= least, out, covered) == (True, [], []), count


def test_no_name_of_the_ways_covers_another_beside_the_navigation(visit, opened):
    page = visit("viewer", language="ru").goto("/cascades/news")
    page.set_viewport_size({"width": 1280, "height": 900})
    _names_that_cover(page, (2, 3, 5, 9))
    _names_that_cover(page, (2, 3), ("недостижимы", "в пути"))  # wide letters


def test_no_name_of_the_ways_covers_another_on_a_phone(visit, opened):
    page = visit("viewer", language="ru", width="phone").goto("/cascades/news")
    _names_that_cover(page, (2, 5, 9))
    page.goto(f"{opened.url}/cascades/tried/uplift")
    page.wait_for_selector("#steps svg")
    named, out, covered = page.locator("#steps").evaluate(COVERED)
    assert (named > 3, out, covered) == (True, [], []), "what an axis says stands in the drawing"


def test_tabs_and_the_table_of_steps_fit_beside_the_navigation(visit, opened):
    page = visit("owner", language="ru").goto("/cascades/news")
    page.set_viewport_size({"width": 1280, "height": 900})
    for place in (".tabs.of-cascade", ".by-step .table-wrap"):
        assert page.locator(place).first.evaluate("each => each.scrollWidth <= each.clientWidth"), place


def test_variants_are_rows_of_the_table_of_steps(opened, visit):
    page = visit("viewer").goto("/cascades/tried")
    shown = page.locator(".by-step tr").evaluate_all(
        "rows => rows.map((row) => getComputedStyle(row).display)"
    )
    assert len(shown) >= 4 and set(shown) == {"table-row"}, "as no other part of the pages is called"
    assert page.locator(".by-step tr.of-variant").count() == 2
    assert "“Does it work?” compares fewer" in page.locator(".by-step .steps-note").inner_text()
    with opened.client("viewer") as client:
        assert "compares fewer" not in client.get("/cascades/news?lang=en").text, "it has no variants"


def test_what_a_channel_cannot_tell_is_no_zero_and_a_share_stands_beside_its_number(opened):
    with opened.client("marketer") as client:
        until(lambda: client.get("/cascades/news/figures?lang=en").status_code == 200)
        report, figures = (client.get(f"/cascades/news{page}?lang=en").text for page in ("", "/figures"))
    chat, letter = re.findall(r'<td [^>]*data-label="Opened: people / all">(.*?)</td>', report)
    assert ">—<" in chat and "</a>" in letter
    told = re.findall(r'data-label="Delivery rate">(.*?)</td>', figures)
    assert told and all(cell.startswith("<span") and cell.endswith("</span>") for cell in told), (
        "on a phone each part of a cell has a row of its own"
    )


def test_figures_lead_to_files_and_filters_hold(opened):
    with opened.client("viewer") as client:
        text = client.get("/cascades/news/report.csv").content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
        letter = dict(zip(rows[0], next(row for row in rows if row[0] == "letter"), strict=True))
        assert letter["sent"] == "1" and letter["opened_raw"] == "1"
        book = CalamineWorkbook.from_filelike(io.BytesIO(client.get("/cascades/news/report.xlsx").content))
        assert book.get_sheet_by_index(0).to_python()[0] == rows[0]
        whole = dict(zip(rows[0], rows[-1], strict=True))
        assert (whole["step"], whole["goals"]) == ("", "1") and whole["revenue"] == "1,500"
        past = client.get("/cascades/news/report.csv?until=2020-01-01").content.decode("utf-8-sig")
        assert len(past.splitlines()) == 1
        assert client.get("/cascades/news?version=9").status_code == 404
        assert client.get("/cascades/news/people?figure=nonsense").status_code == 422
    told = opened.api.get("/cascades/news/report/people?figure=sent&step=letter")
    assert len(told["items"]) == 1
    told = opened.api.get("/cascades/news/report/people?figure=goals")
    assert [each["external_id"] for each in told["items"]] == ["bob"]


def test_whether_a_cascade_works_is_told_on_the_page_by_the_api_and_in_the_terminal(opened, capsys):
    told = opened.api.get("/cascades/tried/uplift")
    effect = told["effect"]
    assert (round(effect["between"]["low"], 4), round(effect["between"]["high"], 4)) == (0.0030, 0.0299)
    assert effect["shown"] and not effect["shown_at_any_look"] and not told["uneven"]
    assert (round(told["orders"]["count"]), round(told["orders"]["between"]["high"])) == (162, 269)
    assert [round(one["goal"]["difference"], 4) for one in told["steps"]] == [0.0084]
    assert not told["steps"][0]["goal"]["shown"]
    plain, warm = told["variants"][0]["arms"]
    assert plain["p_goal"] is None and warm["p_reacted"] < 0.001 and warm["reacted"]["shown"]
    assert told["plans"][2]["people"] == 8329 and told["plans"][2]["ready_at"] == told["as_of"]
    database = opened.service.office.db.name
    assert run(["uplift", "tried", "--db", database]) == 0
    text = capsys.readouterr().out
    assert (
        "Difference +1.80 points" in text
        and "again and again: not shown" in text
        and "162 (27 to 269)" in text
    )
    assert run(["uplift", "tried", "--json", "--db", database]) == 0
    assert json.loads(capsys.readouterr().out)["effect"]["control"] == {
        "people": 1000,
        "hits": 42,
        "rate": 0.042,
    }
    assert run(["control", "--db", database]) == 0
    assert "Nobody is kept from all advertising." in capsys.readouterr().out
    assert run(["attribution", "--db", database]) == 0
    assert "Rule-based, not causal." in capsys.readouterr().out
    past = "/attribution?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z"
    assert opened.api.call("GET", past).status_code == 422
    with opened.client("viewer") as client:
        assert "It seems to work." in client.get("/cascades/tried/uplift").text
        assert "Nobody counts yet." in client.get("/cascades/tried/uplift?until=2020-01-01").text
        assert "Nobody counts yet" in client.get("/cascades/news/uplift").text
        assert "nothing to compare with" in client.get("/cascades/news/uplift?all=yes").text
        assert "Nothing to compare yet" in client.get("/cascades/draft/uplift").text
        assert client.get("/cascades/tried/uplift?version=9").status_code == 404


def test_figures_that_take_long_are_waited_for_and_hold_nobody_up(opened, visit, capsys, monkeypatch):
    there, measured, asked = Event(), uplift.measure, []

    def measure(*args, **kwargs):
        asked.append(there.wait(120))
        return measured(*args, **kwargs)

    monkeypatch.setattr(uplift, "measure", measure)
    monkeypatch.setattr(soon, "SOON_S", 0.01)
    eyes = visit("viewer", language="en")
    page = eyes.goto("/cascades/tried/uplift?all=yes&segment=")
    page.wait_for_selector("text=Being counted")
    assert not eyes.axe() and not eyes.overflows()
    answer = opened.api.call("GET", "/cascades/tried/uplift")
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "1")
    assert answer.json()["state"] == "counting"
    with opened.client("viewer") as client:
        part = client.get("/cascades/tried/uplift?all=yes&segment=", headers={"HX-Request": "true"})
        assert (part.status_code, part.content) == (204, b"")
        waiting = {"HX-Request": "true", "X-Counting": "page"}
        failed = client.get("/cascades/missing/uplift", headers=waiting)  # the whole page tells why
        assert (failed.status_code, failed.headers["hx-refresh"]) == (204, "true")
    there.set()
    page.wait_for_selector("#verdict")  # by itself
    assert opened.api.get("/cascades/tried/uplift")["effect"]["control"]["hits"] == 42
    assert len(asked) == 2  # once for the page, once for the API
    there.clear()
    monkeypatch.setattr("kaskad.cli.client.sleep", lambda rest_s: there.set())
    assert run(["uplift", "tried", "--version", "1", "--json", "--db", opened.service.office.db.name]) == 0
    told = capsys.readouterr()
    assert "a moment to count" in told.err and json.loads(told.out)["effect"]["control"]["hits"] == 42


WAITING = (
    "/cascades/news", "/cascades/news/forecasts", "/cascades/news/uplift", "/cascades/news/money",
    "/cascades/news/launch?audience=list vip", "/cascades/news/figures.csv", "/cascades/news/report.xlsx",
)  # fmt: skip


def test_no_page_counts_while_it_is_asked_for(site, monkeypatch):
    with site.client("marketer") as client, counting_held(monkeypatch) as there:
        with monkeypatch.context() as full:
            full.setattr(soon, "WAITING", 0)
            assert client.get("/settings/caps").status_code == 200, "caps can be changed all the same"
            assert client.get("/cascades/news/money").status_code == 503
        pages = [f"{path}{'&' if '?' in path else '?'}until=2031-02-03" for path in WAITING]
        assert [client.get(path).status_code for path in pages] == [202] * len(pages)
        caps = client.get("/settings/caps").text
        assert 'id="controlled" hx-get="/settings/caps"' in caps and "being counted" in caps
        part = client.get("/settings/caps", headers={"HX-Request": "true", "X-Counting": "controlled"})
        assert (part.status_code, part.content) == (204, b"")
        there.set()
    with site.client("marketer") as client:
        assert "being counted" not in client.get("/settings/caps").text
        assert [client.get(path).status_code for path in pages] == [200] * len(pages)


def test_what_waits_is_told_at_once_when_its_figures_are_there(site, monkeypatch):
    monkeypatch.setattr(soon, "HELD_S", 60.0)
    path, page = "/cascades/news/money?until=2031-02-04", {"HX-Request": "true", "X-Counting": "page"}
    with site.client("marketer") as client, counting_held(monkeypatch) as there:
        text = client.get(path).text
        assert 'hx-trigger="load, ' in text, "it does not wait a while before it asks"
        Timer(0.3, there.set).start()
        told = client.get(path, headers=page)
        assert (told.status_code, told.headers["hx-refresh"]) == (204, "true")


def test_forecasts_name_the_figures_that_miss_on_one_side(site, monkeypatch):
    path, whole = "/cascades/news/forecasts", calibration(
        [[Held("reached", 90, 110, 80), Held("cost", 5, 6, 7), Held("entered", 9, 9, 9)]] * 10
    )  # fmt: skip
    with site.client("viewer") as client, monkeypatch.context() as patch:
        patch.setattr(hindsight, "of_cascade", None)  # no launch is looked at twice
        assert "again and again" not in client.get(path).text
        patch.setattr(forecasts, "calibrated", lambda every: whole)
        page = client.get(path).text
        assert "Less came than expected, again and again: “react”. Count with less." in page
        assert "More came than expected, again and again: “cost”. Count with more." in page
        russian = client.get(path, headers={"Accept-Language": "ru"}).text
        assert "Раз за разом выходит меньше, чем ожидалось: «отреагируют»." in russian
        assert "certain beforehand: 10. What was certain and came otherwise counts as missed." in page
        assert "были известны заранее и так и вышли: 10. Что было известно заранее, а вышло" in russian
        whole = calibration([[Held("entered", 9, 9, 9)]])
        assert "all was certain beforehand, and came so" in client.get(path).text


def test_a_launch_is_asked_about_by_what_runs_now(site, monkeypatch):
    text = (
        "cascade: turned\nclass: service\ntrigger: {broadcast: all}\n"
        "steps:\n  - {id: %s, channel: email, subject: Hi, text: t}\n"
    )
    with site.client("marketer") as client, counting_held(monkeypatch) as there:
        there.set()
        for step in ("oldest", "newest"):
            site.api.put("/cascades/turned", content=text % step)
            site.api.post("/cascades/turned/activate", {})
            shown = [client.get("/cascades/turned/launch?audience=everybody")]
            while shown[-1].status_code == 202:
                time.sleep(0.05)
                shown.append(client.get("/cascades/turned/launch?audience=everybody"))
            assert step in shown[-1].text and len(shown) > 1


def test_a_part_whose_figures_fail_says_so_in_its_place_and_asks_no_more(site, visit, monkeypatch):
    asked = []

    def told(*args):
        asked.append(args)
        raise Conflict("No such luck.")

    monkeypatch.setattr(mailboxes, "told", told)
    eyes = visit("viewer", language="en")
    eyes.goto("/channels/complaints?days=90")
    page = eyes.page
    page.wait_for_selector("#mails .note.bad >> text=No such luck.")
    assert not page.locator(".toast").count() and not eyes.axe()
    page.wait_for_timeout(1_200)
    assert len(asked) == 1 and page.get_by_role("link", name="Try again").is_visible()
    assert "409" in eyes.wrong.pop()  # the browser's own line
    again = """times => { for (let n = 0; n < times; n++) document.dispatchEvent(new Event("htmx:error")) }"""
    page.evaluate(again, 3)
    page.locator(".toast [data-close]").click()  # one only
    page.evaluate(again, 2)
    assert not page.locator(".toast").count(), "nobody answers still, which was told"
    page.evaluate('document.dispatchEvent(new CustomEvent("htmx:before:response", {detail: {ctx: {}}}))')
    page.evaluate(again, 1)
    assert page.locator(".toast").count() == 1


def test_no_difference_of_an_uneven_lot_is_shown_anywhere(opened, capsys):
    opened.api.put("/cascades/askew", content=TRIED.replace("cascade: tried", "cascade: askew"))
    opened.api.post("/cascades/askew/activate")
    office = opened.service.office
    with office.read() as tx:
        version_id = by_slug(tx, "askew").version_id
    office.write(
        lambda tx: put_tried(tx, version_id, office.now(), held=2000, variants=(4500, 2250), stepped=2300)
    )
    told = opened.api.get("/cascades/askew/uplift")
    assert told["effect"]["shown_at_any_look"] and told["steps"][0]["goal"]["shown"]
    assert told["variants"][0]["arms"][1]["p_reacted"] < 0.001, "all of it would be, were the lots even"
    with opened.client("viewer") as client:
        page = client.get("/cascades/askew/uplift").text
    charts = [json.loads(each) for each in re.findall(r"data-told='([^']*)'", page)]
    assert [len(each["rows"]) for each in charts] == [2, 1, 1]
    assert {row["tone"] for each in charts for row in each["rows"]} == {"quiet"}
    assert page.count("uneven lot</span>") == 4 and "shown</span>" not in page
    assert run(["uplift", "askew", "--db", office.db.name]) == 0
    said = capsys.readouterr().out
    assert said.count("uneven lot: believe nothing") == 4 and "shown" not in said
