"""What a person is given of themselves has every touch in it, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from kaskad.actions import erasure, person_file
from kaskad.actions.office import Office
from kaskad.domain.errors import NotFound
from kaskad.store.db import Database
from support.marked import CHAT, MAIL, PHONE, PROOF, lived, staged
from support.scenarios import URL
from support.stage import Stage


@pytest.fixture
def office(either: Database) -> tuple[Stage, Office]:
    return staged(either)


def test_scenario_25_the_export_lists_every_touch(office):
    stage, office = office
    person = lived(stage)
    bob = stage.person("bob")
    stage.event(bob, "left", cart_id=2, url=URL)
    told = json.loads(person_file.gather(office, MAIL).json())
    assert told["contact"] == f"con_{person}"
    assert told["person"][0]["attributes"] == {"name": "Marked Person"}
    assert {each["address"] for each in told["addresses"]} == {MAIL, PHONE, CHAT}
    assert told["consents"][0]["proof"] == PROOF | {"ip": "192.0.2.77", "by": MAIL}
    assert told["lists"] == [{"list": "spring"}]
    assert [(each["id"], each["properties"]["note"]) for each in told["events"]] == [
        ("cart-42", "marked properties")
    ]
    (run,) = told["runs"]
    assert run["cascade"] == "general" and run["step"] == "agent"
    sent = [each["step"] for each in told["messages"] if each["submitted_at"]]
    assert sent == [*stage.sent(person), "agent"]
    letter = told["messages"][0]
    assert letter["body"]["subject"] == "Marked Person" and letter["submitted_at"].endswith("Z")
    assert any(each["value"] == {"text": "marked words"} for each in told["facts"])
    assert any(MAIL in each["detail"] for each in told["attempts"])
    assert [(each["step"], each["ip"]) for each in told["requests"]] == [("letter", "192.0.2.77")]
    assert [(each["step"], each["notes"]) for each in told["calls"]] == [("agent", "marked notes")]
    assert told["opt_in_links"][0]["consent"] == "marked consent"
    texts = [each["text"] for each in told["timeline"]]
    assert any("handed over" in text for text in texts) and "left" in texts
    assert "bob" not in json.dumps(told)
    erasure.erase(office, f"con_{person}", "me")
    with pytest.raises(NotFound):
        person_file.gather(office, f"con_{person}")


def test_the_csv_files_say_the_same_and_hold_no_formula(office):
    stage, office = office
    lived(stage)
    found = person_file.gather(office, MAIL)
    with zipfile.ZipFile(io.BytesIO(found.zip())) as file:
        assert file.namelist() == [f"{name}.csv" for name in found.parts]
        read = {
            name: list(csv.DictReader(io.StringIO(file.read(name).decode("utf-8-sig"))))
            for name in file.namelist()
        }
    assert {name: len(rows) for name, rows in read.items()} == {
        f"{name}.csv": len(rows) for name, rows in found.parts.items()
    }
    assert PHONE in {row["address"] for row in read["addresses.csv"]}
    assert json.loads(read["person.csv"][0]["attributes"])["name"] == "Marked Person"


def test_what_a_spreadsheet_would_run_is_shown_as_text(office):
    stage, office = office
    ann = stage.person("=cmd|' /C calc'!A0")
    with zipfile.ZipFile(io.BytesIO(person_file.gather(office, f"con_{ann}").zip())) as file:
        (row,) = csv.DictReader(io.StringIO(file.read("person.csv").decode("utf-8-sig")))
    assert row["external_id"] == "'=cmd|' /C calc'!A0"
