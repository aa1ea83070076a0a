"""Runs and messages over HTTP: where each person stands, what was sent, why, and how a run is cancelled."""

from collections.abc import Iterator

import pytest

from kaskad.actions import runs
from kaskad.actions.moves import Migration
from kaskad.cli.root import run
from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import Taker, equip, people, taking

CASCADE = """cascade: {slug}
class: service
goal: {{event: purchase}}
holdout: 0%
trigger: {{broadcast: all}}
steps:
  - {{id: chat, channel: telegram, text: "Dear {{{{ contact.name }}}}", wait: 1h}}
  - {{id: letter, channel: email, subject: News, text: "Hello {{{{ contact.name }}}}", wait: 1h}}
"""
NAMES = ("ann", "bob", "cid", "dan", "eve")


def done(api, slug):
    """Say whether four chats and the letter after the fifth, which is refused or skipped, have been taken."""
    lines = api.get(f"/cascades/{slug}/report")["lines"]
    return {line["id"]: line["sent"] for line in lines} == {"chat": 4, "letter": 1}


@pytest.fixture(scope="module")
def taker(api) -> Iterator[Taker]:
    """Two cascades that all have entered; the chat of one person does not exist."""
    with taking() as taker:
        taker.refusing.add("bob@telegram.example.org")
        equip(api.service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
        people(api.service, *NAMES, listed="all")
        for slug in ("one", "two"):
            api.put(f"/cascades/{slug}", content=CASCADE.format(slug=slug))
            api.post(f"/cascades/{slug}/activate")
            api.post(f"/cascades/{slug}/launch", {"list": "all"})
        for slug in ("one", "two"):
            until(lambda slug=slug: done(api, slug), 60)
        yield taker


def one_more(api, slug, *names):
    """Let people who are in no other cascade enter one of their own, and wait until their chats are sent."""
    people(api.service, *names, listed=slug)
    api.put(f"/cascades/{slug}", content=CASCADE.format(slug=slug))
    api.post(f"/cascades/{slug}/activate")
    api.post(f"/cascades/{slug}/launch", {"list": slug})
    lines = f"/cascades/{slug}/report"
    until(lambda: [line["sent"] for line in api.get(lines)["lines"]][:1] == [len(names)])


def run_of(api, who, slug="one"):
    (run,) = api.get(f"/cascades/{slug}/runs", params={"contact": who})["items"]
    return run


def test_runs_are_listed_by_cascade_contact_step_and_state(api, taker):
    told = [run["cascade"] for run in api.get("/runs")["items"]]
    assert told.count("one") == told.count("two") == 5
    assert {run["cascade"] for run in api.get("/runs?contact=ann")["items"]} == {"one", "two"}
    run = run_of(api, "ann@email.example.org")
    assert (run["state"], run["step"], run["phase"], run["version"]) == ("active", "chat", "waiting", 1)
    assert run["outcome"] is None and run["wake_at"] > run["entered_at"]
    assert (
        run["contact"].startswith("con_")
        and run["id"] == f"run_{run['contact'][4:]}_{run['id'].split('_')[2]}"
    )
    assert api.get(f"/runs/{run['id']}") == run
    (moved,) = api.get("/cascades/one/runs?step=letter")["items"]
    assert moved["id"] == run_of(api, "bob")["id"]
    assert len(api.get("/cascades/one/runs?step=chat&state=active")["items"]) == 4
    assert api.get("/runs?cascade=one") == api.get("/cascades/one/runs")
    (hers,) = api.get("/runs?cascade=two&contact=ann")["items"]
    assert hers["cascade"] == "two"
    assert api.get("/runs?state=finished&cascade=two")["items"] == []
    assert api.get("/runs?outcome=converted")["items"] == []


def pages(api, path):
    """Return the items of all pages, and how many pages there were."""
    items, count, cursor = [], 0, None
    while True:
        page = api.get(f"{path}&cursor={cursor}" if cursor else path)
        items, count, cursor = items + page["items"], count + 1, page["next"]
        if cursor is None:
            return items, count


@pytest.mark.parametrize("path", ["/runs?limit=3", "/cascades/one/runs?limit=2", "/runs?contact=ann&limit=1"])
def test_pages_hold_each_run_once(api, taker, path):
    whole = api.get(path.replace("limit=", "limit=10"))
    assert whole["next"] is None
    items, count = pages(api, path)
    assert items == whole["items"] and count >= 2


def test_a_page_looks_at_a_bounded_number_of_runs(api, taker, monkeypatch):
    monkeypatch.setattr(runs, "SCAN", 3)
    items, count = pages(api, "/cascades/one/runs?step=letter")
    assert [run["id"] for run in items] == [run_of(api, "bob")["id"]]
    whole, _ = pages(api, "/runs?limit=100")
    assert count == -(-len(whole) // 3) >= 4  # of all runs, three at a time


def test_a_run_is_explained_with_its_decisions_and_facts(api, taker):
    told = api.get(f"/runs/{run_of(api, 'bob')['id']}/explain")
    first, *_, last = told["decisions"]
    assert first["send"]["channel"] == "telegram" and first["send"]["account"] == "telegram"
    assert last["step"] == "letter" and last["inputs"]
    (rejected,) = [fact for fact in told["facts"] if fact["kind"] == "rejected"]
    assert rejected["step"] == "chat" and rejected["value"]["code"] == "E404"
    assert told["cascade"] == "one" and told["step"] == "letter"


def test_messages_tell_their_words_price_and_attempts(api, taker):
    run = run_of(api, "bob")["id"]
    chat, letter = api.get("/messages", params={"run": run})["items"]
    assert (chat["state"], chat["reason"], chat["step"]) == ("rejected", "invalid_address", "chat")
    assert (letter["state"], letter["price"], letter["currency"], letter["account"]) == (
        "sent", 1500, "KZT", "email",
    )  # fmt: skip
    assert "sent" in letter["facts"] and letter["sent_at"] >= letter["submitted_at"]
    whole = api.get(f"/messages/{run}/letter")
    assert whole["body"]["subject"] == "News" and "Hello Bob" in whole["body"]["text"]
    assert whole["attempts"] == whole["history"] == []  # that it was taken is told by `sent_at`
    (rejected,) = api.get(f"/messages/{run}/chat")["history"]
    assert rejected["kind"] == "rejected" and rejected["step"] == "chat"
    assert len(api.get("/messages?contact=bob")["items"]) == 4
    items, count = pages(api, "/messages?contact=bob&limit=1")
    assert items == api.get("/messages?contact=bob")["items"] and count == 4


def test_a_cancelled_run_has_ended_before_the_answer(api, taker):
    one_more(api, "ended", "fay")
    run = run_of(api, "fay", "ended")["id"]
    ended = api.post(f"/runs/{run}/cancel")
    assert (ended["outcome"], ended["state"], ended["wake_at"]) == ("cancelled", "finished", None)
    assert api.get(f"/runs/{run}") == ended
    again = api.call("POST", f"/runs/{run}/cancel")
    assert again.status_code == 409 and "has ended already: cancelled" in again.json()["detail"]
    (cancelled,) = api.get("/cascades/ended/runs?outcome=cancelled")["items"]
    assert cancelled["id"] == run
    assert any(fact["kind"] == "cancelled" for fact in api.get(f"/runs/{run}/explain")["facts"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/runs?state=happy&outcome=sad&limit=0&cursor=x", 422),
        ("GET", "/runs?cursor=1_99999999999", 422),
        ("GET", "/runs?cursor=99999999999999999999_1", 422),
        ("GET", "/runs?contact=%00", 422),
        ("GET", "/runs?contact=nobody", 404),
        ("GET", "/runs?cascade=nothing", 404),
        ("GET", "/runs?cascade=", 422),
        ("GET", "/runs/run_x", 404),
        ("GET", "/runs/run_999999999999999999_999999999999999999", 404),
        ("GET", "/runs/run_1_1/explain", 404),
        ("POST", "/runs/run_1_1/cancel", 404),
        ("GET", "/cascades/one/runs?step=nothing", 404),
        ("GET", "/cascades/nothing/runs", 404),
        ("GET", "/messages", 422),
        ("GET", "/messages?contact=ann&run=run_1_1", 422),
        ("GET", "/messages?run=run_999999999999999999_999999999999999999", 404),
        ("GET", "/messages/run_1_1/letter", 404),
    ],
)
def test_bad_input_is_a_problem_and_never_a_defect(api, taker, method, path, status):
    answer = api.call(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_run_of_a_merged_contact_is_found_by_the_name_that_it_had(api, taker):
    one_more(api, "merged", "gus", "hal")
    run, hal = run_of(api, "gus", "merged"), run_of(api, "hal", "merged")["contact"]
    api.post("/contacts/hal/merge", {"other": "gus"})
    now = api.get(f"/runs/{run['id']}")
    assert now["contact"] == hal and now["id"] != run["id"]
    assert len(api.get("/cascades/merged/runs?contact=hal")["items"]) == 2
    assert len(api.get("/messages?contact=hal")["items"]) == 2


def test_moving_runs_to_another_version_says_what_is_wrong(api, taker):
    told = api.post("/cascades/one/runs/migrate", {"version": 1, "dry_run": True})
    assert told == {"moved": 0, "places": {}, "stay": {}, "next": None}
    assert api.call("POST", "/cascades/one/runs/migrate", {"version": 9}).status_code == 404
    assert api.call("POST", "/cascades/nothing/runs/migrate", {"version": 1}).status_code == 404


def test_all_runs_move_in_the_background_and_a_move_can_be_stopped(api, taker, capsys):
    path = "/cascades/one/migrations"
    begun = api.call("POST", path, {"version": 1})
    assert begun.status_code == 202 and begun.json()["version"] == 1
    one = f"{path}/{begun.json()['id']}"
    until(lambda: api.get(one)["state"] == "done", 30)
    found = api.get(one)
    assert (found["moved"], found["places"], found["problem"]) == (0, {}, "")
    stopped = api.post(f"{path}/{found['id']}/stop", {})
    assert stopped["state"] == "done", "it had ended"
    assert api.call("POST", path, {"version": 9}).status_code == 404
    assert api.call("GET", f"{path}/mig_0").status_code == 404
    going = Migration("mig_1", "one", 1, 10)
    api.service.office.migrations.put(going)
    other = api.call("POST", path, {"version": 1})
    assert other.status_code == 409 and "mig_1 moves the runs" in other.text
    assert api.post(f"{path}/mig_1/stop", {})["state"] == "running" and going.is_stopping
    going.state = "cancelled"
    where = ["--db", api.service.db.name]
    assert run(["runs", "migrate", "one", "--to", "1", *where]) == 0
    assert "0 runs will go on in version 1." in capsys.readouterr().out
