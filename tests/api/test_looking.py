"""Looking changes nothing: every GET of the whole application, with something in every room."""

import re

import pytest

from kaskad.config import Settings
from kaskad.store import forms
from kaskad.web import app as web
from kaskad.web import service as module
from kaskad.web.app import PAGES, ROUTERS
from support.api import Api
from support.faults import until
from support.tables import columns

LETTER = """
cascade: sale
class: advertising
holdout: 0%
topic: offers
trigger: {event: sale}
steps:
  - {id: letter, channel: email, subject: Hello, html: '<a href="https://shop.example.org/">x</a>', wait: 1d}
"""
CALL = """
cascade: call
class: service
trigger: {event: ask}
steps: [{id: call, channel: agent_call, script: Say hello, wait: 1d}]
"""
CLOSED = "http://127.0.0.1:9/"
# What may change by looking, and why.
MAY_CHANGE = {
    "audit": "that somebody has looked at a person",
    "orphans": "housekeeping", "settings": "housekeeping", "mail_domains": "looked up in the background",
    "crm_jobs": "housekeeping", "polls": "housekeeping", "alarms": "raised in the background",
}  # fmt: skip
TOLD = ("/l/{token}", "/o/{token}")  # are kept as hits, and hold the run until they are judged
ASKED = {  # what has to be named besides
    "/api/v1/messages": "?contact=ann",
    "/api/v1/contacts/{contact}/may": "?cascade=sale",
    "/api/v1/accounts/{name}/prices/for": "?to=%2B77000000001",
}
UNASKED = {  # paths that are not asked here: why
    "/push/{account}": "of accounts of web push: tests/api/test_push.py",
    "/push/{account}/{name}.js": "a file",
    "/site/{site}.js": "a file",
}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Return an installation, its routes, and what stands for the parts of their paths."""
    made = []
    real = web.build_app

    def build(*told, **more):
        made.append(real(*told, **more))
        return made[-1]

    monkeypatch.setattr(web, "build_app", build)
    settings = Settings(database=f"sqlite:{tmp_path / 'k.db'}", listen="127.0.0.1:0", private_webhooks="yes")
    with module.serving(settings, "the tests") as service:
        values = _furnished(Api(service))
    with module.attending(settings, "the tests") as service:  # nothing moves by itself meanwhile
        yield Api(service), made[-1]._routed, values


def _furnished(api):
    """Put something into every room; return the values of the parts of paths."""
    for channel in ("email", "sms"):
        api.put(f"/accounts/{channel}", {
            "provider": "generic_webhook", "channel": channel,
            "settings": {"url": CLOSED}, "secrets": {"secret": "s" * 20},
        })  # fmt: skip
    api.put("/accounts/desk", {"provider": "desk", "channel": "agent_call", "settings": {
        "agents": "2", "call_minutes": "10", "sla_hours": "24", "tasks_a_day": "0", "hours": "00:00-24:00",
        "days": "every", "zone": "UTC",
    }})  # fmt: skip
    api.call("PATCH", "/policy", {"windows": [], "caps": []})
    consent = {"granted": True, "proof": {"source": "form"}}
    for name, phone in (("ann", "+77000000001"), ("bob", "+77000000002")):
        told = {"email": f"{name}@example.org", "phone": phone, "consents": [consent]}
        api.put(f"/contacts/{name}", told)
    for text in (LETTER, CALL):
        slug = text.split()[1]
        api.call("PUT", f"/cascades/{slug}", content=text, headers={"Content-Type": "application/yaml"})
        api.post(f"/cascades/{slug}/activate")
    for who, name in (("ann", "sale"), ("bob", "ask")):
        api.post("/events", {"id": name, "name": name, "contact": {"external_id": who}})
    until(lambda: api.get("/tasks")["items"] and api.get("/messages?contact=ann")["items"])
    api.post("/lists", {"name": "vip"})
    api.post("/segments", {"name": "gold", "text": "contact.vip"})
    api.post("/webhooks", {"url": CLOSED, "types": ["run.entered"]})
    words = {"language": "ru", "text": "Согласен получать письма."}
    api.put("/forms/news", {"texts": [words]})
    api.put("/sites/shop", {"origins": ["https://shop.example.org"]})
    api.raw("POST", "/f/news", data={"email": "new@example.org", "agreed": "yes"})
    gone = api.post("/contacts", {"email": "gone@example.org"})["id"]
    api.delete(f"/contacts/{gone}")
    office = api.service.office
    (run,) = [run for run in api.get("/runs")["items"] if run["cascade"] == "sale"]
    contact_id, run_id = (int(part) for part in run["id"].split("_")[1:])
    letter = (contact_id, run_id, 0)
    signer = office.signer
    with office.read() as tx:
        asked = forms.last_of(tx, "news", "new@example.org")
    return {
        "contact": "ann", "slug": "sale", "number": 1, "run": run["id"], "step": 0, "id": 1, "task": 1,
        "erasure_id": 1, "webhook_id": api.get("/webhooks")["items"][0]["id"], "what": "people",
        "account": "sms",
        "form": "news", "/accounts": "email", "/lists": "vip", "/segments": "gold", "/forms": "news",
        "/templates": "sign-up", "/sites": "shop",
        "/o/": signer.pixel(*letter), "/l/": signer.link(*letter, 0, 2**42),
        "/u/": signer.unsubscribe(*letter),
        "/c/": signer.confirm(asked.id, asked.requested_at), "/t/": "x" * 32,
    }  # fmt: skip


def _filled(path, values):
    def value(found):
        name = found[1].partition(":")[0]
        special = next((values[key] for key in values if key.startswith("/") and key in path), "")
        return str(special if name in ("name", "token") else values.get(name, "x"))

    return re.sub(r"\{(\w+(?::\w+)?)\}", value, path)


def _everything(db):
    """Return the rows of every table, without those that may change by looking."""
    names = sorted(set(columns(db)) - MAY_CHANGE.keys())
    with db.read() as tx:
        return {
            name: sorted(map(repr, tx._connection.execute(f"SELECT * FROM {name}")))
            for name in names
            if not name.startswith("sqlite_")
        }


def test_no_get_of_the_whole_application_changes_a_row(house):
    api, app, values = house
    routes = [*app.routes, *(route for router in (*ROUTERS, *PAGES) for route in router.routes)]
    paths = sorted({
        route.path for route in routes
        if "GET" in (getattr(route, "methods", None) or ()) and route.path not in UNASKED
    })  # fmt: skip
    assert len(paths) > 70
    db = api.service.office.db
    before = _everything(db)
    rooms = ("contacts", "runs", "messages", "tasks", "forms", "sign_ups", "erasures")
    assert [name for name in rooms if not before[name]] == []
    answered = {}
    for path in sorted(paths, key=lambda path: path in TOLD):
        if path == TOLD[0]:
            after = _everything(db)
            assert {name for name in before if before[name] != after[name]} == set()
        where = _filled(path, values) + ASKED.get(path, "")
        answer = api.raw("GET", where, headers={"Authorization": f"Bearer {api.key}"})
        answered[path] = answer.status_code
        assert answer.status_code < 500, (path, answer.text[:300])
    after = _everything(db)
    assert {name for name in before if before[name] != after[name]} == {"hits", "inbox"}
    good = sum(status < 400 for status in answered.values())
    assert good >= len(paths) * 0.8, {path: status for path, status in answered.items() if status >= 400}
    for path in ("/u/{token}", "/c/{token}", "/f/{form}", "/o/{token}", "/api/v1/contacts/{contact}"):
        assert answered[path] == 200, path
