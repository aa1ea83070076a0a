"""Settings: keys, webhooks, stop list, hours, caps, law, retention are changed; the audit is sentences."""

import ast
import base64
import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from fastapi.routing import APIRoute

import kaskad
from kaskad.actions import audit, brand, keys, policy, suppressions, webhooks
from kaskad.actions.contacts import ToldAddress
from kaskad.domain.terms import Channel
from kaskad.engine.herald import GONE_WHY
from kaskad.store import set_aside
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.api.noted import PREFIX, is_noted
from kaskad.web.app import ROUTERS
from kaskad.web.pages.audit_words import VERBS, link_of

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def token_in(text):
    return re.findall(r'name="csrf" value="([0-9a-f]+)"', text)[0]


def post(client, path, **fields):
    return client.post(path, data={"csrf": token_in(client.get("/account").text), **fields})


def problems_in(page):
    return set(re.findall(r'data-problem="(\w+)" role="alert">[^<]', page))


def test_a_key_is_made_by_keyboard_shown_once_used_and_revoked(visit, site):
    opened = visit("owner", language="ru")
    page = opened.goto("/settings")
    opened.shoot("settings ru")
    assert opened.axe() == []
    page.get_by_role("link", name="Ключи API").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/keys")
    page.get_by_role("button", name="Создать ключ").first.press("Enter")
    page.get_by_label("Имя").fill("shop")
    page.get_by_label("сообщать о действиях людей").press("Space")
    opened.shoot("keys dialog ru")
    assert opened.axe() == []
    page.get_by_role("button", name="Создать", exact=True).press("Enter")
    key = page.locator(".link-shown code").inner_text()
    assert "никогда" in page.get_by_role("row", name="shop").inner_text()
    event = {"id": "e1", "name": "cart", "contact": {"external_id": "ann"}}
    assert site.api.call("POST", "/events", event, key=key).status_code == 202
    page.goto(site.url + "/settings/keys")
    assert key not in page.content() and "никогда" not in page.get_by_role("row", name="shop").inner_text()
    page.get_by_role("button", name="Отозвать").click()
    page.get_by_role("dialog").get_by_role("button", name="Отозвать").click()
    assert "shop" not in [each.name for each in keys.listing(site.service.office)]
    opened.goto("/settings/audit")
    told = page.get_by_role("table").inner_text()
    assert "Создал ключ API" in told and "Отозвал ключ API" in told and "POST /" not in told
    audit.note(site.service.office, "link", "POST /lists", "vip")  # who began, before there was any user
    opened.goto("/settings/audit")
    assert "по ссылке" in page.get_by_role("row", name="vip").inner_text()
    opened.shoot("audit ru")


def test_a_webhook_is_added_tried_out_and_told_again(site):
    office = site.service.office
    heard = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["type"])
            self.send_response(500 if len(heard) == 1 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    ear = HTTPServer(("127.0.0.1", 0), Ear)
    threading.Thread(target=ear.serve_forever, args=(0.05,), daemon=True).start()
    try:
        with site.client("owner") as client:
            wrong = post(client, "/settings/webhooks", url="nonsense", types="run.entered")
            assert wrong.status_code == 422 and "is no address" in wrong.text
            assert 'data-open="add"' not in wrong.text, "its form stands there already"
            fresh = client.get("/settings/webhooks").text
            assert fresh.count('name="types"') == len(
                re.findall('name="types" value="[a-z._]+" checked', fresh)
            )
            script = {"X-CSRF-Token": token_in(client.get("/account").text), "Accept-Language": "ru"}
            told = client.post(
                "/api/v1/webhooks", json={"url": "nonsense", "types": ["run.entered"]}, headers=script
            )
            assert "не адрес" in told.json()["problems"][0]["detail"], "a page's script is told in Russian"
            url = f"http://127.0.0.1:{ear.server_port}/crm"
            made = post(client, "/settings/webhooks", url=url, types="contact.opted_out", description="CRM")
            secret = re.findall(r"whsec_[\w+/=]+", made.text)[0]
            (hook,) = webhooks.listing(office)
            path = f"/settings/webhooks/{hook.webhook.id}"
            assert secret not in client.get(path).text and hook.webhook.secrets[0].text == secret
            tried = post(client, f"{path}/test").text
            assert "It has answered 500" in tried and "HTTP 500" not in tried
            assert f'href="{path}?state=1"' in tried and "test?state" not in tried, "no page stands there"
            assert "a person said no, or complained" in tried.partition("What it was told")[0]
            assert (
                "It has answered 204" in post(client, f"{path}/test").text and heard == ["webhook.test"] * 2
            )
            office.write(lambda tx: tx.script(
                "INSERT INTO deliveries (webhook_id, created_at, ended_at, state, attempts, message_id, type,"
                f" body, answer) VALUES ({hook.webhook.id}, 1, 2, 2, 9, 'msg_1', 'x', '{{}}', 'HTTP 500')"
            ))  # fmt: skip
            assert (
                "msg_1" in client.get(f"{path}?state=2").text
                and "msg_1" not in client.get(f"{path}?state=1").text
            )
            assert post(client, f"{path}/replay", message="msg_1").headers["location"] == path
            assert webhooks.get(office, hook.webhook.id).given_up == 0
            post(client, f"{path}/replay")  # there is none, or it is under way
            assert "None is told again" in client.get(path).text
            both = {"url": url, "types": ["run.entered", "run.finished"], "enabled": ""}
            post(client, path, **both)
            changed = webhooks.get(office, hook.webhook.id).webhook
            assert changed.types == {"run.entered", "run.finished"} and not changed.enabled
            refused = post(client, path, url="ftp://crm.example.org", description="Other words")
            assert 'data-open-now="change"' in refused.text, "the form stands open, with what is wrong"
            assert 'value="ftp://crm.example.org"' in refused.text and 'value="Other words"' in refused.text
            assert not re.findall(
                r'name="types" value="[^"]+" checked', refused.text.partition('"change"')[2]
            )
            post(client, path, url=url, types="run.entered", enabled="yes")
            office.write(lambda tx: tx.run("disable_webhook", id=hook.webhook.id, why=str(GONE_WHY)))
            assert "Он отключён: ответил 410 Gone" in client.get(path, headers={"Accept-Language": "ru"}).text
            post(client, f"{path}/remove")
        assert webhooks.listing(office) == []
    finally:
        ear.shutdown()
        ear.server_close()


def test_what_has_happened_is_taken_out_as_a_file(site, monkeypatch):
    path = "/settings/exports"
    with site.client("viewer") as client:
        assert client.get(path).text.count('name="what"') == 9
        days = {"since": "2020-01-01", "until": "2020-01-31"}
        none = post(client, path, what="contacts", form="csv", **days)
        assert none.headers["content-disposition"].endswith('"contacts-2020-01-01-2020-01-31.csv"')
        assert none.content.startswith(b"\xef\xbb\xbfcontact,") and none.text.count("\n") == 1
        whole = post(client, path, what="contacts", form="jsonl").text
        assert "con_1" in whole and "external_id" not in whole
        assert "external_id" in post(client, path, what="contacts", form="jsonl", identified="yes").text
        assert post(client, path, what="messages", form="xlsx").content.startswith(b"PK")
        for wrong in ({"what": "secrets", "form": "csv"}, {"what": "runs", "form": "exe"}):
            told = post(client, path, **wrong)
            assert told.status_code == 422 and "Choose what is taken out" in told.text
        told = post(client, path, what="runs", form="csv", since="вчера\r\n")
        assert told.status_code == 422 and "Write days like 2026-11-26" in told.text, "and not everything"
        ever = {"since": "0001-01-01", "until": "9999-12-31"}  # no day comes after the last of the calendar
        assert post(client, path, what="contacts", form="jsonl", **ever).text == whole
        assert client.get("/cascades/news", params=ever).status_code == 200
        told = post(client, path, what="runs", form="csv", since="2020-01-31", until="2020-01-01")
        assert told.status_code == 422 and "ends before it begins" in told.text
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        told = post(client, path, what="runs", form="parquet", **days)
        assert (
            told.status_code == 422 and "kaskad[parquet]" in told.text and 'value="2020-01-31"' in told.text
        )


def test_the_stop_list_takes_a_file_and_tells_of_an_address(site):
    office = site.service.office
    with site.client("marketer") as client:
        form = {"csrf": token_in(client.get("/account").text), "channel": "email", "reason": "complaint"}
        lines = b"email,name\nbad@shop.example.org,Bad\nspam.example.org,\n"
        wrong = client.post("/settings/suppressions", data=form, files={"file": ("stop.csv", lines)})
        assert wrong.status_code == 422 and "email" in wrong.text
        done = client.post("/settings/suppressions", data=form, files={"file": ("stop.csv", lines[11:])})
        assert done.status_code == 303
        found = post(client, "/settings/suppressions/check", channel="email", value="ann@spam.example.org")
        assert "is on the list: complained" in found.text
        assert "by its mail domain" in found.text and "lift-1" not in found.text
        post(client, "/settings/suppressions/lift", value="spam.example.org", channel="email")
        found = post(client, "/settings/suppressions/check", channel="email", value="ann@spam.example.org")
        assert "is not on the list" in found.text
        told = suppressions.look(office, [ToldAddress(Channel.EMAIL, "bad@shop.example.org", "")], [])
        assert told[0].reason == "complaint"
        stuck = post(client, "/settings/suppressions/check", channel="email", value="bad@shop.example.org")
        assert "Mailbox services forbid" in stuck.text and "lift-1" not in stuck.text
        single = {"channel": "sms", "value": "+77010000777"}
        post(client, "/settings/suppressions", channel="sms", values=single["value"], reason="manual")
        assert "Say why" in post(client, "/settings/suppressions/lift", **single).text
        done = post(client, "/settings/suppressions/lift", **single, why="typed by mistake")
        assert (
            done.status_code == 303
            and suppressions.look(office, [ToldAddress(Channel.SMS, single["value"], "")], [])[0].reason == ""
        ), "it is off"
    with site.client("owner") as client:
        assert "typed by mistake" in client.get("/settings/audit").text
    with site.client("viewer") as client:
        assert post(client, "/settings/suppressions", values="a@example.org").status_code == 403


def test_hours_caps_law_and_retention_are_kept_and_two_editors_do_not_overwrite_each_other(site):
    office = site.service.office
    policy.change(office, {"windows": [{"hours": ["09:00-21:00"], "classes": ["advertising"]}], "caps": []})
    with site.client("owner") as client:
        page = client.get("/settings/hours").text
        mark = re.findall(r'name="mark" value="(\w+)"', page)[0]
        told = {"place": "0", "mark": mark, "hours": "10:00–13:00, 14:00-20:00", "days": "working",
                "channels": ["sms", "robot_call"], "countries": "ru kz"}  # fmt: skip
        assert post(client, "/settings/hours/windows", **told).status_code == 303
        (window,) = policy.show(office).windows
        assert window.hours == ("10:00-13:00", "14:00-20:00") and window.countries == ("RU", "KZ")
        assert post(client, "/settings/hours/windows", **told).status_code == 409
        wrong = post(client, "/settings/hours/windows", hours="noon", channels="sms", countries="RU")
        assert wrong.status_code == 422 and "Write hours like" in wrong.text
        assert 'value="noon"' in wrong.text and 'value="sms" checked' in wrong.text
        wrong = post(client, "/settings/hours", zone="Nowhere", country="KZZ", jitter="ten")
        assert wrong.status_code == 422 and problems_in(wrong.text) == {"zone", "country", "jitter"}
        assert 'value="Nowhere"' in wrong.text and 'value="ten"' in wrong.text
        wrong = post(client, "/settings/caps/caps", limit="0", days="x", classes="service")
        assert wrong.status_code == 422 and problems_in(wrong.text) == {"limit", "days"}
        assert 'value="service" checked' in wrong.text
        post(client, "/settings/caps/caps", limit="3", days="7", counts="touches", classes="advertising")
        assert "at most 3 messages in 7 days" in client.get("/settings/caps").text
        wrong = post(client, "/settings/caps", **{"gap-service": "soon", "holdout-advertising": "200"})
        assert wrong.text.count('aria-invalid="true"') == 2 and 'value="soon"' in wrong.text
        post(client, "/settings/caps", **{"gap-advertising": "90", "holdout-advertising": "2,5"})
        group = {"control-event": "purchase", "control-value": "total", "control-since": "2026-01-01"}
        wrong = post(client, "/settings/caps/control", **{"control-share": "60", **group})
        assert wrong.status_code == 422 and "Write per cent from 0 to 50" in wrong.text
        backwards = {"control-share": "2,5", **group, "control-until": "2025-01-01"}
        assert "it ends before it begins" in post(client, "/settings/caps/control", **backwards).text
        post(client, "/settings/caps/control", **{"control-share": "2,5", **group})
        assert "Of them, with the event" in client.get("/settings/caps").text
        kept = policy.show(office)
        assert (kept.control.share, kept.control.value) == (250, "total")
        told = site.api.get("/control")
        assert told["share"] == 0.025 and told["measured"]["effect"]["treated"]["people"] > 0
        policy.change(office, {"control": {}})
        assert (kept.min_gap_ms.advertising, kept.holdout.advertising) == (90 * 60_000, 250)
        page = client.get("/settings/retention").text
        fields = dict(re.findall(r'name="(\w+)"[^>]*type="text" value="(\d+)"', page))
        post(client, "/settings/retention", **{**fields, "texts": "30"})
        assert policy.show(office).retention.texts == 30
        wrong = post(client, "/settings/retention", **{**fields, "texts": "soon", "events": "40000"})
        assert wrong.status_code == 422 and problems_in(wrong.text) == {"texts", "events"}
        assert 'value="soon"' in wrong.text and policy.show(office).retention.texts == 30
        law = client.get("/settings/law?country=RU").text
        assert "38-FZ, art. 18 (2)" in law and "aside-ru-ads-robot" not in law, (
            "what is settled is not set aside"
        )
        post(client, "/settings/law/ru-mass-calls", do="aside", country="RU")
        assert policy.show(office).set_aside == ("ru-mass-calls",)
        post(client, "/settings/law/ru-mass-calls", do="apply")
        assert policy.show(office).set_aside == ()
    with site.client("viewer") as client:
        assert "window-new" not in client.get("/settings/hours").text


def test_health_is_looked_at_when_asked_and_the_brand_is_named(site):
    with site.client("owner") as client:
        assert "hx-get" in client.get("/settings/health").text
        client.cookies["kaskad_lang"] = "ru"
        until = site.service.office.now() + 60_000
        site.service.office.write(
            lambda tx: set_aside.rest(tx, (0, 0), until, "KeyError at enrol.py:7", part="spare")
        )
        told = client.get("/settings/health?look=now").text
        assert "Обслуживание и подсчёты" in told and "KeyError at enrol.py:7" in told
        assert "база</b>" in told and ", версия" in told and "аккаунт email</b>" in told
        assert "доступен; проверка" in told and "but it is not https" not in told
        wrong = post(client, "/settings/brand", name="A<b>", currency="XXX")
        assert wrong.status_code == 422 and "без &lt; &gt;" in wrong.text and "«XXX»" in wrong.text
        assert post(client, "/settings/brand", name="Север", currency="kzt").status_code == 303
        assert 'value="Север"' in client.get("/settings/brand").text
        form = {"csrf": token_in(client.get("/account").text), "name": "Север", "currency": "KZT"}
        form |= {"colour": "#0b6e4f", "address": "Алматы, Абая 1"}
        bad = client.post("/settings/brand", data=form, files={"file": ("logo.png", b"no picture")})
        assert bad.status_code == 422 and "Алматы" in bad.text
        client.post("/settings/brand", data=form, files={"file": ("logo.png", PNG)})
        page = client.get("/settings/brand").text
        letter = client.get(re.findall(r"/templates/letter/[\w-]+", page)[0]).text
        assert "data:image/png;base64" in letter and "Алматы" in letter and "#0b6e4f" in letter
        drawn = post(client, "/settings/brand/draw", **{**form, "colour": "#aa0000"}).text
        assert "#aa0000" in client.get(re.findall(r"/templates/letter/[\w-]+", drawn)[0]).text
        assert brand.show(site.service.office).colour == "#0b6e4f", "nothing is kept"
        site.api.put("/templates/brand-head", {"channel": "part", "text": "<mj-section></mj-section>"})
        assert "изменён вручную" in client.get("/settings/brand").text
        post(client, "/settings/brand/parts")
        assert "изменён вручную" not in client.get("/settings/brand").text
        mail = {"host": "mail.example.org", "sender": "Shop <a@example.org>"}
        site.api.put("/accounts/letters", {"provider": "smtp", "settings": mail})
        assert "Shop &lt;a@example.org&gt;" in client.get("/settings/brand").text
        told = {"account": "letters", "sender": "North <b@example.org>", "reply_to": "nobody"}
        wrong = post(client, "/settings/brand/sender", **told)
        assert problems_in(wrong.text) == {"reply_to"} and 'value="nobody"' in wrong.text
        post(client, "/settings/brand/sender", **{**told, "reply_to": "c@example.org"})
        assert site.api.get("/accounts/letters")["settings"]["reply_to"] == "c@example.org"
        utm = {"source": "kaskad", "medium": "{{ channel }}", "domains": "example.org, shop.example.net"}
        post(client, "/settings/brand/links", **utm)
        kept = policy.show(site.service.office).utm
        assert (kept.medium, kept.domains) == ("{{ channel }}", ("example.org", "shop.example.net"))
        wrong = post(client, "/settings/brand/links", source="{{ x", domains="no domain")
        assert problems_in(wrong.text) == {"source", "domains"} and 'value="{{ x"' in wrong.text
        wrong = post(client, "/settings/brand/brands", name="shop-kz", link_domain="http://s.kz")
        assert problems_in(wrong.text) == {"link_domain"} and 'value="http://s.kz"' in wrong.text
        post(client, "/settings/brand/brands", name="shop-kz", link_domain="https://s.example.org")
        post(client, "/settings/brand/brands", name="shop-ru", was="shop-kz", source="ru")
        (one,) = policy.show(site.service.office).brands
        assert (one.name, one.link_domain, one.utm.source) == ("shop-ru", "", "ru")
        assert post(client, "/settings/brand/brands", name="x", was="shop-kz").status_code == 409
        post(client, "/settings/brand/brands", name="shop-ru", was="shop-ru", do="remove")
        assert policy.show(site.service.office).brands == ()
    with site.client("viewer") as client:
        assert client.get("/settings/health").status_code == 403
        assert post(client, "/settings/brand", name="X", currency="KZT").status_code == 403


def _named(called: ast.expr) -> str:
    """Return the last name of what is called: `note` of `note(…)` and of `audit.note(…)`."""
    return getattr(called, "id", "") or getattr(called, "attr", "")


def test_every_action_of_the_audit_has_its_sentence():
    said = {
        f"{method} {route.path.removeprefix(PREFIX)}"
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and isinstance(route, IdempotentRoute)
        for method in route.methods
        if is_noted(route, method)
    }
    patterns = []
    here = Path(kaskad.__file__).parent
    for path in sorted([*(here / "web" / "pages").glob("*.py"), *(here / "actions").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _named(node.func) == "note" and len(node.args) == 4:
                if isinstance(node.args[2], ast.Constant):
                    said.add(node.args[2].value)
                elif isinstance(node.args[2], ast.JoinedStr):
                    parts = node.args[2].values
                    fixed = [
                        re.escape(part.value) if isinstance(part, ast.Constant) else r"[\w/-]*"
                        for part in parts
                    ]
                    patterns.append("".join(fixed))
    assert sorted(said - VERBS.keys()) == [], "give it a sentence in web/pages/audit_words.py"
    assert [each for each in patterns if not any(re.fullmatch(each, verb) for verb in VERBS)] == []
    spoken = [verb for verb in VERBS if verb not in said and not any(re.fullmatch(p, verb) for p in patterns)]
    assert spoken == [], "nobody does these any more"
    assert link_of("PUT /contacts/{contact}", "con_7") == "/contacts/con_7"
    assert link_of("DELETE /accounts/{name}", "sms") == "" and link_of("POST /keys", "shop") == ""


def test_what_was_set_aside_is_shown_and_left_out_only_when_asked_twice(visit, site):
    office, ann = site.service.office, site.api.get("/contacts/ann")["id"]

    def put(tx):
        whose = int(ann.removeprefix("con_"))
        tx.many("put_inbox", [(1, whose, 0, -1, 24, "stop", 1_780_000_000_000, '{"text": "no more"}')])
        for found in tx.all("look_at_inbox", limit=10):
            set_aside.put(tx, found[0], "KeyError at inbox.py:7", office.now())

    office.write(put)
    opened = visit("owner", language="en")
    page = opened.goto("/settings/health")
    shown = page.locator("#set-aside")
    assert "no more" in shown.inner_text() and "KeyError at inbox.py:7" in shown.inner_text()
    assert opened.axe() == []
    shown.get_by_role("button", name="Leave out").press("Enter")
    dialog = page.get_by_role("dialog")
    assert "this person is written to again" in dialog.inner_text()
    with office.read() as tx:
        assert set_aside.count(tx) == 1
    dialog.get_by_role("button", name="Leave out").press("Enter")
    page.wait_for_selector("text=It is left out.")
    with office.read() as tx:
        assert set_aside.count(tx) == 0
