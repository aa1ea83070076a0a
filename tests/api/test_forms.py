"""Sign-up forms as programs declare them, and as pages of a shop post them."""

import re

import pytest

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
    for channel, name in (("email", "letters"), ("sms", "texts")):
        api.put(f"/accounts/{name}", {
            "provider": "generic_webhook", "channel": channel,
            "settings": {"url": "http://127.0.0.1:9/"}, "secrets": {"secret": "s" * 20},
        })  # fmt: skip
    made = api.put("/forms/roses", ROSES)
    assert made["trouble"] == "" and made["url"].endswith("/f/roses")
    return made


def posted(api, data, path="/f/roses", **headers):
    return api.raw("POST", path, data={"agreed": "yes", **data}, headers=headers)


def event_of(api, who):
    (event,) = [
        each for each in api.get(f"/contacts/{who}/events")["items"] if each["name"] == "sign_up_requested"
    ]
    return event["properties"]


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
    url = event_of(api, "ann@example.org")["confirm_url"]
    path = url[url.index("/c/") :]
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
    assert api.raw("GET", path[:-2] + "xx").status_code == 410
    assert api.get("/forms/roses")["confirmed"] == 1


def test_a_changed_text_leaves_the_words_that_an_old_page_shows_as_the_proof(api, form):
    version = re.search(r'name="version" value="(\w+)"', api.raw("GET", "/f/roses").text)[1]
    api.put(
        "/forms/roses", {**ROSES, "texts": [{"language": "en", "text": "I agree to everything, really."}]}
    )
    posted(api, {"email": "old@example.org", "version": version})
    url = event_of(api, "old@example.org")["confirm_url"]
    assert TEXT in api.raw("GET", url[url.index("/c/") :]).text
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
    code = event_of(api, "+77000000009")["code"]
    wrong = "123456" if code != "123456" else "654321"
    told = {"phone": "+77000000009", "language": "en"}
    again = posted(api, {**told, "code": wrong}, path="/f/roses/code")
    assert again.status_code == 422 and "another code" in again.text
    spaced = f"{code[:3]} {code[3:]}"
    assert "you are subscribed" in posted(api, {**told, "code": spaced}, path="/f/roses/code").text
    (consent,) = api.get("/contacts/+77000000009")["consents"]
    assert consent["channels"] == ["sms"]
