"""People from CSV files as spreadsheets write them, good and bad rows told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from kaskad.domain.consent import ALL_CHANNELS, ANY, ConsentRow, may
from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel, MessageClass, SkipReason
from kaskad.engine.people import People, PeopleFile, Reading, read_people

AT = 1_790_000_000_000


def read(text: str, country: str | None = None, encoding: str = "utf-8") -> People:
    return read_people(text.encode(encoding), "people.csv", country, AT)


def test_columns_are_known_by_english_and_russian_names() -> None:
    english = read("ID,Name,E-mail,Phone,Time zone\n7,Anna,A@Example.org,+77010000001,Asia/Almaty\n")
    russian = read("Код;Имя;Почта;Телефон;Часовой пояс\n7;Anna;a@example.org;+7 701 000 00 01;Asia/Almaty\n")
    assert english.people == russian.people
    contact = english.people[0].contact
    assert contact.external_id == "7" and contact.zone == "Asia/Almaty" and contact.country == "KZ"
    assert contact.attributes == {"name": "Anna"}
    assert [(a.channel, a.value) for a in contact.addresses] == [
        (Channel.EMAIL, "a@example.org"), (Channel.SMS, "+77010000001")
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_found_out(encoding: str, delimiter: str) -> None:
    text = f'id{delimiter}имя{delimiter}город\n1{delimiter}Айгерим{delimiter}"Нур{delimiter}Султан"\n'
    if encoding == "cp1251":
        text = text.replace("Айгерим", "Анна")
    (person,) = read(text, encoding=encoding).people
    assert person.contact.attributes["город"] == f"Нур{delimiter}Султан"


def test_numbers_without_country_code_are_of_the_given_country() -> None:
    assert read("phone\n8 701 000 00 01\n", "KZ").people[0].contact.addresses[0].value == "+77010000001"


def test_trigger_columns_are_properties_and_the_others_attributes() -> None:
    (person,) = read("id,trigger.total,trigger.item.code,city,vip,zip\n1,1500,007,Aktau,true,12.5\n").people
    assert person.properties == {"total": 1500, "item": {"code": "007"}}
    assert person.contact.attributes == {"city": "Aktau", "vip": True, "zip": 12.5}


def test_bad_rows_are_left_out_and_told_with_their_number_and_reason() -> None:
    file = read(
        "id,email,phone,zone,country\n"
        "1,ann@example.org,,,\n"
        "2,ann@,12,Mars/Crater,KAZ\n"
        ",,,,\n"
        ",nobody,,,\n"
        "1,bob@example.org,,,\n"
        "5,eve@example.org,,,,,,x\n"
    )
    assert [person.contact.external_id for person in file.people] == ["1", "2"]
    assert [(note.row, note.rejected) for note in file.notes] == [
        (3, False), (3, False), (3, False), (3, False), (5, False), (5, True), (6, True), (7, True)
    ]  # fmt: skip
    told = " ".join(note.text for note in file.notes)
    for words in (
        "'ann@'",
        "12' is no telephone number",
        "'Mars/Crater'",
        "'KAZ'",
        "already in row 2",
        "8 cells",
    ):
        assert words in told


def test_a_consent_is_kept_with_its_file_row_and_time() -> None:
    file = read("id,consent\n1,да\n2,2026-02-14\n3,\n4,no\n5,maybe\n6,9999-12-31\n")
    yes, dated, none, no, unclear, unborn = (person.contact.consents for person in file.people)
    assert (yes[0].granted, yes[0].at, yes[0].purpose, yes[0].channels) == (True, 0, ANY, ALL_CHANNELS)
    proof = json.decode(yes[0].proof or "")
    assert (proof["source"], proof["row"], proof["said"]) == ("people.csv", 2, "да")
    assert proof["imported_at"].startswith("2026-09-21")
    assert dated[0].at == 1_771_027_200_000
    assert not none and not unclear
    assert not unborn, "no later no could take it back"
    assert (no[0].granted, no[0].at, no[0].purpose) == (False, AT, MessageClass.ADVERTISING.code)
    assert file.consented == 2
    assert [note.row for note in file.notes] == [6, 7]


def test_a_no_takes_back_the_dated_yes_of_an_earlier_file() -> None:
    told = [read(f"id,consent\n1,{cell}\n").people[0].contact.consents[0] for cell in ("2026-02-14", "no")]
    rows = [ConsentRow(c.granted, c.purpose, c.channels, c.topic, c.at, proven=True) for c in told]
    assert may(rows[:1], Channel.EMAIL, MessageClass.ADVERTISING, "", AT) is None
    assert may(rows, Channel.EMAIL, MessageClass.ADVERTISING, "", AT + 1) is SkipReason.NO_CONSENT


def test_a_consent_for_one_channel_opens_that_channel_only() -> None:
    (person,) = read("id,consent_email,consent_phone,consent_sms\n1,yes,1,0\n").people
    email, phone, sms = person.contact.consents
    assert email.channels == 1 << Channel.EMAIL.code
    assert phone.channels == sum(1 << c.code for c in (Channel.SMS, Channel.ROBOT_CALL, Channel.AGENT_CALL))
    assert sms.channels == 1 << Channel.SMS.code and not sms.granted


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"city,vip\nAktau,1\n", "no column names or reaches"),
        (b"id,id\n1,2\n", "is there twice"),
        (b"id,email,mail\n1,a@example.org,b@example.org\n", "email and mail are both email"),
        (b"PK\x03\x04\x00\x00", "is no text"),
        (b'id,name\n1,"' + b"x" * 200_000 + b'"\n', "a cell has more than 131072 characters"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(data: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read_people(data, "people.csv", None, AT)


@given(st.binary(max_size=300))
def test_whatever_the_file_holds_it_is_read_or_refused(data: bytes) -> None:
    try:
        file = read_people(b"id,email,phone,consent\n" + data, "people.csv", "KZ", AT)
    except Invalid:
        return
    rows = [person.row for person in file.people] + [note.row for note in file.notes if note.rejected]
    assert len(rows) == len(set(rows))


TITLED = (
    "Выгрузка из 1С на 27.11.2026{0}\n\nФИО{0}Эл. почта{0}Моб. телефон\n"
    "Анна{0}ann@example.org{0}8 701 000 00 01\nБорис{0}нет{0}нет\n"
)


@pytest.mark.parametrize(
    "text", [TITLED.format(";"), TITLED.replace("{0}\n\n", "\n\n").format(";"), TITLED.format("\t")]
)
def test_a_title_above_the_header_is_passed_over_and_rows_are_counted_with_it(text: str) -> None:
    file = read(text, "KZ")
    assert file.columns == {"ФИО": "name", "Эл. почта": "email", "Моб. телефон": "sms"}
    (person,) = file.people
    assert person.row == 4 and [a.value for a in person.contact.addresses] == [
        "ann@example.org",
        "+77010000001",
    ]
    assert {note.row for note in file.notes} == {5}


@pytest.mark.parametrize(
    "text", ["phone\n+77010000001\n", "email\nann@example.org;bob@example.org\n", "phone\n+77010000001,1\n"]
)
def test_a_first_row_of_one_name_is_the_header_where_no_names_follow(text: str) -> None:
    assert list(read(text).columns) == [text.split()[0]]


def test_numbers_are_addresses_of_the_channels_that_are_named_too() -> None:
    reading = Reading("KZ", numbers_on=(Channel.WHATSAPP, Channel.VIBER))
    file = PeopleFile(
        b"phone,whatsapp\n8 701 000 00 01,\n8 701 000 00 02,+77010000002\n", "p.csv", reading, AT
    )
    piece = file.take(10)
    assert piece is not None
    reached = [[(a.channel, a.value) for a in person.contact.addresses] for person in piece.people]
    on = (Channel.SMS, Channel.WHATSAPP, Channel.VIBER)
    assert sorted(map(sorted, reached)) == sorted(
        sorted((each, f"+7701000000{n}") for each in on) for n in (1, 2)
    )
