"""Price lists over the API and by commands: brought in whole or not at all, exported, asked."""

import json

import pytest

from kaskad.actions.price_file import read_prices, written
from kaskad.cli.root import run
from kaskad.domain.errors import Invalid
from kaskad.domain.prices import PriceRow
from kaskad.domain.terms import Channel, MessageClass
from kaskad.engine.workbooks import write_workbook

CSV = {"Content-Type": "text/csv"}
GOOD = """country;prefix;operator;class;sender;per;price;valid_from;valid_until
KZ;;;;;part;14,5;;
;+7701;Kcell;advertising;SHOP;part;19.25 KZT;2026-12-01;2026-12-31
*;;;;;message;60;;
"""
ACCOUNT = {
    "provider": "generic_webhook", "channel": "sms", "price": "14 KZT per part",
    "settings": {"url": "http://127.0.0.1:1/"}, "secrets": {"secret": "swordfish-swordfish"},
}  # fmt: skip


@pytest.fixture
def account(api):
    api.put("/accounts/priced", ACCOUNT)
    yield "/accounts/priced/prices"
    api.delete("/accounts/priced?force=true")


def test_a_file_becomes_the_list_and_comes_out_again(api, account):
    told = api.put(account, content=GOOD, headers=CSV)
    assert (told["size"], told["currency"]) == (3, "KZT")
    assert told["rows"][1] == {
        "place": "+7701", "operator": "Kcell", "message_class": "advertising", "category": "",
        "sender": "SHOP", "per": "part", "price": "19.25", "since": "2026-12-01T00:00:00Z",
        "until": "2027-01-01T00:00:00Z",
    }  # fmt: skip
    exported = api.call("GET", f"{account}/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert api.put(account, content=exported.text, headers=CSV)["rows"] == told["rows"]
    heads = "страна;префикс;оператор;класс;отправитель;за;цена;с;по\n"
    russian = heads + GOOD.partition("\n")[2]
    assert api.put(account, content=russian.encode(), headers=CSV)["rows"] == told["rows"]


def test_a_workbook_becomes_the_list_too(api, account, tmp_path):
    book = tmp_path / "prices.xlsx"
    rows = [["KZ", "part", 14.5, "2026-12-01"], ["*", "message", 60, None], ["QQ", "part", 1, None]]
    write_workbook(book, ["Страна", "За", "Цена", "С"], rows)
    told = api.call("PUT", account, content=book.read_bytes(), headers=CSV)
    assert told.status_code == 422 and "row 4: country 'QQ' is no country's code" in told.text
    write_workbook(book, ["Страна", "За", "Цена", "С"], rows[:2])
    told = api.put(account, content=book.read_bytes(), headers=CSV)
    assert [(row["place"], row["price"], row["since"]) for row in told["rows"]] == [
        ("KZ", "14.5", "2026-12-01T00:00:00Z"), ("*", "60", None),
    ]  # fmt: skip


def test_the_price_of_a_number_is_told_with_its_row(api, account):
    api.put(account, content=GOOD, headers=CSV)
    asked = api.get(f"{account}/for", params={"to": "+77020000001", "parts": 2})
    assert (asked["price"], asked["currency"], asked["row"]["place"]) == ("29", "KZT", "KZ")
    assert api.call("GET", f"{account}/for?to=nobody").status_code == 422
    assert api.call("DELETE", account).status_code == 204
    asked = api.get(f"{account}/for", params={"to": "+77020000001", "parts": 2})
    assert (asked["price"], asked["row"]) == ("28", None)
    assert api.call("GET", account).status_code == 404 and api.call("DELETE", account).status_code == 404


def test_one_bad_row_brings_in_nothing_and_every_one_is_named(api, account):
    api.put(account, content=GOOD, headers=CSV)
    bad = (
        "country,prefix,class,per,price,currency,valid_from,valid_until\n"
        "KZ,,,part,14.5,,,\n"
        "XX,,,part,1,,,\n"
        "KZ,+7701,,part,1,,,\n"
        ",0701,,part,1,,,\n"
        "RU,,promo,part,1,,,\n"
        "RU,,,letter,1,,,\n"
        "RU,,,part,cheap,,,\n"
        "RU,,,part,1,RUB,,\n"
        "RU,,,part,1,,yesterday,\n"
        "RU,,,part,1,,2026-12-31,2026-12-01\n"
        "KZ,,,message,2,,,\n"
        "RU,,,part,0.00000001,,,\n"
        "RU,,,minute,1e999999,,,\n"
    )
    answer = api.call("PUT", account, content=bad, headers=CSV)
    assert answer.status_code == 422
    for number in (3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14):
        assert f"row {number}:" in answer.text, number
    assert "row 12 says what row 2 says" in answer.text
    assert api.get(account)["size"] == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column"),
        ("country,price\n", "no rows"),
        ("land,price\nKZ,1\n", "'land' is not known"),
        ("country,price,rate\nKZ,1,1\n", "says again"),
        ("price\n1\n", "country"),
    ],
)
def test_a_file_that_is_no_price_list_is_told_so(text, said):
    with pytest.raises(Invalid) as error:
        read_prices(text.encode(), "prices.csv", "KZT", Channel.SMS)
    assert said in " ".join(error.value.problems)


MIDNIGHT = 1_796_065_200_000  # 1 December 2026 in Almaty, 19:00 UTC the day before
DAY = 86_400_000


def test_written_rows_are_read_again_and_days_are_those_of_the_zone():
    rows = (
        PriceRow("KZ", 1, "part", MessageClass.SERVICE, "A, B", MIDNIGHT, MIDNIGHT + DAY, "Op;1"),
        PriceRow("+7701", 14_500_000, until=MIDNIGHT + 1), PriceRow("*", 0, "minute"),
        PriceRow("KZ", 2, category="utility"),
    )  # fmt: skip
    file = written(rows, "KZT", "Asia/Almaty")
    assert "2026-12-01,2026-12-01" in file
    assert read_prices(file.encode(), "x", "KZT", Channel.WHATSAPP, "Asia/Almaty") == rows
    mail = (PriceRow("@example.org", 9_000, "thousand"), PriceRow("*", 10_000, "thousand", since=MIDNIGHT))
    file = written(mail, "USD", "Asia/Almaty")
    assert read_prices(file.encode(), "x", "USD", Channel.EMAIL, "Asia/Almaty") == mail
    for text, channel in (
        ("domain,price\nexample.org,1\n", Channel.SMS), ("country,price\nKZ,1\n", Channel.EMAIL),
        ("prefix,price\n+7701,1\n", Channel.VK), ("domain,price\nno domain,1\n", Channel.EMAIL),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            read_prices(text.encode(), "x", "KZT", channel)


def test_every_channel_takes_a_dated_list_in_the_installations_days(api, account):
    api.put("/accounts/priced", {**ACCOUNT, "price": None})
    assert "has no price" in api.call("PUT", account, content=GOOD, headers=CSV).text
    before = api.get("/policy")
    api.call("PATCH", "/policy", {"zone": "Asia/Almaty"})
    api.put("/accounts/priced", {**ACCOUNT, "channel": "email", "price": "0.10 USD per thousand"})
    file = "domain;per;price;valid_from;valid_until\n;1000;0,09;;30.11.2026\n;1000;0.12;01.12.2026;\n"
    file += "example.org;thousand;0.3;;\n"
    assert api.put(account, content=file, headers=CSV)["zone"] == "Asia/Almaty"

    def price(to, at):
        return api.get(f"{account}/for", params={"to": to, "at": at})["price"]

    assert price("a@example.com", "2026-11-30T18:59:59Z") == "0.00009"
    assert price("a@example.com", "2026-11-30T19:00:00Z") == "0.00012" == price("a@example.com", "2026-12-01")
    assert price("a@shop.example.org", "2026-12-01") == "0.0003"
    api.call("PATCH", "/policy", {"zone": before["zone"]})


def test_the_currency_of_the_account_stays_that_of_its_list(api, account):
    api.put(account, content=GOOD, headers=CSV)
    answer = api.call("PUT", "/accounts/priced", {**ACCOUNT, "price": "1 USD"})
    assert answer.status_code == 422 and "price list in KZT" in answer.text
    api.delete(account)
    api.put("/accounts/priced", {**ACCOUNT, "price": "1 USD"})


def test_commands_do_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    monkeypatch.setenv("S", "swordfish-swordfish")
    told = ["--set", "url=http://127.0.0.1:1/", "--secret", "secret=$S", "--price", "14 KZT per part"]
    assert run(["account", "add", "sms", "--provider", "generic_webhook", "--channel", "sms", *told]) == 0
    (tmp_path / "p.csv").write_text(GOOD, "utf-8")
    assert run(["account", "prices", "import", "sms", "p.csv"]) == 0
    capsys.readouterr()
    assert run(["account", "prices", "show", "sms", "--for", "+77020000001"]) == 0
    assert "costs 14.5 KZT, by the row of KZ" in capsys.readouterr().out
    assert run(["account", "prices", "show", "sms"]) == 0
    assert "Kcell" in capsys.readouterr().out
    assert run(["account", "prices", "export", "sms"]) == 0
    assert capsys.readouterr().out.startswith("country,prefix,")
    assert run(["account", "prices", "show", "sms", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["size"] == 3
    assert run(["account", "prices", "clear", "sms"]) == 0
