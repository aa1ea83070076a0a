"""Erasing a person by the API and by commands, in a running installation and without one."""

import json
import zipfile

import pytest

from kaskad.cli.root import run
from kaskad.domain.terms import Channel
from support.faults import until
from support.shop import equip, people, taking

CART = """cascade: cart
title: Cart
class: service
holdout: 0%
trigger: {event: left, key: cart}
steps:
  - {id: chat, channel: telegram, text: "Still there", wait: 10h}
  - {id: letter, channel: email, subject: Cart, text: "Still there", wait: 10h}
"""


def test_an_erased_person_s_run_ends_at_once_and_the_act_is_shown(api):
    with taking() as taker:
        equip(api.service, taker.url, Channel.EMAIL, Channel.TELEGRAM)
        people(api.service, "ann")
        api.put("/cascades/cart", content=CART, headers={"Content-Type": "application/yaml"})
        api.post("/cascades/cart/activate")
        left = {"id": "e1", "name": "left", "contact": {"external_id": "ann"}, "properties": {"cart": 7}}
        api.post("/events", left)
        until(lambda: taker.messages)
        run_id = api.get("/runs", params={"contact": "ann"})["items"][0]["id"]
        key = api.post("/keys", {"name": "shop", "scopes": ["contacts:write"]})["key"]
        reader = api.post("/keys", {"name": "eye", "scopes": ["contacts:read"]})["key"]
        assert api.call("DELETE", "/contacts/ann", key=reader).status_code == 403
        exported = api.call("GET", "/contacts/ann/export", key=reader)
        assert exported.headers["content-disposition"].endswith('.json"') and exported.json()["messages"]
        zipped = api.call("GET", "/contacts/ann/export", params={"format": "csv"})
        assert zipped.headers["content-type"] == "application/zip" and zipped.content.startswith(b"PK")
        assert api.call("GET", "/contacts/ann/export", params={"format": "xml"}).status_code == 422
        act = api.call("DELETE", "/contacts/ann", key=key).json()
    assert api.call("GET", "/contacts/ann/export").status_code == 404
    assert act["by"] == "shop" and act["deleted"]["addresses"] == 3 and len(act["hashes"]) == 3
    assert api.get(f"/runs/{run_id}")["outcome"] == "cancelled"
    assert api.call("GET", "/contacts/ann").status_code == 404
    assert api.call("GET", f"/contacts/{act['contact']}").status_code == 404
    assert api.call("DELETE", "/contacts/ann").status_code == 404
    assert api.get("/erasures")["items"] == [act]
    one = api.get(f"/erasures/{act['id']}")
    assert one["consents"][0]["granted"] is True and one["deleted"] == act["deleted"]
    query = {"address": "ann@email.example.org"}
    assert [each["id"] for each in api.get("/erasures", params=query)["items"]] == [act["id"]]
    assert api.call("GET", "/erasures/era_99").status_code == 404
    assert api.call("GET", "/erasures", params={"address": "nobody"}).status_code == 422
    event = {"id": "e2", "name": "left", "contact": {"external_id": "ann"}}
    assert api.call("POST", "/events", event).status_code >= 400


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in a new installation and returns its code and what it said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("id,email,consent\nc1,anna@example.org,yes\n", encoding="utf-8")
    assert run(["init"]) == 0 and run(["import", "people.csv"]) == 0
    capsys.readouterr()

    def call(*arguments):
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, out if code == 0 or out else err

    return call


def test_a_command_writes_all_that_is_known_into_a_file(told, tmp_path):
    code, out = told("contact", "export", "c1", "--out", "anna.json")
    assert code == 0 and "anna.json: everything that is known of c1." in out
    assert json.loads((tmp_path / "anna.json").read_text("utf-8"))["person"][0]["external_id"] == "c1"
    assert (tmp_path / "anna.json").stat().st_mode & 0o77 == 0
    code, out = told("contact", "export", "c1", "--out", "anna.json")
    assert code == 2 and "is there already" in out
    assert told("contact", "export", "c1", "--out", "anna.zip", "--json")[0] == 0
    with zipfile.ZipFile(tmp_path / "anna.zip") as file:
        assert "anna@example.org" in file.read("addresses.csv").decode("utf-8-sig")
    assert told("contact", "export", "c1", "--out", "anna.pdf")[0] == 2
    assert told("contact", "export", "nobody", "--out", "x.json")[0] == 1
    assert not (tmp_path / "x.json").exists()


def test_commands_erase_and_show_the_acts(told):
    assert told("erasures") == (0, "Nobody was erased.\n")
    code, out = told("contact", "erase", "c1")
    assert code == 2 and "--yes" in out
    code, out = told("contact", "erase", "anna@example.org", "--yes")
    assert code == 0 and "con_1 was erased" in out and "1  addresses" in out and "No server runs" in out
    assert told("contact", "show", "c1")[0] == 1
    code, out = told("erasures", "era_1")
    assert code == 0 and "kept as proof: agreed to all" in out
    assert json.loads(told("erasures", "--json")[1])[0]["contact"] == "con_1"
    assert "con_1" in told("erasures", "--address", "anna@example.org")[1]
    assert told("erasures", "--address", "bob@example.org")[1] == "Nobody with this address was erased.\n"
    assert told("import", "people.csv")[0] == 0
    assert json.loads(told("contact", "show", "c1", "--json")[1])["addresses"][0]["health"] == "suppressed"
