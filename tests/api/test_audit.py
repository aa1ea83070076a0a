"""Who changed what, and who looked at whom, is noted once it was done, and never with an address."""

import re

import pytest

from kaskad.cli.root import run
from kaskad.store.statements import statements
from kaskad.web.api.idempotent import IdempotentRoute
from kaskad.web.app import ROUTERS
from support.shop import people


def noted(api, **query):
    return [
        (each["by"], each["action"], each["object"])
        for each in reversed(api.get("/audit", params={"limit": 1000, **query})["items"])
    ]


def test_changes_and_looks_at_a_person_are_noted_with_who_did_them(api):
    people(api.service, "ann", "bob")
    writer = api.post("/keys", {"name": "writer", "scopes": ["contacts:write", "contacts:read"]})["key"]
    eye = api.post("/keys", {"name": "eye", "scopes": ["contacts:read"]})["key"]
    mail = "ann@email.example.org"
    ann = api.call("GET", f"/contacts/{mail}", key=eye).json()["id"]
    api.call("GET", "/contacts/ann/timeline", key=eye)
    api.call("GET", "/contacts", params={"q": "bob"}, key=eye)
    api.call("GET", "/contacts/nobody", key=eye)
    assert api.call("PUT", "/contacts/ann", {"attributes": {"vip": True}}, key=eye).status_code == 403
    made = api.call("POST", "/contacts", {"external_id": "new"}, key=writer).json()["id"]
    also = api.call("PUT", "/contacts/newer", {"language": "ru"}, key=writer).json()["id"]
    again = {"headers": {"Idempotency-Key": "once"}}
    for _ in range(2):
        api.call("POST", f"/contacts/{mail}/suppress", {"reason": "manual"}, key=writer, **again)
    api.call("GET", "/contacts/ann/export", key=writer)
    api.call("DELETE", f"/contacts/{mail}", key=writer)
    assert noted(api, by="eye") == [
        ("eye", "GET /contacts/{contact}", ann),
        ("eye", "GET /contacts/{contact}/timeline", ann),
    ]
    assert noted(api, by="writer") == [
        ("writer", "POST /contacts", made),
        ("writer", "PUT /contacts/{contact}", also),
        ("writer", "POST /contacts/{contact}/suppress", ann),
        ("writer", "GET /contacts/{contact}/export", ann),
        ("writer", "DELETE /contacts/{contact}", ann),
    ]
    assert [by for by, _, _ in noted(api, object=ann)] == ["eye", "eye", "writer", "writer", "writer"]
    assert noted(api, object=ann, by="eye") == noted(api, by="eye")
    assert noted(api, object=also, by="eye") == []
    assert "example.org" not in str(api.get("/audit")["items"])
    assert [what for _, _, what in noted(api, object="writer")] == ["writer"], "the key that was made"


def test_the_audit_is_read_in_pages_with_a_scope_of_its_own(api):
    for name in ("one", "two", "three"):
        api.post("/lists", {"name": name})
    first = api.get("/audit", params={"limit": 2})
    assert [each["object"] for each in first["items"]] == ["three", "two"]
    second = api.get("/audit", params={"limit": 2, "cursor": first["next"]})
    assert second["items"][0]["object"] == "one"
    since = first["items"][0]["at"]
    assert "one" not in [what for *_, what in noted(api, since=since)] or second["items"][0]["at"] >= since
    key = api.post("/keys", {"name": "narrow", "scopes": ["contacts:read"]})["key"]
    assert api.call("GET", "/audit", key=key).status_code == 403
    assert ("local", "GET /audit", "") not in noted(api)


def test_every_route_of_the_api_is_one_that_notes():
    plain = [
        route.path
        for router in ROUTERS
        for route in router.routes
        if route.path.startswith("/api/v1") and not isinstance(route, IdempotentRoute)
    ]
    assert not plain


def test_the_export_of_everybody_is_noted(api):
    assert api.call("GET", "/exports/people").status_code == 200
    assert noted(api)[-1] == ("local", "GET /exports/{what}", "people")


def test_no_statement_changes_or_deletes_what_was_noted():
    for name, statement in statements("sqlite").items():
        assert not re.search(r"(UPDATE|DELETE FROM)\s+audit\b", statement.text), name


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in a new installation and returns what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("id,email,consent\nc1,anna@example.org,yes\n", encoding="utf-8")
    assert run(["init"]) == 0 and run(["import", "people.csv"]) == 0
    capsys.readouterr()

    def call(*arguments):
        assert run(list(arguments)) == 0
        return capsys.readouterr().out

    return call


def test_a_command_shows_it(told):
    told("contact", "show", "c1")
    out = told("audit", "c1")
    assert "GET /contacts/{contact}/timeline" in out and "con_1" in out and "local" in out
    assert "POST /contacts/import" in told("audit", "--by", "local") and "imp_1" in told("audit", "--json")
    assert told("audit", "c2") == "Nothing of that kind was done.\n"
