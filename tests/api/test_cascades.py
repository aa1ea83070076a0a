"""Cascades over HTTP: drafted with all their mistakes, checked, compared, activated, held and ended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from kaskad.actions import launch_dates
from kaskad.cli.root import run
from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import Taker, equip, people, taking

NEWS = """cascade: {slug}
title: News
class: service
goal: {{event: purchase}}
holdout: 0%
trigger: {{broadcast: all}}
steps:
  - {{id: letter, channel: email, subject: News, text: "Hello {{{{ contact.name }}}}", wait: 1h}}
  - {{id: short, channel: sms, text: "Hello", wait: 1h}}
"""
YAML = {"Content-Type": "application/yaml"}


@pytest.fixture(scope="module")
def taker(api) -> Iterator[Taker]:
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL, Channel.SMS)
        people(api.service, "ann", "bob", "cid", listed="vip")
        yield taker


def put(api, slug, text=NEWS):
    return api.put(f"/cascades/{slug}", content=text.format(slug=slug), headers=YAML)


def test_a_definition_is_drafted_activated_and_compared(api, taker):
    saved = put(api, "news")
    revision = api.get("/cascades/news")["revision"]
    assert saved == {"slug": "news", "state": "draft", "ok": True, "problems": [], "revision": revision}
    shown = api.get("/cascades/news")
    assert (shown["state"], shown["version"], shown["drafted"]) == ("draft", None, True)
    assert shown["draft"]["source"] == NEWS.format(slug="news") and shown["source"] is None
    assert shown["steps"] == [{"id": "letter", "channels": ["email"]}, {"id": "short", "channels": ["sms"]}]
    assert shown["class"] == "service" and shown["trigger"] == "broadcast"

    assert api.post("/cascades/news/activate") == {
        "slug": "news", "state": "active", "runs": 0, "version": 1, "canary": None,
        "paused": [],
    }  # fmt: skip
    shown = api.get("/cascades/news")
    assert (shown["version"], shown["drafted"], shown["draft"]) == (1, False, None)
    assert api.post("/cascades/news/activate")["version"] == 1  # nothing new: the version stays

    api.put("/cascades/news", content=NEWS.format(slug="news").replace("wait: 1h", "wait: 2h"), headers=YAML)
    told = api.call("GET", "/cascades/news/diff")
    assert told.headers["content-type"].startswith("text/x-diff")
    assert '-  - {id: short, channel: sms, text: "Hello", wait: 1h}' in told.text
    assert '+  - {id: short, channel: sms, text: "Hello", wait: 2h}' in told.text
    assert api.post("/cascades/news/activate")["version"] == 2
    assert [each["number"] for each in api.get("/cascades/news/versions")["items"]] == [2, 1]
    assert "wait: 1h" in api.get("/cascades/news/versions/1")["source"]
    assert api.call("GET", "/cascades/news/diff?old=1&new=2").text.count("\n+ ") == 2
    assert [each["slug"] for each in api.get("/cascades")["items"]].count("news") == 1


def test_every_mistake_of_a_definition_is_told_and_kept_out_of_force(api, taker):
    text = "cascade: broken\nclass: servce\ntrigger: {broadcast: all}\nsteps:\n  - {channel: pigeon}\n"
    saved = api.put("/cascades/broken", content=text, headers=YAML)
    assert saved["state"] == "draft" and not saved["ok"]
    wrong = [(p["line"], p["severity"]) for p in saved["problems"] if p["severity"] == "error"]
    assert (2, "error") in wrong and (5, "error") in wrong
    assert all(p["message"] and p["column"] >= 1 for p in saved["problems"])
    assert any("did you mean" in p["remedy"] for p in saved["problems"])
    assert api.get("/cascades/broken")["draft"]["source"] == text
    refused = api.call("POST", "/cascades/broken/activate")
    assert refused.status_code == 422
    assert len(refused.json()["problems"]) == len(wrong)
    checked = api.post("/cascades/check", content=text, headers=YAML)
    assert checked["problems"] == saved["problems"] and not checked["ok"]
    assert api.post("/cascades/check", content=NEWS.format(slug="x"))["cascade"] == "x"
    assert api.call("GET", "/cascades/x").status_code == 404


def test_json_is_a_definition_too(api, taker):
    definition = {
        "cascade": "json",
        "class": "service",
        "trigger": {"broadcast": "all"},
        "steps": [{"id": "short", "channel": "sms", "text": "Hello"}],
    }
    assert api.put("/cascades/json", definition)["ok"]
    assert api.get("/cascades/json")["steps"][0]["channels"] == ["sms"]


def test_what_no_account_can_carry_is_not_activated(api, taker):
    text = NEWS.replace("channel: sms", "channel: telegram").replace(
        "steps:", "budget: {{total: 100 RUB}}\nsteps:"
    )
    put(api, "chat", text)
    refused = api.call("POST", "/cascades/chat/activate")
    assert refused.status_code == 422
    told = [problem["detail"] for problem in refused.json()["problems"]]
    assert any("uses telegram, which has no account" in each for each in told)
    assert any("whose price is in KZT, and the budget is in RUB" in each for each in told)
    plan = api.post("/cascades/chat/plan")
    assert not plan["ok"] and plan["missing"] == told


def test_a_plan_tells_what_would_change_and_saves_nothing(api, taker):
    people(api.service, "pam", "pat", "pia", listed="planned")
    new = api.post("/cascades/planned/plan", content=NEWS.format(slug="planned"), headers=YAML)
    assert (new["ok"], new["changes"], new["version"]) == (True, True, 1)
    assert "+cascade: planned" in new["diff"]
    assert api.call("GET", "/cascades/planned").status_code == 404
    put(api, "planned")
    api.post("/cascades/planned/activate")
    api.post("/cascades/planned/launch", {"list": "planned"})
    until(lambda: api.get("/cascades/planned/report")["lines"])
    same = api.post("/cascades/planned/plan")
    assert (same["ok"], same["changes"], same["version"], same["diff"]) == (True, False, 1, "")
    assert same["in_flight"] == [{"version": 1, "step": "letter", "runs": 3}]
    other = NEWS.format(slug="planned").replace("title: News", "title: Other")
    changed = api.post("/cascades/planned/plan", content=other, headers=YAML)
    assert changed["version"] == 2 and "-title: News\n+title: Other\n" in changed["diff"]


def test_a_launch_reaches_its_list_and_the_report_counts_it(api, taker, capsys):
    put(api, "sale")
    assert api.call("POST", "/cascades/sale/launch", {"list": "vip"}).status_code == 409  # a draft
    api.post("/cascades/sale/activate")
    taker.refusing.add("bob@email.example.org")
    begun = api.post("/cascades/sale/launch", {"list": "vip"})
    assert begun["size"] == 3 and begun["id"].startswith("launch_") and begun["pace"] == 0

    def failed_over() -> bool:
        return any(
            line["id"] == "short" and line["sent"] for line in api.get("/cascades/sale/report")["lines"]
        )

    until(failed_over)
    report = api.get("/cascades/sale/report")
    letter, short = report["lines"]
    assert (letter["sent"], letter["failed"], short["sent"]) == (2, 1, 1)
    assert report["entered"] == report["under_way"] == 3
    assert report["cost"] == {"KZT": 3 * 1500} == report["price"]
    assert report["failures"] == {"letter": {"invalid_address": 1}}
    assert report["failure_words"] == {"letter": {"invalid_address": {"E404": 1}}}
    assert report["as_of"].endswith("Z") and report["state"] == "active" and report["launches"] == 0
    (launch,) = api.get("/cascades/sale/launches")["items"]
    assert launch["id"] == begun["id"] and launch["state"] == "done"
    assert (launch["enrolled"], launch["size"], launch["audience"]) == (3, 3, "list vip")
    assert api.call("POST", f"/cascades/sale/launches/{begun['id']}/stop").status_code == 409
    assert api.get("/cascades/sale")["under_way"] == 3
    days = api.get("/cascades/sale/report/days?days=3")
    assert [(day["sent"], day["failed"]) for day in days] == [(0, 0), (0, 0), (3, 1)]
    assert days[-1]["day"] == report["as_of"][:10] and days[-1]["cost"] == report["cost"]
    assert api.get("/cascades/sale/report/days?days=1&version=1") == days[-1:]
    assert api.call("GET", "/cascades/sale/report/days?version=2").status_code == 404
    assert run(["report", "sale", "--since", report["as_of"][:10], "--db", api.service.db.name]) == 0
    shown = capsys.readouterr().out
    assert "people         entered ██" in shown and "short (sms)    sent " in shown
    assert "by the day of sending" not in shown, "one day is no course of time"


def test_a_launch_at_a_date_waits_begins_and_is_told_of(api, taker):
    put(api, "friday")
    api.post("/cascades/friday/activate")
    at = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT10:00")
    begun = api.post("/cascades/friday/launch", {"list": "vip", "at": at})
    assert (begun["size"], begun["begins_at"]) == (None, f"{at}:00Z")
    (one,) = api.get("/cascades/friday/launches")["items"]
    assert (one["id"], one["state"], one["at"], one["own_clock"]) == (begun["id"], "planned", at, False)
    assert api.get("/cascades/friday/report")["launches"] == 0
    place = f"/cascades/friday/launches/{begun['id']}"
    changed = api.put(place, {"everybody": True, "at": at, "own_clock": True, "pace": "60/h"})
    assert (changed["audience"], changed["own_clock"], changed["pace"]) == ("everybody", True, 60)
    for wrong in ("", "2020-01-01T10:00", "soon", "2026-12-04T10:00+05:00"):
        answer = api.call("PUT", place, {"list": "vip", "at": wrong})
        assert answer.status_code == 422 and answer.json()["problems"][0]["pointer"] == "/at"
    assert api.post(f"{place}/stop")["state"] == "stopped"
    assert api.call("PUT", place, {"list": "vip", "at": at}).status_code == 409
    soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S")
    api.post("/cascades/friday/launch", {"list": "vip", "at": soon})

    def has_begun() -> bool:
        launch_dates.go_on(api.service.office)
        return api.get("/cascades/friday/report")["entered"] == 3

    until(has_begun)


def test_a_slow_launch_can_be_stopped(api, taker):
    put(api, "slow")
    api.post("/cascades/slow/activate")
    begun = api.post("/cascades/slow/launch", {"everybody": True, "pace": "2/h"})
    assert begun["pace"] == 2 and begun["size"] >= 3
    until(lambda: api.get("/cascades/slow/launches")["items"][0]["enrolled"] == 1)
    stopped = api.post(f"/cascades/slow/launches/{begun['id']}/stop")
    assert stopped["state"] == "stopped" and stopped["enrolled"] == 1
    assert api.get("/cascades/slow/report")["launches"] == 0


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, ["Say whom it is for"]),
        ({"list": "vip", "everybody": True}, ["Say whom it is for"]),
        ({"pace": "fast"}, ["Say whom it is for", "write 1000/h"]),
        ({"everybody": True, "pace": "999999999/s"}, ["write 1000/h"]),
        ({"everybody": True, "own_clock": True}, ["Say date and time"]),  # else it would begin at once
    ],
)
def test_a_launch_is_told_all_that_is_wrong_with_it(api, taker, told, words):
    put(api, "wrong")
    api.post("/cascades/wrong/activate")
    refused = api.call("POST", "/cascades/wrong/launch", told)
    assert refused.status_code == 422
    details = [problem["detail"] for problem in refused.json()["problems"]]
    assert len(details) == len(words)
    assert all(word in detail for word, detail in zip(words, details, strict=True))


def test_a_cascade_that_begins_with_an_event_is_not_launched(api, taker):
    put(api, "cart", NEWS.replace("{{broadcast: all}}", "{{event: left}}"))
    api.post("/cascades/cart/activate")
    refused = api.call("POST", "/cascades/cart/launch", {"everybody": True})
    assert refused.status_code == 422 and "begins with the event 'left'" in refused.text
    assert api.call("POST", "/cascades/wrong/launch", {"list": "nobody"}).status_code == 404


def test_pause_resume_and_stop_tell_how_many_runs_they_concern(api, taker):
    put(api, "held")
    assert api.call("POST", "/cascades/held/pause").status_code == 409  # a draft
    api.post("/cascades/held/activate")
    api.post("/cascades/held/launch", {"list": "vip"})
    until(lambda: api.get("/cascades/held/report")["lines"])
    assert api.post("/cascades/held/pause") == {"slug": "held", "state": "paused", "runs": 3}
    put(api, "held", NEWS.replace("title: News", "title: New"))
    assert api.post("/cascades/held/activate") == {
        "slug": "held", "state": "paused", "runs": 3, "version": 2, "canary": None,
        "paused": [],
    }  # fmt: skip
    assert api.call("POST", "/cascades/held/launch", {"list": "vip"}).status_code == 409
    assert api.post("/cascades/held/resume") == {"slug": "held", "state": "active", "runs": 0}
    assert api.post("/cascades/held/stop") == {"slug": "held", "state": "stopped", "runs": 3}
    assert api.get("/cascades/held/report")["outcomes"] == {"cancelled": 3}
    for action in ("pause", "resume", "activate"):
        assert api.call("POST", f"/cascades/held/{action}").status_code == 409
    assert api.call("PUT", "/cascades/held", content=NEWS.format(slug="held")).status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/cascades/Bad%20Name", b"x", 422),
        ("PUT", "/cascades/x", b"\xff\xfe", 422),
        ("PUT", "/cascades/x", b"cascade: \x00", 422),
        ("PUT", "/cascades/x", NEWS.format(slug="y").encode(), 422),
        ("PUT", "/cascades/x", b"x" * 1_600_001, 413),
        ("POST", "/cascades/check", b"[" * 1_000, 200),
        ("POST", "/cascades/none/plan", b"", 404),
        ("POST", "/cascades/none/activate", b"", 404),
        ("POST", "/cascades/none/stop", b"", 404),
        ("GET", "/cascades/none/report", b"", 404),
        ("GET", "/cascades/none/versions/99999999999", b"", 422),
        ("GET", "/cascades/none/diff?old=-1", b"", 422),
        ("GET", "/cascades/none/launches?cursor=x", b"", 422),
        ("POST", "/cascades/none/launches/launch_x/stop", b"", 404),
        ("POST", "/cascades/none/launch", b'{"list": "\\u0000", "pace": 7, "who": 1}', 422),
    ],
)
def test_bad_input_is_a_problem_and_never_a_defect(api, method, path, body, status):
    answer = api.call(method, path, content=body)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_that_may_only_read_changes_nothing(api, taker):
    key = api.post("/keys", {"name": "reader", "scopes": ["cascades:read"]})["key"]
    assert api.call("GET", "/cascades", key=key).status_code == 200
    for method, path in (
        ("PUT", "/cascades/x"),
        ("POST", "/cascades/news/stop"),
        ("POST", "/cascades/news/launch"),
    ):
        assert api.call(method, path, key=key).status_code == 403
