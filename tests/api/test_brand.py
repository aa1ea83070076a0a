"""The brand over API and command: what it tells, the parts that it writes, a letter in its look, senders."""

import base64
import json

from kaskad.cli.root import run

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
LOOK = {"name": "Север", "currency": "KZT", "site": "https://example.org", "colour": "#FFD400",
        "address": "Almaty, Abay 1\n\n", "legal": "TOO «Sever» <BIN 0>"}  # fmt: skip

ACCOUNT = {
    "provider": "smtp", "secrets": {"password": "x"}, "priority": 7,
    "settings": {"host": "mail.example.org", "sender": "Shop <a@example.org>", "user": "shop"},
}  # fmt: skip


def states(api):
    return {each["name"]: each["state"] for each in api.get("/brand/parts")["items"]}


def part(api, name, language=""):
    texts = api.get(f"/templates/{name}")["items"]
    return next(one["text"] for one in texts if one["language"] == language)


def test_a_brand_is_told_and_writes_the_parts_that_nobody_has_changed(api):
    for name in states(api):  # which another test may have written
        api.call("DELETE", f"/templates/{name}")
    wrong = {**LOOK, "site": "example", "logo": "nothing", "colour": "red", "address": "{{ x }}"}
    told = api.call("PUT", "/brand", wrong).json()["problems"]
    assert [one["pointer"] for one in told] == ["/site", "/logo", "/colour", "/address"]
    kept = api.put("/brand", LOOK)
    assert (kept["colour"], kept["address"], kept["ground"]) == ("#ffd400", "Almaty, Abay 1", "")
    assert set(states(api).values()) == {"missing"}
    html = api.post("/brand/sample", {**LOOK, "colour": "#102030", "language": "ru"})["html"]
    assert "#102030" in html and "В корзину" in html and "Отписаться" in html
    assert "TOO «Sever» &lt;BIN 0&gt;" in html and api.get("/brand")["colour"] == "#ffd400"

    api.put("/brand/parts", {})
    assert set(states(api).values()) == {"written"}
    assert 'color="#000000"' in part(api, "brand-letter"), "dark words on a light button"
    assert "Отписаться" in part(api, "brand-foot", "ru") and "Unsubscribe" in part(api, "brand-foot")
    letter = {
        "channel": "email",
        "language": "ru",
        "subject": "Hello",
        "mjml": "{% extends 'brand-letter' %}{% block content %}<mj-text>Words</mj-text>{% endblock %}",
    }
    assert api.put("/templates/news", letter)["warnings"] == []
    api.put("/contacts/ann", {"email": "ann@example.org", "language": "ru"})
    words = api.post("/templates/news/preview", {"contact": "ann"})["html"]
    assert "Almaty, Abay 1" in words and "Words" in words and "Отписаться" in words

    api.put("/templates/brand-head", {"channel": "part", "text": "<mj-section></mj-section>"})
    change = {"name": "North", "logo": "https://example.org/a.png"}
    assert api.call("PATCH", "/brand", change).json()["address"] == "Almaty, Abay 1"
    assert states(api) == {"brand-head": "changed", "brand-foot": "behind", "brand-letter": "written"}
    api.put("/brand/parts", {})
    assert part(api, "brand-head") == "<mj-section></mj-section>" and "North" in part(api, "brand-foot")
    api.put("/brand/parts", {"replace": True})
    assert set(states(api).values()) == {"written"} and "a.png" in part(api, "brand-head")


def test_a_logo_is_a_saved_picture(api):
    assert api.call("PUT", "/brand", {**LOOK, "logo": "logo"}).status_code == 422
    api.call("PUT", "/files/logo", params={"title": "logo.png"}, content=PNG)
    api.put("/brand", {**LOOK, "logo": "logo"})
    assert "cid:logo" in api.post("/brand/sample", {**LOOK, "logo": "logo"})["html"]


def test_whom_letters_come_from_is_changed_alone(api):
    api.put("/accounts/mail", ACCOUNT)
    told = {"sender": "North <b@example.org>", "reply_to": "c@example.org"}
    kept = api.put("/accounts/mail/sender", told)
    assert kept["settings"] == kept["settings"] | told | {"user": "shop"} and kept["priority"] == 7
    wrong = api.call("PUT", "/accounts/mail/sender", {"sender": "nobody", "reply_to": "x"}).json()["problems"]
    assert sorted(one["pointer"] for one in wrong) == ["/reply_to", "/sender"]


def test_the_commands_tell_the_same(api, capsys):
    def told(*words):
        code = run([*words, "--db", api.service.db.name])
        return code, capsys.readouterr().out

    api.put("/accounts/mail", ACCOUNT)
    assert told("brand", "set", "North", "KZT", "--colour", "#0b6e4f", "--legal", "", "--site", "")[0] == 0
    out = told("brand", "set", "South", "RUB", "--address", "Main St 1", "--logo", "")[1]
    assert out == "South, RUB\ncolour: #0b6e4f\naddress: Main St 1\n"
    assert told("brand", "parts", "--replace")[0] == 2
    code, out = told("brand", "parts", "--write", "--replace", "--json")
    assert code == 0 and {each["state"] for each in json.loads(out)} == {"written"}
    code, out = told("account", "sender", "mail", "South <d@example.org>")
    assert (code, out) == (0, "Letters of mail come from South <d@example.org>.\n")
