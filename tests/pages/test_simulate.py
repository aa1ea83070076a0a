"""A cascade is played from its page, watched until it is over; what is wrong is told at its field."""

import re
from threading import Event
from time import monotonic, sleep

from kaskad.web.pages import simulate

FILE = """world:
  fails: {letter: 5%}
expect:
  reach: {at_least: 1%}
  cost: {at_most: 1 KZT}
  messages: {at_most: 10}
"""


DEAR = """cascade: dear
title: Dear
class: service
trigger: {broadcast: all}
steps:
  - {id: sms, channel: sms, text: "Hello", wait: 1h}
"""


def test_a_cascade_is_played_and_told(visit, site):
    eyes = visit("owner", language="ru")
    page = eyes.goto("/cascades/news/simulate")
    eyes.shoot("simulate empty")
    page.locator("#f-people").fill("300")
    page.locator("#f-file").fill(FILE)
    page.locator("#f-seed").press("Enter")
    page.wait_for_selector("#came", timeout=120_000)
    address = page.url.partition("/cascades/")[2]
    page.wait_for_selector("#messages svg")
    assert "не выполнен" in page.text_content("#held").lower()
    for theme, width in (("light", "wide"), ("dark", "phone")):
        looked = visit("owner", language="ru" if width == "wide" else "en", theme=theme, width=width)
        looked.goto(f"/cascades/{address}").wait_for_selector("#messages svg")
        looked.shoot(f"simulate {width}")
        assert looked.axe() == [] and not looked.overflows()


def test_what_is_wrong_is_told_beside_its_field_and_a_run_that_fails_too(site):
    with site.client("owner") as client:
        there = "/cascades/news/simulate?lang=en"
        token = re.search(r'name="csrf" value="([^"]+)', client.get(there).text)[1]
        told = {"csrf": token, "people": "0", "seed": "x", "start": "soon", "whom": "typical", "file": ""}
        wrong = client.post(there, data=told)
        assert wrong.status_code == 422
        assert all(
            words in wrong.text for words in ("from 1 to 200,000", "A whole number.", "2026-06-01T10:00")
        )
        told |= {"people": "50", "seed": "2", "start": "2026-06-01T10:00+05:00"}
        wrong = client.post(there, data=told | {"file": "expect: {reach: {at_least: much}}"})
        assert wrong.status_code == 422 and "1:28" in wrong.text and "a share from 0% to 100%" in wrong.text
        place = client.post(there, data=told, follow_redirects=False).headers["location"]
        _played(client, place)
        other = client.get(place.replace("news", "draft"))
        assert other.status_code == 200 and 'id="came"' not in other.text


def test_a_step_of_no_known_price_is_told_as_such_and_not_as_one_that_costs_nothing(visit, site):
    site.api.put("/cascades/dear", content=DEAR)
    with site.client("owner") as client:
        there = "/cascades/dear/simulate?lang=en"
        token = re.search(r'name="csrf" value="([^"]+)', client.get(there).text)[1]
        told = {"csrf": token, "people": "50", "seed": "2", "start": "", "whom": "typical", "file": ""}
        place = client.post(there, data=told, follow_redirects=False).headers["location"]
        looked = _played(client, place)
    assert "no price: sms" in looked.text and re.search(r">\s*no price\s*<", looked.text)
    eyes = visit("owner", language="ru", theme="dark", width="phone")
    page = eyes.goto(place)
    assert "нет цены" in page.locator("#came").locator("..").inner_text()
    eyes.shoot("simulate without a price")
    assert eyes.axe() == [] and not eyes.overflows()


def test_a_page_that_is_written_while_the_simulation_ends_looks_again(site, monkeypatch):
    written, play, page = Event(), simulate.play_apart, simulate._page

    def play_later(*arguments):
        assert written.wait(60)
        return play(*arguments)

    def page_before(*arguments, job=None, **more):
        answer = page(*arguments, job=job, **more)
        if job is not None:
            written.set()
            until = monotonic() + 60
            while job.told is None and monotonic() < until:
                sleep(0.05)
        return answer

    monkeypatch.setattr(simulate, "play_apart", play_later)
    with site.client("owner") as client:
        there = "/cascades/news/simulate?lang=en"
        token = re.search(r'name="csrf" value="([^"]+)', client.get(there).text)[1]
        told = {"csrf": token, "people": "20", "seed": "2", "start": "", "whom": "typical", "file": ""}
        place = client.post(there, data=told, follow_redirects=False).headers["location"]
        monkeypatch.setattr(simulate, "_page", page_before)
        assert client.get(place).headers.get("refresh") == "1"
        monkeypatch.undo()
        _played(client, place)


def _played(client, place):
    """Return the page of a simulation once it is over."""
    until = monotonic() + 120
    looked = client.get(place)
    while looked.headers.get("refresh") and monotonic() < until:
        assert "looks again by itself" in looked.text or "обновляется сама" in looked.text
        sleep(0.2)
        looked = client.get(place)
    assert looked.status_code == 200 and 'id="came"' in looked.text
    return looked
