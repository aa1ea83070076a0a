"""The addresses of one contact, external ids and the history, over the API."""

MAIL = "/contacts/crm:1/addresses"


def test_addresses_are_ordered_marked_and_removed_and_the_history_tells_it(api):
    api.post("/contacts", {"external_id": "crm:1", "email": "a@example.org", "attributes": {"city": "Omsk"}})
    assert api.post(MAIL, {"channel": "email", "value": "B@Example.org", "primary": True}) == {
        "channel": "email", "value": "b@example.org",
    }  # fmt: skip

    def used():
        return [(each["value"], each["health"], each["used"]) for each in api.get(MAIL)["items"]]

    assert used() == [("b@example.org", "good", True), ("a@example.org", "good", False)]
    api.post(f"{MAIL}/invalid", {"channel": "email", "value": "b@example.org"})
    assert used() == [("a@example.org", "good", True), ("b@example.org", "invalid", False)]
    api.post(f"{MAIL}/valid", {"channel": "email", "value": "b@example.org"})
    api.post(f"{MAIL}/primary", {"channel": "email", "value": "a@example.org"})
    assert used() == [("a@example.org", "good", True), ("b@example.org", "good", False)]
    api.post("/contacts/crm:1/suppress", {"reason": "legal", "addresses": [
        {"channel": "email", "value": "b@example.org"}]})  # fmt: skip
    answer = api.call("POST", f"{MAIL}/valid", {"channel": "email", "value": "b@example.org"})
    assert answer.status_code == 409 and "stop-list" in answer.text
    answer = api.call("POST", f"{MAIL}/valid", {"channel": "email", "value": "c@example.org"})
    assert answer.status_code == 404 and "it has a@example.org, b@example.org" in answer.text
    assert api.call("POST", MAIL, {"channel": "email", "value": "nothing"}).status_code == 422
    api.call("DELETE", MAIL, params={"channel": "email", "value": "b@example.org"})
    assert used() == [("a@example.org", "good", True)]
    api.put(
        "/contacts/crm:1", {"attributes": {"city": "Tomsk"}, "phone": "+77010000041", "zone": "Asia/Omsk"}
    )
    api.put("/contacts/crm:1", {"attributes": {"city": "Tomsk"}})
    told = api.get("/contacts/crm:1/history")["items"]
    assert [each["what"] for each in told] == [
        "changed", "address removed", "address made primary", "address marked valid",
        "address marked invalid", "address added",
    ]  # fmt: skip
    assert told[0]["details"] == {
        "zone": [None, "Asia/Omsk"], "country": [None, "KZ"], "city": ["Omsk", "Tomsk"],
        "new sms": ["+77010000041"],
    }  # fmt: skip
    assert told[0]["by"] == "api local"
    first = api.get("/contacts/crm:1/history", params={"limit": 2})
    second = api.get("/contacts/crm:1/history", params={"limit": 9, "cursor": first["next"]})
    assert first["items"] + second["items"] == told and second["next"] is None


def test_a_contact_has_external_ids_of_several_systems(api):
    ann = api.post(
        "/contacts", {"external_id": "crm:7", "external_ids": ["shop:77"], "email": "e@example.org"}
    )
    assert api.post("/contacts", {"external_id": "shop:77"})["id"] == ann["id"]
    whole = api.get("/contacts/shop:77")
    assert (whole["external_id"], whole["external_ids"]) == ("crm:7", ["crm:7", "shop:77"])
    assert whole["zones"] == {"zones": ["UTC"], "source": "brand", "confidence": "guess", "told_at": None}
    api.put("/contacts/crm:7", {"external_ids": ["app:7"]})
    assert api.get("/contacts/app:7")["id"] == ann["id"]
    api.post("/contacts", {"external_id": "crm:8"})
    answer = api.call("PUT", "/contacts/crm:7", {"external_ids": ["crm:8"], "attributes": {"city": "Omsk"}})
    assert answer.status_code == 409 and "merge them" in answer.text
    assert api.get("/contacts/crm:7")["attributes"] == {}
