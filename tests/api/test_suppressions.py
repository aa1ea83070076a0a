"""The stop-list: addresses and whole mail domains, over API and command."""

import json


def health(api, who):
    return {a["value"]: a["health"] for a in api.get(f"/contacts/{who}")["addresses"]}


def test_a_mail_domain_is_stopped_for_everybody_at_it_now_and_later(api):
    for who, mail in (("d1", "Ann@Stopped.KZ"), ("d2", "bob@stopped.kz"), ("d3", "cid@sub.stopped.kz"),
                      ("d4", "dan@notstopped.kz")):  # fmt: skip
        api.put(f"/contacts/{who}", {"email": mail, "phone": f"+7701000020{who[1]}"})
    assert api.post("/suppressions", {"domains": ["@STOPPED.kz"], "reason": "legal"}) == {"addresses": 2}
    assert api.post("/suppressions", {"domains": ["stopped.kz"]}) == {"addresses": 0}, "once"
    api.put("/contacts/d5", {"email": "eve@stopped.kz"})
    assert [health(api, who).popitem()[1] if who == "d5" else health(api, who) for who in ("d1", "d5")] == [
        {"ann@stopped.kz": "suppressed", "+77010000201": "good"}, "suppressed",
    ]  # fmt: skip
    assert set({**health(api, "d3"), **health(api, "d4")}.values()) == {"good"}, "only that very domain"
    asked = {"addresses": [{"channel": "email", "value": "zoe@stopped.kz"},
                           {"channel": "sms", "value": "+77010000201"}], "domains": ["other.kz"]}  # fmt: skip
    found = api.post("/suppressions/check", asked)["items"]
    assert [(each["channel"], each["reason"]) for each in found] == [
        ("email", "legal"), ("sms", None), (None, None),
    ]  # fmt: skip
    rows = [json.loads(x) for x in api.call("GET", "/exports/suppressions?format=jsonl").text.splitlines()]
    assert {row["reason"] for row in rows if row.get("address") == "eve@stopped.kz"} == {"legal"}


def test_a_domain_comes_off_the_list_but_not_what_is_on_it_for_itself(api):
    api.post("/contacts/batch", {"contacts": [
        {"external_id": f"l{n}", "email": f"l{n}@lifted.kz"} for n in range(3)
    ]})  # fmt: skip
    api.post("/suppressions", {"addresses": [{"channel": "email", "value": "l0@lifted.kz"}]})
    assert api.post("/suppressions", {"domains": ["lifted.kz"], "reason": "complaint"}) == {"addresses": 2}
    assert api.post("/suppressions/lift", {"domains": ["lifted.kz"]}) == {"addresses": 2}
    assert [health(api, f"l{n}")[f"l{n}@lifted.kz"] for n in range(3)] == ["suppressed", "good", "good"]
    api.put("/contacts/l3", {"email": "l3@lifted.kz"})
    assert health(api, "l3") == {"l3@lifted.kz": "good"}


def test_a_domain_is_stopped_with_all_below_it_by_choice(api):
    for who, mail in (("w1", "a@whole.kz"), ("w2", "b@deep.mail.whole.kz"), ("w3", "c@unwhole.kz")):
        api.put(f"/contacts/{who}", {"email": mail})
    assert api.post("/suppressions", {"domains": ["*.Whole.kz"], "reason": "legal"}) == {"addresses": 2}
    api.put("/contacts/w4", {"email": "d@new.whole.kz"})
    assert [{**health(api, f"w{n}")}.popitem()[1] for n in (1, 2, 3, 4)] == [
        "suppressed", "suppressed", "good", "suppressed",
    ]  # fmt: skip
    asked = {"addresses": [{"channel": "email", "value": "z@x.whole.kz"}],
             "domains": ["whole.kz", "x.whole.kz", "*.x.whole.kz", "unwhole.kz"]}  # fmt: skip
    found = api.post("/suppressions/check", asked)["items"]
    assert [each["reason"] for each in found] == ["legal"] * 4 + [None]
    rows = [json.loads(x) for x in api.call("GET", "/exports/suppressions?format=jsonl").text.splitlines()]
    assert {row["reason"] for row in rows if row.get("address") == "b@deep.mail.whole.kz"} == {"legal"}
    api.post("/suppressions", {"domains": ["deep.mail.whole.kz"]})
    assert api.post("/suppressions/lift", {"domains": ["*.whole.kz"]}) == {"addresses": 2}
    assert health(api, "w2") == {"b@deep.mail.whole.kz": "suppressed"}, "on the list for itself"


def test_what_names_nothing_or_nonsense_is_a_problem(api):
    for told, at in (
        ({}, ""), ({"domains": ["no domain"]}, "/domains/0"),
        ({"domains": ["a.kz"], "reason": "x"}, "/reason"),
        ({"domains": ["a.kz"], "reason": "erased"}, "/reason"),
        ({"addresses": [{"channel": "sms", "value": "12"}]}, "/addresses/0/value"),
    ):  # fmt: skip
        answer = api.call("POST", "/suppressions", told)
        assert answer.status_code == 422 and [p.get("pointer", "") for p in answer.json()["problems"]] == [at]


def test_an_import_tells_of_a_stopped_domain_and_keeps_it_stopped(api):
    api.post("/suppressions", {"domains": ["imported.kz"], "reason": "complaint"})
    file = b"id,email\nm1,ann@imported.kz\nm2,bob@elsewhere.kz\n"
    for dry in (True, False):
        report = api.post("/contacts/import", content=file, headers={"Content-Type": "text/csv"},
                          params={"dry_run": dry})  # fmt: skip
        assert report["counts"]["suppressed"] == 1, report
    assert health(api, "m1") == {"ann@imported.kz": "suppressed"}
