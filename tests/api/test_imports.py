"""Files of people over HTTP: brought in once, in pieces, with a report of what could not be read."""

import threading
import time
import tracemalloc

import pytest
from starlette.requests import Request

from kaskad.actions import import_job, imports
from kaskad.config import Settings
from kaskad.domain.errors import Full
from kaskad.store import book, crowd
from kaskad.web.api.imports import _whole
from kaskad.web.service import serving

CSV = {"Content-Type": "text/csv"}


def bring(api, text, path="/contacts/import", **query):
    return api.post(path, content=text.encode(), headers=CSV, params=query)


def test_people_are_brought_in_once_and_the_report_tells_of_bad_rows(api):
    text = (
        "id,name,email,phone,consent\nf1,Анна,anna@example.org,8 701 000 00 01,yes\nf2,Боб,bob@,,\n,Кто,,,\n"
    )
    report = bring(api, text, country="KZ", list="spring", source="people.csv")
    assert (report["state"], report["rows"], report["size"]) == ("done", 3, 3)
    assert (report["new"], report["changed"], report["rejected"]) == (2, 0, 1)
    assert [(note["row"], note["rejected"]) for note in report["notes"]] == [
        (2, False), (3, False), (4, True)
    ]  # fmt: skip
    assert (
        report["counts"]["fixed"] == 1
        and "'8 701 000 00 01' taken as +77010000001" in report["notes"][0]["text"]
    )
    assert report["columns"]["phone"] == "sms"
    assert api.get(f"/imports/{report['id']}") == report
    anna = api.get("/contacts/f1")
    assert anna["lists"] == ["spring"] and anna["country"] == "KZ"
    assert anna["consents"][0]["at"] is None and anna["consents"][0]["proof"]["source"] == "people.csv"
    again = bring(api, text, country="KZ", list="spring", source="people.csv")
    assert (again["new"], again["changed"]) == (0, 2)
    assert api.get("/contacts/f1")["consents"] == anna["consents"]


def test_a_column_marks_ones_own_people(api):
    text = "id,email,seed\ns1,s1@example.org,yes\ns2,s2@example.org,no\ns3,s3@example.org,\ns4,,maybe\n"
    assert bring(api, text, dry_run=True)["columns"]["seed"] == "seed"
    before = {each["external_id"] for each in api.get("/seeds")["items"]}
    report = bring(api, text)
    assert [(note["row"], note["text"]) for note in report["notes"]] == [
        (5, "seed 'maybe' is neither yes nor no: counted as no")
    ]  # fmt: skip
    assert {each["external_id"] for each in api.get("/seeds")["items"]} == before | {"s1"}
    assert api.service.office.engine.world.seeds, "also in the engine's memory"
    bring(api, text.replace("s1@example.org,yes", "s1@example.org,no"))
    assert {each["external_id"] for each in api.get("/seeds")["items"]} == before | {"s1"}, "it stays one"
    api.post("/seeds/remove", {"contacts": ["s1"]})


def test_a_dry_run_counts_and_changes_nothing(api):
    bring(api, "id,email\nwet,wet@example.org\n")
    text = "id,email\nwet,wet@example.org\ndry,dry@example.org\n,dry2@example.org\n,DRY2@example.org\n"
    report = bring(api, text, dry_run=True, list="never made")
    assert (report["state"], report["dry_run"]) == ("done", True)
    assert (report["new"], report["changed"]) == (2, 2)
    assert api.call("GET", "/contacts/dry").status_code == 404
    assert "never made" not in [item["name"] for item in api.get("/lists")["items"]]


def test_the_basis_of_a_file_is_the_proof_of_those_whose_row_says_nothing(api):
    text = "id,consent\nbasis-1,\nbasis-2,no\n"
    bring(api, text, consent="contract of 2025", source="crm.csv")
    (granted,) = api.get("/contacts/basis-1")["consents"]
    assert granted["granted"] and granted["proof"] == {
        "act": "import", "basis": "contract of 2025", "source": "crm.csv"
    }  # fmt: skip
    assert [one["granted"] for one in api.get("/contacts/basis-2")["consents"]] == [False]


def test_a_form_carries_a_file_as_well(api):
    files = {"file": ("people.csv", "почта;имя\nform@example.org;Форма\n".encode("cp1251"), "text/csv")}
    report = api.post("/contacts/import", files=files)
    assert (report["new"], report["source"]) == (1, "people.csv")
    assert api.get("/contacts/form@example.org")["attributes"] == {"name": "Форма"}
    answer = api.call("POST", "/contacts/import", files={"other": ("x.csv", b"id\n1\n")})
    assert answer.status_code == 422 and "field `file`" in answer.text


@pytest.mark.parametrize("body", [
    b"", b"\n", b"colour\nred\n", b"id,id\n1,2\n", b"\x00\x01", b"\xff\xfei\x00\x00\x00", b"\x98\x98",
    b'id\n"' + b"x" * 200_000 + b'"\n',
])  # fmt: skip
def test_a_file_that_cannot_be_read_is_a_problem_and_no_defect(api, body):
    answer = api.call("POST", "/contacts/import", content=body, headers=CSV)
    if answer.status_code == 200:  # the header was good
        assert answer.json()["state"] == "failed" and "import.csv" in answer.json()["problem"]
    else:
        assert answer.status_code == 422, answer.text
        assert answer.json()["problems"][0]["detail"]


@pytest.mark.parametrize("query", [
    "country=KAZ", "list=a/b", "list=%00", "wait_s=31", "wait_s=nan", "dry_run=5", "consent=%00", "source=",
])  # fmt: skip
def test_odd_wishes_are_problems(api, query):
    answer = api.call("POST", f"/contacts/import?{query}", content=b"id\n1\n", headers=CSV)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("id", ["imp_0", "imp_99", "x", "%00", "imp_999999999999999999"])
def test_an_import_that_is_none_is_not_found(api, id):
    answer = api.call("GET", f"/imports/{id}")
    assert answer.status_code in (404, 422)
    assert id.startswith("imp_") or "imp_0" not in answer.text


def test_a_file_that_is_too_large_is_refused_before_it_is_read(api, monkeypatch):
    monkeypatch.setattr("kaskad.web.api.imports.LIMIT", 1_000)
    large = b"id\n" + b"1" * 2_000
    for more in (
        {"content": large, "headers": CSV}, {"content": iter([large]), "headers": CSV},
        {"files": {"file": ("people.csv", large)}},
    ):  # fmt: skip
        answer = api.call("POST", "/contacts/import", **more)
        assert answer.status_code == 413 and "1,000 bytes" in answer.json()["detail"]
    chunked = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = api.call("POST", "/contacts/import", content=iter([b"--x--"]), headers=chunked)
    assert answer.status_code == 411


def test_a_body_is_not_held_twice():
    size, left = 1 << 18, iter(range(32))

    async def receive():
        return {"type": "http.request", "body": bytes(size), "more_body": next(left) < 31}

    reading = _whole(Request({"type": "http"}, receive))
    tracemalloc.start()
    try:
        with pytest.raises(StopIteration) as ended:
            reading.send(None)  # it waits for nothing
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    data = ended.value.value
    assert len(data) == 32 * size and peak < len(data) * 1.3


def test_ten_thousand_rows_take_a_few_seconds_and_can_be_watched(api):
    rows = "".join(f"big-{n},Имя {n},big{n}@example.org,+7700{n:07},Алматы\n" for n in range(10_000))
    begun = time.monotonic()
    report = bring(api, "id,name,email,phone,city\n" + rows, wait_s=0, list="big")
    assert report["state"] == "running" and report["size"] == 10_000
    seen = [report["rows"]]
    while report["state"] == "running":
        time.sleep(0.05)
        report = api.get(f"/imports/{report['id']}")
        seen.append(report["rows"])
    assert (report["state"], report["new"], seen[-1]) == ("done", 10_000, 10_000)
    assert any(0 < rows < 10_000 for rows in seen), "it could not be watched"
    assert time.monotonic() - begun < 60, "ten times what it takes on a quiet machine"
    assert len(api.get("/lists/big/members", params={"limit": 1000})["items"]) == 1000


def test_an_import_whose_server_stopped_is_told_as_interrupted(tmp_path, monkeypatch):
    settings = Settings(database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0")
    met = threading.Event()

    def stuck(self):
        met.set()
        time.sleep(60)

    monkeypatch.setattr(import_job.Job, "_go", stuck)
    with serving(settings, "the tests") as service:
        found = imports.start(service.office, b"id\n1\n", imports.Wishes("people.csv"), 0)
        assert met.wait(30)
        assert imports.show(service.office, found.id).state == "running"
    with serving(settings, "the tests") as service:
        told = imports.show(service.office, found.id)
        assert told.state == "interrupted" and "send the same file again" in told.problem


def test_an_import_whose_end_could_not_be_kept_goes_on_when_it_is_sent_again(tmp_path, monkeypatch):
    """As where the disk is full: nobody is at it, and its server runs on."""
    settings = Settings(database=f"sqlite:{tmp_path / 'kaskad.db'}", listen="127.0.0.1:0")

    def full(*_):
        raise Full("No room left.")

    with serving(settings, "the tests") as service:
        with monkeypatch.context() as room:
            room.setattr(import_job.Job, "_go", full)
            room.setattr(import_job.import_store, "end", full)
            found = imports.start(service.office, b"id\n1\n", imports.Wishes("people.csv"), 1.0)
        assert imports.show(service.office, found.id).state == "running"
        service.office.write(lambda tx: tx.script("UPDATE imports SET beat_at = beat_at - 61000"))
        assert imports.show(service.office, found.id).state == "interrupted"
        again = imports.start(service.office, b"id\n1\n", imports.Wishes("people.csv"), 10.0)
        assert (again.id, again.state, again.made) == (found.id, "done", 1)


def test_the_columns_are_what_the_caller_says_and_rejected_rows_come_back_as_csv(api):
    text = "Кто;Связь\n=m1;+7 900 000-00-31\nm2;12\n;12\n"
    query = {"map": ["Кто=id", "Связь=phone"], "country": "RU"}
    report = api.post("/contacts/import", content=text.encode("cp1251"), headers=CSV, params=query)
    assert report["columns"] == {"Кто": "external_id", "Связь": "sms"} and "cp1251" in report["shape"]
    assert report["counts"]["rejected"] == 1 and report["counts"]["unread"] == 2
    rejected = api.call("GET", f"/imports/{report['id']}/rejected")
    assert rejected.headers["content-type"].startswith("text/csv")
    assert rejected.text.splitlines()[0] == "Кто,Связь,row,reason"
    assert rejected.text.splitlines()[1].startswith(",12,4,'12' is no telephone number in RU")
    for odd in ("Кто", "=phone", "Кто=", "Кто=telephone", "Nobody=phone"):
        answer = api.call("POST", "/contacts/import", content=text.encode(), headers=CSV, params={"map": odd})
        assert answer.status_code == 422, odd


def test_addresses_on_the_stop_list_are_told_in_the_dry_run(api):
    bring(api, "id,email\ns1,stopped@example.org\n")
    api.post("/contacts/s1/suppress", {"reason": "manual"})
    report = bring(api, "email\nstopped@example.org\nfree@example.org\n", dry_run=True)
    assert report["counts"]["suppressed"] == 1
    assert ["email is on the stop-list" in note["text"] for note in report["notes"]] == [True]


def test_the_proof_of_a_file_has_words_and_date_and_is_none_for_the_mail_of_a_role(api):
    asked = {"consent": "form", "consent_text": "Write to me", "consent_at": "2026-02-14T00:00:00Z"}
    bring(api, "id,email\nrole-1,info@example.org\nrole-2,someone@example.org\n", source="c.csv", **asked)
    role, person = (api.get(f"/contacts/{name}")["consents"][0] for name in ("role-1", "role-2"))
    assert person["proof"] == {"act": "import", "basis": "form", "source": "c.csv", "text": "Write to me"}
    assert person["at"].startswith("2026-02-14") and "email" not in role["channels"] and role["channels"]
    for odd in ({"consent_text": "x"}, {"consent": "x", "consent_at": "2999-01-01T00:00:00Z"}):
        answer = api.call("POST", "/contacts/import", content=b"id\n1\n", headers=CSV, params=odd)
        assert answer.status_code == 422


def booked(api):
    """Return what the book of addresses and the addresses themselves hold, where all is as it should be."""
    with api.service.office.db.read() as tx:
        book, places, kept = (
            tx._connection.execute(f"SELECT {what} FROM {table} ORDER BY 1, 2, 3").fetchall()
            for what, table in (
                ("value, channel, contact_id", "address_book"),
                ("value, channel, contact_id", "addresses"),
                ("import_id, first_id, last_id", "placements"),
            )
        )
    return book == places and not kept


def test_whoever_waits_for_the_disk_does_not_wait_for_a_piece_of_an_import(api):
    engine, met, seen = api.service.office.engine, threading.Event(), []

    def look(name):
        return lambda tx: seen.append((name, tx._connection.pragma("synchronous")))

    holding = engine.write(lambda tx: met.wait(30))
    told = [engine.write(look("piece"), synced=False), engine.write(look("other"))]
    met.set()
    for each in (holding, *told):
        each.result(30)
    assert seen == [("other", 2), ("piece", 1)]


def test_a_long_file_puts_addresses_into_the_book_ahead_of_its_people(api, monkeypatch):
    monkeypatch.setattr(import_job, "_LONG", 1_000)
    bring(api, "id,email,phone\nlong-7,l7@example.org,+79000900007\n,l8@example.org,\n", source="few.csv")
    rows = [f"long-{n},l{n}@example.org,+7900091{n:04}" for n in range(2_500)]
    rows[20] = "long-20,l10@example.org,+79000910020"  # shares its address, and will be made all the same
    rows[30] = "long-29,l30@example.org,+79000910030"  # left out: its id was there
    office = api.service.office

    def died(tx):
        first = book.reserve(tx, 99, "a process that was killed", 2)
        book.place(tx, [("l5@example.org", 1, first), ("who@example.org", 1, first + 1)])

    office.write(died)
    report = bring(api, "id,email,phone\n" + "\n".join(rows) + "\n", source="long.csv", wait_s=30)
    assert (report["state"], report["new"], report["changed"]) == ("done", 2_497, 2)
    assert (report["counts"]["rejected"], report["counts"]["duplicate"]) == (1, 1)
    assert booked(api)
    for email, ids in (("l5@example.org", {"long-5"}), ("l10@example.org", {"long-10", "long-20"})):
        assert {each["external_id"] for each in api.get("/contacts", params={"q": email})["items"]} == ids
    known = api.get("/contacts/long-7")
    assert {each["value"] for each in known["addresses"]} == {
        "l7@example.org",
        "+79000900007",
        "+79000910007",
    }


def test_an_import_is_listed_with_its_pace_and_can_be_cancelled(api, monkeypatch):
    monkeypatch.setattr(import_job, "_LONG", 1_000)  # by helpers, which put addresses down ahead of people
    rows = "".join(f"stop-{n},stop{n}@example.org\n" for n in range(15_000))
    report = bring(api, "id,email\n" + rows, wait_s=0, source="stop.csv")
    again = bring(api, "id,email\n" + rows, wait_s=0, source="stop.csv")
    assert again["id"] == report["id"], "the same file is one import while that runs"
    paces = []
    while (told := api.get("/imports")["items"][0])["rows"] < 3_000 or told["rows_per_s"] is None:
        assert told["state"] == "running" and told["id"] == report["id"]
        time.sleep(0.01)
    paces = (told["rows_per_s"], told["seconds_left"])
    assert paces[0] > 0 and paces[1] >= (told["size"] - told["rows"]) // paces[0]
    api.post(f"/imports/{report['id']}/cancel")
    while (told := api.get(f"/imports/{report['id']}"))["state"] == "running":
        time.sleep(0.01)
    assert told["state"] == "cancelled" and told["problem"].startswith(f"Cancelled after {told['rows']} rows")
    assert told["rows"] == told["new"] < 15_000 and told["ended_at"]
    assert booked(api), "who is not brought in is known nowhere"
    assert api.call("GET", f"/contacts/stop-{told['new'] - 1}").status_code == 200
    assert api.call("GET", f"/contacts/stop-{told['new']}").status_code == 404
    assert api.call("POST", f"/imports/{report['id']}/cancel").status_code == 409
    whole = bring(api, "id,email\n" + rows, source="stop.csv", wait_s=30)
    assert whole["id"] != report["id"] and (whole["new"], whole["changed"]) == (
        15_000 - told["new"],
        told["new"],
    )
    assert (
        api.get("/imports", params={"limit": 1, "cursor": whole["id"][4:]})["items"][0]["id"] == report["id"]
    )


def test_a_file_of_nothing_but_bad_numbers_has_a_short_report_and_makes_nobody(api, monkeypatch):
    before = [each["id"] for each in api.get("/imports")["items"]]
    report = bring(api, "name,phone\nАнна,+7 900 000\n" + "=x(),12\n" * 12_000, wait_s=30, list="nobody here")
    assert report["id"] not in before and (report["state"], report["rows"]) == ("done", 12_001)
    assert (report["new"], report["changed"], report["rejected"]) == (0, 0, 12_001)
    assert report["counts"]["rejected"] == 12_001 and len(report["notes"]) <= 2_000
    kept = api.call("GET", f"/imports/{report['id']}/rejected").text.splitlines()
    assert len(kept) == 12_002 and kept[2].startswith("'=x(),12,3,")
    monkeypatch.setattr(import_job, "REJECTED_BYTES", 1_000)
    report = bring(api, "name,phone\n" + f"{'x' * 90},12\n" * 100, wait_s=30)
    kept = api.call("GET", f"/imports/{report['id']}/rejected").text.splitlines()
    assert report["rejected"] == 100 and 3 < len(kept) < 12


def test_numbers_without_a_code_are_of_the_brands_country_where_nobody_says_another(api):
    before = api.get("/policy")["country"]
    api.call("PATCH", "/policy", {"country": "KZ"})
    try:
        report = bring(api, "id,phone\nhome1,8 701 000 00 41\n")
        assert report["counts"]["unread"] == 0
        assert api.get("/contacts/home1")["addresses"][0]["value"] == "+77010000041"
    finally:
        api.call("PATCH", "/policy", {"country": before})


def test_the_numbers_of_a_file_are_reached_in_messengers_that_are_named(api):
    bring(api, "id,phone\nwa1,+77010000051\n", numbers_on=["whatsapp", "viber"])
    found = {(each["channel"], each["value"]) for each in api.get("/contacts/wa1")["addresses"]}
    assert found == {(each, "+77010000051") for each in ("sms", "whatsapp", "viber")}
    odd = api.call(
        "POST", "/contacts/import", content=b"id\n1\n", headers=CSV, params={"numbers_on": "email"}
    )
    assert odd.status_code == 422


def test_a_row_that_cannot_be_written_is_left_out_and_all_others_come(api, monkeypatch):
    monkeypatch.setattr(import_job, "_LONG", 1_000)  # by helpers, which put addresses down ahead of people
    odd = {3, 700, 701, 1_999}
    real = crowd.save

    def failing(tx, key, people, *rest):
        came = real(tx, key, people, *rest)
        if any(each.external_id in {f"odd-{n}" for n in odd} for each in people):
            raise KeyError("zone")
        return came

    monkeypatch.setattr(crowd, "save", failing)
    rows = "".join(f"odd-{n},odd{n}@example.org\n" for n in range(2_000)) + "odd-3,again@example.org\n"
    report = bring(api, "id,email\n" + rows, wait_s=30, list="odd")
    assert (report["state"], report["rows"], report["new"], report["changed"]) == ("done", 2_001, 1_996, 0)
    assert (report["rejected"], report["counts"]["clean"]) == (len(odd) + 1, 1_996)
    left_out = [note for note in report["notes"] if "a defect in Kaskad" in note["text"]]
    assert [note["row"] for note in left_out] == [n + 2 for n in sorted(odd)]
    kept = api.call("GET", f"/imports/{report['id']}/rejected").text
    assert all(f"odd-{n},odd{n}@example.org" in kept for n in odd)
    assert api.call("GET", "/contacts/odd-3").status_code == 404
    assert api.get("/contacts/odd-1998")["lists"] == ["odd"]
    assert booked(api), "who is not brought in is known nowhere"
    monkeypatch.undo()
    again = bring(api, "id,email\n" + rows, wait_s=30, list="odd", source="again.csv")
    assert (again["new"], again["changed"]) == (len(odd), 1_996)


def test_an_import_of_which_no_row_can_be_written_fails_at_once(api, monkeypatch):
    def failing(*_):
        raise KeyError("zone")

    monkeypatch.setattr(crowd, "save", failing)
    rows = "".join(f"bad-{n},bad{n}@example.org\n" for n in range(500))
    report = bring(api, "id,email\n" + rows, wait_s=30)
    assert report["state"] == "failed" and "KeyError" in report["problem"]
