"""Bills of providers: each line finds its message once, differences are told, and taken over once."""

import pytest
from msgspec.structs import replace

from kaskad.actions import bill_job, bills
from kaskad.actions.messages import money
from kaskad.domain.bill import MEANINGS, Reader, propose, shift_of
from kaskad.domain.cascade import Money
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.terms import Channel, Kind, Reason
from kaskad.store import bills as store
from support.marked import staged
from support.spent import sums_agree
from support.stage import accepted, refused

CASCADE = """
cascade: billed
title: Billed
class: service
trigger: {event: left}
goal: {event: bought}
steps:
  - {id: sms, channel: sms, text: "{{ trigger.text }}", wait: 100h}
"""
HEAD = "Message SID;To;Date Sent;Segments;Price;Total\n"


def phone(number):
    return f"+7701000000{number}"


def world(db):
    """Return a stage on which eight texts were sent, an hour apart, at 10.00 a part."""
    stage, office = staged(db)
    stage.account(Channel.SMS, "sms", prices={"minor": 1000, "currency": "KZT", "per": "part"})
    stage.cascade(CASCADE)
    people = [
        stage.person(f"p{n}", [Channel.SMS], addresses={Channel.SMS: phone(n)}) for n in range(8)
    ]  # fmt: skip
    for n, person in enumerate(people):
        if n == 6:
            stage.answer = lambda parcel: refused(parcel, stage.clock.now(), Reason.INVALID_ADDRESS)
        else:
            stage.answer = lambda parcel, n=n: replace(
                accepted(parcel, stage.clock.now(), f"SM{n}"), cost=Money(1300, "KZT") if n == 5 else None
            )
        stage.event(person, "left", text="я" * 80 if n == 3 else "Hello")
        stage.passes("1h")
    return stage, office, people


def line(stage, n, *, id="", at_h=None, parts=1, total="10", late_s=0):
    at = stage.clock.at - (8 - (n if at_h is None else at_h)) * 3_600_000 + late_s * 1000
    return f"{id};{phone(n)[1:]};{at};{parts};10;{total}\n"


def bill(stage):
    return HEAD + "".join([
        line(stage, 0, id="SM0"),                              # as we have it
        line(stage, 1, late_s=40),                             # found by phone and time
        line(stage, 2, id="SM2", total="12,5"),                # at another price
        line(stage, 3, id="SM3", total="10.004"),              # of one part, where we count two
        line(stage, 4, id="SM4"), line(stage, 4, id="SM4"),    # twice
        line(stage, 6, total="10"),                            # it was refused
        line(stage, 5, at_h=7, total="10"),                    # too far away to be the same
        "SMx;+77019999999;1780315800;1;10;7\n",                # nobody we know
        "SM1;77010000001;yesterday;1;10;10\n",                 # no time
    ])  # fmt: skip


def costs(stage, people):
    found = []
    for person in people:
        with stage.db.read() as tx:
            entries = money(tx, {"contact_id": person, "run_id": stage.run(person).id, "step": 0})
        assert sum(one.amount for one in entries) == (entries[-1].total if entries else 0)
        found.append(entries[-1].total if entries else 0)
    return found


@pytest.mark.parametrize("amount", ["NaN", "-inf", "Infinity", "sNaN", "x"])
def test_what_is_no_number_is_called_none(db, amount):
    _, office, _ = world(db)
    told = bills.start(office, "sms", f"id,amount\nSM1,{amount}\n".encode(), "x.csv", {}, 30.0).report
    assert [one.why for one in told.unknowns] == ["its amount is not a number such as 14.5"]


def test_a_bill_is_held_against_our_count_and_taken_over_once(either, monkeypatch):
    monkeypatch.setattr(bill_job, "PIECE", 1)  # what earlier pieces have found is known from the table
    stage, office, people = world(either)
    before = costs(stage, people)
    assert before == [1000, 1000, 1000, 2000, 1000, 1300, 0, 1000]
    data = bill(stage).encode()
    found = bills.start(office, "sms", data, "november.csv", {}, 30.0)
    assert (found.state, found.problem) == ("done", "")
    assert found.columns == {
        "Message SID": "id", "To": "phone", "Date Sent": "at", "Segments": "parts", "Total": "amount",
    }  # fmt: skip
    told = found.report
    assert (told.lines, told.matched, told.unknown, told.unread) == (10, 6, 2, 1)
    assert told.total_micros == 89_504_000
    assert (told.billed, told.held) == (1000 + 1000 + 1250 + 1001 + 2000 + 1000, 6000)
    assert {(one.contact_id, one.reason) for one in told.differences} == {
        (people[2], "price"), (people[3], "parts"), (people[4], "several"), (people[6], "free"),
    }  # fmt: skip
    assert {(one.place, one.reason, one.count, one.minor) for one in told.groups} == {
        ("KZ", "price", 1, 250), ("KZ", "parts", 1, -999), ("KZ", "several", 1, 1000),
        ("KZ", "free", 1, 1000),
    }  # fmt: skip
    assert sorted(one.contact_id for one in told.missing) == [people[5], people[7]]
    assert (told.unbilled, told.unbilled_held) == (2, 2300)
    assert [one.row for one in told.unknowns] == [9, 10, 11] and "its time is not one" in told.unknowns[2].why
    assert costs(stage, people) == before, "looking changes nothing"

    taken = bills.take(office, found.id, "ann@example.org")
    assert (taken.report.taken, taken.report.differing, taken.taken_by) == (4, 0, "ann@example.org")
    after = [1000, 1000, 1250, 1001, 2000, 1300, 1000, 1000]
    assert costs(stage, people) == after
    assert stage.rows("reserved_money", id=1)[0][0] == sum(after)
    again = bills.start(office, "sms", data, "again.csv", {}, 30.0)
    assert again.id == found.id and bills.take(office, again.id, "bob") == taken
    sums_agree(either)
    assert costs(stage, people) == after and stage.rows("reserved_money", id=1)[0][0] == sum(after)
    stage.receipt(people[2], Kind.DELIVERED)
    assert costs(stage, people) == after, "a receipt that tells no cost leaves what was billed"


@pytest.mark.parametrize(("hours", "zone"), [(-2, "-02:00"), (5.5, "+05:30"), (0, "")])
def test_a_bill_whose_times_are_of_another_zone_says_of_which(either, hours, zone):
    stage, office, _ = world(either)
    lines = [line(stage, n, late_s=round(hours * 3600) + 20) for n in range(8) if n != 6]
    data = (HEAD + "".join(lines)).encode()
    told = bills.start(office, "sms", data, "zone.csv", {}, 30.0).report
    assert (told.matched, told.unknown) == ((0, 7) if hours else (7, 0))
    assert (told.shift_minutes, told.zone) == (hours * 60, zone)


def test_times_that_no_zone_explains_are_of_none():
    reader = Reader(["phone", "at", "amount"], "KZT", "KZ", "Asia/Almaty")
    assert reader.zone_of(1_796_000_000_000, -120) == "+03:00"
    assert reader.zone_of(1_796_000_000_000, 720) == "", "a PM was lost"


def test_lines_that_agree_in_no_shift_are_of_no_zone():
    hour = 3_600_000
    assert shift_of([(n * hour, [2 * n * hour]) for n in range(20)]) == 0
    assert shift_of([(n * hour, [(n - 3) * hour, 5]) for n in range(20)]) == 180
    assert shift_of([(n * hour, [(n - 3) * hour]) for n in range(4)]) == 0, "too few to tell"
    assert shift_of([(n * hour, [(n - 3) * hour] if n % 2 else []) for n in range(20)]) == 0, (
        "half is not most"
    )
    assert shift_of([]) == 0


def test_a_bill_that_cannot_be_read_is_refused_with_what_to_do(db, monkeypatch):
    stage, office, people = world(db)
    with pytest.raises(Invalid, match="no column says what a line costs"):
        bills.start(office, "sms", b"id,note\n1,2\n", "x.csv", {}, 30.0)
    with pytest.raises(Invalid, match="no columns say which message"):
        bills.start(office, "sms", b"note,price\n1,2\n", "x.csv", {}, 30.0)
    with pytest.raises(Invalid, match="no column 'nothing'"):
        bills.start(office, "sms", b"id,price\n1,2\n", "x.csv", {"nothing": "amount"}, 30.0)
    with pytest.raises(Invalid, match="has no price"):
        bills.start(office, "email", b"id,price\n1,2\n", "x.csv", {}, 30.0)
    # As Twilio writes it: charges are negative, and times are in UTC.
    text = (
        "Sid,Price,Price Unit,Date Sent\n"
        "SM0,-10.5,KZT,2026-06-01 12:00:00 UTC\nSM1,-10,KZT,2026-06-01T12:00:00Z\n"
    )
    account = stage.parcels[0].account_id
    with stage.db.write() as tx:  # as of services whose receipts carry their own id only
        tx.many("put_provider_ids", [
            (account, f"SM{n}", people[n], stage.parcels[n].run_id, 0) for n in range(2)
        ])  # fmt: skip
    found = bills.start(office, "sms", text.encode(), "twilio.csv", {}, 30.0)
    assert (found.report.billed, found.report.differing) == (2050, 1)
    other = bills.start(office, "sms", text.replace("KZT", "USD").encode(), "usd.csv", {}, 30.0)
    assert other.report.unread == 2 and "another currency" in other.report.unknowns[0].why
    monkeypatch.setattr(bill_job, "PIECE", 1)
    twice = HEAD + line(stage, 1, late_s=40) + line(stage, 1, late_s=50)
    found = bills.start(office, "sms", twice.encode(), "twice.csv", {}, 30.0)
    assert (found.report.matched, found.report.unknown) == (1, 1)  # a message is found once, but by one id
    with stage.db.write() as tx:
        tx.script(f"UPDATE bills SET state = 'failed' WHERE id = {other.id}")
    with pytest.raises(Conflict, match="is failed"):
        bills.take(office, other.id, "ann")


@pytest.mark.parametrize("piece", [1, 2])
def test_a_line_for_each_part_is_compared_alike_wherever_a_piece_of_the_file_ends(either, monkeypatch, piece):
    monkeypatch.setattr(bill_job, "PIECE", piece)
    stage, office, people = world(either)
    lines = HEAD + line(stage, 3, id="SM3", parts="", total="12") * 2
    told = bills.start(office, "sms", lines.encode(), "x.csv", {}, 30.0).report
    assert [(one.contact_id, one.billed, one.reason) for one in told.differences] == [
        (people[3], 2400, "price")
    ]  # fmt: skip


def test_a_column_that_is_named_as_what_it_means_is_told_by_its_name():
    names = list(MEANINGS)
    assert propose(names, {}) == names


def test_only_one_column_is_the_amount():
    header = ["Message ID", "Total with VAT", "Amount"]
    assert propose(header, {"Total with VAT": "amount"}) == ["id", "amount", ""]
    for asked in ({"Total with VAT": "amount", "Amount": "amount"}, ["id", "amount", "amount"]):
        with pytest.raises(Invalid, match="only one column can be amount, not all of Total with VAT, Amount"):
            propose(header, asked)
    alike = ["id", "Sum", "Sum"]
    assert propose(alike, ["id", "skip", "amount"]) == ["id", "", "amount"]
    for told in ({}, {"Sum": "amount"}):
        with pytest.raises(Invalid, match="several columns are called 'Sum'"):
            propose(alike, told)
    assert propose([*alike, "total"], {"Sum": "skip"}) == ["id", "", "", "amount"]
    assert propose(["id", "date", "date", "sum"], {}) == ["id", "at", "", "amount"]


def test_a_line_that_cannot_be_read_or_kept_is_left_out_and_told_and_all_others_count(either, monkeypatch):
    stage, office, people = world(either)
    read, put = Reader.read, store.advance

    def reading(self, row, cells):
        if row == 3:
            raise KeyError("zone")
        return read(self, row, cells)

    def keeping(tx, bill, seen, rows, beat_at):
        kept = put(tx, bill, seen, rows, beat_at)
        if any(row[0] == people[3] for row in rows):
            raise ZeroDivisionError
        return kept

    monkeypatch.setattr(Reader, "read", reading)
    monkeypatch.setattr(store, "advance", keeping)
    lines = [line(stage, n, id=f"SM{n}") for n in range(8)]
    found = bills.start(office, "sms", (HEAD + "".join(lines)).encode(), "odd.csv", {}, 30.0)
    assert (found.state, found.problem, found.seen) == ("done", "", 8)
    told = found.report
    assert (told.lines, told.unread, told.matched) == (8, 2, 6)
    assert [(one.row, one.why) for one in told.unknowns] == [
        (3, "a defect in Kaskad keeps it from being read (KeyError): left out"),
        (5, "a defect in Kaskad keeps it from being read (ZeroDivisionError): left out"),
    ]
    assert sorted(one.contact_id for one in told.missing) == [people[1], people[3]]


def test_a_bill_of_which_no_line_can_be_kept_fails(db, monkeypatch):
    stage, office, _ = world(db)

    def failing(*_):
        raise KeyError("zone")

    monkeypatch.setattr(Reader, "read", failing)
    text = HEAD + "".join(line(stage, n % 8, at_h=n) for n in range(300))
    found = bills.start(office, "sms", text.encode(), "odd.csv", {}, 60.0)
    assert found.state == "failed" and "KeyError" in found.problem


def test_a_message_whose_cost_cannot_be_taken_over_is_told_and_all_others_are(either, monkeypatch):
    stage, office, people = world(either)
    data = bill(stage).encode()
    found = bills.start(office, "sms", data, "november.csv", {}, 30.0)
    real = bills.note

    def failing(tx, changes, amounts):
        if any(each.row[0] == people[3] for each in amounts):
            raise KeyError("currency")
        real(tx, changes, amounts)

    monkeypatch.setattr(bills, "note", failing)
    taken = bills.take(office, found.id, "ann").report
    assert (taken.taken, taken.untaken, taken.differing) == (3, 1, 1)
    assert costs(stage, people)[2:5] == [1250, 2000, 2000]
    monkeypatch.undo()
    again = bills.take(office, found.id, "ann").report
    assert (again.taken, again.untaken, again.differing) == (4, 0, 0)
    sums_agree(either)


@pytest.mark.parametrize("amount", ["1e999999", "1e-9999999", "9" * 5000, "sNaN", "-", "12,5,1"])
def test_an_amount_that_is_none_is_told_of_its_line(db, amount):
    stage, office, _ = world(db)
    text = HEAD + line(stage, 0, id="SM0") + line(stage, 1, id="SM1", total=amount)
    told = bills.start(office, "sms", text.encode(), "odd.csv", {}, 30.0).report
    assert told.matched + told.unread == 2 and told.lines == 2
