"""What a defect kept from being applied: told by alarm and figure; applied again, or left out."""

import json

import pytest

from kaskad.actions import set_aside as acts
from kaskad.cli.root import run
from kaskad.store import set_aside


@pytest.fixture
def entries(api):
    """Two entries that were set aside, about one person; their number and the person's."""
    api.post("/contacts", {"external_id": "ann"})
    ann = api.get("/contacts/ann")["id"]
    office = api.service.office

    def put(tx):
        row = (int(ann.removeprefix("con_")), 0, -1, 24, "stop", 1_780_000_000_000, '{"text": "no more"}')
        tx.many("put_inbox", [(1, *row), (1, *row)])
        for found in tx.all("look_at_inbox", limit=10):
            set_aside.put(tx, found[0], "KeyError at inbox.py:7", office.now())
        return [each.id for each in set_aside.page(tx, after=0, limit=10)]

    yield office.write(put), ann
    office.write(lambda tx: [set_aside.drop(tx, each.id) for each in set_aside.page(tx, after=0, limit=10)])


def test_somebody_is_told_sees_what_it_says_and_applies_it_again_or_leaves_it_out(api, entries, capsys):
    (first, second), ann = entries
    assert {"kind": "set_aside", "name": "2", "detail": ""} in api.get("/alarms")["items"]
    key = {"Authorization": f"Bearer {api.key}"}
    assert "kaskad_inbox_set_aside 2.0" in api.raw("GET", "/metrics", headers=key).text
    told = api.get("/set-aside")["items"]
    assert [(one["id"], one["contact"], one["value"], one["defect"]) for one in told] == [
        (number, ann, '{"text": "no more"}', "KeyError at inbox.py:7") for number in (first, second)
    ]
    assert api.call("DELETE", f"/set-aside/{first}").status_code == 204
    assert api.post("/set-aside/retry", {"id": second}) == {"count": 1}
    assert api.get("/set-aside")["items"] == []
    assert api.call("POST", "/set-aside/retry", {"id": second}).status_code == 404
    assert api.call("DELETE", f"/set-aside/{first}").status_code == 404
    assert api.service.office.engine.problem() is None


def test_the_command_lists_applies_and_leaves_out(api, entries, capsys):
    (first, second), ann = entries
    at = ("--db", str(api.service.office.db.name))
    assert run(["set-aside", *at, "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [first, second]
    assert run(["set-aside", *at, "--drop", str(first)]) == 0 and run(["set-aside", *at]) == 0
    out = capsys.readouterr().out
    assert "left out" in out and ann in out and "KeyError at inbox.py:7" in out
    assert run(["set-aside", *at, "--retry-all"]) == 0 and run(["set-aside", *at]) == 0
    assert "Nothing is set aside" in capsys.readouterr().out
    assert acts.count(api.service.office) == 0


def test_what_rests_is_told_whichever_process_has_noticed(api):
    office = api.service.office
    until = office.now() + 3_600_000

    def put(tx):
        set_aside.rest(tx, (7, 8), until, "KeyError at links.py:7", step=0)
        set_aside.rest(tx, (7, 8), until, "KeyError at run.py:7")  # there is no such run, or it went on
        set_aside.rest(tx, (0, 0), until, "KeyError at enrol.py:7", part="entries")

    office.write(put)
    told = {each["kind"]: (each["name"], each["detail"]) for each in api.get("/alarms")["items"]}
    assert told["runs_set_aside"] == ("1", "KeyError at links.py:7")
    assert told["entries_rest"] == ("", "KeyError at enrol.py:7")
    key = {"Authorization": f"Bearer {api.key}"}
    assert "kaskad_resting 2.0" in api.raw("GET", "/metrics", headers=key).text
    office.write(lambda tx: tx.run("drop_rested", now=until))
    assert "kaskad_resting 0.0" in api.raw("GET", "/metrics", headers=key).text
