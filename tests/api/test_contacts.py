"""Contacts over HTTP: made, changed, found; what they allow and refuse."""

import pytest

MAIL = "vera@example.org"


def problems(answer):
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return {problem.get("pointer", ""): problem["detail"] for problem in answer.json()["problems"]}


def test_a_contact_is_made_shown_and_changed(api):
    told = {
        "email": "Anna@Example.org", "phone": "8 701 000 00 01", "country": "kz", "zone": "Asia/Almaty",
        "language": "ru-RU", "attributes": {"name": "Анна Каренина", "city": "Алматы", "vip": True},
        "addresses": [{"channel": "telegram", "value": "123456", "preferred": 1}],
        "consents": [{"granted": True, "channels": ["email"], "purpose": "advertising",
                      "at": "2026-01-02T03:04:05+05:00", "proof": {"source": "form", "ip": "192.0.2.1"}}],
    }  # fmt: skip
    made = api.call("PUT", "/contacts/crm-1", told)
    assert (made.status_code, made.json()["created"]) == (201, True)
    key = made.json()["id"]
    assert key.startswith("con_")
    shown = api.get(f"/contacts/{key}")
    assert (shown["external_id"], shown["country"], shown["language"]) == ("crm-1", "KZ", "ru")
    assert [(a["channel"], a["value"], a["health"]) for a in shown["addresses"]] == [
        ("email", "anna@example.org", "good"), ("telegram", "123456", "good"), ("sms", "+77010000001", "good")
    ]  # fmt: skip
    (consent,) = shown["consents"]
    assert consent["at"] == "2026-01-01T22:04:05Z"
    assert (consent["granted"], consent["channels"], consent["purpose"]) == (True, ["email"], "advertising")
    assert consent["proof"] == {"act": "api", "source": "form", "ip": "192.0.2.1"}
    again = api.call("PUT", "/contacts/crm-1", {"attributes": {"vip": None, "age": 40}, "tracking": False})
    assert (again.status_code, again.json()) == (200, {"id": key, "created": False})
    changed = api.get("/contacts/crm-1")
    assert changed["attributes"] == {"name": "Анна Каренина", "city": "Алматы", "age": 40}
    assert changed["zone"] == "Asia/Almaty" and changed["tracking"] is False
    assert api.put(f"/contacts/{key}", {"language": "kk"}) == {"id": key, "created": False}
    for who in ("anna@example.org", "+77010000001", "ANNA@example.org"):
        assert api.get(f"/contacts/{who}")["id"] == key


def test_who_has_no_external_id_is_known_by_an_address(api):
    first = api.post("/contacts", {"email": MAIL})
    again = api.post("/contacts", {"email": "VERA@example.org", "external_id": "crm-2"})
    assert again == {"id": first["id"], "created": False}
    assert api.get("/contacts/crm-2")["id"] == first["id"]


def test_every_problem_of_a_contact_is_told_with_its_place(api):
    told = {
        "email": "nobody", "phone": "12", "zone": "Mars/Crater",
        "addresses": [{"channel": "vk", "value": "x"}],
        "consents": [
            {"granted": True},
            {"granted": False, "topic": "news", "purpose": "service", "expires_at": "2027-01-01T00:00:00Z"},
            {"granted": True, "at": "2999-01-01T00:00:00Z", "proof": {"source": "form"}},
        ],
    }  # fmt: skip
    found = problems(api.call("POST", "/contacts", told))
    assert found.keys() == {
        "/email", "/phone", "/zone", "/addresses/0/value", "/consents/0/proof", "/consents/1",
        "/consents/1/purpose", "/consents/1/expires_at", "/consents/2/at",
    }  # fmt: skip
    assert "Asia/Almaty" in found["/zone"]
    wrong_shape = {
        "external_id": "a\0b", "tracking": "perhaps", "colour": 1, "country": "KAZ",
        "attributes": {"n": 2**64, "nul": "\0", "deep": {"a": [1, {"b": "\0"}]}, "": 1,
                       "long": ["x" * 40_000] * 2},
        "addresses": [{"channel": "pigeon", "value": ""}], "consents": [{"at": "2026-01-01T00:00:00"}],
    }  # fmt: skip
    found = problems(api.call("PUT", "/contacts/x", wrong_shape))
    assert found.keys() >= {
        "/external_id", "/tracking", "/colour", "/country", "/attributes/n", "/attributes/nul",
        "/attributes/deep", "/attributes/long", "/addresses/0/channel", "/addresses/0/value",
        "/consents/0/at", "/consents/0/granted",
    }  # fmt: skip
    nobody = problems(api.call("POST", "/contacts", {"attributes": {"name": "?"}}))
    assert "external_id, email, phone" in nobody[""]
    assert problems(api.call("POST", "/contacts", {"external_id": "con_5"})).keys() == {"/external_id"}


@pytest.mark.parametrize("body", [
    b'{"attributes": {"n": NaN}, "external_id": "x"}', b'{"attributes": {"\\ud800": 1}, "external_id": "x"}',
    b'{"attributes": {"n": "\\udfff"}, "external_id": "x"}', b'{"external_id": "\\ud800"}', b"{", b"\xff",
    b'{"external_id": "x", "attributes": {"a": ' + b"[" * 3000 + b"]" * 3000 + b"}}", b"[]", b"null",
])  # fmt: skip
def test_odd_json_is_a_problem_and_no_defect(api, body):
    answer = api.call("POST", "/contacts", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", [
    "/contacts/%00", "/contacts/nobody", "/contacts/con_99", "/contacts/con_9999999999999999999",
    "/contacts/%ff", "/contacts/nobody/events", "/contacts?limit=0", "/contacts?limit=1001",
    "/contacts?cursor=x",
    "/contacts?cursor=99999999999999999999", "/contacts?q=%00", "/contacts?country=Kazakhstan",
])  # fmt: skip
def test_odd_addresses_are_problems_and_no_defects(api, path):
    answer = api.call("GET", path)
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_slash_in_an_external_id_is_written_encoded_and_leads_nowhere_else(api):
    path = "/contacts/crm%2F1%2f%D0%BB%25"
    made = api.put(path, {"attributes": {"name": "Ann"}})
    assert made["created"] and api.get(path)["external_id"] == "crm/1/л%"
    api.put(f"{path}%2Fevents", {})
    assert api.get(f"{path}/events")["items"] == [], "those of the first"
    told = {"channel": "email", "value": "slash@example.org"}
    assert api.post(f"{path}/addresses", told)["value"] == "slash@example.org"
    thread = api.call("GET", path.replace("contacts", "threads"))
    assert thread.json()["detail"] == "crm/1/л% has written nothing."
    keyed = {"Idempotency-Key": "slash"}
    assert api.call("POST", f"{path}/suppress", {}, headers=keyed).status_code == 200
    noted = next(each for each in api.get("/audit")["items"] if each["action"].endswith("/suppress"))
    assert noted["object"] == made["id"]
    for wrong in ("/accounts/sms%2Fprices", f"{path}%2F"):
        assert api.call("DELETE", wrong).status_code in (404, 422)
    assert api.delete(path)["contact"] == made["id"] and api.call("GET", path).status_code == 404


def test_an_external_id_stays_with_its_contact(api):
    one = api.put("/contacts/stay-1", {})["id"]
    two = api.put("/contacts/stay-2", {})["id"]
    assert api.call("PUT", f"/contacts/{two}", {"external_id": "stay-1"}).status_code == 409
    assert api.call("PUT", f"/contacts/{one}", {"external_id": "stay-3"}).status_code == 409
    assert api.call("PUT", "/contacts/stay-1", {"external_id": "stay-2"}).status_code == 422
    assert api.call("PUT", "/contacts/con_999", {}).status_code == 404
    nameless = api.post("/contacts", {"phone": "+77010000077"})["id"]
    assert api.put(f"/contacts/{nameless}", {"external_id": "stay-4"})["id"] == nameless
    assert api.get("/contacts/stay-4")["id"] == nameless


def test_a_batch_answers_for_each_and_a_wrong_one_stops_no_other(api):
    told = [{"external_id": f"b{number}", "email": f"b{number}@example.org"} for number in range(3)]
    told[1]["email"] = "nobody"
    answer = api.post("/contacts/batch", {"contacts": told})
    assert (answer["accepted"], answer["refused"]) == (2, 1)
    assert [(item["index"], item["created"], bool(item["problems"])) for item in answer["items"]] == [
        (0, True, False), (1, False, True), (2, True, False)
    ]  # fmt: skip
    assert answer["items"][1]["problems"][0]["pointer"] == "/contacts/1/email"
    assert api.get("/contacts/b2")["id"] == answer["items"][2]["id"]
    assert api.call("GET", "/contacts/b1").status_code == 404
    assert api.call("POST", "/contacts/batch", {"contacts": told[1:2]}).status_code == 422
    assert api.call("POST", "/contacts/batch", {"contacts": []}).status_code == 422
    many = {"contacts": [{"external_id": str(number)} for number in range(1001)]}
    assert api.call("POST", "/contacts/batch", many).status_code == 422


def test_contacts_are_found_by_how_their_names_and_addresses_begin(api):
    api.put("/contacts/find-1", {"email": "zoya.k@example.org", "phone": "+77015550001", "country": "KZ",
                                 "attributes": {"name": "Зоя  КОСМОДЕМЬЯНСКАЯ"}})  # fmt: skip
    api.put("/contacts/find-2", {"email": "zoya@example.org", "country": "RU",
                                 "attributes": {"first_name": "Ёлка", "last_name": "О'Нил"}})  # fmt: skip

    def found(**query):
        return [item["external_id"] for item in api.get("/contacts", params=query)["items"]]

    assert found(q="зоя") == found(q="космо") == found(q="  ЗОЯ космо") == ["find-1"]
    assert found(q="модемь") == []
    assert found(q="ZOYA") == ["find-1", "find-2"]
    assert found(q="zoya", country="ru") == ["find-2"]
    assert found(q="zoya.") == ["find-1"]
    assert found(q="+7 (701) 555") == found(q="7701555") == ["find-1"]
    assert found(q="find-") == ["find-1", "find-2"] and found(q="find-2") == ["find-2"]
    assert found(q="о'нил") == found(q="ёлка") == ["find-2"]
    assert found(q="%") == []


def test_a_list_comes_in_pages(api):
    api.post("/contacts/batch", {"contacts": [{"external_id": f"page-{n}"} for n in range(5)]})
    first = api.get("/contacts", params={"q": "page-", "limit": 2})
    rest = api.get("/contacts", params={"q": "page-", "limit": 3, "cursor": first["next"]})
    assert [item["external_id"] for item in first["items"] + rest["items"]] == [f"page-{n}" for n in range(5)]
    assert rest["next"] is None


def test_consents_are_added_and_withdrawn_with_proof(api):
    api.put("/contacts/says", {"email": "says@example.org"})
    grant = {"granted": True, "topic": "news", "proof": {"source": "form", "text": "Да, присылайте"}}
    assert api.call("POST", "/contacts/says/consents", grant).status_code == 204
    assert problems(api.call("POST", "/contacts/says/consents", {"granted": True})).keys() == {"/proof"}
    for refusal in (
        {"granted": False, "topic": "news", "proof": {"source": "call", "by": "agent 7"}},
        {"granted": False, "channels": ["sms", "email"]},
        {"granted": False, "purpose": "advertising"},
        {"granted": False},
    ):
        assert api.call("POST", "/contacts/says/consents", refusal).status_code == 204
    assert api.call("POST", "/contacts/nobody/consents", {"granted": False}).status_code == 404
    assert api.call("POST", "/contacts/nobody/consents", grant).status_code == 404
    shown = [
        (one["granted"], one["purpose"], one["channels"], one["topic"])
        for one in api.get("/contacts/says")["consents"]
    ]
    assert shown == [
        (True, None, [], "news"), (False, None, [], "news"), (False, None, ["sms", "robot_call"], ""),
        (False, None, ["email"], ""), (False, "advertising", [], ""), (False, None, [], ""),
    ]  # fmt: skip
    assert api.get("/contacts/says")["consents"][1]["proof"] == {
        "act": "topic", "source": "call", "by": "agent 7"
    }  # fmt: skip


def test_a_withdrawal_comes_also_with_a_contact(api):
    api.put("/contacts/also", {"consents": [{"granted": False, "purpose": "advertising"}]})
    (consent,) = api.get("/contacts/also")["consents"]
    assert (consent["granted"], consent["purpose"]) == (False, "advertising")


def test_suppressed_addresses_stay_so_whoever_has_them(api):
    api.put("/contacts/stop-1", {"email": "stop@example.org", "phone": "+77010000055"})
    api.put("/contacts/stop-2", {"email": "stop@example.org"})
    told = {"reason": "legal", "addresses": [{"channel": "email", "value": "STOP@example.org"}]}
    assert api.post("/contacts/stop-1/suppress", told) == {"addresses": 2}
    api.put("/contacts/stop-3", {"email": "stop@example.org"})
    for who in ("stop-1", "stop-2", "stop-3"):
        health = {a["channel"]: a["health"] for a in api.get(f"/contacts/{who}")["addresses"]}
        assert health.pop("email") == "suppressed"
        assert set(health.values()) <= {"good"}
    assert api.post("/contacts/stop-1/suppress", {"reason": "legal"}) == {"addresses": 1}
    wrong = {"reason": "", "addresses": [{"channel": "email", "value": "x"}]}
    assert problems(api.call("POST", "/contacts/stop-1/suppress", wrong)).keys() == {"/reason"}
    wrong["reason"] = "erased"
    assert problems(api.call("POST", "/contacts/stop-1/suppress", wrong)).keys() == {"/reason"}
    wrong["reason"] = "manual"
    assert problems(api.call("POST", "/contacts/stop-1/suppress", wrong)).keys() == {"/addresses/0/value"}


def test_the_events_of_a_contact_come_newest_first_in_pages(api):
    api.put("/contacts/acts", {})
    events = [
        {"id": str(number), "name": "seen", "contact": {"external_id": "acts"},
         "at": f"2026-01-0{1 + number // 2}T00:00:00Z", "properties": {"page": number}}
        for number in range(5)
    ]  # fmt: skip
    assert api.post("/events", events)["accepted"] == 5
    shown, cursor = [], None
    while True:
        page = api.get("/contacts/acts/events", params={"limit": 1, **({"cursor": cursor} if cursor else {})})
        shown += [event["properties"]["page"] for event in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert shown == [4, 2, 3, 0, 1]


def test_events_stand_in_the_description_of_the_api_and_take_our_ids(api):
    told = api.raw("GET", "/api/openapi.json").json()
    taken = told["paths"]["/api/v1/events"]["post"]
    one, many = taken["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert many["items"] == one
    event = told["components"]["schemas"][one["$ref"].rpartition("/")[2]]
    assert event["required"] == ["id", "name", "contact"] and event["properties"]["name"]["maxLength"] == 200
    contact = told["components"]["schemas"][event["properties"]["contact"]["$ref"].rpartition("/")[2]]
    assert contact["properties"].keys() == {"id", "external_id", "email", "phone"}
    key = api.put("/contacts/ours", {})["id"]
    event = {"id": "1", "name": "seen", "contact": {"id": key}}
    assert api.post("/events", event) == {"accepted": 1}
    assert api.get(f"/contacts/{key}/events")["items"][0]["name"] == "seen"
    assert problems(api.call("POST", "/events", {**event, "contact": {"id": "con_x"}})).keys() == {
        "/contact/id"
    }


def test_of_very_many_bad_events_the_first_thousand_problems_are_told(api):
    found = api.call("POST", "/events", [{"id": 1, "name": 2}] * 5_000).json()["problems"]
    assert 1_000 <= len(found) <= 1_003 and found[0]["pointer"] == "/0/id"


def test_a_key_that_only_reads_changes_nothing(api):
    key = api.post("/keys", {"name": "reader", "scopes": ["contacts:read"]})["key"]
    assert api.call("GET", "/contacts", key=key).status_code == 200
    for method, path in (
        ("POST", "/contacts"), ("PUT", "/contacts/x"), ("POST", "/contacts/batch"),
        ("POST", "/contacts/x/consents"), ("POST", "/contacts/x/suppress"),
    ):  # fmt: skip
        assert api.call(method, path, {}, key=key).status_code == 403


def test_domains_of_mail_addresses_are_told_and_may_be_looked_up_again(api):
    for mail in ("ann@one.kz", "bob@two.kz", "cyd@example.org"):
        api.put(f"/contacts/of-{mail}", {"email": mail})
    found = api.get("/mail-domains?state=pending&limit=1")
    assert (found["items"][0]["domain"], found["items"][0]["state"], found["next"]) == (
        "one.kz",
        None,
        "one.kz",
    )
    assert [each["domain"] for each in api.get("/mail-domains?cursor=one.kz")["items"]] == ["two.kz"]
    assert api.get("/mail-domains/counts") | {"unanswered": 0} == {
        "known": 2, "checked": 0, "dead": 0, "unanswered": 0
    }  # fmt: skip
    before = api.get("/mail-domains?cursor=one.kz")["items"][0]["tries"]
    again = api.post("/mail-domains/two.kz/check")  # it is looked up at once, or has been meanwhile
    assert again["next_at"] == "1970-01-01T00:00:00Z" or again["tries"] > before
    assert api.call("POST", "/mail-domains/example.org/check").status_code == 404
    (item,) = [a for a in api.get("/audit")["items"] if a["action"].startswith("POST /mail-domains")]
    assert item["object"] == "two.kz"


def test_contacts_are_filtered_by_what_they_are_in_reached_by_and_agree_to(api):
    agreed = [{"granted": True, "purpose": "advertising", "channels": ["email"], "proof": {"source": "form"}}]
    for number in range(4):
        told = {"email": f"f{number}@filter.example.org", "consents": agreed if number % 2 else []}
        api.put(f"/contacts/filter-{number}", told)
    api.post("/lists", {"name": "filtered"})
    api.post("/lists/filtered/members", {"contacts": ["filter-0", "filter-1", "filter-3"]})
    api.post(
        "/segments", {"name": "f3", "text": 'in_list("filtered") and not consent("advertising", "email")'}
    )

    def found(query, pages=1):
        told, cursor = [], ""
        for _ in range(pages):
            page = api.get(f"/contacts?{query}{cursor}")
            told += [each["external_id"].removeprefix("filter-") for each in page["items"]]
            cursor = f"&cursor={page['next']}"
        return told, page["next"]

    assert found("list=filtered") == (["0", "1", "3"], None)
    assert found("list=filtered&agreed=email") == (["1", "3"], None)
    assert found("list=filtered&refused=email") == (["0"], None) == found("segment=f3")
    assert found("q=f1&list=filtered&reachable=email") == (["1"], None)
    assert found("list=filtered&reachable=telegram") == ([], None)
    assert found("list=filtered&agreed=email&limit=1", 2) == (["1", "3"], None)
    assert api.call("GET", "/contacts?segment=none").status_code == 404
