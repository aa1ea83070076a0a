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


def test_an_address_comes_off_with_a_reason_unless_its_owner_has_said_no(api):
    for who, reason in (("s0", "manual"), ("s1", "complaint"), ("s2", "opt_out")):
        api.put(f"/contacts/{who}", {"email": f"{who}@single.kz", "phone": f"+7701000030{who[1]}"})
        place = {"channel": "email", "value": f"{who}@single.kz"}
        api.post("/suppressions", {"addresses": [place], "reason": reason})

    def lifted(*names, **told):
        places = [{"channel": "email", "value": f"{one}@single.kz"} for one in names]
        answer = api.call("POST", "/suppressions/lift", {"addresses": places, **told})
        return answer.json() if answer.status_code == 200 else [
            (one.get("pointer"), one["detail"]) for one in answer.json()["problems"]
        ]  # fmt: skip

    assert lifted("s0") == [("/why", "Say why they come off the list: it is kept in the audit.")]
    held = lifted("s0", "s1", "s2", "s9", why="put there by mistake")
    assert [at for at, _ in held] == [f"/addresses/{n}/value" for n in (1, 2, 3)], "all or none"
    assert "has complained" in held[0][1] and "new consent" in held[1][1] and "is not on" in held[2][1]
    assert lifted("s0", why="put there by mistake") == {"addresses": 1}
    (noted,) = api.get("/audit?limit=1")["items"]
    assert noted["action"] == "POST /suppressions/lift" and noted["object"].startswith("con_")
    assert noted["object"].endswith(": put there by mistake") and "@" not in noted["object"]
    granted = {"purpose": "advertising", "channels": ["email"], "granted": True, "proof": {"source": "call"}}
    api.put("/contacts/s2", {"consents": [{**granted, "at": "2020-01-01T00:00:00Z"}]})
    assert "new consent" in lifted("s2", why="asked")[0][1], "it was before"
    api.put("/contacts/s2", {"consents": [granted]})
    assert lifted("s2", why="asked for letters again") == {"addresses": 1}
    assert {health(api, who)[f"{who}@single.kz"] for who in ("s0", "s2")} == {"good"}
    phone = {"channel": "robot_call", "value": "+77010000300"}
    api.post("/suppressions", {"addresses": [phone], "reason": "carrier_refusal"})
    assert health(api, "s0")["+77010000300"] == "suppressed"
    sms = {"addresses": [{**phone, "channel": "sms"}], "why": "lifted at the carrier"}
    assert api.post("/suppressions/lift", sms)["addresses"] >= 1, "one number for all that use it"
    assert health(api, "s0")["+77010000300"] == "good"
    api.post("/suppressions", {"domains": ["single.kz"]})
    assert "take single.kz off" in lifted("s0", why="x")[0][1]


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
