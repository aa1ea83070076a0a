"""Declared attributes over the API, in imports, and where a cascade compares them."""

from support.faults import until

CASCADE = """cascade: birthday
class: service
trigger: {event: left}
steps:
  - {id: letter, channel: email, subject: s, text: t, if: 'contact.born > "soon"'}
"""


def test_attributes_are_declared_and_hold_where_contacts_are_told(api):
    told = {"type": "choice", "choices": ["gold", "tin"], "labels": {"en": "Tier", "ru": "Уровень"}}
    assert api.put("/attributes/tier", told) == {"name": "tier", **told, "currency": ""}
    api.put("/attributes/born", {"type": "date"})
    names = [each["name"] for each in api.get("/attributes")["items"]]
    assert [name for name in names if name in ("tier", "born")] == ["born", "tier"]
    answer = api.call("PUT", "/attributes/x", {"type": "money"})
    assert answer.status_code == 422 and "currency" in answer.text
    answer = api.call("POST", "/contacts", {
        "external_id": "a", "attributes": {"tier": "silver", "born": "14.02.1990", "free": [1]}})  # fmt: skip
    assert answer.status_code == 422
    (problem,) = answer.json()["problems"]
    assert problem == {"detail": 'tier: "silver" is not one of gold, tin.', "pointer": "/attributes/tier"}
    api.post(
        "/contacts", {"external_id": "a", "attributes": {"tier": "GOLD", "born": "14.02.1990", "free": [1]}}
    )
    assert api.get("/contacts/a")["attributes"] == {"tier": "gold", "born": "1990-02-14", "free": [1]}
    batch = api.post("/contacts/batch", {"contacts": [
        {"external_id": "b", "attributes": {"born": "soon"}}, {"external_id": "c"}]})  # fmt: skip
    assert batch["items"][0]["problems"][0]["pointer"] == "/contacts/0/attributes/born"
    api.put("/cascades/birthday", content=CASCADE)
    checked = api.post("/cascades/birthday/plan")
    (warning,) = [each for each in checked["problems"] if "contact.born" in each["message"]]
    assert warning["severity"] == "warning" and warning["line"] == 5
    api.delete("/attributes/tier")
    assert api.call("DELETE", "/attributes/tier").status_code == 404
    api.put("/contacts/a", {"attributes": {"tier": "silver"}})


def test_a_value_that_does_not_fit_is_left_out_of_an_import_with_a_remark(api):
    api.put("/attributes/age", {"type": "number"})
    api.put("/attributes/vip", {"type": "yes_no"})
    rows = "id,age,vip\nx1,41,да\nx2,many,нет\n"
    files = {"file": ("people.csv", rows.encode(), "text/csv")}
    started = api.post("/contacts/import", files=files)
    assert started["id"]
    until(lambda: api.get(f"/imports/{started['id']}")["state"] == "done", 30)
    found = api.get(f"/imports/{started['id']}")
    assert any('age: "many" is not a number; left out' in str(note) for note in found["notes"]), found
    assert api.get("/contacts/x1")["attributes"] == {"age": 41, "vip": True}
    assert api.get("/contacts/x2")["attributes"] == {"vip": False}
