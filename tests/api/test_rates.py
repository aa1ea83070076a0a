"""Exchange rates over the API: brought in as banks publish them or not at all, asked, changed, taken away."""

import json
import re
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from kaskad.actions.rate_file import day_of, rate_of, read_rates, written
from kaskad.cli import forecast
from kaskad.cli.client import Client
from kaskad.cli.root import run
from kaskad.domain.errors import Invalid

CSV = {"Content-Type": "text/csv"}
KZ = """Дата;Код;Количество;Курс
25.11.2026;USD;1;512,35
25.11.2026;JPY;100;331,2
"""
RU = (
    "nominal,data,curs,cdx\n"  # the Bank of Russia's table of one currency
    "1,11/25/2026,80.1,Доллар США\n"
)


@pytest.fixture
def rates(api):
    yield api
    for pair in api.get("/rates")["pairs"]:
        api.delete(f"/rates/days/{pair['base']}/{pair['quote']}")
    api.put("/rates/reporting", {"currency": ""})


@pytest.fixture
def kaskad(rates, monkeypatch, capsys):
    """Return a function that carries a command out and returns what it prints."""

    @contextmanager
    def reached(db=""):
        yield Client(rates.service.url, rates.key)

    def told(*words):
        assert run(list(words)) == 0
        return capsys.readouterr().out

    monkeypatch.setattr("kaskad.cli.client.reached", reached)
    return told


def test_the_file_of_a_bank_is_brought_in_and_comes_out_again(rates):
    api = rates
    assert api.call("POST", "/rates?to=KZT", content=KZ, headers=CSV).json() == {"count": 2}
    told = api.get("/rates/days")["items"]
    assert [(one["day"], one["base"], one["quote"], one["rate"]) for one in told] == [
        ("2026-11-25", "JPY", "KZT", "3.312"), ("2026-11-25", "USD", "KZT", "512.35"),
    ]  # fmt: skip
    exported = api.call("GET", "/rates/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert set(read_rates(exported.content, "again.csv")) == set(read_rates(KZ.encode(), "kz.csv", "KZT"))
    api.put("/rates/days/usd/kzt/2026-11-25", {"rate": "510"})  # corrected afterwards
    asked = api.get("/rates/convert", params={"amount": "100 USD", "to": "KZT", "day": "2026-11-29"})
    assert asked == {
        "minor": 5_100_000, "currency": "KZT", "day": "2026-11-29", "rate": "510", "rate_of": "2026-11-25",
    }  # fmt: skip
    assert api.call("GET", "/rates/convert?amount=1%20USD&to=RUB").status_code == 404
    assert api.call("GET", "/rates/convert?amount=much&to=KZT").status_code == 422


def test_where_one_row_is_wrong_nothing_is_taken_and_every_one_is_named(rates):
    api = rates
    bad = (
        "date,from,to,rate,amount\n"
        "2026-11-25,USD,KZT,512.35,\n"
        "yesterday,USD,KZT,512.35,\n"
        "2026-11-25,US$,KZT,1,\n"
        "2026-11-25,RUB,RUB,1,\n"
        "2026-11-25,RUB,KZT,0,\n"
        "2026-11-25,RUB,KZT,-1,\n"
        "2026-11-25,RUB,KZT,cheap,\n"
        "2026-11-25,RUB,KZT,1,3\n"
        "2026-11-25,USD,KZT,512.36,\n"
    )
    answer = api.call("POST", "/rates", content=bad, headers=CSV)
    assert answer.status_code == 422
    for number in range(3, 11):
        assert f"row {number}" in answer.text, number
    assert "row 10 tells another rate for the same day than row 2" in answer.text
    assert api.get("/rates")["pairs"] == []
    for wrong in ("date,from,rate\n2026-11-25,USD,1\n", "date,price\n1,2\n", ""):
        assert api.call("POST", "/rates", content=wrong, headers=CSV).status_code == 422, wrong


def test_what_is_needed_and_has_no_rate_is_named(rates):
    api = rates
    api.put("/accounts/gate", {
        "provider": "generic_webhook", "channel": "sms", "price": "0.01 USD",
        "settings": {"url": "http://127.0.0.1:1/"}, "secrets": {"secret": "swordfish-swordfish"},
    })  # fmt: skip
    assert api.put("/rates/reporting", {"currency": "kzt"}) == {"currency": "KZT"}
    (needed,) = api.get("/rates")["needed"]
    assert (needed["currency"], needed["rate"]) == ("USD", None) and "gate" in needed["accounts"]
    api.put("/rates/days/USD/KZT/2020-01-02", {"rate": "378,5"})
    (needed,) = api.get("/rates")["needed"]
    assert (needed["rate"], needed["day"], needed["old"]) == ("378.5", "2020-01-02", True)
    assert api.call("DELETE", "/rates/days/USD/KZT?until=2019-12-31").status_code == 404
    assert api.call("PUT", "/rates/reporting", {"currency": "TENGE"}).status_code == 422
    api.delete("/accounts/gate?force=true")


@pytest.mark.parametrize(
    "zone", ["Etc/GMT-14", "Etc/GMT+12"]
)  # of which one has another day than this machine
def test_a_rate_of_today_is_of_the_installations_day_and_not_of_the_terminals(rates, kaskad, zone):
    policy = rates.get("/policy")
    rates.put("/policy", {**policy, "zone": zone})
    today = datetime.now(ZoneInfo(zone)).date().isoformat()
    put = json.loads(kaskad("rates", "set", "USD", "KZT", "512.35", "--json"))
    assert put["day"] == today == rates.get("/rates")["today"]
    rates.put("/policy", policy)


def test_one_rate_of_a_file_is_told_as_one(rates, kaskad, tmp_path):
    file = tmp_path / "bank.csv"
    file.write_text("date,from,to,rate\n2026-11-25,USD,KZT,512.35\n")
    assert kaskad("rates", "import", str(file)).startswith("1 rate of bank.csv kept.")


def test_all_rates_are_exported_however_many(rates, kaskad):
    days = [date(1990, 1, 1) + timedelta(days=number) for number in range(5_001)]
    lines = [f"{day},USD,KZT,512.350\n{day},RUB,KZT,6.41\n" for day in days]
    csv = "date,from,to,rate\n" + "".join(lines)
    assert rates.call("POST", "/rates", content=csv, headers=CSV).json() == {"count": 10_002}
    told = json.loads(kaskad("rates", "export", "--json"))
    assert len(told) == 10_002 and told[:100] == rates.get("/rates/days")["items"]
    assert told[-1] == {"day": "1990-01-01", "base": "USD", "quote": "KZT", "rate": "512.35"}
    assert kaskad("rates", "export").count("\n") == 10_003


def test_dates_are_read_as_banks_write_them():
    assert [day_of(text) for text in ("2026-11-25", "25.11.2026", "20261125", "25/11/2026")] == [20_782] * 4
    with pytest.raises(ValueError, match="not a date"):
        day_of("11/25/2026")
    assert day_of(" 2026-11-25T00:00:00Z") == day_of("25.11.2026 0:00") == 20_782
    for text in ("2026-11-305", "2026-11-25.", "25.11.20266", "202611255"):
        with pytest.raises(ValueError, match="not a date"):
            day_of(text)
    with pytest.raises(Invalid):
        read_rates(RU.encode(), "ru.csv", "RUB")  # it names no currency
    kept = read_rates(b"date,from,to,rate\n2026-11-25,USD,KZT,512.35000000000000001\n", "fine.csv")
    assert read_rates(written(kept).encode(), "again.csv") == kept


def test_a_comma_that_may_part_thousands_is_asked_about_and_not_taken_for_a_point():
    for text in ("1,234", "12,345", "123,456", " +1,234"):
        with pytest.raises(ValueError, match="either"):
            rate_of("2026-11-25", "USD", "KZT", text)
    with pytest.raises(ValueError, match=r"either 1\.000 or 1000"):
        rate_of("2026-11-25", "JPY", "KZT", "3312", "1,000")
    for text in ("512,35", "0,234", "6,4100", "1 234,567", "1234,567", "1.234"):
        told = rate_of("2026-11-25", "USD", "KZT", text)
        assert told.value == Decimal(text.replace(" ", "").replace(",", "."))


def test_what_is_to_come_is_told_and_compared_in_one_currency_at_the_rate_of_today(rates, capsys):
    api = rates
    for channel, price in (("telegram", "0.03 USD"), ("sms", "15 KZT")):
        api.put(f"/accounts/{channel}", {
            "provider": "generic_webhook", "channel": channel, "price": price,
            "settings": {"url": "http://127.0.0.1:1/"}, "secrets": {"secret": "swordfish-swordfish"},
        })  # fmt: skip
    text = (
        "cascade: mixed\nclass: service\ntrigger: {event: x}\ngoal: {event: bought}\n"
        "budget: {total: 9000 KZT}\nsteps:\n"
        "  - {id: chat, channel: telegram, text: t}\n  - {id: sms, channel: sms, text: t}\n"
    )
    asked = {"definition": text, "typical": True}
    api.put("/rates/reporting", {"currency": "KZT"})
    before = api.post("/cascades/mixed/forecast", asked)
    assert set(before["cost"]) == {"KZT", "USD"}
    forecast._print(before)
    assert re.search(r"^sms .* -₸[0-9,]+ \(-100%\)$", capsys.readouterr().out, re.MULTILINE), (
        "no USD either way"
    )
    refused = api.call("POST", "/cascades/mixed/optimize", asked)
    assert refused.status_code == 422 and "or bring exchange rates" in refused.text
    api.put("/rates/days/USD/KZT/2020-01-02", {"rate": "500"})
    told = api.post("/cascades/mixed/forecast", asked)
    chat, sms = (step["cost"] for step in told["steps"])
    assert chat == {"KZT": before["steps"][0]["cost"]["USD"] * 500} and sms == before["steps"][1]["cost"]
    assert told["cost"] == {"KZT": chat["KZT"] + sms["KZT"]}
    assert told["cost_ranges"]["KZT"]["low"] <= told["cost"]["KZT"] <= told["cost_ranges"]["KZT"]["high"]
    better = api.post("/cascades/mixed/optimize", {**asked, "budget": "200 USD"})
    assert better["currency"] == "KZT" and better["today"]["cost"] > 1500
    # The budget ends at six hundred messages of 3 cents, which counted as tiyn would all be within it.
    played = api.post("/cascades/mixed/simulate", {**asked, "people": 1000})
    assert played["cost"].keys() == {"KZT"} and played["cost"]["KZT"] <= 900_000
    for channel in ("telegram", "sms"):
        api.delete(f"/accounts/{channel}?force=true")
