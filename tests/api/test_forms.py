"""Sign-up forms as programs declare them, and as pages of a shop post them."""

import re

import pytest

from kaskad.actions.roles import scopes_of
from kaskad.domain.form import CODE_DIGITS, version_of
from kaskad.domain.terms import Channel
from kaskad.store import forms
from support.faults import until
from support.shop import equip, taking

TEXT = "I agree to get letters about offers."
ROSES = {
    "texts": [
        {"language": "en", "text": TEXT},
        {"language": "ru", "text": "Согласен получать письма о скидках."},
    ],
    "topics": ["offers"], "channels": ["email", "sms"], "country": "KZ",
    "origins": ["https://shop.example.org"],
}  # fmt: skip
SHOP = {"Origin": "https://shop.example.org"}


@pytest.fixture(scope="module")
def form(api):
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL, Channel.SMS)
        made = api.put("/forms/roses", ROSES)
        assert made["trouble"] == "" and made["url"].endswith("/f/roses")
        yield taker


def posted(api, data, path="/f/roses", **headers):
    return api.raw("POST", path, data={"agreed": "yes", **data}, headers=headers)


def asked(api, value, form="roses"):
    """Return what only the message to the person says: where its button leads, and the code."""
    signer = api.service.office.signer
    with api.service.office.read() as tx:
        found = forms.last_of(tx, form, value)
    place = found.id, found.requested_at
    return f"/c/{signer.confirm(*place)}", signer.code(*place, CODE_DIGITS)


def test_a_form_is_declared_shown_listed_and_forgotten(api, form):
    assert [each["name"] for each in api.get("/forms")["items"]] == ["roses"]
    shown = api.get("/forms/roses")
    assert shown["texts"] == ROSES["texts"] and shown["purposes"] == ["advertising"]
    html = api.get("/forms/roses/html?language=ru")["html"]
    assert "Согласен получать письма о скидках." in html and 'action="' in html and "/f/roses" in html
    assert api.get("/cascades/confirm-roses")["state"] == "active"
    wrong = {
        "texts": [{"language": "en", "text": "yes"}],
        "channels": ["vk"],
        "origins": ["shop"],
        "topics": ["offers", "Sales and more"],
        "honeypot": "email",
    }
    found = {one["pointer"] for one in api.call("PUT", "/forms/Bad Name", wrong).json()["problems"]}
    assert found == {"/name", "/texts/0/text", "/channels", "/topics/1", "/origins/0", "/honeypot"}
    api.put("/forms/gone", ROSES)
    api.delete("/forms/gone")
    assert api.call("GET", "/forms/gone").status_code == api.call("DELETE", "/forms/gone").status_code == 404
    assert api.raw("GET", "/f/gone").status_code == 404


def test_a_person_signs_up_by_a_plain_form_and_confirms_by_the_button_only(api, form):
    page = api.raw("GET", "/f/roses", headers={"Accept-Language": "ru"})
    assert page.status_code == 200 and '<html lang="ru">' in page.text and 'name="version"' in page.text
    version = re.search(r'name="version" value="(\w+)"', page.text)[1]
    answer = posted(api, {"email": "Ann@example.org", "name": "Ann", "version": version, "language": "ru"},
                    Referer="https://shop.example.org/sale")  # fmt: skip
    assert answer.status_code == 200 and "Проверьте почту" in answer.text
    path, _ = asked(api, "ann@example.org")
    before = api.get("/forms/roses")["confirmed"]
    for _ in range(2):
        looked = api.raw("GET", path)
        assert looked.status_code == 200 and "Согласен получать письма о скидках." in looked.text
    assert api.get("/contacts/ann@example.org")["consents"] == []
    for _ in range(2):
        assert "вы подписаны" in api.raw("POST", path).text
    whole = api.get("/contacts/ann@example.org")
    (consent,) = whole["consents"]
    assert (consent["topic"], consent["purpose"], consent["channels"]) == ("offers", "advertising", ["email"])
    proof = consent["proof"]
    assert proof["source"] == "https://shop.example.org/sale" and proof["jurisdiction"] == "KZ"
    assert (
        proof["text"].startswith("Согласен")
        and proof["version"] == version
        and proof["ip"]
        and proof["agent"]
    )
    assert api.raw("GET", path[:-8] + path[-8:].swapcase()).status_code == 410
    assert api.get("/forms/roses")["confirmed"] == before + 1


def test_a_changed_text_leaves_the_words_that_an_old_page_shows_as_the_proof(api, form):
    version = re.search(r'name="version" value="(\w+)"', api.raw("GET", "/f/roses").text)[1]
    api.put(
        "/forms/roses", {**ROSES, "texts": [{"language": "en", "text": "I agree to everything, really."}]}
    )
    posted(api, {"email": "old@example.org", "version": version})
    path, _ = asked(api, "old@example.org")
    assert TEXT in api.raw("GET", path).text
    other = "I agree to be called about insurance at night."
    api.put("/forms/calls", {**ROSES, "texts": [{"language": "en", "text": other}]})
    posted(api, {"email": "odd@example.org", "version": version_of(other), "language": "en"})
    path, _ = asked(api, "odd@example.org")
    assert "I agree to everything, really." in api.raw("GET", path).text, "not the words of another form"
    api.delete("/forms/calls")
    api.put("/forms/roses", ROSES)


def test_json_from_allowed_pages_is_taken_and_from_others_refused(api, form):
    told = {"email": "joe@example.org", "agreed": True}
    answer = api.raw("POST", "/f/roses", json=told, headers=SHOP)
    assert (answer.status_code, answer.json()) == (202, {"state": "asked", "confirm_by": "link"})
    assert answer.headers["access-control-allow-origin"] == SHOP["Origin"]
    allowed = api.raw("OPTIONS", "/f/roses", headers=SHOP)
    assert allowed.status_code == 204 and allowed.headers["access-control-allow-origin"] == SHOP["Origin"]
    evil = {"Origin": "https://evil.example.org"}
    assert api.raw("OPTIONS", "/f/roses", headers=evil).status_code == 403
    assert (
        api.raw("POST", "/f/roses", json={**told, "email": "x@example.org"}, headers=evil).status_code == 403
    )
    assert api.call("GET", "/contacts/x@example.org").status_code == 404
    for wrong in ({"email": "joe"}, {"email": "a@example.org", "phone": "+77000000001"}, {}, {"phone": "1"}):
        answer = api.raw("POST", "/f/roses", json={"agreed": True, **wrong}, headers=SHOP)
        assert answer.status_code == 422 and answer.json()["detail"], wrong
    unticked = api.raw("POST", "/f/roses", json={"email": "un@example.org"}, headers=SHOP)
    assert unticked.status_code == 422 and "box" in unticked.json()["detail"]
    half = b'{"email": "half@example.org", "agreed": true, "name": "\\ud800x"}'  # of a character
    for body in (b"[1]", b"{", b'{"a":' * 3000, half):
        broken = api.raw(
            "POST", "/f/roses", content=body, headers={**SHOP, "Content-Type": "application/json"}
        )
        assert broken.status_code == 422


def test_a_filled_trap_is_answered_as_all_and_nothing_is_kept(api, form):
    answer = posted(api, {"email": "bot@example.org", "website": "https://spam.example.org"})
    good = posted(api, {"email": "human@example.org"})
    assert answer.status_code == good.status_code and answer.text == good.text
    assert api.call("GET", "/contacts/bot@example.org").status_code == 404


def test_a_phone_is_confirmed_by_the_code_on_the_next_page(api, form):
    page = posted(api, {"phone": "8 700 000 00 09", "language": "en"})
    assert page.status_code == 200 and 'value="+77000000009"' in page.text and "one-time-code" in page.text
    _, code = asked(api, "+77000000009")
    wrong = "123456" if code != "123456" else "654321"
    told = {"phone": "+77000000009", "language": "en"}
    again = posted(api, {**told, "code": wrong}, path="/f/roses/code")
    assert again.status_code == 422 and "another code" in again.text
    spaced = f"{code[:3]} {code[3:]}"
    assert "you are subscribed" in posted(api, {**told, "code": spaced}, path="/f/roses/code").text
    (consent,) = api.get("/contacts/+77000000009")["consents"]
    assert consent["channels"] == ["sms"]


READERS = {
    "reader": {"contacts:read"},
    "viewer": scopes_of("viewer"),
    "approver": scopes_of("approver"),
    "agent": scopes_of("agent"),
}


def test_who_only_looks_finds_nothing_to_confirm_or_to_choose_by_in_a_person_s_place(api, form):
    posted(api, {"email": "zoe@example.org", "language": "en"})
    path, code = asked(api, "zoe@example.org")
    contact = api.get("/contacts/zoe@example.org")["id"]
    until(lambda: "zoe@example.org" in [each["to"] for each in form.messages])
    (sent,) = [each for each in form.messages if each["to"] == "zoe@example.org"]
    assert path in sent["html"], "what goes to the person is whole"
    (message,) = api.get(f"/messages?contact={contact}")["items"]
    run, step = message["run"], message["step"]
    body = api.get(f"/messages/{run}/{step}")["body"]
    assert "Please confirm" in body["subject"] and "/c/•" in body["html"] and "/o/•" in body["html"]
    whole = ("", "/events", "/timeline", "/export", "/runs", "/consents")
    places = [f"/contacts/{contact}{more}" for more in whole]
    places += [
        f"/runs/{run}",
        f"/runs/{run}/explain",
        f"/messages/{run}/{step}",
        f"/messages?contact={contact}",
    ]
    for who, scopes in READERS.items():
        key = api.post("/keys", {"name": f"key of {who}", "scopes": sorted(scopes)})["key"]
        found = {place: api.call("GET", place, key=key) for place in places}
        opened = {place for place, answer in found.items() if answer.status_code == 200}
        assert (f"/contacts/{contact}/events" in opened) == ("contacts:read" in scopes)
        for place, answer in found.items():
            assert path not in answer.text and code not in re.findall(r"\d+", answer.text), place
            assert not re.search(r"/[cdlou]/[A-Za-z0-9_-]{16}", answer.text), place
