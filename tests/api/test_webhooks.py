"""Outgoing webhooks over real sockets: signed as the standard says, and again until they are taken."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from kaskad.actions import alarm_book, webhooks
from kaskad.actions.alarms import FAILED, alarms
from kaskad.actions.office import Office
from kaskad.config import Settings
from kaskad.domain.errors import Invalid
from kaskad.engine import herald
from kaskad.engine.clock import wall_ms
from kaskad.engine.transport.http import Http
from kaskad.store import cascades, contacts
from kaskad.store import webhooks as store
from kaskad.store.db import Transaction, open_database
from kaskad.web.service import serving
from support.faults import PATIENCE_S, until
from support.receiver import Receiver, receiver

CASCADE = """
cascade: told
title: Told
class: service
trigger: {event: joined}
goal: {event: bought}
steps: [{id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}]
"""


@pytest.fixture
def got():
    with receiver() as listening:
        yield listening


def subscribe(api: Any, got: Receiver, *types: str) -> int:
    made = api.post("/webhooks", {"url": got.url, "types": types or ["run.entered"]})
    got.secret = made["secret"]
    return made["id"]


@pytest.fixture
def shop(api):
    """Return a function that lets one new person enter the cascade."""
    office = api.service.office

    def prepare(tx):
        row = cascades.save_version(tx, "told", CASCADE, 1)
        cascades.set_state(tx, row.cascade_id, cascades.ACTIVE, 1)

    office.write(prepare)
    office.reload()
    numbers = iter(range(1_000))

    def enter() -> None:
        name = f"person-{time.monotonic_ns()}-{next(numbers)}"
        person = contacts.Contact(external_id=name)
        office.write(lambda tx: contacts.upsert(tx, b"h" * 32, [person], office.now()))
        api.post("/events", {"id": name, "name": "joined", "contact": {"external_id": name}})

    return enter


@pytest.fixture(autouse=True)
def _clean(api, monkeypatch):
    """Each test begins without webhooks, which leave nothing behind though their deliveries go bit by bit."""
    yield
    monkeypatch.setattr(webhooks, "AT_ONCE", 1)
    monkeypatch.setattr(store, "_ALL", 0)  # all are gone by then
    for one in api.get("/webhooks")["items"]:
        api.delete(f"/webhooks/{one['id']}")
    with api.service.db.read() as tx:
        assert tx.all("count_deliveries") == []


def state_of(api: Any, number: int, **wanted: int) -> dict[str, Any]:
    """Return the webhook once its counts are as wanted."""
    until = time.monotonic() + PATIENCE_S
    while True:
        told = api.get(f"/webhooks/{number}")
        if all(told[name] == count for name, count in wanted.items()):
            return told
        assert time.monotonic() < until, told
        time.sleep(0.05)


def test_an_event_arrives_signed_by_the_standard(api, got, shop):
    number = subscribe(api, got)
    shop()
    ((message_id, body),) = got.waits_for(1)
    assert body["type"] == "run.entered" and body["data"]["cascade"] == "told"
    assert message_id.startswith("msg_") and got.headers[0]["content-type"] == "application/json"
    state_of(api, number, delivered=1, waiting=0)
    (delivery,) = api.get(f"/webhooks/{number}/deliveries")["items"]
    assert (delivery["id"], delivery["state"], delivery["attempts"]) == (message_id, "delivered", 1)


def test_what_is_not_taken_comes_again_with_the_same_id(api, got, shop, monkeypatch):
    monkeypatch.setattr(herald, "SCHEDULE_MS", (50, 50))
    got.answer = lambda number: 500 if number < 3 else 200
    number = subscribe(api, got)
    shop()
    came = got.waits_for(3)
    assert len({message_id for message_id, _ in came}) == 1 and all(body for _, body in came)
    assert state_of(api, number, delivered=1)["waiting"] == 0


def test_a_defect_of_a_call_ends_the_attempt_and_the_next_one_comes(api, got, shop, monkeypatch):
    monkeypatch.setattr(herald, "SCHEDULE_MS", (50,))
    real, calls = Http.post, []

    async def post(http, request, timeout_s):
        calls.append(request)
        if len(calls) == 1:
            raise ValueError("a header that no library takes")
        return await real(http, request, timeout_s)

    monkeypatch.setattr(Http, "post", post)
    number = subscribe(api, got)
    shop()
    got.waits_for(1)
    state_of(api, number, delivered=1, waiting=0)


def test_what_is_given_up_is_shown_and_can_be_told_again(api, got, shop, monkeypatch):
    monkeypatch.setattr(herald, "SCHEDULE_MS", (20,))
    got.answer = lambda _: 503
    number = subscribe(api, got)
    shop()
    state_of(api, number, given_up=1)
    (delivery,) = api.get(f"/webhooks/{number}/deliveries", params={"state": "given_up"})["items"]
    assert delivery["answer"] == "HTTP 503" and delivery["attempts"] == 2 and delivery["next_at"] is None
    got.answer = lambda _: 200
    assert api.post(f"/webhooks/{number}/replay", {})["replayed"] == 1
    state_of(api, number, delivered=1, given_up=0)
    assert api.post(f"/webhooks/{number}/replay", {"id": delivery["id"]})["replayed"] == 1
    assert {message_id for message_id, _ in got.waits_for(4)} == {delivery["id"]}
    assert api.call("POST", f"/webhooks/{number}/replay", {"id": "msg_x"}).status_code == 404


def test_what_waits_for_a_later_attempt_is_told_at_once_when_its_receiver_is_back(
    api, got, shop, monkeypatch
):
    monkeypatch.setattr(herald, "SCHEDULE_MS", (20, 3_600_000))
    got.answer = lambda _: 503
    number = subscribe(api, got)
    shop()
    first = got.waits_for(2)[0][0]

    def waits_an_hour() -> bool:
        due = datetime.fromisoformat(api.get(f"/webhooks/{number}/deliveries")["items"][0]["next_at"])
        return due - datetime.now(UTC) > timedelta(minutes=30)

    until(waits_an_hour)
    assert api.post(f"/webhooks/{number}/replay", {"id": first})["replayed"] == 1
    got.waits_for(4)
    until(waits_an_hour)  # not given up: it has all its attempts again, of which this was the first two
    got.answer = lambda _: 204
    assert api.post(f"/webhooks/{number}/replay", {"id": first})["replayed"] == 1
    assert state_of(api, number, delivered=1)["waiting"] == 0
    (delivery,) = api.get(f"/webhooks/{number}/deliveries")["items"]
    assert delivery["attempts"] == 1 and {message_id for message_id, _ in got.got} == {first}
    assert len(got.got) == 5 and api.post(f"/webhooks/{number}/replay", {})["replayed"] == 0


def in_vain(tx: Transaction, number: int, attempts: int, *, given_up: bool = False) -> None:
    """Let what is due be tried so often in vain; then it is given up, or waits for an hour."""
    now = wall_ms()
    for _ in range(attempts):
        tried = store.claim(tx, number, now, 100, 0)
    end = {"state": store.WAITING, "next_at": now + 3_600_000, "ended_at": None}
    if given_up:
        end = {"state": store.GIVEN_UP, "next_at": None, "ended_at": now}
    for one in tried:
        tx.run("end_delivery", id=one.id, attempts=one.number, answer="HTTP 503", **end)


def lay_by(
    office: Office, number: int, count: int, attempts: int, *, given_up: bool = False, name: str = "old"
) -> None:
    """Keep so many events that were tried so often in vain."""

    def keep(tx: Transaction) -> None:
        now = wall_ms()
        tx.many("put_deliveries", [(number, f"{name}_{n}", "run.entered", "{}", now) for n in range(count)])
        in_vain(tx, number, attempts, given_up=given_up)

    office.write(keep)


def test_a_great_many_are_told_again_by_pieces_and_each_once(api, got, monkeypatch):
    office, number = api.service.office, subscribe(api, got)
    api.put(f"/webhooks/{number}", {"url": got.url, "types": ["run.entered"], "enabled": False})
    lay_by(office, number, 7, 1, given_up=True)
    lay_by(office, number, 4, 1, name="later")
    pieces, write = [], Office.write
    looks, look = [], webhooks.webhook_store.to_replay

    def and_in_vain(self: Office, change: Any) -> Any:
        pieces.append(write(self, change))
        write(self, lambda tx: in_vain(tx, number, 1))  # its receiver is still away
        return pieces[-1]

    def looking(tx: Transaction, webhook_id: int, state: int, *rest: int, **part: int) -> list[int]:
        looks.append(state)
        return look(tx, webhook_id, state, *rest, **part)

    monkeypatch.setattr(webhooks, "AT_ONCE", 3)
    monkeypatch.setattr(Office, "write", and_in_vain)
    monkeypatch.setattr(webhooks.webhook_store, "to_replay", looking)
    assert webhooks.replay(office, number) == 4 + 7 and pieces == [3, 1, 3, 3, 1]
    assert looks.count(store.WAITING) == 2, "what waits is not read again with each of the others"


def test_an_alarm_stands_until_what_is_told_again_was_taken(api, got, monkeypatch):
    monkeypatch.setattr(herald, "SCHEDULE_MS", (3_600_000,))
    got.answer = lambda _: 503
    office, number, other = api.service.office, subscribe(api, got), subscribe(api, got)

    def away() -> set[str]:
        return {each.name for each in alarms(office) if each.kind == "webhook"} & {str(number), str(other)}

    lay_by(office, other, 1, 1)
    lay_by(office, number, 1, FAILED)
    assert away() == {str(number)}, "once is not away yet"
    alarm_book.sync(office)
    assert webhooks.replay(office, number) == 1 and away() == {str(number)}
    got.waits_for(1)
    until(lambda: api.get(f"/webhooks/{number}/deliveries")["items"][0]["attempts"] == 1)
    assert away() == {str(number)}, "of its new attempts this was the first"
    got.answer = lambda _: 204
    until(lambda: webhooks.replay(office, number) == 1)
    state_of(api, number, delivered=1)
    assert away() == set()


def test_what_is_tried_in_some_seconds_anyway_is_no_unknown_message(api, got, shop):
    got.answer = lambda _: 503
    number = subscribe(api, got)
    shop()
    ((message_id, _),) = got.waits_for(1)
    assert api.post(f"/webhooks/{number}/replay", {"id": message_id})["replayed"] == 0


def test_an_endpoint_that_is_gone_is_told_nothing_more(api, got, shop):
    got.answer = lambda _: 410
    number = subscribe(api, got)
    shop()
    got.waits_for(1)
    told = state_of(api, number, waiting=1)
    until = time.monotonic() + PATIENCE_S
    while told["enabled"] and time.monotonic() < until:
        told = api.get(f"/webhooks/{number}")
    assert (told["enabled"], told["disabled_why"]) == (False, "it answered 410 Gone")
    shop()
    time.sleep(0.6)
    assert len(got.got) == 1
    again = api.put(f"/webhooks/{number}", {"url": got.url, "types": ["run.entered"]})
    assert again["enabled"] and again["disabled_why"] == ""


def test_a_slow_endpoint_keeps_nobody_else_waiting(api, got, shop):
    with receiver() as slow:
        others_have_it = threading.Event()
        slow.answer = lambda _: 200 if others_have_it.wait(PATIENCE_S) else 500
        subscribe(api, slow)
        subscribe(api, got)
        for _ in range(12):
            shop()
        got.waits_for(12)
        assert len(slow.got) <= herald.AT_ONCE, "it has taken none so far"
        others_have_it.set()


def test_a_new_secret_signs_beside_the_old_one(api, got, shop):
    number = subscribe(api, got)
    old = got.secret
    new = api.post(f"/webhooks/{number}/secret")["secret"]
    assert new != old and new.startswith("whsec_")
    shop()
    ((_, body),) = got.waits_for(1)
    assert body  # by the old one
    got.secret = new
    shop()
    assert got.waits_for(2)[1][1]
    assert got.headers[1]["webhook-signature"].count("v1,") == 2


def test_a_test_goes_at_once_and_tells_the_answer(api, got):
    number = subscribe(api, got)
    assert api.post(f"/webhooks/{number}/test") == {"ok": True, "status": 204, "answer": "HTTP 204"}
    assert got.types() == ["webhook.test"]
    got.answer = lambda _: 404
    assert api.post(f"/webhooks/{number}/test")["ok"] is False
    api.put(f"/webhooks/{number}", {"url": "http://127.0.0.1:1/", "types": ["run.entered"]})
    answer = api.post(f"/webhooks/{number}/test")
    assert (answer["status"], answer["ok"]) == (0, False) and "connect" in answer["answer"]


def test_a_disabled_webhook_is_told_later_what_waited(api, got, shop, monkeypatch):
    monkeypatch.setattr(herald, "SCHEDULE_MS", (20,) * 99)
    got.answer = lambda _: 500
    number = subscribe(api, got)
    shop()
    got.waits_for(2)
    told = {"url": got.url, "types": ["run.entered"]}
    api.put(f"/webhooks/{number}", {**told, "enabled": False})
    shop()
    got.answer = lambda _: 200
    api.put(f"/webhooks/{number}", {**told, "enabled": True})
    assert state_of(api, number, delivered=1, waiting=0)["given_up"] == 0


def test_every_problem_is_told_at_once(api):
    answer = api.call("POST", "/webhooks", {"url": "ftp://x", "types": ["run.entered", "mice"]})
    assert answer.status_code == 422
    answer = api.call("POST", "/webhooks", {"url": "https://user:pw@example.org", "types": ["run.entered"]})
    assert "without a password" in answer.text
    assert api.call("POST", "/webhooks", {"url": "https://example.org/", "types": []}).status_code == 422
    assert api.call("GET", "/webhooks/99").status_code == 404
    assert api.call("DELETE", "/webhooks/99").status_code == 404


def test_a_private_address_is_refused_unless_a_setting_allows_it(tmp_path, got):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0")
    with serving(settings, "the tests") as service:
        office = service.office
        for url in (
            got.url,
            "http://localhost:1/",
            "http://[::1]/",
            "http://169.254.169.254/latest",
            "http://0/",
        ):
            with pytest.raises(Invalid, match="private address"):
                webhooks.add(office, url, ["run.entered"], "", True)
        shown, _ = webhooks.add(office, "https://8.8.8.8/", ["run.entered"], "", True)
        office.write(lambda tx: store.change(tx, shown.webhook.id, got.url, "", ["run.entered"], True))
        answer = webhooks.try_out(office, shown.webhook.id)  # a name may lead elsewhere later
        assert (answer.status, "private address" in answer.words, got.got) == (0, True, [])


def test_a_receiver_inside_is_opened_by_its_host_or_its_network_and_nothing_else(tmp_path, got):
    for number, named in enumerate(("127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "localhost")):
        settings = Settings(
            database=f"sqlite:{tmp_path / f'{number}.db'}", listen="127.0.0.1:0", private_webhooks=named
        )
        url = got.url.replace("127.0.0.1", "localhost") if named == "localhost" else got.url
        with serving(settings, "the tests") as service:
            office = service.office
            with pytest.raises(Invalid, match=r'private_webhooks = "192.168.0.9" into kaskad.toml'):
                webhooks.add(office, "http://192.168.0.9/", ["run.entered"], "", True)
            with pytest.raises(Invalid, match=r'private_webhooks = "192.168.0.9" into kaskad.toml'):
                webhooks.add(office, "http://192.168.9/", ["run.entered"], "", True)  # no name of a host
            shown, secret = webhooks.add(office, url, ["run.entered"], "", True)
            got.secret = secret
            assert webhooks.try_out(office, shown.webhook.id).ok


def test_what_is_due_goes_without_pauses_and_who_is_gone_gets_no_more_than_was_under_way(
    tmp_path, got, monkeypatch
):
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")

    def tell(office: Any, first: int, count: int) -> None:
        events = [(5, 1, run, -1, "run.entered", "", "{}") for run in range(first, first + count)]
        office.write(lambda tx: tx.many("put_outbox", events))

    with serving(settings, "the tests") as service:
        office = service.office
        shown, got.secret = webhooks.add(office, got.url, ["run.entered"], "", True)
        monkeypatch.setattr(herald, "IDLE_S", 10.0)  # a rest after each round would take minutes
        tell(office, 1, 200)
        assert len({message_id for message_id, _ in got.waits_for(200)}) == 200
        got.answer = lambda _: 410
        tell(office, 301, 60)
        until(lambda: not webhooks.get(office, shown.webhook.id).webhook.enabled)
        until(lambda: webhooks.get(office, shown.webhook.id).waiting == 60)
        assert len(got.got) <= 200 + herald.AT_ONCE
        with office.read() as tx:
            waiting = store.listing(tx, shown.webhook.id, 0, 100, store.WAITING)
        assert sum(one.attempts for one in waiting) <= herald.AHEAD


SERVE = """
import sys
from kaskad.config import Settings
from kaskad.web.service import serving
settings = Settings(database=sys.argv[1], listen="127.0.0.1:0", private_webhooks="yes")
with serving(settings, "kaskad serve") as service:
    print("at", service.url, service.office.local_key, flush=True)
    sys.stdin.read()
"""


def test_an_attempt_whose_process_is_killed_is_made_again_under_the_same_id(tmp_path, got):
    database = f"sqlite:{tmp_path / 'k.db'}"
    hanging = threading.Event()
    got.answer = lambda number: 204 if number > 1 else 204 + hanging.wait(20)
    process = subprocess.Popen([sys.executable, "-c", SERVE, database], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    url, key = next(line for line in process.stdout if line.startswith("at ")).split()[1:]
    with httpx2.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {key}"}) as http:
        made = http.post("/webhooks", json={"url": got.url, "types": ["run.entered"]}).json()
        got.secret = made["secret"]
        settings = Settings(database=database, listen="127.0.0.1:0", private_webhooks="yes")
        event = [(5, 1, 2, -1, "run.entered", "", "{}")]
        with contextlib.closing(open_database(database)) as db, db.write() as tx:
            tx.many("put_outbox", event)
        got.waits_for(1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    hanging.set()
    with contextlib.closing(open_database(database)) as db, db.write() as tx:
        (left,) = store.listing(tx, made["id"], 0, 9)
        assert (left.state, left.attempts) == (store.WAITING, 1)
        tx.script("UPDATE deliveries SET next_at = 0")  # its lease has run out
    with serving(settings, "kaskad serve"):
        first, again = got.waits_for(2)[:2]
    assert first == again and first[1]["data"]["run"] == "run_1_2"
