"""Keys: what they open, that they end at once, and that a repeated request is carried out once."""

from pathlib import Path

import pytest


def test_a_key_opens_what_its_scopes_say_and_nothing_else(api):
    made = api.post("/keys", {"name": "crm", "scopes": ["events:write"]})
    assert made["key"].startswith("kaskad_") and made["scopes"] == ["events:write"]
    refused = api.call("GET", "/keys", key=made["key"])
    assert refused.status_code == 403
    assert "keys:write" in refused.json()["detail"]
    event = {"id": "1", "name": "seen", "contact": {"external_id": "nobody"}}
    taken = api.call("POST", "/events", event, key=made["key"])
    assert taken.status_code == 422 and "no such contact" in taken.text  # let in: the contact is unknown
    assert [key["name"] for key in api.get("/keys")["items"]].count("crm") == 1
    api.delete("/keys/crm")
    assert api.call("POST", "/events", event, key=made["key"]).status_code == 401
    assert "crm" not in [key["name"] for key in api.get("/keys")["items"]]


def test_a_key_gives_no_more_than_it_has(api):
    porter = api.post("/keys", {"name": "porter", "scopes": ["keys:write", "contacts:read"]})["key"]
    wanted = {"name": "more", "scopes": ["contacts:read", "all", "accounts:write"]}
    refused = api.call("POST", "/keys", wanted, key=porter)
    assert refused.status_code == 422
    assert [one["detail"].split("'")[1] for one in refused.json()["problems"]] == ["all", "accounts:write"]
    assert api.call("POST", "/keys", {**wanted, "scopes": ["contacts:read"]}, key=porter).status_code == 201
    api.delete("/keys/more")
    api.delete("/keys/porter")


@pytest.mark.parametrize("key", ["", "kaskad_no-such-key", "é"])
def test_without_a_key_that_is_known_nothing_opens(api, key):
    headers = {"Authorization": f"Bearer {key}".encode()} if key else {}
    answer = api.call("GET", "/keys", key="", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_every_problem_of_a_request_is_told_at_once(api):
    answer = api.call("POST", "/keys", {"scopes": 7, "colour": "red"})
    assert answer.status_code == 422
    told = answer.json()
    assert {problem["pointer"] for problem in told["problems"]} == {"/name", "/scopes", "/colour"}
    answer = api.call("POST", "/keys", {"name": "x", "scopes": ["everything", "mice"]})
    assert [problem["detail"].split("'")[1] for problem in answer.json()["problems"]] == [
        "everything",
        "mice",
    ]


def test_a_name_is_taken_once_and_free_again_after_the_end(api):
    api.post("/keys", {"name": "shop", "scopes": ["all"]})
    assert api.call("POST", "/keys", {"name": "shop", "scopes": ["all"]}).status_code == 409
    api.delete("/keys/shop")
    api.post("/keys", {"name": "shop", "scopes": ["all"]})
    assert api.call("DELETE", "/keys/nobody").status_code == 404


def test_a_request_repeated_under_its_key_is_carried_out_once(api):
    told = {"name": "once", "scopes": ["all"]}
    first = api.call("POST", "/keys", told, headers={"Idempotency-Key": "k1"})
    again = api.call("POST", "/keys", told, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    with api.service.db.read() as tx:
        kept = tx.one("idempotent", caller="local", name="k1")
    assert kept[2] == 201 and first.json()["key"].encode() not in bytes(kept[3])
    other = api.call("POST", "/keys", {**told, "name": "other"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 422
    assert api.call("POST", "/keys", told, headers={"Idempotency-Key": "k2"}).status_code == 409
    failed = api.call("POST", "/keys", {**told, "name": "twice"}, headers={"Idempotency-Key": "k2"})
    assert failed.status_code == 201  # a request that failed has not used its key up


def references(value):
    """Return every `$ref` within a description."""
    if isinstance(value, list):
        return [ref for item in value for ref in references(item)]
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for item in value.values() for ref in references(item)]
    return []


def test_the_description_of_the_api_is_there(api):
    told = api.raw("GET", "/api/openapi.json").json()
    assert told["info"]["title"] == "Kaskad"
    assert "/api/v1/keys" in told["paths"]
    assert not [ref for ref in references(told) if not ref.startswith("#/components/schemas/")]
    assert {ref.rpartition("/")[2] for ref in references(told)} <= told["components"]["schemas"].keys()


def test_the_key_of_a_server_lies_beside_its_file_for_its_owner_only(api):
    assert Path(api.service.db.name + ".server").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("key", ["", None])
@pytest.mark.parametrize("in_parts", [False, True])
def test_a_body_past_all_measure_is_refused_whoever_sends_it(api, monkeypatch, key, in_parts):
    monkeypatch.setattr("kaskad.web.app.LIMIT", 1_000)
    large = b'{"external_id": "' + b"x" * 2_000 + b'"}'
    content = iter([large[:900], large[900:]]) if in_parts else large
    headers = {"Content-Type": "application/json"}
    answer = api.call("POST", "/contacts", key=key, headers=headers, content=content)
    assert answer.status_code == 413 and "1,000 bytes" in answer.json()["detail"]
