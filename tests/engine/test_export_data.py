"""What goes to warehouses: typed, by period, without identity unless asked; read back by pyarrow."""

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from kaskad.actions import parquet
from kaskad.actions.export import Data, Form, Wanted, What, export, export_data
from kaskad.actions.office import Office
from kaskad.analytics.courses import left_between
from kaskad.domain.errors import Conflict, Invalid
from kaskad.domain.figures import LEFT
from kaskad.domain.ids import read_contact
from kaskad.domain.policy import Policy
from kaskad.domain.terms import Channel, Kind
from kaskad.engine.catalog import POLICY
from kaskad.store import settings
from support.stage import VAULT, Stage

CASCADE = """
cascade: shop
class: service
holdout: 0%
trigger: {event: left}
goal: {event: bought, value: amount}
budget: {total: 1000 KZT}
steps:
  - {id: letter, channel: email, subject: Hello, text: Hello, wait: 1d}
  - {id: sms, channel: sms, text: Hello, wait: 1d}
"""
DAY_MS = 86_400_000
ALL = Wanted()


@pytest.fixture
def office(either) -> Office:
    stage = Stage(either)
    stage.account(Channel.EMAIL, "email", prices={"currency": "KZT", "minor": 25})
    stage.cascade(CASCADE)
    people = [stage.person(f"p{n}") for n in range(3)]
    for person in people[:2]:
        stage.event(person, "left")
    stage.event(people[0], "bought", amount=12.5)
    stage.receipt(people[1], Kind.OPENED, Kind.CLICKED)
    stage.passes("30h")
    stage.event(people[2], "left")
    return Office(either, VAULT, stage.engine, stage.world.signer, "")


def test_a_large_file_of_parquet_is_passed_on_while_it_is_written(monkeypatch):
    monkeypatch.setattr(parquet, "GROUP", 2)
    read = []
    rows = (
        {"contact": f"con_{n}", "at": datetime(2026, 6, 1, tzinfo=UTC)}
        for n in range(5)
        if not read.append(n)
    )
    made = parquet.write(("contact", "at"), rows, parquet.need())
    first = next(made)
    assert first.startswith(b"PAR1") and len(read) == 2, "no more is read than was passed on"
    whole = first + b"".join(made)
    assert pq.read_table(io.BytesIO(whole)).column("contact").to_pylist() == [f"con_{n}" for n in range(5)]
    assert pq.ParquetFile(io.BytesIO(whole)).num_row_groups == 3
    with pytest.raises(pa.ArrowInvalid):
        pq.read_table(io.BytesIO(first))  # what broke off is no file
    empty = b"".join(parquet.write(("contact", "at"), iter(()), parquet.need()))
    assert pq.read_table(io.BytesIO(empty)).num_rows == 0


@pytest.mark.parametrize(
    "name", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Etc/GMT+12", "Asia/Kolkata", "Europe/Moscow"]
)
def test_days_of_costs_are_those_of_the_installation_each_in_its_own_period(office, name):
    """At UTC+14 and at UTC-12 too, where the day of UTC is the neighbour's for most of the day."""
    zone = ZoneInfo(name)
    with office.db.write() as tx:
        settings.put(tx, POLICY, Policy(zone=name))
    with office.read() as tx:
        counted = left_between(tx, 0, 1 << 40, by=1)
    expected = Counter[date]()
    for (hour, _, leg), messages in counted.items():
        if leg.state in LEFT:
            expected[datetime.fromtimestamp(hour * 3_600, zone).date()] += messages
    assert len(expected) == 2
    begins = int(datetime(2026, 5, 30, tzinfo=zone).timestamp()) * 1000
    for since in (begins + day * DAY_MS for day in range(6)):
        told = table(office, Data.COSTS, Wanted(since=since, until=since + DAY_MS)).to_pylist()
        asked = datetime.fromtimestamp(since / 1000, zone).date()
        assert {one["day"] for one in told} <= {asked}
        assert sum(one["messages"] for one in told) == expected[asked]
    whole = table(office, Data.COSTS).to_pylist()
    assert sum(one["messages"] for one in whole) == expected.total()


def test_a_day_of_another_clock_holds_whole_days_and_none_twice(office):
    june = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 1000
    for ahead in (-10, -5, 0, 3, 5, 13):  # the reader's; those of the installation are of UTC
        begins = [june - ahead * 3_600_000 + day * DAY_MS for day in range(-1, 3)]
        days = [
            {
                one["day"].day
                for one in table(office, Data.COSTS, Wanted(since=at, until=at + DAY_MS)).to_pylist()
            }
            for at in begins
        ]
        assert days == [set(), {1}, {2}, set()], ahead


def test_days_of_costs_are_days_in_a_workbook(office):
    made = b"".join(export_data(office, Data.COSTS, Form.XLSX, ALL))
    header, first, *_ = CalamineWorkbook.from_filelike(io.BytesIO(made)).get_sheet_by_index(0).to_python()
    assert header[0] == "day" and first[0] == date(2026, 6, 1)


def test_a_time_that_ends_before_it_begins_is_refused(office):
    for what in (Data.COSTS, Data.RUNS):
        with pytest.raises(Invalid, match="ends before it begins"):
            export_data(office, what, Form.CSV, Wanted(since=DAY_MS, until=DAY_MS))
    with pytest.raises(Invalid, match="ends before it begins"):
        export(office, What.MESSAGES, Form.CSV, Wanted(since=2, until=1))


def table(office: Office, what: Data | What, wanted: Wanted = ALL, **more) -> pa.Table:
    """Return an export of Parquet as it is read again."""
    made = export_data(office, what, Form.PARQUET, wanted, **more) if isinstance(what, Data) else export(
        office, what, Form.PARQUET, wanted
    )  # fmt: skip
    return pq.read_table(io.BytesIO(b"".join(made)))


def test_what_is_taken_out_is_typed_whole_and_by_period(office, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP", 2)
    runs = table(office, Data.RUNS)
    kinds = {field.name: field.type for field in runs.schema}
    assert kinds["entered_at"] == pa.timestamp("ms", tz="UTC") and kinds["value"] == pa.decimal128(18, 3)
    assert (kinds["late"], kinds["version"], kinds["outcome"]) == (pa.bool_(), pa.int64(), pa.string())
    first, second, third = runs.to_pylist()
    assert (first["outcome"], first["value"], first["currency"]) == ("converted", Decimal("12.5"), "KZT")
    assert (
        second["outcome"] == "responded" and second["outcome_step"] == "letter" and third["outcome"] is None
    )
    assert first["entered_at"].astimezone(UTC) < third["entered_at"].astimezone(UTC)
    assert "external_id" not in first
    known = table(office, Data.RUNS, identified=True).to_pylist()
    assert [one["external_id"] for one in known] == ["p0", "p1", "p2"]

    split = int(third["entered_at"].timestamp() * 1000) - DAY_MS
    parts = [table(office, Data.RUNS, Wanted(until=split)), table(office, Data.RUNS, Wanted(since=split))]
    assert [part.num_rows for part in parts] == [2, 1]  # a period at a time, none twice
    assert pa.concat_tables(parts).to_pylist() == runs.to_pylist()
    assert (
        table(office, Data.RUNS, Wanted(after=read_contact(first["contact"]))).num_rows == 2
    )  # or on from a contact

    lines = b"".join(export_data(office, Data.FACTS, Form.JSONL, Wanted())).splitlines()
    facts = [msgspec.json.decode(line) for line in lines]
    assert {"clicked", "goal", "opened"} == {one["kind"] for one in facts}
    assert table(office, Data.FACTS).num_rows == len(facts)
    goals = list(csv.DictReader(io.StringIO(b"".join(
        export_data(office, Data.GOALS, Form.CSV, Wanted())
    ).decode("utf-8-sig"))))  # fmt: skip
    assert [(one["contact"], one["value"], one["currency"]) for one in goals] == [
        (first["contact"], "12.5", "KZT")
    ]
    costs = table(office, Data.COSTS).to_pylist()
    assert sum(one["cost"] for one in costs if one["currency"] == "KZT") == Decimal("0.75")
    assert {one["day"] for one in costs} == {datetime(2026, 6, day).date() for day in (1, 2)}
    assert table(office, Data.CONTACTS).column("seed").to_pylist() == [False] * 3
    assert table(office, Data.DECISIONS).num_rows >= 1
    messages = table(office, What.MESSAGES)
    told = [(one["cost"], one["price"]) for one in messages.to_pylist() if one["channel"] == "email"]
    assert told == [(Decimal("0.25"), Decimal("0.25"))] * 3, "as in reports, where no service told another"
    assert messages.num_rows >= 3 and messages.schema.field("cost").type == pa.decimal128(18, 3)
    assert table(office, What.CONSENTS).num_rows == 3 and table(office, What.PEOPLE).num_rows == 3


def test_where_pyarrow_is_not_there_it_is_said_before_anything_is_sent(office, monkeypatch):
    def nothing(name):
        raise ImportError(name)

    monkeypatch.setattr(parquet, "import_module", nothing)
    with pytest.raises(Conflict, match=r"kaskad\[parquet\]"):
        export_data(office, Data.RUNS, Form.PARQUET, Wanted())
    with pytest.raises(Conflict):
        export(office, What.EVENTS, Form.PARQUET, Wanted())
