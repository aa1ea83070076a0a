"""Lists and segments over HTTP, and launches to them."""

import threading

import pytest

from kaskad.actions.questions import Questions
from kaskad.cli.root import run
from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import equip, taking

SALE = """cascade: sale
title: Sale
class: service
holdout: 0%
trigger: {broadcast: all}
steps:
  - {id: letter, channel: email, subject: Sale, text: "Sale", wait: 10h}
"""


def make(api, *names, **attributes):
    told = [{"external_id": name, "email": f"{name}@example.org", "attributes": attributes} for name in names]
    assert api.post("/contacts/batch", {"contacts": told})["refused"] == 0


def has_an_account(api):
    """Let cascades be activated whose mails nobody takes."""
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL)


def names(page):
    return [item["external_id"] for item in page["items"]]


def test_a_list_is_made_filled_emptied_and_forgotten(api):
    make(api, "ann", "bob", "cid")
    assert api.post("/lists", {"name": "vip"}) == {"name": "vip", "members": 0}
    assert api.call("POST", "/lists", {"name": "vip"}).status_code == 409
    told = {"contacts": ["ann", "bob@example.org", api.get("/contacts/cid")["id"], "ann"]}
    assert api.post("/lists/vip/members", told) == {"added": 3}
    assert api.post("/lists/vip/members", told) == {"added": 0}
    first = api.get("/lists/vip/members", params={"limit": 2})
    rest = api.get("/lists/vip/members", params={"limit": 2, "cursor": first["next"]})
    assert names(first) + names(rest) == ["ann", "bob", "cid"] and rest["next"] is None
    assert api.get("/contacts/bob")["lists"] == ["vip"]
    assert api.post("/lists/vip/members/remove", {"contacts": ["bob"]}) == {"removed": 1}
    assert api.get("/lists/vip") == {"name": "vip", "members": 2}
    unknown = api.call("POST", "/lists/vip/members", {"contacts": ["bob", "nobody", "con_999"]})
    assert [one["pointer"] for one in unknown.json()["problems"]] == ["/contacts/1", "/contacts/2"]
    assert api.get("/lists/vip")["members"] == 2, "where one is unknown nobody is added"
    assert api.call("DELETE", "/lists/vip").status_code == 204
    assert api.call("GET", "/lists/vip").status_code == 404
    assert api.get("/contacts/ann")["lists"] == []


def test_lists_come_by_name_in_pages(api):
    made = ("p-3", "p-1", "Список 2", "p-2")
    for name in made:
        api.post("/lists", {"name": name})
    shown, cursor = [], ""
    while cursor is not None:
        page = api.get("/lists", params={"limit": 1, "cursor": cursor})
        shown += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert [name for name in shown if name in made] == ["p-1", "p-2", "p-3", "Список 2"]
    assert len(shown) == len(set(shown))
    api.delete("/lists/Список 2")


def test_a_segment_is_who_has_all_of_its_attributes(api):
    make(api, "s1", city="Алматы", vip=True, level=1)
    make(api, "s2", city="Алматы", vip=False, level=1.0)
    make(api, "s3", city="алматы", vip=True, note='"city":"Алматы"', deep={"city": "Алматы"})
    make(api, "s4", city="Алматы", vip=1)
    almaty = {"all": [{"attribute": "city", "equals": "Алматы"}]}
    made = api.post("/segments", {"name": "almaty", "conditions": almaty})
    assert made["conditions"] == almaty
    assert api.get("/segments/almaty/count") == {"contacts": 3}
    first = api.get("/segments/almaty/preview", params={"limit": 2})
    rest = api.get("/segments/almaty/preview", params={"cursor": first["next"]})
    assert (names(first), names(rest)) == (["s1", "s2"], ["s4"])
    both = {"all": [*almaty["all"], {"attribute": "vip", "equals": True}]}
    assert api.put("/segments/almaty", both)["conditions"] == both
    assert names(api.get("/segments/almaty/preview")) == ["s1"]
    assert api.put("/segments/level", {"all": [{"attribute": "level", "equals": 1}]})["name"] == "level"
    assert names(api.get("/segments/level/preview")) == ["s1", "s2"]
    both_names = ("level", "almaty")
    shown = [each["name"] for each in api.get("/segments")["items"] if each["name"] in both_names]
    assert shown == ["almaty", "level"]
    assert api.call("DELETE", "/segments/level").status_code == 204
    assert api.call("DELETE", "/segments/level").status_code == 404
    assert api.call("GET", "/segments/level/count").status_code == 404


def test_a_name_is_of_one_list_or_one_segment(api):
    api.post("/lists", {"name": "taken"})
    one = {"all": [{"attribute": "city", "equals": "x"}]}
    assert api.call("POST", "/segments", {"name": "taken", "conditions": one}).status_code == 409
    assert api.call("PUT", "/segments/taken", one).status_code == 409
    api.post("/segments", {"name": "taken too", "conditions": one})
    assert api.call("POST", "/segments", {"name": "taken too", "conditions": one}).status_code == 409
    assert api.call("POST", "/lists", {"name": "taken too"}).status_code == 409
    answer = api.call("POST", "/contacts/import?list=taken too", content=b"id\n1\n")
    assert answer.status_code == 409


@pytest.mark.parametrize("name", ["", " x", "x ", "a/b", "a\0b", "a\nb", "x" * 101, 7, None, "\u007f"])
def test_names_can_stand_in_an_address(api, name):
    answer = api.call("POST", "/lists", {"name": name})
    assert answer.status_code == 422 and "pattern" not in answer.text
    one = {"all": [{"attribute": "city", "equals": "x"}]}
    assert api.call("POST", "/segments", {"name": name, "conditions": one}).status_code == 422


@pytest.mark.parametrize("conditions", [
    {}, {"all": []}, {"any": []}, {"all": [{"attribute": "a"}]}, {"all": [{"attribute": "", "equals": 1}]},
    {"all": [{"attribute": "a", "equals": None}]}, {"all": [{"attribute": "a", "equals": [1]}]},
    {"all": [{"attribute": "a", "equals": 2**70}]}, {"all": [{"attribute": "a", "equals": "\0"}]},
    {"all": [{"attribute": "a", "equals": 1}] * 21}, [], 5,
])  # fmt: skip
def test_odd_conditions_are_problems(api, conditions):
    answer = api.call("PUT", "/segments/odd", conditions)
    assert answer.status_code == 422, answer.text
    assert api.call("GET", "/segments/odd").status_code == 404


def test_a_launch_to_a_segment_is_for_whom_it_holds_at_that_moment(api):
    make(api, "in-1", "in-2", team="red")
    make(api, "out", team="blue")
    api.put("/segments/red", {"all": [{"attribute": "team", "equals": "red"}]})
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL)
        api.put("/cascades/sale", content=SALE, headers={"Content-Type": "application/yaml"})
        api.post("/cascades/sale/activate")
        assert api.call("POST", "/cascades/sale/launch", {"segment": "green"}).status_code == 404
        begun = api.post("/cascades/sale/launch", {"segment": "red"})
        assert begun["size"] == 2
        until(lambda: len(taker.messages) == 2)
        assert {message["to"] for message in taker.messages} == {"in-1@example.org", "in-2@example.org"}
        (launch,) = api.get("/cascades/sale/launches")["items"]
        assert launch["audience"] == "segment red"
        # A withdrawal has ended the runs that it concerns when it is answered.
        api.call("POST", "/contacts/in-1/consents", {"granted": False, "channels": ["email"]})
        assert "opted_out" not in api.get("/cascades/sale/report")["outcomes"]  # the run has other channels
        api.call("POST", "/contacts/in-1/consents", {"granted": False})
        assert api.get("/cascades/sale/report")["outcomes"]["opted_out"] == 1


def test_the_trigger_of_a_cascade_names_its_segment(api):
    has_an_account(api)
    make(api, "own-1", team="green")
    api.put("/segments/greens", {"all": [{"attribute": "team", "equals": "green"}]})
    text = SALE.replace("broadcast: all", "broadcast: greens").replace("cascade: sale", "cascade: own")
    api.put("/cascades/own", content=text, headers={"Content-Type": "application/yaml"})
    api.post("/cascades/own/activate")
    assert api.post("/cascades/own/launch", {})["size"] == 1
    (launch,) = api.get("/cascades/own/launches")["items"]
    assert launch["audience"] == "segment greens"
    assert [each["name"] for each in api.get("/lists")["items"] if each["name"].startswith("greens 20")]


def test_where_no_segment_has_the_name_of_the_trigger_its_list_is_meant(api):
    has_an_account(api)
    make(api, "own-2")
    text = SALE.replace("broadcast: all", "broadcast: friends").replace("cascade: sale", "cascade: circle")
    api.put("/cascades/circle", content=text, headers={"Content-Type": "application/yaml"})
    api.post("/cascades/circle/activate")
    refused = api.call("POST", "/cascades/circle/launch", {})
    assert refused.status_code == 404
    assert "'friends', but no segment and no list has that name" in refused.json()["detail"]
    api.post("/lists", {"name": "friends"})
    api.post("/lists/friends/members", {"contacts": ["own-2"]})
    assert api.post("/cascades/circle/launch", {})["size"] == 1
    assert api.get("/cascades/circle/launches")["items"][0]["audience"] == "list friends"


def test_a_list_is_not_forgotten_while_a_launch_goes_through_it(api):
    has_an_account(api)
    make(api, "slow-1", "slow-2", "slow-3")
    api.post("/lists", {"name": "slow"})
    api.post("/lists/slow/members", {"contacts": ["slow-1", "slow-2", "slow-3"]})
    text = SALE.replace("cascade: sale", "cascade: slow")
    api.put("/cascades/slow", content=text, headers={"Content-Type": "application/yaml"})
    api.post("/cascades/slow/activate")
    begun = api.post("/cascades/slow/launch", {"list": "slow", "pace": "1/h"})
    assert api.call("DELETE", "/lists/slow").status_code == 409
    api.post(f"/cascades/slow/launches/{begun['id']}/stop")
    assert api.call("DELETE", "/lists/slow").status_code == 204


def test_a_question_tells_how_many_where_they_are_reached_and_the_first(api):
    make(api, *"abcd", asked=True)
    make(api, "e", asked=False)
    api.put("/segments/all", {"text": "contact.asked"})
    told = api.post("/questions", {"name": "all", "people": 2})
    assert (told["state"], told["contacts"], names({"items": told["people"]})) == ("done", 4, ["a", "b"])
    assert told["reach"] == {"email": 4} and told["problem"] == ""
    assert api.get(f"/questions/{told['id']}") == told and told["done"] == told["of"] == 1
    assert api.post("/questions", {"text": "not contact.asked"})["contacts"] > 0
    assert api.call("DELETE", f"/questions/{told['id']}").json()["state"] == "done"
    assert api.post("/questions/refresh")["contacts"] >= 4
    assert api.post("/questions", {"name": "all", "people": 2})["contacts"] == 4
    one = 'not in_list("stafff") and contact.email exists'
    api.put(
        "/segments/doubtful", {"text": f'{one} and not cascade("sael").sent and contact.external_id == "KZ"'}
    )
    doubts = api.post("/questions", {"text": 'segment("doubtful")'})["remarks"]
    assert [each.split(";")[0].split(":")[0] for each in doubts] == [
        "There is no list 'stafff'", "`contact.email` is an attribute called 'email'",
        "There is no cascade 'sael'",
        "`contact.external_id` is an attribute called 'external_id', not the contact's own external_id.",
    ]  # fmt: skip
    assert told["remarks"] == []
    for wrong in ({}, {"name": "all", "text": "true"}, {"text": "trigger.x"}, {"text": 'segment("none")'}):
        assert api.call("POST", "/questions", wrong).status_code == 422
    assert api.call("POST", "/questions", {"name": "none"}).status_code == 404
    assert api.call("GET", "/questions/ask_none").status_code == 404


def test_a_question_is_given_up_within_a_part():
    questions, begun, go = Questions(), threading.Event(), threading.Event()

    def answer(progress):
        for _ in range(1_000):
            progress(1_000, 1_000)  # the last part is always told
            begun.set()
            go.wait(30)
        return

    asked = questions.ask("true", answer, 0)
    assert begun.wait(30) and asked.state == "running"
    questions.give_up(asked.id)
    go.set()
    for thread in threading.enumerate():
        if thread.name == asked.id:
            thread.join(10)
    assert asked.state == "cancelled"


def test_segments_are_written_and_taken_in_as_yaml_all_or_none(api, tmp_path, capsys):
    text = "segments:\n  y-vip: contact.vip\n  y-both:\n    all:\n"
    text += '      - segment("y-vip")\n      - not: rfm.r < 2\n'

    def put(told):
        return api.call("PUT", "/segment-file", content=told, headers={"Content-Type": "application/yaml"})

    assert put(text).json() == {"saved": ["y-vip", "y-both"]}
    assert api.get("/segments/y-both")["text"] == 'segment("y-vip") and not rfm.r < 2'
    wrong = put('segments:\n  y-new: contact.vip\n  y-bad: segment("nobody")\n')
    assert wrong.status_code == 422 and "y-bad: " in wrong.text
    assert api.call("GET", "/segments/y-new").status_code == 404, "all or none"
    where = ["--db", api.service.db.name]
    assert run(["segment", "export", "y-vip", "y-both", *where]) == 0
    assert capsys.readouterr().out == text.replace("not: rfm.r < 2", "not rfm.r < 2")
    (tmp_path / "s.yaml").write_text("segments: {y-vip: contact.gold}", encoding="utf-8")
    assert run(["segment", "apply", str(tmp_path / "s.yaml"), *where]) == 0
    assert capsys.readouterr().out == "Saved: y-vip.\n"
    assert api.get("/segments/y-vip")["text"] == "contact.gold"
