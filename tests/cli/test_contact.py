"""People by commands: imported, found, put on lists and into segments, and told about."""

import json

import pytest

from kaskad.cli.root import run

PEOPLE = """id,name,email,phone,city,consent
c1,Анна,anna@example.org,8 701 000 00 01,Алматы,yes
c2,Борис,boris@example.org,8 701 000 00 02,Астана,no
"""


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    """Return a function that runs a command in a new installation and returns its code and what it said."""
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    capsys.readouterr()

    def call(*arguments):
        code = run(list(arguments))
        out, err = capsys.readouterr()
        return code, out if code == 0 or out else err

    return call


def test_people_are_imported_found_and_listed(told, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    code, out = told("import", "people.csv", "--country", "KZ", "--list", "spring", "--dry-run")
    assert code == 0 and "2 would be new" in out
    code, out = told("contact", "list")
    assert (code, out) == (0, "There are no such contacts.\n")
    code, out = told("import", "people.csv", "--country", "KZ", "--list", "spring")
    assert code == 0 and "people.csv: 2 rows, 2 new, 0 changed, 0 left out, on the list spring." in out
    assert "phone is phone" in out
    (tmp_path / "head.csv").write_text("id,name\n", encoding="utf-8")
    assert "Rows: none below the header." in told("import", "head.csv", "--dry-run")[1]
    (tmp_path / "one.csv").write_text("id,name\nc9,Nine\n", encoding="utf-8")
    assert "one.csv: 1 row, 1 would be new" in told("import", "one.csv", "--dry-run")[1]
    code, out = told("import", "people.csv", "--country", "KZ", "--json")
    assert code == 0 and json.loads(out)["changed"] == 2
    code, out = told("contact", "list", "анна")
    assert "c1" in out and "c2" not in out and "+77010000001" in out
    code, out = told("contact", "show", "c1")
    assert code == 0 and "city = Алматы" in out and "on spring" in out and "agreed to all" in out
    assert "day unknown" in out and "1970" not in out
    code, out = told("contact", "show", "anna@example.org", "--json")
    assert json.loads(out)["external_id"] == "c1" and json.loads(out)["timeline"]
    code, out = told("contact", "show", "nobody")
    assert code == 1 and "There is no contact 'nobody'" in out
    code, out = told("list", "show")
    assert out.split() == ["LIST", "MEMBERS", "spring", "2"]
    code, out = told("list", "show", "spring", "--json")
    assert [each["external_id"] for each in json.loads(out)] == ["c1", "c2"]


def test_two_contacts_are_made_one(told, tmp_path):
    assert told("contact", "duplicates") == (0, "No two contacts share an address.\n")
    (tmp_path / "people.csv").write_text(
        "id,name,phone,city\nc1,Анна,+77010000001,Омск\nc2,Аня,+77010000001,Омск\n", encoding="utf-8"
    )
    assert told("import", "people.csv")[0] == 0
    code, out = told("contact", "duplicates")
    assert out.splitlines() == ["con_1  c1  Анна", "  con_2  c2  Аня  has the same sms +77010000001"]
    code, out = told("contact", "merge", "c1", "c2")
    assert code == 2 and "cannot be undone" in out
    code, out = told("contact", "merge", "c1", "c2", "--yes")
    assert code == 0 and "con_2 is part of con_1 now" in out and "name" in out
    code, out = told("contact", "history", "c2")
    assert code == 0 and "merged by api local" in out and "con_2" in out
    assert json.loads(told("contact", "history", "c1", "--json")[1])[0]["what"] == "merged"
    assert json.loads(told("contact", "duplicates", "--json")[1]) == []


def test_who_has_an_external_id_with_a_slash_is_named_by_it(told, tmp_path):
    people = "id,email\ncrm/170,other@example.org\ncrm/17,a@example.org\ncrm/18,b@example.org\n"
    (tmp_path / "people.csv").write_text(people)
    assert told("import", "people.csv")[0] == 0
    shown = json.loads(told("contact", "show", "crm/17", "--json")[1])
    assert (shown["id"], shown["external_id"]) == ("con_2", "crm/17")
    assert "a@example.org" in told("contact", "address", "list", "crm/17")[1]
    assert told("explain", "crm/17") == (1, "kaskad: No cascade has been entered by crm/17.\n")
    assert told("contact", "merge", "crm/17", "crm/18", "--yes")[0] == 0
    assert "merged" in told("contact", "history", "crm/18")[1], "its second external id"
    for wrong in ("crm/1", "crm/172", "../keys"):
        code, out = told("contact", "show", wrong)
        assert code == 1 and wrong in out, out
    assert told("contact", "erase", "crm/17", "--yes")[0] == 0
    assert told("contact", "show", "con_2")[0] == 1 and told("contact", "show", "crm/170")[0] == 0


def test_addresses_and_attributes_are_looked_after(told, tmp_path):
    code, out = told("attribute", "list")
    assert (code, out) == (0, "No attribute is declared: each may have any value.\n")
    code, out = told(
        "attribute", "declare", "tier", "choice", "--choice", "gold", "--en", "Tier", "--ru", "Уровень"
    )
    assert code == 0 and "contact.tier is choice now" in out
    assert told("attribute", "list")[1].split()[-5:] == ["tier", "choice", "gold", "Tier", "Уровень"]
    assert json.loads(told("attribute", "list", "--json")[1])[0]["choices"] == ["gold"]
    (tmp_path / "people.csv").write_text("id,email,tier\nc1,a@example.org,GOLD\nc2,b@example.org,tin\n")
    code, out = told("import", "people.csv")
    assert 'row 3: tier: "tin" is not one of gold; left out' in out
    code, out = told("contact", "show", "c1")
    assert "tier = gold" in out and "UTC (guess, by brand)" in out
    assert told("attribute", "drop", "tier") == (0, "contact.tier may have any value.\n")
    code, out = told("contact", "address", "add", "c1", "email", "new@example.org", "--primary")
    assert (code, out) == (0, "email new@example.org is an address of c1.\n")
    code, out = told("contact", "address", "list", "c1")
    assert out.splitlines()[1].split() == ["email", "new@example.org", "good", "yes", "primary"]
    assert told("contact", "address", "invalid", "c1", "email", "new@example.org")[0] == 0
    used = [
        each["value"]
        for each in json.loads(told("contact", "address", "list", "c1", "--json")[1])
        if each["used"]
    ]
    assert used == ["a@example.org"]
    assert told("contact", "address", "valid", "c1", "email", "new@example.org")[0] == 0
    assert told("contact", "address", "primary", "c1", "email", "a@example.org")[0] == 0
    assert told("contact", "address", "remove", "c1", "email", "new@example.org")[0] == 0
    code, out = told("contact", "address", "remove", "c1", "email", "new@example.org")
    assert code == 1 and "has no email address new@example.org: it has a@example.org" in out
    code, out = told("contact", "history", "c1")
    assert "address removed by api local" in out and "address marked valid" in out


def test_rows_that_cannot_be_read_are_a_problem_found(told, tmp_path):
    (tmp_path / "people.csv").write_text("id,phone\n1,+77010000001\n,12\n", encoding="utf-8")
    code, out = told("import", "people.csv")
    assert code == 1 and "row 3: left out: nothing in it names" in out and "1 left out" in out
    (tmp_path / "bad.csv").write_text("colour\nred\n", encoding="utf-8")
    code, out = told("import", "bad.csv")
    assert code == 1 and "no column names or reaches a person" in out
    assert told("import", "missing.csv")[0] == 2
    assert told("import", "people.csv", "--country", "Kazakhstan")[0] == 1


def test_lists_and_segments_are_kept_by_commands(told, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    told("import", "people.csv", "--country", "KZ")
    assert told("list", "create", "vip") == (0, "The list vip is made.\n")
    assert told("list", "add", "vip", "c1", "+77010000002") == (0, "2 added to vip.\n")
    code, out = told("list", "add", "vip", "c3")
    assert code == 1 and "no contact 'c3'" in out
    assert told("list", "remove", "vip", "c2") == (0, "1 taken off vip.\n")
    assert told("list", "delete", "vip")[0] == 0
    assert told("list", "show", "vip")[0] == 1
    assert "There are no segments" in told("segment", "list")[1]
    code, out = told("segment", "create", "almaty", "--where", "city=Алматы", "--where", "name=Анна")
    made = 'contact["city"] == "Алматы" and contact["name"] == "Анна"'
    assert (code, out) == (0, f"The segment almaty is made: {made}.\n")
    assert told("segment", "count", "almaty") == (0, "1\n")
    assert told("segment", "count", "--text", 'contact.city == "Алматы" or not reachable("any")')[0] == 0
    assert "c1" in told("segment", "preview", "--text", 'segment("almaty")')[1]
    assert "unreachable" in told("segment", "list", "--ready")[1]
    assert told("segment", "count", "unreachable") == (0, "0\n")
    assert told("segment", "count", "inactive-90") == (0, "0\n"), "nobody was sent anything"
    refused = told("segment", "count", "--text", "contact.city = 5")
    assert refused[0] != 0 and "write `==`" in refused[1]
    assert "c1" in told("segment", "preview", "almaty")[1]
    assert json.loads(told("segment", "count", "almaty", "--json")[1])["contacts"] == 1
    assert told("seed", "add", "c1") == (0, "1 made seed contacts.\n") and "c1" in told("seed", "list")[1]
    assert told("segment", "count", "almaty")[1] == "0\n"
    assert told("segment", "count", "almaty", "--seeds")[1] == "1\n"
    assert told("seed", "remove", "c1")[0] == 0 and "no seed contacts" in told("seed", "list")[1]
    assert "0 contacts have an event order" in told("segment", "rfm", "--event", "order")[1]
    assert told("segment", "refresh")[0] == 0 and told("segment", "show", "almaty")[1].startswith("contact[")
    code, out = told("segment", "create", "odd", "--where", "city")
    assert code == 2
    assert told("segment", "delete", "almaty")[0] == 0
    assert told("segment", "count", "almaty")[0] == 1


def test_an_event_is_sent_and_shown(told, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    told("import", "people.csv", "--country", "KZ")
    code, out = told("event", "send", "purchase", "--contact", "c1", "--id", "e1", "--set", "total=1500")
    assert code == 0 and "purchase is kept as e1." in out and "No server runs" in out
    code, out = told("event", "send", "purchase", "--contact", "nobody@example.org")
    assert code == 1 and "no such contact" in out
    assert told("event", "send", "purchase", "--contact", "c1", "--set", "total")[0] == 2
    code, out = told("event", "send", "purchase", "--contact", "c1", "--at", "yesterday")
    assert code == 1 and "at:" in out


def test_everybody_is_exported_to_a_file_that_can_be_imported(told, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    told("import", "people.csv", "--country", "KZ")
    code, out = told("export", "people", "--out", "all.csv")
    assert code == 0 and "all.csv" in out
    assert "c1" in (tmp_path / "all.csv").read_text("utf-8-sig")
    code, out = told("import", "all.csv", "--dry-run", "--json")
    assert code == 0 and (json.loads(out)["new"], json.loads(out)["changed"]) == (0, 2)
    assert told("export", "people", "--out", "all.pdf")[0] == 2


def test_domains_of_mail_addresses_are_listed(told, tmp_path):
    assert told("domain", "list") == (0, "There are no mail addresses yet.\n")
    (tmp_path / "people.csv").write_text("email\nann@firma.kz\n", encoding="utf-8")
    code, out = told("import", "people.csv")
    assert code == 0 and "1 still to be looked up. `kaskad domain list` shows them." in out
    code, out = told("domain", "list", "--state", "pending")
    assert code == 0 and "firma.kz  not looked up yet" in out
    code, out = told("domain", "check", "firma.kz")
    assert (code, out) == (
        0, "firma.kz: not looked up yet.\nNo server runs: it is looked up when one does.\n"
    )  # fmt: skip
    code, out = told("domain", "check", "nobody.kz")
    assert code == 1 and "No address is at 'nobody.kz'" in out
    assert told("domain", "list", "--state", "gone")[0] == 2


def test_people_come_from_a_file_or_a_crm_not_from_nowhere(told):
    code, out = told("import")
    assert code == 2 and "name a file, or the account of a CRM with --from" in out
    assert told("import", "people.csv", "--from", "bitrix24")[0] == 2
    code, out = told("import", "--from", "bitrix24")
    assert code == 1 and "There is no account 'bitrix24': `kaskad account list` shows them." in out


def test_the_stop_list_takes_addresses_and_domains_and_says_what_is_on_it(told, tmp_path):
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    told("import", "people.csv", "--country", "KZ")
    code, out = told("suppress", "--domain", "example.org", "+77010000001", "--reason", "legal")
    assert (code, out) == (0, "3 addresses of contacts are new on the stop-list.\n")
    code, out = told("suppress", "--check", "new@example.org", "telegram:12345", "--json")
    assert [(each["value"], each["reason"]) for each in json.loads(out)] == [
        ("new@example.org", "legal"), ("12345", None),
    ]  # fmt: skip
    assert told("suppress", "--lift", "--domain", "example.org")[1].startswith(
        "2 addresses of contacts are good"
    )
    assert "not on the stop-list" in told("suppress", "--check", "--domain", "example.org")[1]
    told("suppress", "new@example.org")
    off = ("suppress", "--lift", "new@example.org", "--why", "a mistake")
    assert told(*off)[1].endswith("are good again.\n") and "is not on the list" in told(*off)[1]
    wrong_ones = (["--lift", "a@b.kz"], ["77010000001"], ["--check", "--lift"], ["a@b.kz", "--why", "x"])
    for wrong in wrong_ones:
        assert told("suppress", *wrong)[0] == 2
    assert told("suppress", "--domain", "example.org", "--reason", "because")[0] == 1
