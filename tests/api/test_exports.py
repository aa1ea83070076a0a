"""What is known as a file: what was brought in comes out, and can be brought in again."""

import csv
import io
import json
from datetime import datetime

from python_calamine import CalamineWorkbook

from kaskad.actions import export_rows
from kaskad.engine import workbooks

CSV = {"Content-Type": "text/csv"}


def table(answer):
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/csv"), answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def lines(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def test_what_was_brought_in_comes_out_with_consents_and_lists(api):
    text = "id,name,email,phone,contact.zone,note,consent,contact.email,contact.lists\n"
    text += "out-1,Анна,out1@example.org,+79000000061,north,=cmd(),yes,of her boss,some\n"
    api.post("/contacts/import", content=text.encode(), headers=CSV, params={"list": "out list"})
    api.post("/contacts/out-1/suppress", {"reason": "manual"})
    answer = api.call("GET", "/exports/people")
    (row,) = (row for row in table(answer) if row["id"] == "out-1")
    assert (row["name"], row["email"], row["phone"]) == ("Анна", "out1@example.org", "+79000000061")
    assert (row["note"], row["contact.zone"], row["zone"]) == ("'=cmd()", "north", "") and json.loads(
        row["lists"]
    ) == ["out list"]
    assert json.loads(row["health"])["out1@example.org"] == "suppressed"
    assert json.loads(row["consents"])[0]["proof"]["act"] == "import"
    again = api.post("/contacts/import", content=answer.content, headers=CSV, params={"dry_run": True})
    assert (again["new"], again["rejected"]) == (0, 0)
    assert {again["columns"][name] for name in ("health", "consents", "lists", "contact")} == {""}
    assert (row["contact.email"], row["contact.lists"]) == ("of her boss", "some")
    in_lines = api.call("GET", "/exports/people?format=jsonl").content  # which have no fields for what is not
    read = api.post(
        "/contacts/import", content=in_lines, headers={"Content-Type": "application/x-ndjson"},
        params={"dry_run": True},
    )["columns"]  # fmt: skip
    assert {read[name] for name in ("health.out1@example.org", "consents", "lists", "contact")} == {""}
    assert (read["email"], read["contact.email"]) == ("email", "contact.email")


def test_attributes_of_every_kind_come_in_as_they_went_out(api):
    texts = ["=1+1", "@x", "+x", "-1+cmd", "'=1", "''=1", "'plain", "it's =5", "''", "a;b,c|d", 'say "hi"',
             "two\nlines", '="007"', "007", "+7 900 000-00-01", "2026-02-14", "юрта'=", "'-5"]  # fmt: skip
    kinds = {f"k{n:02}": value for n, value in enumerate([*texts, 5, -5, 1.5, -0.25, True, False])}
    whole = {"phone": "+79000000077", "attributes": kinds | {"=head": "x"}}
    for form, kind in (("csv", CSV), ("jsonl", {"Content-Type": "application/x-ndjson"}), ("xlsx", {})):
        api.put(f"/contacts/kinds-{form}", whole)
        number = int(api.get(f"/contacts/kinds-{form}")["id"].removeprefix("con_"))
        out = api.call("GET", f"/exports/people?format={form}&after=con_{number - 1}").content
        api.delete(f"/contacts/kinds-{form}")
        assert api.post("/contacts/import", content=out, headers=kind)["rejected"] == 0
        got = api.get(f"/contacts/kinds-{form}")["attributes"]
        assert got == whole["attributes"], form
        api.delete(f"/contacts/kinds-{form}")


def test_json_lines_hold_everybody_once_and_go_on_where_they_broke_off(api, monkeypatch):
    monkeypatch.setattr(export_rows, "AT_ONCE", 2)
    text = "id,email\n" + "".join(f"l{n},l{n}@example.org\n" for n in range(5))
    api.post("/contacts/import", content=text.encode(), headers=CSV, params={"list": "lines"})
    found = lines(api.call("GET", "/exports/people?format=jsonl&list=lines"))
    assert [each["email"] for each in found] == [f"l{n}@example.org" for n in range(5)]
    left = lines(api.call("GET", f"/exports/people?format=jsonl&list=lines&after={found[2]['contact']}"))
    assert left == found[3:]
    for asked in ("format=pdf", "after=x", "list=lines&segment=unreachable"):
        assert api.call("GET", f"/exports/people?{asked}").status_code == 422, asked
    assert api.call("GET", "/exports/people?list=none").status_code == 404
    assert api.call("GET", "/exports/secrets").status_code == 422


def test_events_and_consents_of_a_time_and_a_segment(api):
    for who, city in (("ev-1", "Алматы"), ("ev-2", "Астана")):
        api.put(f"/contacts/{who}", {"email": f"{who}@example.org", "attributes": {"place": city}})
        for day in (1, 2):
            event = {"id": f"{who}-{day}", "name": "bought", "at": f"2026-02-0{day}T10:00:00Z"}
            person = {"external_id": who}
            api.post("/events", {**event, "contact": person, "properties": {"total": 5 * day}})
        api.post(f"/contacts/{who}/consents", {"granted": True, "purpose": "advertising",
                                               "proof": {"source": "form"}})  # fmt: skip
    api.put("/segments/almaty", {"text": 'contact.place == "Алматы"'})
    asked = "segment=almaty&since=2026-02-02T00:00:00Z"
    (event,) = table(api.call("GET", f"/exports/events?{asked}"))
    assert event | {"contact": ""} == {
        "contact": "", "external_id": "ev-1", "id": "ev-1-2", "name": "bought",
        "at": "2026-02-02T10:00:00.000Z", "properties": '{"total":10}',
    }  # fmt: skip
    (consent,) = lines(api.call("GET", "/exports/consents?format=jsonl&segment=almaty"))
    assert (consent["granted"], consent["purpose"], consent["proof"]["source"]) == (
        True,
        "advertising",
        "form",
    )
    assert (
        lines(api.call("GET", "/exports/consents?format=jsonl&segment=almaty&until=2026-01-01T00:00:00Z"))
        == []
    )


def test_suppressions_have_the_address_where_it_is_kept_and_the_hash_where_not(api):
    for who in ("sup-1", "sup-2"):
        api.put(f"/contacts/{who}", {"email": f"{who}@example.org"})
        api.post(f"/contacts/{who}/suppress", {"reason": "manual"})
    hashes = api.delete("/contacts/sup-2")["hashes"]
    rows = table(api.call("GET", "/exports/suppressions"))
    (known,) = (row for row in rows if row["address"] == "sup-1@example.org")
    assert (known["channel"], known["reason"]) == ("email", "manual") and len(known["hash"]) >= 32
    (gone,) = (row for row in rows if row["hash"] in hashes)
    assert gone["address"] == gone["contact"] == "" and "sup-2" not in json.dumps(rows)
    assert len({row["hash"] for row in rows if not row["address"]} & {known["hash"]}) == 0


def test_a_workbook_has_texts_numbers_and_dates_and_carries_nothing_out(api, monkeypatch):
    api.put("/contacts/wb-1", {"email": "wb1@example.org", "attributes": {"sum": "=1+1", "age": 31}})
    api.post("/events", {"id": "wb", "name": "seen", "at": "2026-02-03T04:05:06Z",
                         "contact": {"external_id": "wb-1"}, "properties": {}})  # fmt: skip
    answer = api.call("GET", "/exports/events?format=xlsx")
    assert answer.headers["content-disposition"] == 'attachment; filename="events.xlsx"'
    header, *rows = (
        CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    )
    (row,) = (dict(zip(header, row, strict=True)) for row in rows if row[1] == "wb-1")
    assert row["at"] == datetime(2026, 2, 3, 4, 5, 6) and row["name"] == "seen"
    content = api.call("GET", "/exports/people?format=xlsx").content
    header, *rows = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python()
    (row,) = (dict(zip(header, row, strict=True)) for row in rows if row[0] == "wb-1")
    assert (row["sum"], row["age"]) == ("=1+1", 31), "a text, not a formula"
    again = api.post("/contacts/import", content=content, params={"dry_run": True, "source": "people.xlsx"})
    assert (again["new"], again["rejected"]) == (0, 0)


def test_a_full_sheet_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(workbooks, "ROWS", 3)
    workbooks.write_workbook(tmp_path / "x.xlsx", ["n"], [[n, "y" * 40_000] for n in (1, 10**16, None)])
    book = CalamineWorkbook.from_path(tmp_path / "x.xlsx")
    first, second = (book.get_sheet_by_name(name).to_python() for name in book.sheet_names)
    assert [row[0] for row in first] == ["n", 1, str(10**16)] and second[0][0] == "n"
    assert len(first[1][1]) == workbooks.LONGEST and first[1][1].endswith("…")
