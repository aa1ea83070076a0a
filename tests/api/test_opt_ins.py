"""Opt-in links over HTTP."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from kaskad.actions.hiding import hidden_in

CHAT = {"provider": "telegram", "settings": {"bot": "shop_bot", "base_url": "http://127.0.0.1:9"},
        "secrets": {"token": "1:t"}, "enabled": False}  # fmt: skip


@pytest.fixture(scope="module")
def ready(api):
    api.put("/accounts/chat", CHAT)
    api.put(
        "/accounts/mail",
        {"provider": "smtp", "settings": {"host": "h.example.org", "sender": "a@example.org"}},
    )
    api.put("/contacts/crm-1", {"email": "ann@example.org"})
    return api


def test_a_link_is_made_for_a_contact(ready):
    made = ready.call("POST", "/contacts/crm-1/opt-in-links", {"account": "chat", "topic": "news", "days": 7})
    assert made.status_code == 201
    assert re.fullmatch(r"https://t\.me/shop_bot\?start=[\w-]{32}", made.json()["url"])
    left = datetime.fromisoformat(made.json()["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    again = ready.post("/contacts/crm-1/opt-in-links", {"account": "chat"})
    assert again["url"] != made.json()["url"]


@pytest.mark.parametrize("who, told, status, words", [
    ("crm-9", {"account": "chat"}, 404, "crm-9"),
    ("crm-1", {"account": "pigeon"}, 422, "There is no account 'pigeon'"),
    ("crm-1", {"account": "mail"}, 422, "has no opt-in links"),
    ("crm-1", {"account": "chat", "days": 0}, 422, "/days"),
    ("crm-1", {"account": "chat", "purpose": "gossip"}, 422, "/purpose"),
])  # fmt: skip
def test_what_cannot_be_is_told_in_words(ready, who, told, status, words):
    answer = ready.call("POST", f"/contacts/{who}/opt-in-links", told)
    assert answer.status_code == status
    assert words in answer.text


def test_it_takes_the_right_to_change_contacts(ready):
    reader = ready.post("/keys", {"name": "reader", "scopes": ["contacts:read"]})
    answer = ready.call("POST", "/contacts/crm-1/opt-in-links", {"account": "chat"}, key=reader["key"])
    assert answer.status_code == 403


def test_a_link_in_a_text_that_is_looked_at_brings_nobody_else_s_chat(ready):
    url = ready.post("/contacts/crm-1/opt-in-links", {"account": "chat"})["url"]
    token, office = url.partition("start=")[2], ready.service.office
    others = f"https://shop.example.org/u/{'a' * 24} https://shop.example.org/?session={'b' * 32}"
    ours = f"{office.base_url}/u/{office.signer.unsubscribe(1, 1, 0)} https://go.example.org/s/{'c' * 11}"
    text = f"{url} https://wa.me/15550100?text=%2Fstart%20{token} viber://pa?context={token} {others} {ours}"
    with office.read() as tx:
        shown = hidden_in(tx, office.signer, {"links": [text]})["links"][0]
    assert token not in shown and shown.count("•" * 8) == 5 and others in shown
