"""Contacts that are one person, over the API: proposed, merged, and found by what led to either."""


def made(api, external_id, **more):
    return api.post("/contacts", {"external_id": external_id, "zone": "UTC", **more})["id"]


def test_two_contacts_are_proposed_and_become_one(api):
    ann = made(api, "crm:1", email="ann@example.org", phone="+77010000031", attributes={"name": "Ann"})
    anna = made(api, "shop:1", email="anna@example.org", phone="+77010000031", attributes={"name": "Anna"})
    made(api, "crm:2", phone="+77010000032")
    (found,) = api.get("/contacts/duplicates")["items"]
    assert found["contact"] == {"id": ann, "external_id": "crm:1", "name": "Ann"}
    assert found["others"] == [{
        "contact": {"id": anna, "external_id": "shop:1", "name": "Anna"},
        "same": [{"channel": "sms", "value": "+77010000031"}],
    }]  # fmt: skip
    unclear = api.call("POST", f"/contacts/{ann}/merge", {"other": "+77010000031"})
    assert unclear.status_code == 409 and f"name the one you mean by its id ({ann}, {anna})" in unclear.text
    done = api.post(f"/contacts/{ann}/merge", {"other": "shop:1"})
    assert done == {"id": ann, "merged": anna, "runs": 0, "ended": 0, "conflicts": {"name": "Anna"}}
    assert api.get("/contacts/duplicates")["items"] == []
    for who in ("crm:1", "shop:1", anna, "anna@example.org"):
        assert api.get(f"/contacts/{who}")["id"] == ann
    (told,) = api.get(f"/contacts/{anna}/history")["items"]
    assert (told["what"], told["by"], told["details"]["contact"]) == ("merged", "api local", anna)
    again = api.call("POST", f"/contacts/{ann}/merge", {"other": anna})
    assert again.status_code == 409 and "one contact already" in again.text
    assert api.call("POST", f"/contacts/{ann}/merge", {"other": "nobody"}).status_code == 404
    assert made(api, "shop:1", attributes={"city": "Omsk"}) == ann
    assert api.put(f"/contacts/{anna}", {"language": "ru"})["id"] == ann
    audit = api.get("/audit", params={"what": ann, "limit": 100})["items"]
    assert "POST /contacts/{contact}/merge" in {each["action"] for each in audit}
    api.delete(f"/contacts/{anna}")
    assert api.call("GET", "/contacts/shop:1").status_code == 404
    assert api.call("GET", f"/contacts/{ann}/history").status_code == 404
