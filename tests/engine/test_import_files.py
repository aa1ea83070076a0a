"""Files of people of every kind and in every state: read with their columns told, or refused whole."""

import io
import tracemalloc
import zipfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context

import msgspec
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from kaskad.domain.errors import Invalid
from kaskad.domain.terms import Channel
from kaskad.engine import encodings, stretches
from kaskad.engine.columns import propose
from kaskad.engine.encodings import encoded
from kaskad.engine.firsts import FirstRows
from kaskad.engine.people import Kind, PeopleFile, Person, Piece, Reading, Typos
from kaskad.engine.sheets import csv_text
from kaskad.engine.tables import open_table

TEXT = "id;имя;телефон;город\n1;Анна Петрова;+79000000001;Казань\n2;Юрий;+79000000002;Нижний Новгород\n"
WIDE = "id;name\n1;José Muñoz\n2;Françoise\n"


def book(*rows: list[object], sheets: int = 1) -> bytes:
    """Return a workbook; the rows stand on its last sheet."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"default_date_format": "dd.mm.yyyy"}) as workbook:
        pages = [workbook.add_worksheet() for _ in range(sheets)]
        for number, row in enumerate(rows):
            pages[-1].write_row(number, 0, row)
    return out.getvalue()


def swollen(sheet: bytes) -> bytes:
    """Return a workbook with this in place of its sheet."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book(["id"]))) as old,
        zipfile.ZipFile(out, "w", 8) as new,
    ):
        for name in old.namelist():
            new.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return out.getvalue()


FAR_CELL = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    b'<c r="A1"><v>1</v></c></row><row spans="1:1" r="1048576"><c s="0" r="XFD1048576"><v>1</v></c></row>'
    b"</sheetData></worksheet>"
)


def placed(cell: bytes, row: bytes = b"2") -> bytes:
    """Return a workbook with one more cell, wherever it says it is."""
    return swollen(
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
        b'<c r="A1"><v>1</v></c></row><row r="' + row + b'"><c r="' + cell + b'"><v>1</v></c></row>'
        b"</sheetData></worksheet>"
    )


def open_document(rows: int, columns: int) -> bytes:
    """Return an ODS with one value far away."""
    names = ["office", "table", "text"]
    known = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in names)
    cell = '<table:table-cell office:value-type="string"><text:p>id</text:p></table:table-cell>'
    content = (
        f'<office:document-content {known}><office:body><office:spreadsheet><table:table table:name="a">'
        f"<table:table-row>{cell}</table:table-row>"
        f'<table:table-row table:number-rows-repeated="{rows}"><table:table-cell/></table:table-row>'
        f'<table:table-row><table:table-cell table:number-columns-repeated="{columns}"/>{cell}'
        "</table:table-row>"
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("META-INF/manifest.xml", "<manifest/>")
        file.writestr("content.xml", content)
    return out.getvalue()


def people(data: bytes, **reading: object) -> tuple[PeopleFile, list[Person], list[tuple[int, Kind, str]]]:
    file = PeopleFile(data, "people.csv", Reading(**reading), 0)  # type: ignore[arg-type]
    pieces = list(iter(lambda: file.take(1000), None))
    found = [person for piece in pieces for person in piece.people]
    return file, found, [(note.row, note.kind, note.text) for piece in pieces for note in piece.notes]


@pytest.mark.parametrize("codec", [
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp866", "koi8-r",
])  # fmt: skip
def test_russian_in_any_encoding_is_read(codec: str) -> None:
    _, found, notes = people(TEXT.encode(codec))
    assert [person.contact.attributes["name"] for person in found] == ["Анна Петрова", "Юрий"]
    assert not notes


@pytest.mark.parametrize("codec", ["cp1251", "cp866", "koi8-r"])
@pytest.mark.parametrize(
    "text", ["ИМЯ,ТЕЛЕФОН\nАННА,1\n", "имя\nёлка\n", "Иванов Пётр Сергеевич, г. Уфа, ул. Мира"]
)
def test_few_letters_are_enough(codec: str, text: str) -> None:
    assert encoded(text.encode(codec), "x").name == codec


def test_western_letters_are_not_taken_for_russian_ones() -> None:
    _, found, _ = people(WIDE.encode("cp1252"))
    assert [person.contact.attributes["name"] for person in found] == ["José Muñoz", "Françoise"]


@pytest.mark.parametrize("more", ["", "Юрий;Пермь\n"])
def test_whose_encoding_is_looked_for_is_not_held_line_by_line(
    more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a million short lines take ten times what they are in the file. `more` is in another encoding."""
    monkeypatch.setattr(encodings, "_AT_ONCE", 1 << 14)
    data = ("имя;город\n" + "Анна;Уфа\n" * 200_000).encode("cp1251") + more.encode()
    tracemalloc.start()
    try:
        found = encoded(data, "x")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    kept = len(found.data) if more else 0  # it is written anew then
    assert "cp1251" in found.name and peak < kept * 1.2 + len(data) / 2


def test_a_file_of_mixed_encodings_is_read_line_by_line_and_that_is_told() -> None:
    lines = TEXT.splitlines(keepends=True)
    data = lines[0].encode() + lines[1].encode("cp1251") + lines[2].encode()
    file, found, notes = people(data)
    assert [person.contact.attributes["name"] for person in found] == ["Анна Петрова", "Юрий"]
    assert "utf-8 and cp1251" in file.shape and "line 2 in cp1251" in notes[0][2]
    _, found, notes = people(data + "3;Борис Иванов\n4;Вера Орлова\n5;Яна Белова\n".encode("cp1251"))
    names = [person.contact.attributes["name"] for person in found]
    assert names[:2] == ["Анна Петрова", "Юрий"] and "line 2, 4, 5, 6 in cp1251" in notes[0][2]
    more = "3;Борис Иванов\n".encode("cp866") + "4;Вера Орлова\n".encode("koi8-r") + "5;Ия\n".encode("cp1251")
    for head, usual in (
        (data, "UTF-8, but for line 2, 6 in cp1251"),
        (TEXT.encode("cp1251"), "cp1251, but for"),
    ):
        _, found, notes = people(head + more)
        names = [person.contact.attributes["name"] for person in found]
        assert names == ["Анна Петрова", "Юрий", "Борис Иванов", "Вера Орлова", "Ия"]
        assert usual in notes[0][2] and "line 4 in cp866; line 5 in koi8-r" in notes[0][2]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_and_quotes_are_read(delimiter: str) -> None:
    text = (
        delimiter.join(["id", "name", "city"])
        + "\n"
        + delimiter.join(["1", '"A ""B"" C"', f'"x{delimiter}\ny"'])
    )
    _, (person,), _ = people(text.encode())
    assert person.contact.attributes == {"name": 'A "B" C', "city": f"x{delimiter}\ny"}


def test_a_workbook_is_read_with_numbers_and_dates_as_they_were_typed() -> None:
    data = book(
        ["id", "Тел.", "дата рождения", "сумма"], [7, 79000000001, date(1990, 5, 17), 1500.5], sheets=2
    )
    file, (person,), _ = people(data)
    contact = person.contact
    assert contact.external_id == "7" and contact.addresses[0].value == "+79000000001"
    assert contact.attributes == {"дата рождения": "1990-05-17", "сумма": 1500.5}
    assert "workbook, sheet 'Sheet2'" in file.shape


def test_json_lines_are_read_with_fields_within_fields_and_bad_lines_told() -> None:
    data = '{"id": 1, "name": "Анна", "trigger": {"total": 5}}\n\nno\n{"id": "2", "vip": true}\n'
    data += '{"id": "\\ud800"}\n'
    _, found, notes = people(data.encode())
    assert [(p.contact.external_id, p.properties, p.contact.attributes) for p in found] == [
        ("1", {"total": 5}, {"name": "Анна"}), ("2", {}, {"vip": True})
    ]  # fmt: skip
    assert [(row, kind) for row, kind, _ in notes] == [(3, Kind.REJECTED), (5, Kind.REJECTED)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (book(), "is empty"),
        (book(["a"])[:-40], "cut off"),
        (b"PK\x03\x04" + b"x" * 100, "cut off"),
        (swollen(FAR_CELL), "row 1,048,576 and column XFD"),
        (swollen(FAR_CELL.replace(b'"', b"'")), "row 1,048,576 and column XFD"),
        (placed(b"xfd1048576", b"1048576"), "reaches farther than can be read"),
        (placed(b"XFD1048576"), "reaches farther than can be read"),
        (placed(b"A4000000000"), "reaches farther than can be read"),
        (open_document(1_048_570, 16_000), "no workbook that can be read"),
        (swollen(b" " * 20_000_000), "unpacks from .* to 20,"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "no workbook that can be read"),
        (b"{not json}\n", "no line is a JSON object"),
        (",".join(f"c{n}" for n in range(501)).encode(), "at most 500"),
        (b'id,name\n1,"Anna\n2,Bob\n3,Cyd\n', "never closed"),
        (b"id,email\n\0\1\2\3", "is no text"),
        (b"D" * 5000 + b"\nx\n", r"no column names .*'D{40}' are there"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_is_refused_whole(data: bytes, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        people(data)


def test_a_table_of_open_document_is_read() -> None:
    file, _, _ = people(open_document(3, 1))
    assert file.rows_about == 4


def test_three_hundred_columns_are_attributes() -> None:
    header, cells = [f"c{n}" for n in range(300)], ["x"] * 300
    _, (person,), notes = people(f"id,{','.join(header)}\n1,{','.join(cells)}\n".encode())
    assert len(person.contact.attributes) == 300 and not notes


def test_formulas_stay_text_and_are_told_and_do_nothing_when_they_are_written() -> None:
    _, (person,), notes = people(b"id,name,city\n=\"007\",=cmd()|'/C calc'!A0,-5\n")
    assert person.contact.external_id == "007" and person.contact.attributes["name"].startswith("=cmd()")
    assert [(row, kind) for row, kind, _ in notes] == [(2, Kind.FLAGGED)]
    assert csv_text([["=cmd()", "@x", "-1+cmd", "-5", "+7 900 000-00-01", "x=1"]]) == (
        "'=cmd(),'@x,'-1+cmd,-5,+7 900 000-00-01,x=1\n"
    )


def test_columns_are_told_by_their_cells_where_the_header_says_nothing() -> None:
    rows = "".join(f"a{n}@example.org,8 900 000 00 0{n},0{n}.02.1990,{n}\n" for n in range(1, 6))
    file, found, _ = people(f"Связь,Как звонить,ДР,№\n{rows}".encode(), country="RU")
    assert file.columns == {"Связь": "email", "Как звонить": "sms", "ДР": "date.ДР", "№": "contact.№"}
    assert file.guessed == ["Связь", "Как звонить", "ДР"]
    assert found[0].contact.attributes == {"ДР": "1990-02-01", "№": 1}


def test_what_is_asked_for_comes_before_header_and_cells() -> None:
    asked = {"email": "skip", "почта 2": "email", "Кто": "contact.manager", "Согл": "consent_email"}
    data = "email,почта 2,Кто,Согл\nx@example.org,y@example.org,Ира,да\n".encode()
    _, (person,), _ = people(data, mapping=asked)
    assert [address.value for address in person.contact.addresses] == ["y@example.org"]
    assert person.contact.attributes == {"manager": "Ира"}
    assert person.contact.consents[0].channels == 1 << Channel.EMAIL.code


def test_a_mapping_that_fits_nothing_says_what_there_is() -> None:
    with pytest.raises(Invalid) as told:
        propose(["id", "Тел"], [], {"Phone": "phone", "Тел": "telefon"}, None, "p.csv")
    assert "no column 'Phone'" in str(told.value) and "'Тел' cannot be 'telefon'" in str(told.value)


def test_a_mistyped_domain_is_asked_about_and_never_rewritten_in_silence() -> None:
    data = b"id,email\n1,anna@gmial.com\n,bob@mail.ry\n"
    _, (anna,), notes = people(data)
    assert not anna.contact.addresses
    assert [(row, kind) for row, kind, _ in notes] == [(2, Kind.ASKED), (3, Kind.ASKED), (3, Kind.REJECTED)]
    assert "was 'anna@gmail.com' meant" in notes[0][2]
    _, kept, notes = people(data, typos=Typos.KEEP)
    assert kept[1].contact.addresses[0].value == "bob@mail.ry" and notes[0][1] is Kind.ASKED
    _, fixed, notes = people(data, typos=Typos.FIX)
    assert fixed[1].contact.addresses[0].value == "bob@mail.ru" and {kind for _, kind, _ in notes} == {
        Kind.FIXED
    }


def test_role_and_disposable_mailboxes_are_flagged() -> None:
    _, found, notes = people(b"email\ninfo@example.org\nx@mailinator.com\n")
    assert len(found) == 2 and [kind for *_, kind, _ in notes] == [Kind.FLAGGED] * 2


def test_several_addresses_in_a_cell_and_rounded_numbers() -> None:
    _, (person,), notes = people(b'id,phone\n1,"+79000000001; +7 900 000-00-02"\n')
    assert [address.value for address in person.contact.addresses] == ["+79000000001", "+79000000002"]
    _, _, notes = people(b'id,phone\n1,"7,9E+10"\n')
    assert "rounded" in notes[0][2]


def test_the_same_person_twice_is_told() -> None:
    _, found, notes = people(b"name,email\nA,a@example.org\nB,A@example.org\n")
    assert len(found) == 2 and (3, Kind.DUPLICATE) in [(row, kind) for row, kind, _ in notes]


def test_a_million_bad_phones_are_counted_and_nobody_is_made() -> None:
    data = b"phone\n" + b"12\n" * 50_000
    file = PeopleFile(data, "p.csv", Reading(), 0)
    pieces = list(iter(lambda: file.take(1000), None))
    assert sum(len(piece.people) for piece in pieces) == 0
    assert sum(piece.counts["rejected"] for piece in pieces) == 50_000
    assert "'12' is no telephone number" in pieces[0].rejected[0].reason


def plain(piece: Piece) -> tuple[Piece, list[tuple[int, object]]]:
    """Return a piece without the rows that it was read from, and those of its people by themselves."""
    assert piece.source is not None
    rows = {person.row for person in piece.people}
    lines = [(line.row, line.cells) for line in piece.source.lines if line.row in rows]
    return msgspec.structs.replace(piece, source=None), lines


def test_helpers_read_what_is_read_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "_FIRST", 2)
    rows = "".join(f"{n},8 900 {n:07},a{n}@example.org,yes,x\n" for n in range(3_000))
    data = f"id,phone,email,consent,trigger.a\n{rows}bad,,,maybe,\n".encode()
    alone = PeopleFile(data, "p.csv", Reading("RU"), 5)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        helped = PeopleFile(data, "p.csv", Reading("RU"), 5)
        helped.share(pool)
        pieces, places = [], []
        while True:
            if (stretch := helped.begin_stretch()) is not None:
                assert stretch.first == sum(len(piece.people) for piece in pieces)
                places.append([place for part in stretch.places() for place in part])
                assert places[-1] == sorted(places[-1])
            if (piece := helped.take(700)) is None:
                break
            pieces.append(piece)
    assert [plain(piece) for piece in pieces] == [
        plain(piece) for piece in iter(lambda: alone.take(700), None)
    ]
    people = {
        number: person
        for piece in pieces
        for number, person in zip(piece.which, piece.people, strict=True)
    }  # fmt: skip
    assert list(people) == list(range(3_001)) and [len(each) for each in places] == [4_000, 2_000]
    assert all(
        (code, value) in people[number + first].told.addresses
        for first, each in zip((0, 2_000), places, strict=True)
        for value, code, number in each
    )  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.lists(st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1)), max_size=4), st.booleans())
def test_the_first_row_of_a_text_is_known_however_many_there_are(
    texts: list[list[int]], many: bool
) -> None:  # fmt: skip
    first, seen, row = FirstRows(), dict[int, int](), 0
    for batch in [list(range(5, 2_400, 1_024)) + list(range(2_000)), *texts] if many else texts:
        rows = range(row + 1, row + 1 + len(batch))
        row += len(batch)
        expected = {}
        for place, (text, at) in enumerate(zip(batch, rows, strict=True)):
            if seen.setdefault(text, at) != at:
                expected[place] = seen[text]
        assert first.earlier(batch, rows) == expected


@given(st.binary(max_size=400))
def test_whatever_bytes_come_they_are_a_table_or_refused(data: bytes) -> None:
    for start in (b"", b"id,email\n", b'{"id": 1}\n', b"PK\x03\x04"):
        try:
            table = open_table(start + data, "x")
        except Invalid:
            continue
        assert len(list(table.lines())) == table.size


def test_a_file_is_told_in_the_same_way_however_it_is_taken_and_from_whatever_row_on() -> None:
    odd = {3: "{n},bad,,maybe", 5: ",,,", 7: "1,,i@example.org,", 9: ",8 900 0000001,info@example.org,yes"}
    rows = [odd.get(n % 11, "{n},8 900 {n:07},a{n}@example.org,yes").format(n=n) for n in range(1, 2_300)]
    data = ("id,phone,email,consent\n" + "\n".join(rows) + "\n").encode()

    def told(pieces: list[Piece]) -> tuple[object, ...]:
        counts: Counter[str] = Counter()
        for piece in pieces:
            counts.update(piece.counts)
        return (
            [person for piece in pieces for person in piece.people],
            [note for piece in pieces for note in piece.notes],
            [rejected for piece in pieces for rejected in piece.rejected], +counts, pieces[-1].rows,
        )  # fmt: skip

    def taken(size: int, file: PeopleFile) -> list[Piece]:
        return list(iter(lambda: file.take(size), None))

    whole = taken(5_000, PeopleFile(data, "p.csv", Reading("RU"), 5))
    pieces = taken(130, PeopleFile(data, "p.csv", Reading("RU"), 5))
    assert len(pieces) > len(whole) and told(pieces) == told(whole)
    sizes = [len(piece.people) for piece in pieces]
    assert max(sizes) <= 130 and min(sizes) > 100  # none is a short rest: a commit costs the same
    for cut in (1, 7, 8, 12):
        file = PeopleFile(data, "p.csv", Reading("RU"), 5)
        assert list(file.pass_over(pieces[cut].rows))[-1] == pieces[cut].rows
        assert told([*pieces[: cut + 1], *taken(77, file)]) == told(whole)


def test_a_workbook_with_a_title_above_its_header_is_read_below_it() -> None:
    data = book(
        ["Клиенты на 27.11.2026"], [], ["ФИО", "Моб. телефон"], ["Анна", "+79000000001"], ["Юрий", "нет"]
    )
    file, (person, *_), notes = people(data)
    assert file.columns == {"ФИО": "name", "Моб. телефон": "sms"} and person.row == 4 and file.rows_about == 2
    assert {row for row, *_ in notes} == {5}
