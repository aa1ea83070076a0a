"""The timeline of a contact tells everything that happened to it, each thing once."""

from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import equip, people, taking

CART = """cascade: cart
title: Cart
class: service
holdout: 0%
trigger: {event: left, key: cart}
goal: {event: purchase}
steps:
  - {id: chat, channel: telegram, text: "Still there", wait: 10h}
  - {id: letter, channel: email, subject: Cart, text: "Still there", wait: 10h}
"""


def latest(api, limit):
    return api.get("/contacts/ann/timeline", params={"limit": limit})["items"]


def test_everything_that_happened_is_told_newest_first_and_in_pages(api):
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
        people(api.service, "ann")
        people(api.service, "bob")
        taker.refusing.add("ann@telegram.example.org")
        api.put("/cascades/cart", content=CART, headers={"Content-Type": "application/yaml"})
        api.post("/cascades/cart/activate")
        left = {"id": "e1", "name": "left", "contact": {"external_id": "ann"}, "properties": {"cart": 7}}
        api.post("/events", left)
        until(lambda: len(taker.messages) == 2)
        bought = {"id": "e2", "name": "purchase", "contact": {"external_id": "ann"}}
        api.post("/events", bought)
        until(lambda: {"run", "message"} <= {entry["kind"] for entry in latest(api, 8)})
        until(lambda: "cart ended: converted" in [entry["text"] for entry in latest(api, 8)])
        until(lambda: any("letter: email by email, sent" in entry["text"] for entry in latest(api, 8)))
    whole = api.get("/contacts/ann/timeline")
    entries = whole["items"]
    assert whole["next"] is None
    assert [entry["at"] for entry in entries] == sorted((e["at"] for e in entries), reverse=True)
    told = [(entry["kind"], entry["text"]) for entry in reversed(entries)]
    assert told[0] == ("consent", "agreed to all")
    assert told.index(("event", "left")) < told.index(("run", "entered cart, version 1"))
    assert ("receipt", "chat: rejected (invalid_address, E404, HTTP 422)") in told
    assert ("decision", "letter (email by email) handed over: failed") in told
    (letter,) = [entry for entry in entries if entry["kind"] == "message" and entry["step"] == "letter"]
    assert letter["channel"] == "email" and letter["cascade"] == "cart" and letter["run"].startswith("run_")
    assert letter["details"]["price"] == 1500 and letter["details"]["currency"] == "KZT"
    assert ("event", "purchase") in told and ("run", "cart ended: converted") in told
    assert {entry["kind"] for entry in entries} >= {
        "consent", "event", "run", "decision", "message", "receipt"
    }  # fmt: skip

    paged, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = api.get("/contacts/ann/timeline", params=query)
        paged += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert paged == entries
    assert [entry["kind"] for entry in api.get("/contacts/bob/timeline")["items"]] == ["consent"]
    assert api.call("GET", "/contacts/nobody/timeline").status_code == 404
