"""Write people-messy.xlsx and people-mangled.csv: what people bring, and what becomes of it on the way.

    python examples/make_people_messy.py

It needs xlsxwriter. Everybody in the files is invented: example.org and numbers kept for such uses.
"""

from datetime import date
from pathlib import Path

import xlsxwriter

HEADER = [
    "Код клиента",
    "ФИО",
    "Тел.",
    "Почта",
    "Как писать",
    "День рождения",
    "Город",
    "Заметка",
    "Согласие",
]
ROWS = [
    [101, "Айгерим С.", 77000000001, "Aigerim@Example.org", None, date(1990, 5, 17), "Алматы", "", "да"],
    [102, "Анна Петрова", "8 (900) 000-00-02", "anna@gmial.com", None, date(1985, 1, 3), "Казань", "", "да"],
    [
        103,
        "Борис",
        "+7 900 000-00-03, +7 900 000-00-04",
        "boris@mail.ry",
        None,
        None,
        "Уфа",
        "",
        "14.02.2026",
    ],
    [104, "Отдел продаж", "", "info@example.org", None, None, "Москва", "юрлицо", ""],
    [105, "Вера", "12", "", None, date(1979, 12, 30), "Омск", "", "нет"],
    ["", "Никто", "", "не оставил", None, None, "", "", ""],
    [
        106,
        "Глеб",
        "+7 900 000-00-06",
        "gleb@mailinator.com",
        None,
        date(2001, 7, 9),
        "Тула",
        "=cmd()",
        "может быть",
    ],
    [101, "Айгерим ещё раз", "+7 700 000 00 01", "", None, None, "", "", ""],
    [107, "Дина", "+7 700 000 00 07", "dina@example.org", None, date(1995, 3, 8), "Астана", "", "да"],
]  # fmt: skip
OPTIONS = {"default_date_format": "dd.mm.yyyy", "strings_to_formulas": False}
HERE = Path(__file__).parent


def main() -> None:
    """Write both files beside this one."""
    with xlsxwriter.Workbook(HERE / "people-messy.xlsx", OPTIONS) as book:
        sheet = book.add_worksheet("Клиенты")
        for number, row in enumerate([HEADER, *ROWS]):
            sheet.write_row(number, 0, row)
    lines = [
        "id;Имя;Телефон;Почта".encode(),
        "1;Анна;+7 900 000-00-01;anna@example.org".encode(),
        "2;Борис;+7 900 000-00-02;boris@example.org".encode("cp1251"),  # pasted in from another program
        "3;Вера;7,9E+10;vera@example.org".encode(),  # a spreadsheet has rounded the number
        "4;Глеб;+7 900 000-00-04;gleb@example.org;;;лишнее".encode(),
        "5;Дина;+7 900 000-00-05;dina@".encode(),
    ]
    (HERE / "people-mangled.csv").write_bytes(b"\r\n".join(lines) + b"\r\n")
    cut = b'id,name,email\n1,"Anna,anna@example.org\n2,Boris,boris@example.org\n3,Vera,vera@example.org\n'
    (HERE / "people-cut-off.csv").write_bytes(cut)


if __name__ == "__main__":
    main()
