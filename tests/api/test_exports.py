"""Everybody as a file: what was brought in comes out, and can be brought in again."""

import csv
import io
import json

CSV = {"Content-Type": "text/csv"}


def test_what_was_brought_in_comes_out_with_consents_and_lists(api):
    text = "id,name,email,phone,contact.zone,note,consent\n"
    text += "out-1,Анна,out1@example.org,+79000000061,north,=cmd(),yes\n"
    api.post("/contacts/import", content=text.encode(), headers=CSV, params={"list": "out list"})
    api.post("/contacts/out-1/suppress", {"reason": "asked"})
    answer = api.call("GET", "/exports/people")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    (row,) = (row for row in rows if row["id"] == "out-1")
    assert (row["name"], row["email"], row["phone"]) == ("Анна", "out1@example.org", "+79000000061")
    assert (row["note"], row["contact.zone"], row["zone"]) == ("'=cmd()", "north", "") and json.loads(
        row["lists"]
    ) == ["out list"]
    assert json.loads(row["health"])["out1@example.org"] == "suppressed"
    assert json.loads(row["consents"])[0]["proof"]["act"] == "import"
    again = api.post("/contacts/import", content=answer.content, headers=CSV, params={"dry_run": True})
    assert (again["new"], again["rejected"]) == (0, 0)


def test_json_lines_hold_everybody_once(api):
    api.post("/contacts/import", content=b"id,email\nl1,l1@example.org\nl2,l2@example.org\n", headers=CSV)
    lines = api.call("GET", "/exports/people?format=jsonl").text.splitlines()
    found = [json.loads(line) for line in lines]
    assert [each["email"] for each in found if each.get("id") in ("l1", "l2")] == [
        "l1@example.org", "l2@example.org"
    ]  # fmt: skip
    assert api.call("GET", "/exports/people?format=pdf").status_code == 422
